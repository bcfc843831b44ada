"""Facts: what is true in a scenario, one record for each kind."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from synth.record import Record, none

Number = int | float
Sex = Literal["female", "male"]
Interpretation = Literal["low", "normal", "high"]
PlanAction = Literal["start", "stop", "increase", "decrease", "continue", "order", "refer", "advise", "follow-up"]


class FactBase(Record):
    """One thing that is true in a scenario."""

    id: str
    """Unique within the scenario: the kind and a running number, such as ``medication-1``."""


ADULT = 18
"""Years from which a patient is a woman or a man, with an adult's height, weight and doses."""


class PatientFact(FactBase):
    """Who the patient is; every scenario has exactly one."""

    kind: Literal["patient"] = "patient"
    age: int
    """Years."""
    sex: Sex
    age_months: int | None = Field(default=None, exclude_if=none)
    """Of a child under two years, whose age is said in months."""


class ComplaintFact(FactBase):
    """Why the patient came: a symptom, or an occasion such as an incidental finding."""

    kind: Literal["complaint"] = "complaint"
    name: str
    """Clinical term, such as ``fatigue``."""
    duration: str | None
    """Such as ``3 months``; None where a duration makes no sense (a routine follow-up)."""


class SymptomFact(FactBase):
    """A symptom that was asked about; absent ones are the pertinent negatives."""

    kind: Literal["symptom"] = "symptom"
    name: str
    present: bool


class HistoryFact(FactBase):
    """Past medical, surgical, family or social history, or an allergy."""

    kind: Literal["history"] = "history"
    category: Literal["medical", "surgical", "family", "social", "allergy"]
    name: str


_PLURAL = {
    **{unit: f"{unit}s" for unit in ("tablet", "capsule", "puff", "spray", "drop", "unit", "application", "ring")},
    **{unit: f"{unit}s" for unit in ("sachet", "vial", "lozenge", "pen", "implant", "device")},
    "patch": "patches",
    "suppository": "suppositories",
}
"""Units of a dose that are counted."""
_SINGULAR = {many: one for one, many in _PLURAL.items()}


class Medication(Record):
    """A drug with a dose that exists."""

    name: str
    """Generic name, lower case."""
    dose: Number
    unit: str
    route: str
    frequency: str

    @property
    def amount(self) -> str:
        """Return dose and unit; a unit that is a word agrees with the number: ``1 spray``, ``2 sprays``, ``5 mg``."""
        one = _SINGULAR.get(self.unit, self.unit)
        unit = self.unit if one not in _PLURAL else one if self.dose == 1 else _PLURAL[one]
        return f"{self.dose} {unit}"


class MedicationFact(FactBase):
    """A drug that the patient takes at the start of the visit."""

    kind: Literal["medication"] = "medication"
    medication: Medication


class VitalFact(FactBase):
    """A vital sign taken at the visit."""

    kind: Literal["vital"] = "vital"
    name: str
    value: Number
    unit: str


class FindingFact(FactBase):
    """A finding of the physical examination, normal or not, in the words of a note."""

    kind: Literal["finding"] = "finding"
    name: str


class LabFact(FactBase):
    """A numeric result with the reference range that it was read against."""

    kind: Literal["lab"] = "lab"
    name: str
    value: Number
    unit: str
    low: Number | None
    """Lower end of the reference range in ``unit``; None where the range has only an upper end."""
    high: Number | None
    interpretation: Interpretation
    loinc: str | None


class StudyFact(FactBase):
    """A result in words: imaging, biopsy, electrocardiogram."""

    kind: Literal["study"] = "study"
    name: str
    result: str


class DiagnosisFact(FactBase):
    """A problem that the visit addresses; the first one in a scenario is the main one."""

    kind: Literal["diagnosis"] = "diagnosis"
    name: str
    icd10cm: str
    """ICD-10-CM code with its dot, such as ``E11.65``."""
    status: str
    """One phrase of assessment, such as ``above goal on metformin alone``."""


class PlanFact(FactBase):
    """One plan item of one problem."""

    kind: Literal["plan"] = "plan"
    problem: str
    """Id of the DiagnosisFact that it belongs to."""
    action: PlanAction
    text: str
    """The item in the words of a note, such as ``repeat TSH in 6 weeks``."""
    medication: Medication | None
    """The new regimen where the action starts, stops, raises, lowers or continues a drug."""


Level = Literal["present", "low", "normal", "high"]


class Expected(Record):
    """What a disease shows as a rule, after the pack, and this patient does not."""

    kind: Literal["symptom", "finding", "lab", "vital", "study"]
    name: str
    level: Level = "present"
    """Where a value would lie."""
    fact: str | None = Field(default=None, exclude_if=none)
    """Id of the fact that stands in its place; None where the case says nothing of it."""


