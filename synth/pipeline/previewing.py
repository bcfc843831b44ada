"""The first candidates of a run, with what every check says of each, and nothing written anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from synth import interrupts
from synth.assets import render_prompt
from synth.catalog import Task
from synth.checks.base import Check
from synth.checks.judgement import NAME as JUDGE
from synth.checks.workers import open_checks, run_checks, shingles
from synth.config import RunConfig
from synth.held_out import index_of_held_out
from synth.judgements import Judgement
from synth.ledger import Decided, decided
from synth.pipeline.deciding import decide, judged_by, unchecked
from synth.pipeline.execution import Execution
from synth.pipeline.opening import asked_for, opened_duplicates, opened_judge, teacher_request
from synth.population import Population
from synth.records import Encounter, Rejection
from synth.scenarios import sample_scenario
from synth.teachers.base import Candidate, Judge
from synth.teachers.select import open_teacher


@dataclass(frozen=True, slots=True)
class Preview:
    """One candidate as the teacher writes it, with what each check says of it."""

    written: Encounter | Rejection
    text: str
    """The target as people read it; empty where it breaks its contract."""
    verdicts: tuple[tuple[str, Rejection | None], ...]
    """Name of each check, and its rejection or None; the judge comes last, where it was asked."""
    judgement: Judgement | None = None


def preview(config: RunConfig, execution: Execution, count: int) -> list[Preview]:
    """Return the first candidates of a run without writing anything anywhere; raises as ``generate`` does."""
    pack, task = asked_for(config, execution.notify)
    population = Population(pack, config.control)
    checks = open_checks(config.checks, task, config, index_of_held_out(config, execution.held_out))
    execution.notify(execution.announcement)

    async def written() -> list[tuple[Encounter | Rejection, Encounter | Rejection | None]]:
        with TemporaryDirectory() as folder:
            async with AsyncExitStack() as stack:
                teacher = await open_teacher(teacher_request(config, execution, pack, task, Path(folder) / "vllm.log"))
                stack.push_async_callback(teacher.close)
                judge = await opened_judge(config, execution, pack, task, None, teacher, stack)
                scenarios = (
                    sample_scenario(pack, config.seed, index, population, task.extras, config.language)
                    for index in range(count)
                )
                candidates = [Candidate(scenario) for scenario in scenarios]
                found = await asyncio.gather(*(decide(candidate, teacher, unchecked) for candidate in candidates))
                return list(zip(found, await asyncio.gather(*(judged(one, judge) for one in found)), strict=True))

    async def judged(one: Encounter | Rejection, judge: Judge | None) -> Encounter | Rejection | None:
        passed = run_checks(checks, one) if isinstance(one, Encounter) else one
        if judge is None or config.judge is None or isinstance(passed, Rejection):
            return None
        return await judged_by(passed, judge, config.judge)

    compared = opened_duplicates(config, ())
    return [_previewed(one, said, checks, task, compared) for one, said in interrupts.run(written())]


def _previewed(
    written: Encounter | Rejection,
    judged: Encounter | Rejection | None,
    checks: Sequence[Check],
    task: Task,
    compared: Callable[[Decided], Decided],
) -> Preview:
    if isinstance(written, Rejection):
        return Preview(written, "", ())
    outcomes = [(check.name, check(written)) for check in checks]
    verdicts = tuple((name, outcome if isinstance(outcome, Rejection) else None) for name, outcome in outcomes)
    valid = verdicts[0][1] is None  # the schema check comes first
    if all(rejection is None for _, rejection in verdicts):
        entry = compared(decided(written, shingles=shingles(checks, written)))
        if entry.reason is not None:  # it is compared last
            verdicts = (*verdicts[:-1], (verdicts[-1][0], Rejection.model_validate_json(entry.line)))
    if judged is not None:
        verdicts = (*verdicts, (JUDGE, judged if isinstance(judged, Rejection) else None))
    text = render_prompt(task.renderer, target=written.target) if valid else ""
    return Preview(written, text, verdicts, judged.judgement if judged else None)
