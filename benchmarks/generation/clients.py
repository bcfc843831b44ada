"""Who takes part, and the command by which each does the same job."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.environments import interpreter
from benchmarks.generation.job import MAX_TOKENS, MODEL, TEMPERATURE
from benchmarks.generation.prompts import SEED, SPECIALTY

PEERS = {
    "datadesigner": "DataDesigner",
    "distilabel": "distilabel",
    "curator": "Curator",
    "sdghub": "sdg_hub",
}
"""Module below ``peers`` and environment → name."""
NOTEWRIGHT = "Notewright"
"""The row that the ratios are to. It has no check but the schema's, which cannot be left out; no peer has even that."""
_SYNTH = "from synth.cli import main; main()"


@dataclass(frozen=True, slots=True)
class Task:
    """What a client is told."""

    endpoint: str
    prompts: Path
    pairs: int
    in_flight: int
    out: Path
    """Empty folder of its own."""


@dataclass(frozen=True, slots=True)
class Client:
    """One row of the table."""

    key: str
    name: str
    fast: bool
    """Whether it is given the larger number of pairs, so that its start and its end weigh little."""
    python: Path
    command: Callable[[Task], Sequence[str]]
    """The arguments of its interpreter."""
    result: Callable[[Path, Path], tuple[int, dict[str, str]]]
    """Its log and its folder → pairs that it has at the end, and the versions of its libraries."""


def _module(name: str) -> Callable[[Task], Sequence[str]]:
    def command(task: Task) -> Sequence[str]:
        options = {
            "--endpoint": task.endpoint,
            "--prompts": str(task.prompts),
            "--pairs": str(task.pairs),
            "--in-flight": str(task.in_flight),
            "--out": str(task.out),
        }
        return ["-m", name, *(part for option in options.items() for part in option)]

    return command


def _notewright(settings: str) -> Callable[[Task], Sequence[str]]:
    """Return the command of a run under these settings, in YAML, and the defaults for the rest."""

    def command(task: Task) -> Sequence[str]:
        config = task.out / "config.yaml"
        config.write_text(f"{settings}\n", "utf-8")
        options = {
            "--config": str(config),
            "--specialty": SPECIALTY,
            "--seed": str(SEED),
            "-n": str(task.pairs),
            "--endpoint": task.endpoint,
            "--model": MODEL,
            "--temperature": str(TEMPERATURE),
            "--max-tokens": str(MAX_TOKENS),
            "--concurrency": str(task.in_flight),
            "--out": str(task.out / "run"),
        }
        return ["-c", _SYNTH, "generate", "--no-cache", *(part for option in options.items() for part in option)]

    return command


def said(log: Path, _out: Path) -> tuple[int, dict[str, str]]:
    """Return what a client said with ``job.say_done``; no pairs where it did not come to that."""
    for line in reversed(log.read_text("utf-8", "replace").splitlines()):
        if line.startswith('{"pairs":'):
            done = json.loads(line)
            return done["pairs"], done["versions"]
    return 0, {}


def accepted(_log: Path, out: Path) -> tuple[int, dict[str, str]]:
    """Return how many encounters a run of Notewright has accepted."""
    from synth import __version__

    lines = out / "run" / "encounters.jsonl"
    count = len(lines.read_bytes().splitlines()) if lines.exists() else 0
    return count, {"notewright": __version__}


def clients(environments: Path) -> list[Client]:
    """Return all clients: the bare one, Notewright without and with its checks, the peers."""
    own = Path(sys.executable)
    package = __package__ or "benchmarks.generation"
    return [
        Client("bare", "bare client", True, own, _module(f"{package}.bare"), said),
        Client("notewright", NOTEWRIGHT, True, own, _notewright("checks: [schema]"), accepted),
        # The fake server answers with encounters of other scenarios, which no check of faithfulness would let pass.
        Client("checked", f"{NOTEWRIGHT}, schema and PHI", True, own, _notewright("checks: [schema, phi]"), accepted),
        *(
            Client(key, name, False, interpreter(environments, key), _module(f"{package}.peers.{key}"), said)
            for key, name in PEERS.items()
        ),
    ]
