"""Specialty packs: the cited clinical knowledge that scenarios are sampled from, read from ``specialties/<name>.yaml``.

A pack is data only. Its lexicon (drugs, labs, vitals, symptoms, findings, histories) is keyed by the term that a
note uses; each
entry also holds ``says``, what a person says aloud for it. Conditions refer to the lexicon; ``Pack`` refuses a pack
with a dangling
reference, so that what loads can be sampled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from synth.assets import load_yaml
from synth.catalog import suggest
from synth.errors import UserError
from synth.records import Medication, Number, PlanAction, Record, Sex, Visit

_FOLDER = Path(__file__).resolve().parent / "specialties"
Probability = float
Phrases = tuple[str, ...]


class Citation(Record):
    """Where a clinical statement comes from."""

    title: str
    publisher: str
    year: int
    reference: str
    """Journal reference, or the document's own number."""
    url: str | None = None


class Distribution(Record):
    """A normal distribution cut to a range; draws that share a ``latent`` are correlated through it by ``rho``."""

    mean: float
    sd: float
    min: float
    max: float
    latent: str = "severity"
    rho: float = Field(default=0.0, ge=-1.0, le=1.0)
    probability: Probability = 1.0
    """Chance that it is measured at all."""


class Regimen(Record):
    """One rung of a drug's dose ladder."""

    dose: Number
    frequency: str


class Drug(Record):
    """A drug with the regimens in which it is given, lowest first."""

    brands: Phrases = ()
    unit: str
    route: str
    ladder: tuple[Regimen, ...] = Field(min_length=1)
    sex: Sex | None = None
    sources: tuple[str, ...] = Field(min_length=1)

    def medication(self, name: str, rung: int) -> Medication:
        """Return the regimen at a rung of the ladder."""
        step = self.ladder[rung]
        return Medication(name=name, dose=step.dose, unit=self.unit, route=self.route, frequency=step.frequency)


class Measure(Record):
    """A quantity: its unit, and how it is said."""

    unit: str
    says: Phrases = Field(min_length=1)
    """Names in speech, such as ``A1c``."""
    unit_says: str
    """The unit in speech, such as ``percent``."""
    decimals: int = Field(ge=0, le=3)


class Vital(Measure):
    """A vital sign, with what an unremarkable adult has."""

    usual: Distribution


class Lab(Measure):
    """A numeric result with its reference range."""

    reference: dict[Literal["any", "female", "male"], tuple[Number | None, Number | None]] = Field(min_length=1)
    """Lower and upper end, by sex where they differ."""
    loinc: str | None = None
    sources: tuple[str, ...] = Field(min_length=1)

    def range_for(self, sex: Sex) -> tuple[Number | None, Number | None]:
        """Return the reference range that applies to a sex."""
        return self.reference.get(sex) or self.reference["any"]


class Symptom(Record):
    """A symptom in three voices."""

    says: Phrases = Field(min_length=2)
    """The patient has it: clauses in the first person, such as ``I'm cold all the time``."""
    asks: Phrases = Field(min_length=1)
    """What the doctor asks after: noun phrases that fit ``any …?``, such as ``trouble with the cold``."""
    denies: Phrases = ()
    """The patient does not have it: clauses, such as ``the cold doesn't bother me``."""


class Spoken(Record):
    """Anything whose only other form is how it is said: findings and study results by the doctor, occasions by the
    patient."""

    says: Phrases = Field(min_length=2)


class History(Record):
    """Something in the patient's past, family or life."""

    category: Literal["medical", "surgical", "family", "social", "allergy"]
    says: Phrases = Field(min_length=2)
    """Clauses in the first person."""
    sex: Sex | None = None
    min_age: int = 0
    max_age: int = 120
    medications: dict[str, Probability] = {}
    """Drugs taken for it, at most one of them."""


class MedicationUse(Record):
    """How likely a drug is taken, and from which part of its ladder."""

    probability: Probability
    rungs: tuple[int, int]
    """First and last rung, inclusive."""


class PlanItem(Record):
    """A plan item: either words, or an action on a drug, whose words are made from the regimen."""

    action: PlanAction
    text: str | None = None
    says: Phrases = ()
    drug: str | None = None
    rung: int | None = None
    """Where on the ladder a drug is started; the first rung unless said."""
    probability: Probability = 1.0
    sex: Sex | None = None

    @model_validator(mode="after")
    def _words_or_drug(self) -> Self:
        if (self.text is None) == (self.drug is None):
            raise ValueError("a plan item has either text or drug")
        if self.text is not None and len(self.says) < 2:
            raise ValueError(f"plan item {self.text!r} needs at least two says")
        return self


class Complaint(Record):
    """A reason to come: a symptom or an occasion of the lexicon."""

    name: str
    weight: float = 1.0
    durations: Phrases = ()


class Diagnosis(Record):
    """The problem as a note names and codes it."""

    name: str
    icd10cm: str = Field(pattern=r"^[A-Z][0-9][0-9AB](\.[0-9A-Z]{1,4})?$")
    status: str
    """One phrase of assessment, such as ``above goal on metformin alone``."""
    says: Phrases = Field(min_length=2)
    """The doctor tells the patient: whole clauses that carry both the problem and its status."""