class DifferentialFact(FactBase):
    """A disease that is weighed; one in a scenario is the right one, and the patient has none of the others."""

    kind: Literal["differential"] = "differential"
    name: str
    icd10cm: str
    """The category, of three characters, which knows no side."""
    right: bool
    supports: tuple[str, ...] = ()
    """Ids of the facts that belong to it, those that weigh the most first."""
    expects: tuple[Expected, ...] = ()
    """What of it is not there."""


class Option(Record):
    """One answer that may be chosen."""

    letter: str
    text: str
    right: bool
    why: str = Field(default="", exclude_if=lambda why: not why)
    """What makes it right where no fact alone does, such as what a drug's label says."""
    supports: tuple[str, ...] = ()
    """Ids of the facts that it rests on."""
    expects: tuple[Expected, ...] = ()
    """Of a disease: what of it is not there."""


class QuestionFact(FactBase):
    """A question on the case, with one or several right options."""

    kind: Literal["question"] = "question"
    topic: str
    stem: str
    several: bool
    """Whether it says that several options may be right."""
    options: tuple[Option, ...]

    @property
    def letters(self) -> list[str]:
        """Return the letters of the right options, in order."""
        return [option.letter for option in self.options if option.right]


class PlantedError(Record):
    """One error of an answer, of known severity."""

    kind: str
    """As in ``severity.yaml``."""
    severity: Literal["minor", "moderate", "major"]
    cost: float
    """Points that it takes."""
    said: str
    """What the answer says, or leaves out."""
    truth: str
    """What it should have said."""


class AnswerFact(FactBase):
    """An answer to be judged, and what is wrong with it."""

    kind: Literal["answer"] = "answer"
    diagnosis: str
    claims: tuple[str, ...]
    """What it says of the case."""
    recommendation: str
    errors: tuple[PlantedError, ...]
    score: float
    """1 to 5, in half points."""


class Step(Record):
    """One step of a procedure."""

    record: str
    """As it is noted down while it is done, such as ``pus out, about 10 mL``."""
    told: str
    """As a report tells it, in a whole sentence."""


class ProcedureFact(FactBase):
    """A procedure that was done, from what numbs it to where the patient went from there."""

    kind: Literal["procedure"] = "procedure"
    name: str
    setting: Literal["office", "operating room"]
    anesthesia: str
    position: str
    findings: tuple[str, ...]
    steps: tuple[Step, ...]
    blood_loss: str
    """Estimated, such as ``5 mL``."""
    specimens: str
    complications: str
    disposition: str
    fulfils: str | None
    """Id of the plan item that is done with it; None where there is none."""


Modality = Literal["surgery", "systemic", "radiotherapy"]
TherapyState = Literal["completed", "ongoing", "planned"]


class TumorFact(FactBase):
    """What the main diagnosis is as a tumor."""

    kind: Literal["tumor"] = "tumor"
    site: str
    histology: str | None
    grading: str | None
    tnm: str | None
    """Categories of the AJCC, 8th edition, such as ``cT1c cN0 cM0``; None where they are not known, or not in use."""
    stage: str | None
    """Stage group of the AJCC, such as ``IIB``."""


class Course(Record):
    """A course of radiation as it is prescribed."""

    target: str
    """What is treated."""
    technique: str
    dose: Number
    """Gy in all."""
    per_fraction: Number
    """Gy, to hundredths."""
    fractions: int
    given: int | None = None
    """Fractions so far, while it goes on."""
    intent: str
    concurrent: str | None = None
    """Systemic therapy at the same time."""


class TherapyFact(FactBase):
    """One line of therapy against a tumor."""

    kind: Literal["therapy"] = "therapy"
    modality: Modality
    name: str
    state: TherapyState
    ago: str | None
    """How long ago it ended, or began where it is ongoing, such as ``6 weeks``; None where that is not known."""
    course: Course | None
    """Of radiotherapy."""


class ToxicityFact(FactBase):
    """An adverse event of a therapy."""

    kind: Literal["toxicity"] = "toxicity"
    term: str
    """As CTCAE v5.0 calls it, in lower case."""
    grade: int
    """1 to 5."""
    phase: Literal["acute", "late"]


class ResponseFact(FactBase):
    """How the tumor stands after a therapy, by the criteria in use for it."""

    kind: Literal["response"] = "response"
    text: str


Fact = Annotated[
    PatientFact
    | ComplaintFact
    | SymptomFact
    | HistoryFact
    | MedicationFact
    | VitalFact
    | FindingFact
    | LabFact
    | StudyFact
    | DiagnosisFact
    | TumorFact
    | TherapyFact
    | ToxicityFact
    | ResponseFact
    | PlanFact
    | DifferentialFact
    | QuestionFact
    | AnswerFact
    | ProcedureFact,
    Field(discriminator="kind"),
]
KINDS: tuple[str, ...] = tuple(str(one.model_fields["kind"].default) for one in get_args(get_args(Fact)[0]))
"""Of all facts, in the order in which a scenario has them."""
