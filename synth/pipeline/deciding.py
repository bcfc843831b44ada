"""A candidate from the teacher through the checks to the judge, written again where something fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from synth.checks.judgement import NAME as JUDGE
from synth.checks.judgement import NO_JUDGEMENT, settled
from synth.checks.workers import PHI, CheckWorkers
from synth.config import JudgeConfig
from synth.ledger import Decided, decided
from synth.recognition import in_style
from synth.records import Encounter, Rejection
from synth.teachers.base import Candidate, Judge, Teacher

_Accepted = TypeVar("_Accepted", Encounter, Decided)


async def decide(
    candidate: Candidate, teacher: Teacher, verdict: Callable[[Encounter], Awaitable[_Accepted | Rejection]]
) -> _Accepted | Rejection:
    """Return the verdict on what the teacher makes of a candidate: what fails is written again, with the failure
    named, while attempts are left."""
    while True:
        written = await teacher.write(candidate)
        if isinstance(written, Encounter):
            written = in_style(written)  # before the checks: what is checked is what is published
            written = written.model_copy(update={"rejected": tuple(candidate.rejected)})
        candidate.written = written if isinstance(written, Encounter) else None
        outcome = written if isinstance(written, Rejection) else await verdict(written)
        if not isinstance(outcome, Rejection) or (outcome.stage, outcome.reason) == (JUDGE, NO_JUDGEMENT):
            return outcome
        if not candidate.try_again(outcome, teacher.attempts):
            return outcome


def verdict_of(
    checks: CheckWorkers, judge: Judge | None, settings: JudgeConfig | None
) -> Callable[[Encounter], Awaitable[Decided | Rejection]]:
    """Return what decides on a written encounter: the checks, and then the judge, where there is one."""
    if judge is None or settings is None:
        return checks.verdict

    async def both(encounter: Encounter) -> Decided | Rejection:
        entry = await checks.verdict(encounter)
        if isinstance(entry, Rejection):
            return entry
        # As the checks have left it: what is judged is what is kept.
        checked = Encounter.model_validate_json(entry.line)
        outcome = await judged_by(checked, judge, settings)
        if not isinstance(outcome, Rejection):
            return decided(outcome, shingles=entry.shingles)
        clean = checked.target if outcome.part == "target" and PHI in checks.names else None
        return outcome.model_copy(update={"otherwise_clean": clean})

    return both


async def judged_by(encounter: Encounter, judge: Judge, settings: JudgeConfig) -> Encounter | Rejection:
    """Return an encounter with its judgement and what that cost, or its rejection by it."""
    judgement, cost = await judge.judge(encounter)
    charged = encounter.model_copy(update={"usage": encounter.usage.plus(cost)})
    return settled(charged, judgement, settings)


async def unchecked(encounter: Encounter) -> Encounter:
    """Return an encounter as it is: the verdict where the checks are to come later, one by one."""
    return encounter
