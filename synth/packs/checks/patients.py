"""Who can have what: sex, age and pregnancy of presentations, and the entries and codes that they use."""

from __future__ import annotations

import re
from collections.abc import Iterator

from synth.packs.checks.base import Found, Line, lines
from synth.packs.lexicon import ForWhom, History, Range, Spoken
from synth.packs.pack import Pack
from synth.packs.vocabulary import vocabulary
from synth.records import Sex

FERTILE = (12, 55)
"""Years within which a patient of a pack may be pregnant."""
_ICD10CM = re.compile(r"[A-TV-Z][0-9][0-9AB](\.(?!0000)[0-9A-Z]{1,4})?|U0[79](\.[0-9]{1,2})?")
_OLDEST = 110


def patient_problems(pack: Pack) -> Found:
    """Yield presentations whose patients cannot be."""
    for name, history in pack.history.items():
        if history.pregnant:
            yield from _pregnancy(f"history {name}", (history.sex,), (history.min_age, history.max_age))
    for kind, group in (("symptom", pack.symptoms), ("occasion", pack.occasions), ("finding", pack.findings)):
        for name, entry in group.items():
            if entry.min_age > entry.max_age:
                yield f"{kind} {name}", f"min_age {entry.min_age} is above max_age {entry.max_age}; swap them"
    for name, occasion in pack.occasions.items():
        if occasion.needs:
            yield f"occasion {name}", "needs values, but one comes before anything is measured; take them out"
    for name, finding in pack.findings.items():
        for lab in sorted(finding.needs.keys() & pack.labs.keys()):
            yield f"finding {name}", f"needs {lab}, which is known only after the examination; take it out"
    for name, condition in pack.conditions.items():
        yield from _shares(name, condition.weight, condition.female)
        if sum(p.weight for p in condition.presentations.values()) <= 0:
            yield name, "its presentations have no weight; give one at least a weight above 0"
        sexes = {sex for line in lines(pack) if line.name == name for sex in line.sexes}
        shares: tuple[tuple[Sex, float], ...] = (("female", condition.female), ("male", 1 - condition.female))
        for sex, share in shares:
            if share > 0 and sex not in sexes:
                yield (
                    name,
                    f"{share:.0%} of its patients are {sex}, but no presentation is for them; mend female or sex",
                )
    for line in lines(pack):
        yield from _line(pack, line)


def _shares(where: str, weight: float, female: float) -> Found:
    if weight <= 0:
        yield where, f"weight {weight} is no share of visits; give one above 0"
    if not 0 <= female <= 1:
        yield where, f"female {female} is no share; give one from 0 to 1"


def _line(pack: Pack, line: Line) -> Found:
    p, ages = line.presentation, line.ages
    if not line.sexes:
        yield line.where, f"is for {p.sex} patients, of whom the condition has none; mend sex or female"
    if not ages.min <= ages.mean <= ages.max or ages.min >= ages.max or ages.sd <= 0:
        yield line.where, f"age cannot be drawn: mean {ages.mean:g}, sd {ages.sd:g}, {ages.min:g} to {ages.max:g}"
    youngest, oldest = ages.years
    if oldest > _OLDEST or ages.min < (1 if ages.unit == "months" else 0):
        yield line.where, f"ages {ages.min:g} to {ages.max:g} {ages.unit} are not those of patients; mend them"
    if ages.unit == "years" and youngest < 2:
        yield line.where, "has patients under two years; give their age with unit months"
    if p.pregnant:
        yield from _pregnancy(line.where, line.sexes, (youngest, oldest))
    yield from _code(line)
    for complaint in p.complaints:
        if complaint.name in pack.symptoms:
            if complaint.name not in p.symptoms:
                yield line.where, f"complaint {complaint.name!r} is not among its symptoms; add it there"
            if not complaint.durations:
                yield line.where, f"complaint {complaint.name!r} has no durations; give at least two"
    values: dict[str, Range] = {name: (d.min, d.max) for name, d in (line.vitals(pack) | p.labs).items()}
    for what, entry, _ in _entries(pack, line):
        if isinstance(entry, Spoken) and not entry.agrees(values):
            yield line.where, f"{what} can never be: no {' or '.join(entry.needs)} here is as it needs; drop it"
    yield from _sexed(pack, line)
    for what, entry, chance in _entries(pack, line):
        if not any(entry.fits(sex, age) for sex in line.sexes for age in (youngest, oldest, int(ages.mean))):
            yield line.where, f"{what} fits none of its patients ({'/'.join(line.sexes)}, {youngest}-{oldest}); drop it"
        elif chance >= 1 and not all(entry.fits(sex, age) for sex in line.sexes for age in (youngest, oldest)):
            yield line.where, f"{what} is certain here, but does not fit all of its patients; narrow age or sex"


