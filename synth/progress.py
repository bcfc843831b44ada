"""Progress of a run for a person: a live line on a terminal, a plain line now and then in a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from synth.console import say
from synth.records import Encounter, Rejection
from synth.runs import Position

_EVERY_S = 5.0
"""Seconds between two lines where standard error is not a terminal."""


class RunProgress:
    """Shows accepted of N, rate, rejects by reason, and the time left."""

    def __init__(self, n: int) -> None:
        """``n`` is the number of accepted encounters that the run is for."""
        self._n = n
        self._start = time.monotonic()
        self._before: int | None = None
        self._last = self._start
        self._live: Progress | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            columns = (TextColumn("accepted"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
            self._live = Progress(*columns, console=Console(stderr=True))
            self._live.add_task("", total=self._n)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def decided(self, _outcome: Encounter | Rejection, position: Position) -> None:
        """Take note of one committed candidate."""
        now = time.monotonic()
        if self._before is None:
            # The rate starts here: what came before was loading.
            self._before, self._start, self._last = position.accepted, now, now
        if self._live is not None:
            self._live.update(
                self._live.task_ids[0], completed=position.accepted, description=self._state(position, now)
            )
        elif now - self._last >= _EVERY_S:
            self._last = now
            say(f"accepted {position.accepted:,} of {self._n:,}, {self._state(position, now)}")

    def _state(self, position: Position, now: float) -> str:
        done = position.accepted - (self._before or 0)
        rate = done / (now - self._start) if done else 0.0
        left = f"{_duration((self._n - position.accepted) / rate)} left" if rate else "time left unknown"
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in position.reasons.most_common(3))
        return f"{rate:.1f}/s, {left}, rejected {position.rejected:,}{f' ({reasons})' if reasons else ''}"


def _duration(seconds: float) -> str:
    """Return a duration as ``1:02:03`` or ``2:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
