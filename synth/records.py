"""The records that cross disk or wire, in the order of flow: fact, scenario, turn, encounter, rejection, manifest."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from synth.facts import ADULT as ADULT
from synth.facts import KINDS as KINDS
from synth.facts import AnswerFact as AnswerFact
from synth.facts import ComplaintFact as ComplaintFact
from synth.facts import Course as Course
from synth.facts import DiagnosisFact as DiagnosisFact
from synth.facts import DifferentialFact as DifferentialFact
from synth.facts import Expected as Expected
from synth.facts import Fact as Fact
from synth.facts import FactBase as FactBase
from synth.facts import FindingFact as FindingFact
from synth.facts import HistoryFact as HistoryFact
from synth.facts import Interpretation as Interpretation
from synth.facts import LabFact as LabFact
from synth.facts import Medication as Medication
from synth.facts import MedicationFact as MedicationFact
from synth.facts import Modality as Modality
from synth.facts import Number as Number
from synth.facts import Option as Option
from synth.facts import PatientFact as PatientFact
from synth.facts import PlanAction as PlanAction
from synth.facts import PlanFact as PlanFact
from synth.facts import PlantedError as PlantedError
from synth.facts import ProcedureFact as ProcedureFact
from synth.facts import QuestionFact as QuestionFact
from synth.facts import ResponseFact as ResponseFact
from synth.facts import Sex as Sex
from synth.facts import Step as Step
from synth.facts import StudyFact as StudyFact
from synth.facts import SymptomFact as SymptomFact
from synth.facts import TherapyFact as TherapyFact
from synth.facts import TherapyState as TherapyState
from synth.facts import ToxicityFact as ToxicityFact
from synth.facts import TumorFact as TumorFact
from synth.facts import VitalFact as VitalFact
from synth.judgements import JudgeIdentity, Judgement
from synth.record import Record as Record
from synth.record import none
from synth.rejected import RejectedTarget as RejectedTarget
from synth.sources import Document as Document
from synth.sources import Documents as Documents
from synth.sources import Source as Source
from synth.sources import Transcript as Transcript
from synth.sources import Turn as Turn

JsonObject = dict[str, JsonValue]
Visit = Literal["new", "follow-up"]
Split = Literal["train", "validation", "test"]
Part = Literal["source", "target"]
IdentityMode = Literal["placeholder", "surrogate", "tag"]
LanguageLevel = Literal["plain", "usual", "educated"]
Difficulty = Literal["easy", "usual", "hard"]
Length = Literal["brief", "usual", "long"]
TranscriptStyle = Literal["written", "asr"]
Language = Literal["de"]
"""Besides English."""


class Manner(Record):
    """How an encounter is talked."""

    language_level: LanguageLevel = "usual"
    """Of the patient, or of who speaks for the patient."""
    difficulty: Difficulty = "usual"
    length: Length = "usual"
    transcript_style: TranscriptStyle = Field(default="written", exclude_if=lambda style: style == "written")
    """As a person writes it down, or as speech recognition does."""


class Scenario(Record):
    """What is true of one encounter, before a word of it is written."""

    id: str
    """Such as ``endocrinology-7-000042``: pack, seed, index."""
    specialty: str
    seed: int
    index: int
    condition: str
    """Id of the condition in the pack."""
    presentation: str
    """Id of the condition's presentation in the pack."""
    visit: Visit
    facts: tuple[Fact, ...]
    sources: tuple[str, ...]
    """Ids of the pack's citations that back the condition."""
    manner: Manner | None = Field(default=None, exclude_if=none)
    """Everything as usual where it is None."""
    language: Language | None = Field(default=None, exclude_if=none)
    """What source and target are written in; English where it is None. Facts are in English in any language."""


class TeacherIdentity(Record):
    """Who wrote an encounter."""

    name: Literal["simulator", "server", "vllm"]
    model: str | None
    """Model id as the server knows it; None for the simulator."""
    revision: str | None
    """Model revision where it is known, the grammar's hash for the simulator."""


