"""The only module that wires the stages: scenario → teacher → checks → run directory → data set."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from synth.assets import asset_hashes, render_prompt
from synth.card import write_card
from synth.catalog import Task, load_task, task_path
from synth.checks.base import Check
from synth.checks.workers import CheckWorkers, open_checks
from synth.clock import RunClock
from synth.config import RunConfig, dump_config, fingerprint, run_versions
from synth.errors import UserError
from synth.ledger import Decided, Position, decided
from synth.packs import Pack, load_pack, pack_path
from synth.publish import publish
from synth.records import Counts, Encounter, Manifest, Rejection, TeacherIdentity
from synth.report import write_report
from synth.runs import RunDir
from synth.scenarios import sample_scenario
from synth.scheduling import in_order, window
from synth.teachers.base import Candidate, Teacher, TeacherRequest, Traffic
from synth.teachers.select import gpus, grammar_path, open_teacher


class CandidateBudgetSpent(UserError):
    """The run did not reach N within its budget of candidates; it can be resumed with a larger one. Exit 4."""

    exit_code = 4


@dataclass(frozen=True, slots=True)
class Execution:
    """How a run is executed; nothing here can change what it produces."""

    out: Path
    max_candidates: int
    announcement: str = ""
    """Told once the request has been found in order: which teacher writes, and why."""
    endpoints: tuple[str, ...] = ()
    serve: str | None = None
    concurrency: int = 256
    """The most requests in flight at one endpoint."""
    workers: int = 0
    """Processes that run the checks; 0 runs them in this one."""
    timeout: float = 600.0
    """Seconds for one request: a long transcript from a busy server takes minutes, a hang must end."""
    patience: float = 120.0
    """Seconds that a server may be away."""
    cache: Path | None = None
    notify: Callable[[str], None] = lambda _line: None
    """Told what is being waited for, one line at a time."""
    committed: Callable[[Position, Traffic], None] = lambda _position, _traffic: None
    """Told of the position after every commit."""


def generate(config: RunConfig, execution: Execution) -> Position:
    """Carry a run to N accepted encounters, or take it up where it stopped; return its final position.

    Raises UserError for what the user can mend, TeacherUnavailable where the teacher is gone, CandidateBudgetSpent
    where too few candidates were accepted. Whatever ends it, what was committed stays and the same call goes on from
    there.
    """
    pack, task = load_pack(config.specialty), load_task(config.task)
    checks = CheckWorkers(config.checks, task, execution.workers)
    manifest = _manifest(config, task)
    run = RunDir(execution.out, manifest, dump_config(config))
    try:
        if not run.was_complete:
            execution.notify(execution.announcement)
            if run.position.accepted < config.n:
                asyncio.run(_commit_candidates(config, execution, run, pack, task, checks))
            _finish(run, config, manifest, task, pack)
        return run.position
    finally:
        run.close()


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
    revision = config.teacher.revision
    if config.teacher.name == "simulator":
        revision = assets[f"teachers/grammar/{task.simulator}.yaml"][:12]
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


@dataclass(frozen=True, slots=True)
class Preview:
    """One candidate as the teacher writes it, with what each check says of it."""

    written: Encounter | Rejection
    text: str
    """The target as people read it; empty where it breaks its contract."""
    verdicts: tuple[tuple[str, Rejection | None], ...]
    """Name of each check, and its rejection or None."""


def preview(config: RunConfig, execution: Execution, count: int) -> list[Preview]:
    """Return the first candidates of a run without writing anything anywhere; raises as ``generate`` does."""
    pack, task = load_pack(config.specialty), load_task(config.task)
    checks = open_checks(config.checks, task)
    execution.notify(execution.announcement)

    async def written() -> list[Encounter | Rejection]:
        with TemporaryDirectory() as folder:
            teacher = await open_teacher(_request(config, execution, pack, task, Path(folder) / "vllm.log"))
            candidates = [Candidate(sample_scenario(pack, config.seed, index)) for index in range(count)]
            try:
                return await asyncio.gather(*(_write(candidate, teacher) for candidate in candidates))
            finally:
                await teacher.close()

    return [_previewed(outcome, checks, task) for outcome in asyncio.run(written())]


async def _write(candidate: Candidate, teacher: Teacher) -> Encounter | Rejection:
    """Return what the teacher makes of a candidate before any check."""
    while True:
        outcome = await teacher.write(candidate)
        if isinstance(outcome, Encounter) or not candidate.try_again(outcome, teacher.attempts):
            return outcome


def _previewed(written: Encounter | Rejection, checks: Sequence[Check], task: Task) -> Preview:
    if isinstance(written, Rejection):
        return Preview(written, "", ())
    outcomes = [(check.name, check(written)) for check in checks]
    verdicts = tuple((name, outcome if isinstance(outcome, Rejection) else None) for name, outcome in outcomes)
    valid = verdicts[0][1] is None  # the schema check comes first
    return Preview(written, render_prompt(task.renderer, target=written.target) if valid else "", verdicts)


async def _commit_candidates(
    config: RunConfig, execution: Execution, run: RunDir, pack: Pack, task: Task, checks: CheckWorkers
) -> None:
    """Commit candidates in index order until N are accepted."""
    clock = RunClock(execution.out, run.position, execution.notify, gpus=gpus(config.teacher.name))
    try:
        async with checks:
            log = execution.out.with_name(execution.out.name + ".vllm.log")
            teacher = await open_teacher(_request(config, execution, pack, task, log))

            async def decide(index: int) -> Decided:
                return await _decide(Candidate(sample_scenario(pack, config.seed, index)), teacher, checks)

            clock.ready()
            # What is loaded by now stays; scanned over and over for garbage it doubled the time of everything below.
            gc.collect()
            gc.freeze()
            room = window(execution.concurrency * max(1, len(execution.endpoints)))
            try:
                entries = in_order(decide, run.position, config.n, execution.max_candidates, room)
                async with aclosing(entries):
                    async for entry in entries:
                        run.commit(entry)
                        clock.tick(run.position, teacher.traffic)
                        execution.committed(run.position, teacher.traffic)
            finally:
                gc.unfreeze()
                await teacher.close()
    finally:
        clock.close(run.position)
    if run.position.accepted < config.n:
        raise CandidateBudgetSpent(_shortfall(run.position, config.n))


def _request(config: RunConfig, execution: Execution, pack: Pack, task: Task, log: Path) -> TeacherRequest:
    return TeacherRequest(
        task=task,
        pack=pack,
        seed=config.seed,
        teacher=config.teacher,
        endpoints=execution.endpoints,
        serve=execution.serve,
        concurrency=execution.concurrency,
        timeout=execution.timeout,
        patience=execution.patience,
        cache=execution.cache,
        log=log,
        notify=execution.notify,
    )


async def _decide(candidate: Candidate, teacher: Teacher, checks: CheckWorkers) -> Decided:
    """Return what becomes of a candidate: what fails is written again, with the failure named, while attempts are
    left."""
    while True:
        outcome: Encounter | Rejection | Decided = await teacher.write(candidate)
        if isinstance(outcome, Encounter):
            outcome = await checks.verdict(outcome)
        if isinstance(outcome, Decided):
            return outcome
        if not candidate.try_again(outcome, teacher.attempts):
            return decided(outcome)


def _shortfall(position: Position, n: int) -> str:
    """Return one line that says how far the run came and what took the most candidates."""
    stages: Counter[str] = Counter()
    for reason, count in position.reasons.items():
        stages[reason.partition("/")[0]] += count
    stage, taken = stages.most_common(1)[0]
    mostly = max((reason for reason in position.reasons if reason.startswith(f"{stage}/")), key=position.reasons.get)  # type: ignore[arg-type]  # the keys are there
    what = f"the teacher, writing the {stage}," if stage in ("source", "target") else f"the {stage} check"
    return (
        f"only {position.accepted:,} of {n:,} accepted after {position.next_index:,} candidates; {what} took {taken:,} "
        f"of them ({mostly} {position.reasons[mostly]:,}; see rejections.jsonl); raise --max-candidates to go on"
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
