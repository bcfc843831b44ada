"""What a pack knows of its diseases, and what of a case speaks for and against each: nothing that no presentation
says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import cast

from synth.assets import load_yaml
from synth.packs import Condition, Distribution, Lab, Pack, Presentation
from synth.records import (
    ADULT,
    ComplaintFact,
    Expected,
    Fact,
    FindingFact,
    Interpretation,
    LabFact,
    PatientFact,
    StudyFact,
    SymptomFact,
    VitalFact,
)

BELONGS = 0.4
"""Least chance in one of its presentations with which a symptom or a finding belongs to a disease."""
EXPECTED = 0.6
"""Least chance in each of its presentations with which a symptom is expected of a disease."""
_RARE = 0.25
"""Largest share of the pack's diseases that show a finding which counts as one of some of them."""
_WEIGHTS = {"study": 4.0, "lab": 2.0, "vital": 2.0, "finding": 1.5, "symptom": 1.0, "complaint": 1.0}
"""How much a fact that fits counts where candidates are ranked; results before findings, findings before symptoms."""
_WORD = re.compile(r"[a-z0-9]+")
_NAMES = 1 << 14
"""Names, of a pack's and no others, of which it is kept what they say."""


@cache
def words_of() -> dict[str, frozenset[str]]:
    """Return the word lists of ``profiles.yaml``."""
    data = cast("dict[str, str]", load_yaml(Path(__file__).resolve().parent / "profiles.yaml"))
    return {name: frozenset(text.split()) for name, text in data.items()}


@lru_cache(_NAMES)
def content(text: str) -> frozenset[str]:
    """Return the words of a name that say what it is, sides and degrees left out, without their plural."""
    kept = (word for word in _WORD.findall(text.lower()) if word not in words_of()["degrees"])
    return frozenset(
        word[:-1] if len(word) > 3 and word.endswith("s") and word[-2] not in "siu" else word for word in kept
    )


@dataclass(frozen=True, slots=True)
class Evidence:
    """What of a case speaks for and against a disease."""

    supports: tuple[str, ...]
    """Ids of facts, those of the most weight first; of studies, those that are done for the fewest diseases."""
    expects: tuple[Expected, ...]
    """What is not there: results that lie elsewhere, then the one that it is known by, what is denied, the rest."""
    balance: float
    """Weight of what speaks for it, less the weight of what a fact speaks against."""
    support: float
    """Weight of what speaks for it."""
    objective: bool
    """Whether a value or a result is among what supports it."""

    @property
    def opposed(self) -> bool:
        """Return whether a fact speaks against it."""
        return any(one.fact is not None for one in self.expects)


