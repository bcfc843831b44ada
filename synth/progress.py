"""Progress of a run for a person: a live line on a terminal, a plain line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from synth.console import say
from synth.ledger import Position

_EVERY_S = 5.0
"""Seconds between two lines where standard error is not a terminal."""
_FRAME_S = 0.1
"""Seconds between two changes of the live line."""


class RunProgress:
    """Shows accepted of N, rate, time left, requests in flight, tokens per accepted pair, and rejects by reason."""

    def __init__(self, n: int, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """``n`` is the number of accepted encounters that the run is for."""
        self._n = n
        self._monotonic = monotonic
        self._start = self._last = 0.0
        self._before: int | None = None
        self._position = Position()
        self._in_flight: tuple[int, int] | None = None
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
            if self._before is not None:
                self._redraw(self._live, self._monotonic())
            self._live.stop()

    def in_flight(self, now: int, limit: int) -> None:
        """Take note of how many requests are in flight, and of how many may be; not shown while none may."""
        self._in_flight = (now, limit) if limit else None

    def decided(self, position: Position) -> None:
        """Take note of where the run stands after a commit."""
        now = self._monotonic()
        self._position = position
        if self._before is None:
            # The rate starts here: what came before was loading.
            self._before, self._start, self._last = position.accepted, now, now
        if now - self._last < (_EVERY_S if self._live is None else _FRAME_S):
            return
        self._last = now
        if self._live is not None:
            self._redraw(self._live, now)
        else:
            say(f"accepted {position.accepted:,} of {self._n:,}, {self._state(now)}")

    def _redraw(self, live: Progress, now: float) -> None:
        live.update(live.task_ids[0], completed=self._position.accepted, description=self._state(now))

    def _state(self, now: float) -> str:
        position = self._position
        done = position.accepted - (self._before or 0)
        rate = done / (now - self._start) if done and now > self._start else 0.0
        parts = [f"{rate:.1f}/s"]
        parts.append(f"{_duration((self._n - position.accepted) / rate)} left" if rate else "time left unknown")
        if self._in_flight is not None:
            parts.append(f"in flight {self._in_flight[0]:,}/{self._in_flight[1]:,}")
        if position.tokens and position.accepted:
            parts.append(f"{position.tokens / position.accepted:,.0f} tokens a pair")
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in position.reasons.most_common(3))
        parts.append(f"rejected {position.rejected:,}{f' ({reasons})' if reasons else ''}")
        return ", ".join(parts)


def _duration(seconds: float) -> str:
    """Return a duration as ``1:02:03`` or ``2:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
