"""Processes beside this one that do their share of a list of things, which come back in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Self, TypeVar

from synth.errors import UserError
from synth.processes import open_pool

A = TypeVar("A")
R = TypeVar("R")
_AHEAD = 4
"""Things for each process that are on their way at a time: memory does not grow with their number."""


class Workers:
    """Processes that start at once, each with one call of ``begin``; use it in a ``with``, whose end ends them."""

    def __init__(self, count: int, begin: Callable[..., None], *arguments: object) -> None:
        self._count = count
        self._pool = open_pool(count, begin, arguments)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def in_order(self, work: Callable[[A], R], things: Iterable[A]) -> Iterator[R]:
        """Yield what ``work`` makes of each thing; UserError where a process is ended from outside."""
        waiting: deque[Future[R]] = deque()
        try:
            for thing in things:
                waiting.append(self._pool.submit(work, thing))
                if len(waiting) >= _AHEAD * self._count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise UserError(
                "a process that scores was ended from outside; is memory short? --workers 1 needs least"
            ) from error
        finally:
            for one in waiting:
                one.cancel()