def _sexed(pack: Pack, line: Line) -> Found:
    """Yield terms that can only be said of the sex that some of the patients do not have."""
    used = [(what, entry) for what, entry, _ in _entries(pack, line)]
    reachable = {name for group in line.history_groups(pack) for name, share in group.items() if share > 0}
    used += [(f"history {n!r}", pack.history[n]) for n in reachable if pack.history[n].category != "family"]
    diagnosis = line.presentation.diagnosis.name
    used.append((f"diagnosis {diagnosis!r}", ForWhom()))
    for what, entry in used:
        if isinstance(entry, History) and entry.category == "family":
            continue
        for sex, fragments in vocabulary().sexed.items():
            wrong = [other for other in line.sexes if other != sex]
            if wrong and entry.sex is None and any(fragment in what.lower() for fragment in fragments):
                yield line.where, f"{what} would be said of {wrong[0]} patients, too; give it sex: {sex}"


def _entries(pack: Pack, line: Line) -> Iterator[tuple[str, ForWhom, float]]:
    """Yield what the presentation itself uses: a name, the entry, and its chance."""
    p = line.presentation
    for name in p.symptoms:
        yield f"symptom {name!r}", pack.symptoms[name], 0.0
    for complaint in p.complaints:
        entry = pack.symptoms.get(complaint.name) or pack.occasions[complaint.name]
        yield f"complaint {complaint.name!r}", entry, 1.0 if len(p.complaints) == 1 else 0.0
    for group in p.findings:
        yield from ((f"finding {name!r}", pack.findings[name], 0.0) for name in group)
    for study, results in p.studies.items():
        yield from ((f"{study} {result!r}", pack.studies[study][result], 0.0) for result in results)
    for group in p.history:
        yield from ((f"history {name!r}", pack.history[name], share) for name, share in group.items() if share > 0)


def _code(line: Line) -> Found:
    code, codes = line.presentation.diagnosis.icd10cm, vocabulary().codes
    if not _ICD10CM.fullmatch(code):
        yield line.where, f"{code} is not of the form of ICD-10-CM; write it with its dot, such as E11.65"
    for sex, ranges in (("female", codes.female), ("male", codes.male)):
        if code.startswith(ranges) and any(other != sex for other in line.sexes):
            yield line.where, f"{code} is a code of {sex} patients only; say sex: {sex}"
    youngest, oldest = line.ages.years
    if code.startswith(codes.pregnancy):
        if not line.presentation.pregnant:
            yield line.where, f"{code} is a code of pregnancy; say pregnant: true"
        yield from _pregnancy(line.where, line.sexes, (youngest, oldest))


def _pregnancy(where: str, sexes: tuple[Sex | None, ...], ages: tuple[int, int]) -> Found:
    if sexes != ("female",):
        yield where, "a patient who is not female would be pregnant; say sex: female"
    if ages[0] < FERTILE[0] or ages[1] > FERTILE[1]:
        yield where, f"pregnant at {ages[0]} to {ages[1]} years; keep within {FERTILE[0]} to {FERTILE[1]}"
