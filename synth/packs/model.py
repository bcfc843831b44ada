"""What a pack holds besides its lexicon: conditions, how they present, and the plan."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from synth.packs.cases import Case
from synth.packs.lexicon import Age, Distribution, Phrases, Probability
from synth.record import none
from synth.records import PlanAction, Record, Sex, Visit


class MedicationUse(Record):
    """How likely a drug is taken, and from which part of its ladder."""

    probability: Probability
    rungs: tuple[int, int]
    """First and last rung, inclusive."""


class Choice(Record):
    """A drug that is started in another's place, and where on its ladder."""

    drug: str
    rung: int = 0


class PlanItem(Record):
    """A plan item: either words, or an action on a drug, whose words are made from the regimen."""

    action: PlanAction
    text: str | None = None
    says: Phrases = ()
    drug: str | None = None
    rung: int | None = None
    """Where on the ladder a drug is started; the first rung unless said."""
    otherwise: tuple[Choice, ...] = ()
    """What is started where the drug is contraindicated in this patient: the first one that is not. Without it,
    the sampler spares the patient of whatever would rule the drug out."""
    probability: Probability = 1.0
    sex: Sex | None = None
    unless: Phrases = ()
    """Entries of the history that make it pointless, such as ``never smoker`` for advice to stop smoking."""

    @property
    def drugs(self) -> tuple[str, ...]:
        """Return every drug that the item may come to name, the first choice first; none where it is words."""
        return () if self.drug is None else (self.drug, *(choice.drug for choice in self.otherwise))

    @model_validator(mode="after")
    def _words_or_drug(self) -> Self:
        if (self.text is None) == (self.drug is None):
            raise ValueError("a plan item has either text or drug")
        if self.text is not None and len(self.says) < 2:
            raise ValueError(f"plan item {self.text!r} needs at least two says")
        if self.otherwise and self.action != "start":
            raise ValueError(f"plan item {self.drug!r}: only a drug that is started can be another one otherwise")
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
    age: Age | None = None
    """Where it differs from the condition's."""
    pregnant: bool = False
    """The patient is pregnant at the visit."""
    weight_z: Distribution | None = None
    """Of a child: weight for age in standard deviations, where it is not ordinary."""
    height_z: Distribution | None = None
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
    goals: dict[str, Literal["met", "missed"]] = {}
    """Labs that are spoken of by this patient's goal instead of the reference range, such as hemoglobin A1c in
    diabetes."""
    studies: dict[str, dict[str, Probability]] = {}
    """Name of the study → its possible results."""
    findings: tuple[dict[str, Probability], ...]
    """From each group at most one finding is present."""
    plan: tuple[PlanItem, ...] = Field(min_length=2)
    case: Case | None = Field(default=None, exclude_if=none)
    """Of a tumor: what it is, how it was treated, and how that went."""


class Condition(Record):
    """A condition with its prevalence in the clinic, who has it, and how it presents."""

    weight: float
    """Share of visits, relative to the other conditions of the pack."""
    female: Probability
    """Share of women and girls among those who have it."""
    age: Age
    history: tuple[dict[str, Probability], ...]
    """From each group at most one entry; a group replaces the background's groups that share an entry with it."""
    recall: Literal["own", "notes"] = "own"
    """``notes``: the patient's memory fails, and durations, drugs and history come from what somebody at home wrote
    down."""
    sources: tuple[str, ...] = Field(min_length=1)
    """The guideline first."""
    presentations: dict[str, Presentation] = Field(min_length=1)