class Usage(Record):
    """Tokens that one candidate has cost, all attempts together; those of the judge are apart from the teacher's."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    judge_prompt_tokens: int = Field(default=0, exclude_if=lambda tokens: tokens == 0)
    judge_completion_tokens: int = Field(default=0, exclude_if=lambda tokens: tokens == 0)

    def plus(self, other: Usage) -> Usage:
        """Return the sum of both."""
        return Usage(**{name: getattr(self, name) + getattr(other, name) for name in type(self).model_fields})


class PhiFinding(Record):
    """A span that looks like an identifier; never the text itself."""

    field: str
    """``source``, or the JSON pointer of the string in the target, such as ``/subjective/chief_complaint``."""
    entity_type: str
    start: int
    end: int
    score: float
    recognizer: str


class HandledFinding(PhiFinding):
    """A span that looked like an identifier, and what stands there now; offsets are those before that."""

    action: Literal["redacted", "replaced"]
    replacement: str
    """The tag or the placeholder."""


class Identifier(Record):
    """Where a published text holds what a placeholder stood for."""

    field: str
    """As in a PhiFinding."""
    placeholder: str
    """Without brackets, such as ``relative_name_2``."""
    entity_type: str
    start: int
    end: int


class Overlap(Record):
    """Where an encounter comes nearest to the benchmarks that are held out of its run."""

    ngrams: int
    """The most word n-grams that source or target share with one text of a benchmark."""
    cosine: float
    """The largest similarity of source or target to one text of a benchmark, 0 to 1, to four decimals."""
    nearest: str
    """That text's benchmark and item."""


class Encounter(Record):
    """A source with its target, and the scenario that both were written from."""

    id: str
    index: int
    task: str
    scenario: Scenario
    source: Source
    target: JsonObject
    """Holds under the task's contract once the schema check has passed."""
    findings: tuple[HandledFinding, ...] = ()
    """What the PHI check took out."""
    overlap: Overlap | None = None
    """None where no benchmark is held out."""
    judgement: Judgement | None = Field(default=None, exclude_if=none)
    """None where the run has no judge."""
    rejected: tuple[RejectedTarget, ...] = Field(default=(), exclude_if=lambda rejected: not rejected)
    """What was written of this very source before."""
    teacher: TeacherIdentity
    attempts: int
    usage: Usage

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The turns of a transcript; none where the source is of documents."""
        return self.source.turns if isinstance(self.source, Transcript) else ()


class Rejection(Record):
    """A candidate that was not accepted: where it fell, and why."""

    id: str
    index: int
    stage: str
    """``source``, ``target`` (the teacher failed), the name of the check, or ``judge``."""
    reason: str
    """A short fixed code that can be counted, such as ``truncated`` or ``not_valid_under_contract``."""
    part: Part
    """Which of the two was at fault, and is written anew where there is another attempt."""
    detail: str
    """One line for a person; holds no text that the teacher wrote where the stage is ``phi``."""
    attempts: int
    usage: Usage
    sha256: str | None
    """Hash of what was rejected, so that it can be recognised without being kept."""
    findings: tuple[PhiFinding, ...] = ()
    judgement: Judgement | None = Field(default=None, exclude_if=none)
    """What the judge said, where it was the judge that rejected."""
    otherwise_clean: JsonObject | None = Field(default=None, exclude=True, repr=False)
    """The target, where it fell for what it says alone and every other check, the one for PHI among them, accepts it;
    in memory only, never in a log."""


class Quarantined(Record):
    """An encounter that a person has to look at: rejected, and kept whole beside the run directory."""

    id: str
    index: int
    findings: tuple[PhiFinding, ...]
    encounter: Encounter


class Counts(Record):
    """How many candidates were decided, and how; ``candidates`` is always ``accepted`` plus ``rejected``."""

    candidates: int
    accepted: int
    rejected: int
    reasons: dict[str, int]
    """Rejections by ``stage/reason``."""
    splits: dict[Split, int]


class Manifest(Record):
    """What a run directory says of itself; the truth for configuration, while the logs are the truth for progress."""

    format: Literal[1] = 1
    status: Literal["running", "complete"]
    fingerprint: str
    """SHA-256 over configuration and assets; a run resumes only under the same one."""
    versions: dict[str, str]
    assets: dict[str, str]
    """SHA-256 of every schema, prompt, pack and grammar that the run reads."""
    teacher: TeacherIdentity
    seed: int
    target_accepted: int
    identities: IdentityMode = "placeholder"
    """What the published files hold where the logs hold placeholders."""
    constrained: bool | None = None
    """Whether the teacher's servers decode under the schemas, as its probe found before the first candidate; None
    before that, and for a teacher without a server."""
    judge: JudgeIdentity | None = Field(default=None, exclude_if=none)
    judge_constrained: bool | None = Field(default=None, exclude_if=none)
    """The same of the judge's servers."""
    counts: Counts | None
    """Known once the run is complete."""
