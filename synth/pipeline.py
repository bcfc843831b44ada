"""The only module that wires the stages: scenario → teacher → checks → run directory → data set."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from synth.assets import render_prompt
from synth.card import write_card
from synth.catalog import Task, load_task
from synth.checks.base import Check
from synth.checks.duplicates import NAME as DUPLICATES
from synth.checks.duplicates import Duplicates
from synth.checks.judgement import NAME as JUDGE
from synth.checks.judgement import NO_JUDGEMENT, settled
from synth.checks.workers import PHI, CheckWorkers, open_checks, run_checks, shingles
from synth.clock import RunClock, Traffic
from synth.config import JudgeConfig, RunConfig, dump_config
from synth.corpora import Corpus
from synth.errors import UserError
from synth.extras import restricted
from synth.held_out import held_out_table, index_of_held_out
from synth.interrupts import heed
from synth.judged import judged_table
from synth.judgements import Judgement
from synth.language.report import sample_measures
from synth.ledger import Decided, Position, decided, taker
from synth.manifests import manifest_of
from synth.packs import Pack, load_pack
from synth.packs.terms import translated
from synth.population import Population
from synth.privacy.kept_recall import recall_by_class
from synth.publish import publish
from synth.recognition import in_style
from synth.records import Counts, Encounter, Manifest, Rejection
from synth.release import Recall, safe_harbor_release
from synth.report import write_report
from synth.runs import RunDir, read_encounters
from synth.scenarios import sample_scenario
from synth.scheduling import in_order, window
from synth.shares import target_and_actual
from synth.teachers.base import Candidate, Judge, JudgeRequest, Teacher, TeacherRequest
from synth.teachers.select import gpus, open_judge, open_teacher

_Accepted = TypeVar("_Accepted", Encounter, Decided)


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
    judging: str = ""
    """Told before the judge is opened: who it is, and what that is worth."""
    endpoints: tuple[str, ...] = ()
    serve: str | None = None
    judges: tuple[str, ...] = ()
    """Endpoints of the judge."""
    judge_own: bool = False
    """Whether the teacher judges."""
    concurrency: int = 256
    """The most requests in flight at one endpoint."""
    workers: int = 0
    """Processes that run the checks; 0 runs them in this one."""
    timeout: float = 600.0
    """Seconds for one request: a long transcript from a busy server takes minutes, a hang must end."""
    patience: float = 120.0
    """Seconds that a server may be away."""
    cache: Path | None = None
    kept: Path | None = None
    """Folder that keeps what the PHI check was measured to find; None where nothing is kept."""
    held_out: tuple[Corpus, ...] = ()
    """The texts of the benchmarks that the configuration names."""
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
    pack, task = _asked_for(config, execution.notify)
    population = Population(pack, config.control)
    checks = CheckWorkers(config.checks, task, execution.workers, config, index_of_held_out(config, execution.held_out))
    manifest = manifest_of(config, task, pack)
    run = RunDir(execution.out, manifest, dump_config(config))
    try:
        if not run.was_complete and run.position.accepted >= config.n:
            execution.notify(f"all encounters are there; publishing them with identities {config.identities}")
            _finish(run, config, manifest, task, pack, population, checks, _recall(config, execution, checks))
        elif not run.was_complete:
            execution.notify(execution.announcement)
            with checks:
                recall = _recall(config, execution, checks)
                heed()
                asyncio.run(_commit_candidates(config, execution, run, pack, task, checks, population))
                _finish(run, config, manifest, task, pack, population, checks, recall)
        return run.position
    finally:
        run.close()


def _asked_for(config: RunConfig, notify: Callable[[str], None]) -> tuple[Pack, Task]:
    """Return the task of a run, and what of the pack there is enough known of for it."""
    task = load_task(config.task)
    pack, left_out = translated(restricted(load_pack(config.specialty), task.extras, task.requires), config.language)
    if left_out:
        notify(f"{left_out} presentations are left out: not all their terms are known in {config.language!r}")
    return pack, task


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
    pack, task = _asked_for(config, execution.notify)
    population = Population(pack, config.control)
    checks = open_checks(config.checks, task, config, index_of_held_out(config, execution.held_out))
    execution.notify(execution.announcement)

    async def written() -> list[tuple[Encounter | Rejection, Encounter | Rejection | None]]:
        with TemporaryDirectory() as folder:
            async with AsyncExitStack() as stack:
                teacher = await open_teacher(_request(config, execution, pack, task, Path(folder) / "vllm.log"))
                stack.push_async_callback(teacher.close)
                judge = await _opened_judge(config, execution, pack, task, None, teacher, stack)
                scenarios = (
                    sample_scenario(pack, config.seed, index, population, task.extras, config.language)
                    for index in range(count)
                )
                candidates = [Candidate(scenario) for scenario in scenarios]
                found = await asyncio.gather(*(_decide(candidate, teacher, _unchecked) for candidate in candidates))
                return list(zip(found, await asyncio.gather(*(judged(one, judge) for one in found)), strict=True))

    async def judged(one: Encounter | Rejection, judge: Judge | None) -> Encounter | Rejection | None:
        passed = run_checks(checks, one) if isinstance(one, Encounter) else one
        if judge is None or config.judge is None or isinstance(passed, Rejection):
            return None
        return await _judged(passed, judge, config.judge)

    compared = _opened_duplicates(config, ())
    return [_previewed(one, said, checks, task, compared) for one, said in asyncio.run(written())]


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


async def _commit_candidates(
    config: RunConfig,
    execution: Execution,
    run: RunDir,
    pack: Pack,
    task: Task,
    checks: CheckWorkers,
    population: Population,
) -> None:
    """Commit candidates in index order until N are accepted."""
    compared = _opened_duplicates(config, read_encounters(run.path))
    clock = RunClock(execution.out, run.position, execution.notify, gpus=gpus(config.teacher.name))
    try:
        async with checks, AsyncExitStack() as stack:
            log = execution.out.with_name(execution.out.name + ".vllm.log")
            teacher = await open_teacher(_request(config, execution, pack, task, log, run.constrained))
            stack.push_async_callback(teacher.close)
            judge = await _opened_judge(config, execution, pack, task, run.judge_constrained, teacher, stack)
            verdict = _verdict(checks, judge, config.judge)

            async def decide(index: int) -> Decided:
                candidate = Candidate(
                    sample_scenario(pack, config.seed, index, population, task.extras, config.language)
                )
                outcome = await _decide(candidate, teacher, verdict)
                return outcome if isinstance(outcome, Decided) else decided(outcome, written=candidate.written)

            clock.ready()
            # What is loaded by now stays; scanned over and over for garbage it doubled the time of everything below.
            gc.collect()
            gc.freeze()
            room = window(execution.concurrency * (max(1, len(execution.endpoints)) + len(execution.judges)))
            try:
                run.begin(teacher.constrained, judge.constrained if judge else None)
                entries = in_order(decide, run.position, config.n, execution.max_candidates, room)
                async with aclosing(entries):
                    async for entry in entries:
                        run.commit(compared(entry))
                        traffic = teacher.traffic.plus(judge.traffic) if judge else teacher.traffic
                        clock.tick(run.position, traffic)
                        execution.committed(run.position, traffic)
            finally:
                gc.unfreeze()
    finally:
        clock.close(run.position)
    if run.position.accepted < config.n:
        raise CandidateBudgetSpent(_shortfall(run.position, config.n))


def _opened_duplicates(config: RunConfig, before: Iterable[Encounter]) -> Callable[[Decided], Decided]:
    """Return what compares each candidate, when it is committed, with those that were accepted before it."""
    if DUPLICATES not in config.checks:
        return lambda entry: entry
    duplicates = Duplicates(config.duplicates)
    duplicates.take_up(before)
    return duplicates.settled


def _request(
    config: RunConfig, execution: Execution, pack: Pack, task: Task, log: Path, constrained: bool | None = None
) -> TeacherRequest:
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


async def _opened_judge(
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


def _verdict(
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
        outcome = await _judged(checked, judge, settings)
        if not isinstance(outcome, Rejection):
            return decided(outcome, shingles=entry.shingles)
        clean = checked.target if outcome.part == "target" and PHI in checks.names else None
        return outcome.model_copy(update={"otherwise_clean": clean})

    return both


async def _judged(encounter: Encounter, judge: Judge, settings: JudgeConfig) -> Encounter | Rejection:
    judgement, cost = await judge.judge(encounter)
    charged = encounter.model_copy(update={"usage": encounter.usage.plus(cost)})
    return settled(charged, judgement, settings)


async def _decide(
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


async def _unchecked(encounter: Encounter) -> Encounter:
    return encounter


def _shortfall(position: Position, n: int) -> str:
    """Return one line that says how far the run came and what took the most candidates."""
    stage, taken = position.stages.most_common(1)[0]
    mostly = max((reason for reason in position.reasons if reason.startswith(f"{stage}/")), key=position.reasons.get)  # type: ignore[arg-type]  # the keys are there
    return (
        f"only {position.accepted:,} of {n:,} accepted after {position.next_index:,} candidates; most were rejected by "
        f"{taker(stage)} ({taken:,}, of them {mostly} {position.reasons[mostly]:,}; see rejections.jsonl); "
        "raise --max-candidates to go on"
    )


def _finish(
    run: RunDir,
    config: RunConfig,
    manifest: Manifest,
    task: Task,
    pack: Pack,
    population: Population,
    checks: CheckWorkers,
    recall: Callable[[], Mapping[str, Recall] | None],
) -> None:
    """Derive data set, card and report from the logs, then mark the run complete."""
    language = checks.beside(sample_measures, run.path)
    summary = publish(run.path, task, config.splits, config.identities, judged=config.judge is not None)
    shares = target_and_actual(population, summary)
    counts = Counts(
        candidates=run.position.next_index,
        accepted=run.position.accepted,
        rejected=run.position.rejected,
        reasons=dict(sorted(run.position.reasons.items())),
        splits=dict(summary.splits),
    )
    release = safe_harbor_release(run.path, config, summary, recall())
    held_out = held_out_table(run.path, config, summary)
    judged = judged_table(run.path, config, counts, summary)
    write_card(run.path, config, manifest, counts, summary, task, pack, release, held_out, shares, judged)
    write_report(run.path, config, counts, summary, release, held_out, shares, language(), judged)
    run.complete(counts)


def _recall(config: RunConfig, execution: Execution, checks: CheckWorkers) -> Callable[[], Mapping[str, Recall] | None]:
    """Return what gives recall on held-out identifiers; None where the PHI check does not run."""
    return recall_by_class(config.phi, execution.kept, checks.beside) if PHI in config.checks else lambda: None
