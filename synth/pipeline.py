"""The only module that wires the stages: scenario → teacher → checks → run directory → data set."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from synth.assets import asset_hashes
from synth.card import write_card
from synth.catalog import CHECKS, Task, load_task, resolve, task_path
from synth.checks.base import Check
from synth.config import RunConfig, dump_config, fingerprint, run_versions
from synth.errors import UserError
from synth.packs import Pack, load_pack, pack_path
from synth.publish import publish
from synth.records import Counts, Encounter, Manifest, Rejection, TeacherIdentity
from synth.report import write_report
from synth.runs import Position, RunDir
from synth.scenarios import sample_scenario
from synth.teachers.base import Teacher, TeacherRequest
from synth.teachers.select import grammar_path, open_teacher


class CandidateBudgetSpent(UserError):
    """The run did not reach N within its budget of candidates; it can be resumed with a larger one. Exit 4."""

    exit_code = 4


@dataclass(frozen=True, slots=True)
class Execution:
    """How a run is executed; nothing here can change what it produces."""

    out: Path
    announcement: str
    """Told once the request has been found in order: which teacher writes, and why."""
    endpoint: str | None
    serve: str | None
    concurrency: int
    max_candidates: int
    notify: Callable[[str], None]
    """Told what is being waited for, one line at a time."""
    decided: Callable[[Encounter | Rejection, Position], None]
    """Told of every candidate as it is committed."""


def generate(config: RunConfig, execution: Execution) -> Position:
    """Carry a run to N accepted encounters, or take it up where it stopped; return its final position.

    Raises UserError for what the user can mend, TeacherUnavailable where the teacher is gone, CandidateBudgetSpent
    where too few
    candidates were accepted. Whatever ends it, what was committed stays and the same call goes on from there.
    """
    pack, task = load_pack(config.specialty), load_task(config.task)
    checks = [_check(name, task) for name in config.checks]
    manifest = _manifest(config, task)
    run = RunDir(execution.out, manifest, dump_config(config))
    try:
        if not run.was_complete:
            execution.notify(execution.announcement)
            if run.position.accepted < config.n:
                asyncio.run(_decide_candidates(config, execution, run, pack, task, checks))
            _finish(run, config, manifest, task, pack)
        return run.position
    finally:
        run.close()


def _check(name: str, task: Task) -> Check:
    factory: Callable[[Task], Check] = resolve("checks", name, CHECKS)  # type: ignore[assignment]  # a name's type is its table's
    return factory(task)


def _manifest(config: RunConfig, task: Task) -> Manifest:
    """Return the manifest of the run as it starts."""
    files = [
        task_path(task.name),
        pack_path(config.specialty),
        *sorted((Path(__file__).parent / "checks").rglob("*.yaml")),
    ]
    if config.teacher.name == "simulator":
        files.append(grammar_path(task))
    assets = asset_hashes(task.schema_name, task.prompts, tuple(files))
    versions = run_versions()
    revision = assets[f"teachers/grammar/{task.simulator}.yaml"][:12] if config.teacher.name == "simulator" else None
    return Manifest(
        status="running",
        fingerprint=fingerprint(config, assets, versions),
        versions=versions,
        assets=assets,
        teacher=TeacherIdentity(name=config.teacher.name, model=config.teacher.model, revision=revision),
        seed=config.seed,
        target_accepted=config.n,
        counts=None,
    )


async def _decide_candidates(
    config: RunConfig, execution: Execution, run: RunDir, pack: Pack, task: Task, checks: Sequence[Check]
) -> None:
    """Commit candidates in index order until N are accepted."""
    request = TeacherRequest(
        task=task,
        pack=pack,
        seed=config.seed,
        teacher=config.teacher,
        endpoint=execution.endpoint,
        serve=execution.serve,
        concurrency=execution.concurrency,
        log=execution.out.with_name(execution.out.name + ".vllm.log"),
        notify=execution.notify,
    )
    teacher = await open_teacher(request)
    try:
        decisions = _decisions(config, execution, run.position, pack, teacher, checks)
        async with aclosing(decisions):
            async for outcome in decisions:
                run.commit(outcome)
                execution.decided(outcome, run.position)
    finally:
        await teacher.close()
    if run.position.accepted < config.n:
        raise CandidateBudgetSpent(_shortfall(run.position, config.n))


async def _decisions(
    config: RunConfig, execution: Execution, position: Position, pack: Pack, teacher: Teacher, checks: Sequence[Check]
) -> AsyncGenerator[Encounter | Rejection]:
    """Yield decided candidates in index order, with at most ``concurrency`` of them under way.

    No more are started than are still needed if all of them were accepted, so that a run ends without throwing work
    away.
    """
    under_way: deque[asyncio.Task[Encounter | Rejection]] = deque()
    started = position.next_index
    try:
        while position.accepted < config.n:
            room = min(
                execution.concurrency, config.n - position.accepted, execution.max_candidates - position.next_index
            )
            while len(under_way) < room:
                under_way.append(asyncio.create_task(_decide(pack, config.seed, started, teacher, checks)))
                started += 1
            if not under_way:
                return
            outcome = await under_way[0]
            under_way.popleft()
            yield outcome
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


async def _decide(
    pack: Pack, seed: int, index: int, teacher: Teacher, checks: Sequence[Check]
) -> Encounter | Rejection:
    """Return what becomes of one candidate."""
    outcome = await teacher.write(sample_scenario(pack, seed, index))
    for check in checks:
        if isinstance(outcome, Rejection):
            break
        outcome = check(outcome)
    return outcome


def _shortfall(position: Position, n: int) -> str:
    """Return one line that says how far the run came and which reason took the most candidates."""
    reason, count = position.reasons.most_common(1)[0]
    return (
        f"only {position.accepted:,} of {n:,} accepted after {position.next_index:,} candidates; "
        f"{reason} took {count:,} (see rejections.jsonl); raise --max-candidates to go on"
    )


def _finish(run: RunDir, config: RunConfig, manifest: Manifest, task: Task, pack: Pack) -> None:
    """Derive data set, card and report from the logs, then mark the run complete."""
    summary = publish(run.path, task, config.splits)
    counts = Counts(
        candidates=run.position.next_index,
        accepted=run.position.accepted,
        rejected=run.position.rejected,
        reasons=dict(sorted(run.position.reasons.items())),
        splits=dict(summary.splits),
    )
    write_card(run.path, config, manifest, counts, summary, task, pack)
    write_report(run.path, config, counts, summary)
    run.complete(manifest, counts)
