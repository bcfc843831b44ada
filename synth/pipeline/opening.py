"""What a run opens before it begins: pack and task, the teacher, the judge, what candidates are compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from pathlib import Path

from synth.catalog import Task, load_task
from synth.checks.duplicates import NAME as DUPLICATES
from synth.checks.duplicates import Duplicates
from synth.config import RunConfig
from synth.extras import restricted
from synth.ledger import Decided
from synth.packs import Pack, load_pack
from synth.packs.terms import translated
from synth.pipeline.execution import Execution
from synth.records import Encounter
from synth.teachers.base import Judge, JudgeRequest, Teacher, TeacherRequest
from synth.teachers.select import open_judge


def asked_for(config: RunConfig, notify: Callable[[str], None]) -> tuple[Pack, Task]:
    """Return the task of a run, and what of the pack there is enough known of for it."""
    task = load_task(config.task)
    pack, left_out = translated(restricted(load_pack(config.specialty), task.extras, task.requires), config.language)
    if left_out:
        notify(f"{left_out} presentations are left out: not all their terms are known in {config.language!r}")
    return pack, task


def teacher_request(
    config: RunConfig, execution: Execution, pack: Pack, task: Task, log: Path, constrained: bool | None = None
) -> TeacherRequest:
    """Return what a teacher is opened with; it writes to ``log`` where it starts a server."""
    return TeacherRequest(
        task=task,
        pack=pack,
        seed=config.seed,
        teacher=config.teacher,
        endpoints=execution.endpoints,
        constrained=constrained,
        serve=execution.serve,
        concurrency=execution.concurrency,
        timeout=execution.timeout,
        patience=execution.patience,
        cache=execution.cache,
        log=log,
        notify=execution.notify,
        style=config.style,
    )


async def opened_judge(
    config: RunConfig,
    execution: Execution,
    pack: Pack,
    task: Task,
    constrained: bool | None,
    teacher: Teacher,
    stack: AsyncExitStack,
) -> Judge | None:
    """Return the configured judge, which the stack closes; None where there is none."""
    if config.judge is None:
        return None
    execution.notify(execution.judging)
    request = JudgeRequest(
        task=task,
        pack=pack,
        seed=config.seed,
        judge=config.judge,
        own=execution.judge_own,
        endpoints=execution.judges,
        teacher_endpoints=execution.endpoints,
        constrained=constrained,
        concurrency=execution.concurrency,
        timeout=execution.timeout,
        patience=execution.patience,
        cache=execution.cache,
        notify=execution.notify,
    )
    judge = await open_judge(request, teacher)
    stack.push_async_callback(judge.close)
    return judge


def opened_duplicates(config: RunConfig, before: Iterable[Encounter]) -> Callable[[Decided], Decided]:
    """Return what compares each candidate, when it is committed, with those that were accepted before it."""
    if DUPLICATES not in config.checks:
        return lambda entry: entry
    duplicates = Duplicates(config.duplicates)
    duplicates.take_up(before)
    return duplicates.settled