@dataclass
class Profile:
    """A disease of a pack, in all the presentations in which it is new; what follows from them is kept, so none may be
    added once one was asked for it."""

    name: str
    icd10cm: str
    presentations: list[tuple[Condition, Presentation]] = field(default_factory=list)
    _symptoms: dict[str, tuple[float, float] | None] = field(default_factory=dict, repr=False, compare=False)
    _vitals: dict[str, Distribution | None] = field(default_factory=dict, repr=False, compare=False)
    _results: dict[str, dict[str, float]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def category(self) -> str:
        """Return the three characters of its ICD-10-CM category."""
        return self.icd10cm[:3]

    @property
    def chapter(self) -> str:
        """Return the letter of its ICD-10-CM code, which stands for an organ system."""
        return self.icd10cm[0]

    def fits(self, patient: PatientFact) -> int:
        """Return 2 where a patient of this sex and age can have it, 1 where only the age is an unusual one for an
        adult, 0 where nobody of this sex, or no adult or child, has it."""
        best = 0
        for condition, presentation in self.presentations:
            likely = condition.female if patient.sex == "female" else 1 - condition.female
            if presentation.sex not in (None, patient.sex) or presentation.pregnant or not likely:
                continue
            youngest, oldest = (presentation.age or condition.age).years
            grown = patient.age >= ADULT
            alike = oldest >= ADULT if grown else youngest < ADULT
            best = max(best, 2 if youngest <= patient.age <= oldest else int(alike))
        return best

    @cached_property
    def drugs(self) -> set[str]:
        """The drugs that are taken or given for it."""
        found: set[str] = set()
        for _, presentation in self.presentations:
            found.update(name for group in presentation.medications for name in group)
            found.update(name for item in presentation.plan for name in item.drugs)
        return found

    @cached_property
    def complaints(self) -> frozenset[str]:
        """What patients with it come for."""
        return frozenset(c.name for _, p in self.presentations for c in p.complaints)

    @cached_property
    def asked(self) -> frozenset[str]:
        """What is asked, measured and examined where it is thought of."""
        found: set[str] = set()
        for _, p in self.presentations:
            found.update(p.symptoms, p.labs, p.studies, p.vitals, *p.findings)
        return self.complaints.union(found)

    def symptom(self, name: str) -> tuple[float, float] | None:
        """Return the least and the largest chance of a symptom; None where not all presentations know of it."""
        if name not in self._symptoms:
            self._symptoms[name] = self._chances(name)
        return self._symptoms[name]

    def _chances(self, name: str) -> tuple[float, float] | None:
        chances = [
            p.symptoms.get(name, float(any(c.name == name for c in p.complaints))) for _, p in self.presentations
        ]
        known = [name in p.symptoms or any(c.name == name for c in p.complaints) for _, p in self.presentations]
        return (min(chances) if all(known) else 0.0, max(chances)) if any(known) else None

    def results(self, study: str) -> dict[str, float]:
        """Return the results of a study, with the largest chance of each."""
        if study in self._results:
            return self._results[study]
        found = self._results[study] = {}
        for _, presentation in self.presentations:
            for result, chance in presentation.studies.get(study, {}).items():
                found[result] = max(chance, found.get(result, 0.0))
        return found

    @cached_property
    def findings(self) -> dict[str, tuple[float, float]]:
        """The least and the largest chance of each finding."""
        each = [
            {name: chance for group in presentation.findings for name, chance in group.items()}
            for _, presentation in self.presentations
        ]
        names = {name for one in each for name in one}
        return {
            name: (min(one.get(name, 0.0) for one in each), max(one.get(name, 0.0) for one in each)) for name in names
        }

    def beside(self, finding: str) -> set[str]:
        """Return what may be found in a finding's place: where that is, the case does speak of it."""
        groups = (group for _, presentation in self.presentations for group in presentation.findings)
        return {name for group in groups if finding in group for name in group} - {finding}

    def levels(self, name: str, lab: Lab, patient: PatientFact) -> set[Interpretation | None]:
        """Return where a result lies against its reference range; None among them where that is open."""
        return {
            level(presentation.labs[name], *lab.range_for(patient.sex, patient.age))
            for _, presentation in self.presentations
            if name in presentation.labs
        }

    def vital(self, name: str) -> Distribution | None:
        """Return what it makes of a vital sign, where all presentations say so: the widest range."""
        if name not in self._vitals:
            found = [p.vitals[name] for _, p in self.presentations if name in p.vitals]
            everywhere = len(found) == len(self.presentations)
            self._vitals[name] = min(found, key=lambda one: one.min) if everywhere else None
        return self._vitals[name]


def level(drawn: Distribution, low: float | None, high: float | None) -> Interpretation | None:
    """Return where all draws lie against a reference range; None where some lie elsewhere."""
    if high is not None and drawn.min > high:
        return "high"
    if low is not None and drawn.max < low:
        return "low"
    inside = (low is None or drawn.min >= low) and (high is None or drawn.max <= high)
    return "normal" if inside else None


def _decisive(missed: Expected) -> int:
    """Return where what is missed of a disease stands among the rest."""
    if missed.fact is not None:
        return 2 if missed.kind == "symptom" else 0
    return 1 if missed.kind == "lab" else 3


class _Case:
    """The facts of a case that may speak for or against a disease."""

    def __init__(self, facts: Sequence[Fact]) -> None:
        self.facts = facts
        self.patient = next(fact for fact in facts if isinstance(fact, PatientFact))
        told = {fact.name for fact in facts if isinstance(fact, SymptomFact)}
        self.telling = [
            fact
            for fact in facts
            # A complaint that is told of is among the symptoms, too.
            if fact.kind in _WEIGHTS and not (isinstance(fact, ComplaintFact) and fact.name in told)
        ]
        self.reported = {getattr(fact, "name", "") for fact in facts}


class Profiles:
    """The diseases of a pack, and how many of them show what."""

    def __init__(self, pack: Pack, presentations: Sequence[tuple[Condition, Presentation]]) -> None:
        self._pack = pack
        self.all: dict[str, Profile] = {}
        for condition, presentation in presentations:
            diagnosis = presentation.diagnosis
            one = self.all.setdefault(diagnosis.name, Profile(diagnosis.name, diagnosis.icd10cm))
            one.presentations.append((condition, presentation))
        shown = Counter(name for one in self.all.values() for name in one.findings)
        self._common = {name for name, count in shown.items() if count > max(1.0, _RARE * len(self.all))}
        self._studied = Counter(
            study for one in self.all.values() for study in {name for _, p in one.presentations for name in p.studies}
        )
        self._typical: dict[str, list[Expected]] = {}
        self._case: _Case | None = None

    def evidence(self, profile: Profile, facts: Sequence[Fact]) -> Evidence:
        """Return what of a case speaks for and against a disease."""
        if self._case is None or self._case.facts is not facts:
            self._case = _Case(facts)  # the same for one disease after the other
        case = self._case
        supports: list[tuple[float, int, str]] = []
        expects: list[Expected] = []
        for fact in case.telling:
            fits, against = self._weighed(profile, fact, case.patient)
            if fits:
                supports.append((_WEIGHTS[fact.kind], self._done_for(fact), fact.id))
            if against is not None:
                expects.append(against)
        against_it = sum(_WEIGHTS[one.kind] for one in expects)
        expects += self._unreported(profile, case.reported)
        expects.sort(key=_decisive)
        supports.sort(key=lambda one: (-one[0], one[1]))
        return Evidence(
            tuple(name for _, _, name in supports),
            tuple(expects),
            sum(weight for weight, _, _ in supports) - against_it,
            sum(weight for weight, _, _ in supports),
            any(weight >= _WEIGHTS["lab"] for weight, _, _ in supports),
        )

    def _done_for(self, fact: Fact) -> int:
        """Return for how many diseases a study is done: the fewer, the more its result tells of one; 0 for the rest."""
        return self._studied[fact.name] if isinstance(fact, StudyFact) else 0

    def _weighed(self, profile: Profile, fact: Fact, patient: PatientFact) -> tuple[bool, Expected | None]:
        """Return whether a fact belongs to a disease, and what the disease would have shown in its place."""
        match fact:
            case ComplaintFact():
                return fact.name in profile.complaints, None
            case SymptomFact():
                chances = profile.symptom(fact.name)
                if chances is None:
                    return False, None
                if fact.present:
                    return chances[1] >= BELONGS, None
                missed = Expected(kind="symptom", name=fact.name, fact=fact.id)
                return False, missed if chances[0] >= EXPECTED else None
            case FindingFact():
                if fact.name in self._common or unremarkable(fact.name):
                    return False, None
                return profile.findings.get(fact.name, (0.0, 0.0))[1] >= BELONGS, None
            case StudyFact():
                results = profile.results(fact.name)
                if not results or results.get(fact.result, 0.0) >= BELONGS / 2:
                    return bool(results) and not shows_nothing(fact.result), None
                return False, Expected(kind="study", name=fact.name, fact=fact.id)
            case LabFact():
                return self._lab(profile, fact, patient)
            case VitalFact():
                return self._vital(profile, fact, patient)
            case _:
                return False, None

    def _lab(self, profile: Profile, fact: LabFact, patient: PatientFact) -> tuple[bool, Expected | None]:
        levels = profile.levels(fact.name, self._pack.labs[fact.name], patient)
        if fact.interpretation != "normal" and fact.interpretation in levels:
            return True, None
        wanted = next(iter(levels)) if len(levels) == 1 else None
        if wanted in (None, "normal", fact.interpretation):
            return False, None
        return False, Expected(kind="lab", name=fact.name, level=wanted, fact=fact.id)

    def _vital(self, profile: Profile, fact: VitalFact, patient: PatientFact) -> tuple[bool, Expected | None]:
        drawn, known = profile.vital(fact.name), self._pack.vitals.get(fact.name)
        if drawn is None or known is None or patient.age < ADULT:
            return False, None
        usual = known.usual
        if drawn.min > usual.max:
            missed = Expected(kind="vital", name=fact.name, level="high", fact=fact.id)
            return fact.value >= drawn.min, missed if fact.value <= usual.max else None
        if drawn.max < usual.min:
            missed = Expected(kind="vital", name=fact.name, level="low", fact=fact.id)
            return fact.value <= drawn.max, missed if fact.value >= usual.min else None
        return False, None

    def _unreported(self, profile: Profile, reported: Container[str]) -> Iterator[Expected]:
        """Return what a disease shows as a rule, and of which the case says nothing."""
        if profile.name not in self._typical:
            self._typical[profile.name] = list(self._shown(profile))
        return (
            one
            for one in self._typical[profile.name]
            if one.name not in reported
            and not (one.kind == "finding" and any(name in reported for name in profile.beside(one.name)))
        )

    def _shown(self, profile: Profile) -> Iterator[Expected]:
        """Yield what a disease shows as a rule: what is out of its range first, since it is known by that."""
        for name in profile.presentations[0][1].labs:
            where = self._everywhere(profile, name)
            if where in ("low", "high"):
                yield Expected(kind="lab", name=name, level=where)
        for name, (least, _) in sorted(profile.findings.items()):
            plain = name in self._common or unremarkable(name)
            if least >= EXPECTED and not plain and not _particular(name):
                yield Expected(kind="finding", name=name)
        for _, presentation in profile.presentations[:1]:
            for name in presentation.symptoms:
                chances = profile.symptom(name)
                if chances is not None and chances[0] >= EXPECTED and not _particular(name):
                    yield Expected(kind="symptom", name=name)
            for name, results in presentation.studies.items():
                if sum(results.values()) >= EXPECTED and not _particular(name):
                    yield Expected(kind="study", name=name)

    def _everywhere(self, profile: Profile, name: str) -> Interpretation | None:
        """Return where a result lies in all whom a disease may have; None where that differs, or it is not taken as a
        rule."""
        found: set[Interpretation | None] = set()
        for condition, presentation in profile.presentations:
            drawn = presentation.labs.get(name)
            if drawn is None or drawn.probability < EXPECTED:
                return None
            ranges = [
                self._pack.labs[name].range_for(sex, age)
                for sex in ("female", "male")
                for age in (presentation.age or condition.age).years
            ]
            found.update(level(drawn, *one) for one in ranges)
        return found.pop() if len(found) == 1 else None


@lru_cache(_NAMES)
def _particular(name: str) -> bool:
    """Return whether a name holds a side or a number: what a disease shows here, it may show otherwise elsewhere."""
    return any(map(str.isdigit, name)) or not words_of()["sides"].isdisjoint(_WORD.findall(name.lower()))


@lru_cache(_NAMES)
def shows_nothing(result: str) -> bool:
    """Return whether the result of a study is that nothing was found: it begins so, such as ``normal``, ``no stones``;
    what follows other findings (``nodule of 14 mm, no enlarged lymph nodes``) does not make one."""
    return next(iter(_WORD.findall(result.lower())), "") in words_of()["shows_nothing"]


@lru_cache(_NAMES)
def unremarkable(finding: str) -> bool:
    """Return whether a finding is that nothing was found."""
    return not words_of()["unremarkable"].isdisjoint(_WORD.findall(finding.lower()))
