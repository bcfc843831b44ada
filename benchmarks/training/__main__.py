"""Train one small model on the same examples with each contender in turn, and print who is how fast at what loss.

    python -m benchmarks.training --setup        # once: an environment for each peer
    python -m benchmarks.training [--vocabulary 8192 32768] [--rounds 3] [--examples 48] [--only distill unsloth]

Contenders take turns, round after round, so that other work on the machine weighs on all of them; one thread each. The
seed is the number of the round. The loss of every student is taken by one process that none of them has a part in.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from benchmarks.environments import ENVIRONMENTS, install_missing
from benchmarks.generation.measure import Cost
from benchmarks.generation.measure import run as measured
from benchmarks.machine import machine
from benchmarks.training.contenders import CONTENDERS, OURS, PEERS, Contender, install, variables
from benchmarks.training.job import Job, Outcome, write_base, write_run

_ROOT = Path(__file__).resolve().parents[2]
_LIMIT = 1200.0
"""Seconds for one training."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one training took, and what came of it."""

    outcome: Outcome
    cost: Cost
    loss: float
    """Of the validation split, in nats a completion token."""

    @property
    def rate(self) -> float:
        """Tokens without padding a second of processor time."""
        return self.outcome.tokens / self.outcome.cpu


def judge(folder: Path, *arguments: str) -> str:
    """Return the last line of what ``benchmarks.training.loss`` says; RuntimeError where it fails."""
    log = folder / "loss.log"
    command = [sys.executable, "-m", "benchmarks.training.loss", *arguments]
    cost = measured(command, variables(folder), _ROOT, log, _LIMIT)
    return _last(log, cost, "the loss could not be taken")


def turn(contender: Contender, job: Job, folder: Path, environments: Path) -> Turn:
    """Train once in a process of its own, and return what it took; RuntimeError with its last line where it fails."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    asked = replace(
        job,
        out=str(folder / "out"),
        batch=contender.batch,
        defaults=contender.defaults,
        packing=contender.packing,
    )
    said, outcome, log = asked.write(folder / "job.json"), folder / "outcome.json", folder / "log"
    python = contender.python(environments)
    if not python.exists():
        raise RuntimeError("no environment; make it with python -m benchmarks.training --setup")
    command = [str(python), "-m", f"benchmarks.training.{contender.module}", str(said), str(outcome)]
    cost = measured(command, variables(folder), _ROOT, log, _LIMIT)
    _last(log, cost, "it failed")
    done = Outcome(**json.loads(outcome.read_text("utf-8")))
    return Turn(done, cost, float(judge(folder, job.base, job.run, done.student)))


def _last(log: Path, cost: Cost, failed: str) -> str:
    lines = log.read_text("utf-8", "replace").strip().splitlines()
    last = lines[-1].strip() if lines else "it said nothing"
    if cost.status != 0:
        raise RuntimeError(f"no end after {cost.wall:.0f} s" if cost.timed_out else f"{failed}: {last}")
    return last


def compare(
    vocabulary: int, rounds: int, examples: int, folder: Path, only: Sequence[Contender], environments: Path
) -> bool:
    """Print a table for one vocabulary, and the median over rounds of each ratio; False where a contender failed."""
    texts = write_run(folder / "run", examples, max(4, examples // 8))
    base, run, pairs = write_base(folder / "base", texts, vocabulary), folder / "run", folder / "pairs.jsonl"
    judge(folder, str(base), str(run), "--pairs", str(pairs))
    untrained = float(judge(folder, str(base), str(run), str(base)))
    results: dict[str, list[Turn]] = {contender.name: [] for contender in only}
    failures: dict[str, str] = {}
    for number in range(rounds):
        for contender in only:
            job = Job(str(base), str(run), "", str(pairs), seed=number)
            try:
                done = turn(contender, job, folder / "turn", environments)
            except RuntimeError as error:
                failures[contender.name] = str(error)
                print(f"round {number + 1}: {contender.name}: {error}", file=sys.stderr, flush=True)
                continue
            results[contender.name].append(done)
            said = f"{done.rate:,.0f} tokens/s, {done.outcome.cpu:.1f} s of CPU in {done.outcome.wall:.1f}"
            print(f"round {number + 1}: {contender.name}: {said}, loss {done.loss:.4f}", file=sys.stderr, flush=True)
    print("\n".join(table(vocabulary, examples, untrained, results)))
    for name, failure in failures.items():
        print(f"\n{name}: {failure}")
    return not failures


def table(vocabulary: int, examples: int, untrained: float, results: dict[str, list[Turn]]) -> list[str]:
    """Return the table's lines: medians over rounds, each round's loss, and the ratio of ours within a round."""
    done = {name: turns for name, turns in results.items() if turns}
    if not done:
        return []
    tokens = next(iter(done.values()))[0].outcome.tokens
    lines = [
        f"\nvocabulary {vocabulary:,}: {examples} examples, {tokens:,} tokens; loss before training {untrained:.4f}\n",
        f"| | tokens per CPU second | peak memory | validation loss, round by round | {OURS} is faster by |",
        "|---|---|---|---|---|",
    ]
    for name, turns in done.items():
        rate, peak = median(each.rate for each in turns), max(each.cost.peak for each in turns) / 1e9
        losses = ", ".join(f"{each.loss:.4f}" for each in turns)
        faster = "–"
        if name != OURS and len(done.get(OURS, [])) == len(turns):
            ratios = [a.rate / b.rate for a, b in zip(done[OURS], turns, strict=True)]
            faster = f"{median(ratios):.2f}" + (f" ({min(ratios):.2f} to {max(ratios):.2f})" if len(ratios) > 1 else "")
        lines.append(f"| {name} | {rate:,.0f} | {peak:.2f} GB | {losses} | {faster} |")
    versions = [
        f"{name}: " + ", ".join(f"{k} {v}" for k, v in t[0].outcome.versions.items()) for name, t in done.items()
    ]
    return [*lines, "", *versions]


def main() -> None:
    """Read the command line and compare; exit status 1 where a contender failed."""
    parser = argparse.ArgumentParser(description="Train one small model with each contender in turn.")
    parser.add_argument("--setup", action="store_true", help="make the environments of the peers, and end")
    parser.add_argument("--vocabulary", type=int, nargs="+", default=[8192, 32768])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--examples", type=int, default=48)
    parser.add_argument("--only", nargs="+", choices=[contender.key for contender in CONTENDERS])
    parser.add_argument("--environments", type=Path, default=ENVIRONMENTS)
    arguments = parser.parse_args()
    environments: Path = arguments.environments.absolute()
    if arguments.setup:
        install_missing(environments, PEERS, install)
        return
    only = [each for each in CONTENDERS if arguments.only is None or each.key in arguments.only]
    print(machine())
    well = True
    for vocabulary in arguments.vocabulary:
        with tempfile.TemporaryDirectory() as folder:
            well &= compare(vocabulary, arguments.rounds, arguments.examples, Path(folder), only, environments)
    sys.exit(not well)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"an environment could not be made: {error}")
