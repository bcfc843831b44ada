"""A run from where it stands to N accepted encounters."""

from __future__ import annotations

import gc
from contextlib import AsyncExitStack, aclosing

from synth import interrupts
from synth.catalog import Task
from synth.checks.workers import CheckWorkers
from synth.clock import RunClock
from synth.config import RunConfig, dump_config
from synth.errors import UserError
from synth.held_out import index_of_held_out
from synth.ledger import Decided, Position, decided, taker
from synth.manifests import manifest_of
from synth.packs import Pack
from synth.pipeline.deciding import decide, verdict_of
from synth.pipeline.execution import Execution
from synth.pipeline.finishing import finish, recall_of
from synth.pipeline.opening import asked_for, opened_duplicates, opened_judge, teacher_request
from synth.population import Population
from synth.runs import RunDir, read_encounters
from synth.scenarios import sample_scenario
from synth.scheduling import in_order, window
from synth.teachers.base import Candidate
from synth.teachers.select import gpus, open_teacher


class CandidateBudgetSpent(UserError):
    """The run did not reach N within its budget of candidates; it can be resumed with a larger one. Exit 4."""

    exit_code = 4


def generate(config: RunConfig, execution: Execution) -> Position:
    """Carry a run to N accepted encounters, or take it up where it stopped; return its final position.

    Raises UserError for what the user can mend, TeacherUnavailable where the teacher is gone, CandidateBudgetSpent
    where too few candidates were accepted. Whatever ends it, what was committed stays and the same call goes on from
    there.
    """
    pack, task = asked_for(config, execution.notify)
    population = Population(pack, config.control)
    checks = CheckWorkers(config.checks, task, execution.workers, config, index_of_held_out(config, execution.held_out))
    manifest = manifest_of(config, task, pack)
    run = RunDir(execution.out, manifest, dump_config(config))
    try:
        if not run.was_complete and run.position.accepted >= config.n:
            execution.notify(f"all encounters are there; publishing them with identities {config.identities}")
            finish(run, config, manifest, task, pack, population, checks, recall_of(config, execution, checks))
        elif not run.was_complete:
            execution.notify(execution.announcement)
            with checks:
                recall = recall_of(config, execution, checks)
                interrupts.run(_commit_candidates(config, execution, run, pack, task, checks, population))
                finish(run, config, manifest, task, pack, population, checks, recall)
        return run.position
    finally:
        run.close()


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
    compared = opened_duplicates(config, read_encounters(run.path))
    clock = RunClock(execution.out, run.position, execution.notify, gpus=gpus(config.teacher.name))
    try:
        async with checks, AsyncExitStack() as stack:
            log = execution.out.with_name(execution.out.name + ".vllm.log")
            teacher = await open_teacher(teacher_request(config, execution, pack, task, log, run.constrained))
            stack.push_async_callback(teacher.close)
            judge = await opened_judge(config, execution, pack, task, run.judge_constrained, teacher, stack)
            verdict = verdict_of(checks, judge, config.judge)

            async def candidate_at(index: int) -> Decided:
                candidate = Candidate(
                    sample_scenario(pack, config.seed, index, population, task.extras, config.language)
                )
                outcome = await decide(candidate, teacher, verdict)
                return outcome if isinstance(outcome, Decided) else decided(outcome, written=candidate.written)

            clock.ready()
            # What is loaded by now stays; scanned over and over for garbage it doubled the time of everything below.
            gc.collect()
            gc.freeze()
            room = window(execution.concurrency * (max(1, len(execution.endpoints)) + len(execution.judges)))
            try:
                run.begin(teacher.constrained, judge.constrained if judge else None)
                entries = in_order(candidate_at, run.position, config.n, execution.max_candidates, room)
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


def _shortfall(position: Position, n: int) -> str:
    """Return one line that says how far the run came and what took the most candidates."""
    stage, taken = position.stages.most_common(1)[0]
    mostly = max((reason for reason in position.reasons if reason.startswith(f"{stage}/")), key=position.reasons.get)  # type: ignore[arg-type]  # the keys are there
    return (
        f"only {position.accepted:,} of {n:,} accepted after {position.next_index:,} candidates; most were rejected by "
        f"{taker(stage)} ({taken:,}, of them {mostly} {position.reasons[mostly]:,}; see rejections.jsonl); "
        "raise --max-candidates to go on"
    )
