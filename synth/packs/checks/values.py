"""Results and vital signs: known units, possible values, ranges the right way round, LOINC codes that can exist."""

from __future__ import annotations

import re

from synth.catalog import suggest
from synth.packs.checks.base import Found, lines
from synth.packs.lexicon import Distribution, Lab, Measure, Range
from synth.packs.pack import Pack
from synth.packs.vocabulary import vocabulary

_LOINC = re.compile(r"[1-9]\d{0,4}-\d")


def value_problems(pack: Pack) -> Found:
    """Yield what is wrong with what is measured."""
    for name, lab in pack.labs.items():
        yield from _measure(f"lab {name}", lab)
        yield from _lab(f"lab {name}", lab)
    for name, vital in pack.vitals.items():
        yield from _measure(f"vital {name}", vital)
        if vital.from_age and not vital.sources:
            yield f"vital {name}", "is taken from an age on, from_age; name the source of it"
        for usual in (vital.usual, *vital.usual_under):
            yield from _distribution(f"vital {name}", usual, vital.decimals, vital)
        bands = [band.under for band in vital.usual_under]
        if bands != sorted(set(bands)):
            yield f"vital {name}", "usual_under is out of order; begin with the youngest"
    for line in lines(pack):
        p = line.presentation
        for name, distribution in p.labs.items():
            yield from _distribution(f"{line.where}, {name}", distribution, pack.labs[name].decimals, pack.labs[name])
        for name, distribution in p.vitals.items():
            vital = pack.vitals[name]
            yield from _distribution(f"{line.where}, {name}", distribution, vital.decimals, vital)
        yield from _pressures(line.where, line.vitals(pack))
        for results in (*p.studies.values(), *p.findings):
            if sum(results.values()) > 1 + 1e-9:
                yield line.where, f"chances of {', '.join(sorted(results))} add up to more than 1; lower them"


def _measure(where: str, measure: Measure) -> Found:
    known = vocabulary().measures
    if measure.unit not in known:
        yield where, f"unknown unit {measure.unit!r}{suggest(measure.unit, known)}; see synth/packs/vocabulary.yaml"
    if measure.plausible is None:
        yield where, "has no plausible limits; give the least and the greatest value that a living patient can have"
    elif measure.plausible[0] >= measure.plausible[1]:
        yield where, f"plausible limits {list(measure.plausible)} are inverted; put the lower one first"


def _lab(where: str, lab: Lab) -> Found:
    for reference in (lab.reference, *(band.reference for band in lab.reference_under)):
        for sex, ends in reference.items():
            yield from _range(where, f"reference range ({sex})", ends, lab)
    if lab.loinc is not None and not loinc_holds(lab.loinc):
        yield where, f"LOINC {lab.loinc} is misspelt: form or check digit is wrong; look it up or leave it out"


def _range(where: str, what: str, ends: Range, measure: Measure) -> Found:
    low, high = ends
    if low is None and high is None:
        yield where, f"{what} is open at both ends; give one end at least"
    if low is not None and high is not None and low >= high:
        yield where, f"{what} {low} to {high} is inverted; put the lower end first"
    least, most = measure.plausible or (None, None)
    for end in (low, high):
        if end is not None and least is not None and most is not None and not least <= end <= most:
            yield where, f"{what} ends at {end}, outside of the plausible limits {least} to {most}; mend one of them"


def _distribution(where: str, d: Distribution, decimals: int, measure: Measure) -> Found:
    if not d.min <= d.mean <= d.max or d.min >= d.max or d.sd <= 0:
        yield where, f"cannot be drawn: mean {d.mean:g}, sd {d.sd:g}, from {d.min:g} to {d.max:g}; put them in order"
    if any(round(end, decimals) != end for end in (d.min, d.max)):
        yield where, f"{d.min:g} to {d.max:g} has more decimals than the {decimals} that are shown; round the ends"
    least, most = measure.plausible or (d.min, d.max)
    if d.min < least or d.max > most:
        yield where, f"{d.min:g} to {d.max:g} {measure.unit} leaves the plausible {least} to {most}; mend one of them"


def _pressures(where: str, vitals: dict[str, Distribution]) -> Found:
    systolic, diastolic = vitals.get("systolic blood pressure"), vitals.get("diastolic blood pressure")
    if systolic is None or diastolic is None:
        return
    if diastolic.max >= systolic.min:
        yield where, f"diastolic up to {diastolic.max:g} meets systolic from {systolic.min:g}; keep them apart"
    if systolic.latent != diastolic.latent:
        yield where, "systolic and diastolic pressure share no latent; give both the same, such as pressure"


def loinc_holds(code: str) -> bool:
    """Return whether a code has the form of LOINC and its last digit is right: the check digit of modulus 10 over the
    digits before the hyphen (LOINC Users' Guide, Regenstrief Institute)."""
    if not _LOINC.fullmatch(code):
        return False
    digits, _, check = code.partition("-")
    # From the right, every other digit is doubled, the last one first; digits of the products are added up.
    total = sum(sum(divmod(int(d) * (2 if i % 2 == 0 else 1), 10)) for i, d in enumerate(reversed(digits)))
    return (10 - total % 10) % 10 == int(check)