class Presentation(Record):
    """One coherent way in which a condition meets the doctor; labs, findings and plan belong together."""

    weight: float
    visit: Visit
    sex: Sex | None = None
    age: Distribution | None = None
    """Where it differs from the condition's."""
    history: tuple[dict[str, Probability], ...] = ()
    """As in ``Condition``; a group replaces the condition's and the background's groups that share an entry with it."""
    diagnosis: Diagnosis
    complaints: tuple[Complaint, ...] = Field(min_length=1)
    symptoms: dict[str, Probability]
    """Chance that each is present; the others are asked about and denied."""
    medications: tuple[dict[str, MedicationUse], ...] = ()
    """From each group at most one drug is taken."""
    vitals: dict[str, Distribution] = {}
    labs: dict[str, Distribution] = {}
    studies: dict[str, dict[str, Probability]] = {}
    """Name of the study → its possible results."""
    findings: tuple[dict[str, Probability], ...]
    """From each group at most one finding is present."""
    plan: tuple[PlanItem, ...] = Field(min_length=2)


class Condition(Record):
    """A condition with its prevalence in the clinic, who has it, and how it presents."""

    weight: float
    """Share of visits, relative to the other conditions of the pack."""
    female: Probability
    age: Distribution
    history: tuple[dict[str, Probability], ...]
    """From each group at most one entry; a group replaces the background's groups that share an entry with it."""
    sources: tuple[str, ...] = Field(min_length=1)
    """The guideline first."""
    presentations: dict[str, Presentation] = Field(min_length=1)


class Pack(Record):
    """One specialty."""

    specialty: str
    version: int
    citations: dict[str, Citation]
    drugs: dict[str, Drug]
    vitals: dict[str, Vital]
    labs: dict[str, Lab]
    symptoms: dict[str, Symptom]
    occasions: dict[str, Spoken]
    findings: dict[str, Spoken]
    studies: dict[str, dict[str, Spoken]]
    history: dict[str, History]
    background: tuple[dict[str, Probability], ...]
    """History that any patient may have, whatever the condition; from each group at most one entry."""
    conditions: dict[str, Condition] = Field(min_length=1)

    @cached_property
    def plan_says(self) -> dict[str, Phrases]:
        """Return how each plan text of the pack is said."""
        plans = (
            item for condition in self.conditions.values() for p in condition.presentations.values() for item in p.plan
        )
        return {item.text: item.says for item in plans if item.text is not None}

    @model_validator(mode="after")
    def _references_hold(self) -> Self:
        problems = sorted(set(_dangling(self)))
        if problems:
            raise ValueError("; ".join(problems))
        return self


def _dangling(pack: Pack) -> Iterator[str]:
    """Yield one line for every reference in the pack that leads nowhere."""

    def missing(where: str, kind: str, names: Iterable[str], known: Iterable[str]) -> Iterator[str]:
        for name in sorted(set(names) - set(known)):
            yield f"{where}: unknown {kind} {name!r}"

    for name, drug in pack.drugs.items():
        yield from missing(f"drug {name}", "citation", drug.sources, pack.citations)
    for name, lab in pack.labs.items():
        yield from missing(f"lab {name}", "citation", lab.sources, pack.citations)
        if "any" not in lab.reference and len(lab.reference) < 2:
            yield f"lab {name}: needs a reference range for either sex"
    for name, history in pack.history.items():
        yield from missing(f"history {name}", "drug", history.medications, pack.drugs)
    yield from missing("background", "history", [h for group in pack.background for h in group], pack.history)
    for name, condition in pack.conditions.items():
        yield from missing(name, "citation", condition.sources, pack.citations)
        yield from missing(name, "history", [h for group in condition.history for h in group], pack.history)
        for label, p in condition.presentations.items():
            where = f"{name}/{label}"
            complaints = [complaint.name for complaint in p.complaints]
            yield from missing(where, "complaint", complaints, {*pack.symptoms, *pack.occasions})
            yield from missing(where, "symptom", p.symptoms, pack.symptoms)
            yield from missing(where, "history", [h for group in p.history for h in group], pack.history)
            yield from missing(where, "drug", [d for group in p.medications for d in group], pack.drugs)
            yield from missing(where, "vital", p.vitals, pack.vitals)
            yield from missing(where, "lab", p.labs, pack.labs)
            yield from missing(where, "finding", [f for group in p.findings for f in group], pack.findings)
            yield from missing(where, "drug", [item.drug for item in p.plan if item.drug], pack.drugs)
            for study, results in p.studies.items():
                yield from missing(f"{where} {study}", "result", results, pack.studies.get(study, {}))
            for drug_name, use in ((d, u) for group in p.medications for d, u in group.items()):
                if drug_name in pack.drugs and not 0 <= use.rungs[0] <= use.rungs[1] < len(
                    pack.drugs[drug_name].ladder
                ):
                    yield f"{where}: rungs of {drug_name} are not on its ladder"
            for item in p.plan:
                if item.drug in pack.drugs and not 0 <= (item.rung or 0) < len(pack.drugs[item.drug].ladder):
                    yield f"{where}: the plan's rung of {item.drug} is not on its ladder"


def pack_names() -> list[str]:
    """Return the specialties that there are packs for."""
    return sorted(file.stem for file in _FOLDER.glob("*.yaml"))


def pack_path(specialty: str) -> Path:
    """Return the pack's file; UserError with a suggestion where there is none of that name."""
    path = _FOLDER / f"{specialty}.yaml"
    names = pack_names()
    if specialty not in names:
        raise UserError(f"unknown specialty {specialty!r}{suggest(specialty, names)}; known: {', '.join(names)}")
    return path


@cache
def load_pack(specialty: str) -> Pack:
    """Return the pack of a specialty; UserError where it is unknown or does not hold together."""
    path = pack_path(specialty)
    try:
        return Pack.model_validate(load_yaml(path))
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{path.name}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
