"""How a run is executed: nothing of it can change what the run produces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from synth.clock import Traffic
from synth.corpora import Corpus
from synth.ledger import Position


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
