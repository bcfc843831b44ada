"""What every teacher is, and the candidate that it writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from synth.assets import sha256
from synth.catalog import Task
from synth.clock import Traffic
from synth.config import JudgeConfig, TeacherConfig
from synth.judgements import Judgement
from synth.packs import Pack
from synth.records import (
    Encounter,
    JsonObject,
    Part,
    RejectedTarget,
    Rejection,
    Scenario,
    Source,
    TeacherIdentity,
    Usage,
)
from synth.styles import Style


@dataclass(slots=True)
class Candidate:
    """One scenario on its way to an encounter: what is written so far, what it has cost, what went wrong last."""

    scenario: Scenario
    source: Source | None = None
    """Kept while only the target has to be written again."""
    failure: Rejection | None = None
    """Why the last attempt came to nothing; the next one at the same part is told."""
    attempts: dict[Part, int] = field(default_factory=lambda: {"source": 0, "target": 0})
    """Made so far at each part; those at the target are of the present source."""
    failures: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    judged: Usage = field(default_factory=Usage)
    """What the judge has cost."""
    last_reply: str = ""
    rejected: list[RejectedTarget] = field(default_factory=list)
    """What was written of the present source and fell for its content alone."""
    written: Encounter | None = None
    """What the last attempt brought, before any check; None where the teacher failed."""

    @property
    def usage(self) -> Usage:
        """Tokens of all attempts."""
        return self.judged.plus(Usage(prompt_tokens=self.prompt_tokens, completion_tokens=self.completion_tokens))

    def encounter(self, task: Task, target: JsonObject, teacher: TeacherIdentity) -> Encounter:
        """Return the encounter of the source and a target. ValueError where there is no source."""
        if self.source is None:
            raise ValueError("a target without a source")
        return Encounter(
            id=self.scenario.id,
            index=self.scenario.index,
            task=task.name,
            scenario=self.scenario,
            source=self.source,
            target=target,
            teacher=teacher,
            attempts=self.failures + 1,
            usage=self.usage,
        )

    def rejection(self, stage: Part, reason: str, detail: str, part: Part | None = None) -> Rejection:
        """Return the rejection of what was said last; ``part`` is what to write anew, if that is not the stage."""
        return Rejection(
            id=self.scenario.id,
            index=self.scenario.index,
            stage=stage,
            reason=reason,
            part=part or stage,
            detail=detail,
            attempts=self.failures + 1,
            usage=self.usage,
            sha256=sha256(self.last_reply.encode("utf-8", "surrogatepass")) if self.last_reply else None,
        )

    def try_again(self, failure: Rejection, attempts: int) -> bool:
        """Take note of a failure; return whether the part at fault has another of its ``attempts`` left."""
        self.failure = failure
        self.failures += 1
        self.judged = failure.usage.model_copy(update={"prompt_tokens": 0, "completion_tokens": 0})
        if self.attempts[failure.part] >= attempts:
            return False
        if failure.part == "source":
            self.source = None
            self.attempts["target"] = 0
            self.rejected.clear()
        elif failure.otherwise_clean is not None:
            self.rejected.append(
                RejectedTarget(stage=failure.stage, reason=failure.reason, target=failure.otherwise_clean)
            )
        return True


class Judge(Protocol):
    """Grades encounters; instances serve many at once."""

    @property
    def traffic(self) -> Traffic:
        """What has gone so far to servers that are not the teacher's."""

    @property
    def constrained(self) -> bool | None:
        """Whether it decodes under its schema; as ``Teacher.constrained``."""

    async def judge(self, encounter: Encounter) -> tuple[Judgement, Usage]:
        """Return what it says of an encounter that the checks accept, and what that has cost.

        Raises TeacherUnavailable where the judge itself is gone, so that the run stops and can be resumed.
        """

    async def close(self) -> None:
        """Give back what the judge holds."""


class Teacher(Protocol):
    """Writes encounters; instances serve many candidates at once."""

    @property
    def identity(self) -> TeacherIdentity:
        """Who writes; goes into every encounter and into the manifest."""

    @property
    def attempts(self) -> int:
        """How often one part of a candidate is written before the candidate is rejected."""

    @property
    def traffic(self) -> Traffic:
        """What has gone to the servers behind the teacher so far."""

    @property
    def constrained(self) -> bool | None:
        """Whether it decodes under the schemas; None where it is no model.

        It changes what is asked and how an answer is read, so a run keeps to what it began with."""

    async def write(self, candidate: Candidate) -> Encounter | Rejection:
        """Make one attempt at what the candidate lacks: return its encounter, or a rejection in stage ``source`` or
        ``target``.

        Raises TeacherUnavailable where the teacher itself is gone, so that the run stops and can be resumed.
        """

    async def close(self) -> None:
        """Give back what the teacher holds: connections, a server that it started."""


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """What whoever asks a model needs to know before it can ask."""

    task: Task
    pack: Pack
    seed: int
    endpoints: tuple[str, ...]
    """Base URLs of OpenAI-compatible servers of the same model."""
    constrained: bool | None
    """What the run began with (see ``Teacher.constrained``); None where it begins now."""
    concurrency: int
    """The most requests in flight at one endpoint."""
    timeout: float
    """Seconds for one request."""
    patience: float
    """Seconds that a server may be away before the run stops."""
    cache: Path | None
    """File of the response cache; None for no cache."""
    notify: Callable[[str], None]
    """Told what is being waited for."""


@dataclass(frozen=True, slots=True)
class TeacherRequest(ModelRequest):
    """What a teacher needs to know before it can write; only one of kind ``server`` has endpoints."""

    teacher: TeacherConfig
    serve: str | None
    """Folder of the model that a teacher of kind ``vllm`` serves, where that is not the model's name on the Hub."""
    log: Path
    """Where a server that the teacher starts may write its log; beside the run directory, not in it."""
    style: Style | None = None
    """The house style; the task's own where it is None."""


@dataclass(frozen=True, slots=True)
class JudgeRequest(ModelRequest):
    """What a judge needs to know before it can judge; there are no endpoints where the teacher judges."""

    judge: JudgeConfig
    own: bool
    """Whether the teacher is to judge."""
    teacher_endpoints: tuple[str, ...]
    """The teacher's, whose key is used at those of them that are the judge's, too."""
