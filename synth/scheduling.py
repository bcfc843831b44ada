"""Many candidates under way, decided in any order, handed over in the order of their indices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass

from synth.ledger import Decided, Position


@dataclass(frozen=True, slots=True)
class Window:
    """How far work may run ahead of what is committed; bounds memory, whatever N is."""

    under_way: int
    """Candidates that are being written or checked at once."""
    ahead: int
    """Candidates that are started and not committed, those that are decided and wait for an earlier one included."""


def window(in_flight: int) -> Window:
    """Return the window for at most so many requests in flight.

    Twice as many candidates are under way, so that while some are in the checks or wait out a fault there are others to
    ask for. One request that hangs holds up every later commit: the room ahead lets the others go on meanwhile.
    """
    return Window(under_way=max(64, 2 * in_flight), ahead=max(2048, 16 * in_flight))


async def in_order(
    decide: Callable[[int], Awaitable[Decided]], position: Position, n: int, most: int, window: Window
) -> AsyncGenerator[Decided]:
    """Yield decided candidates by index from where the position stands until N are accepted, or ``most`` are decided.

    The caller commits each, which moves the position, before it asks for the next. None is started that would not be
    needed if all that are under way were accepted, so that a run ends without throwing work away. What ``decide``
    raises is raised here when its candidate's turn comes, and ends the others.
    """
    tasks: dict[int, asyncio.Task[Decided]] = {}
    started, open_, promising = position.next_index, 0, 0
    progress = asyncio.Event()

    def ended(task: asyncio.Task[Decided]) -> None:
        nonlocal open_, promising
        open_ -= 1
        if task.cancelled() or task.exception() is not None or task.result().reason is not None:
            promising -= 1
        progress.set()

    try:
        while position.accepted < n and position.next_index < most:
            while (
                started < most
                and open_ < window.under_way
                and len(tasks) < window.ahead
                and position.accepted + promising < n
            ):
                task = asyncio.ensure_future(decide(started))
                task.add_done_callback(ended)
                tasks[started] = task
                started, open_, promising = started + 1, open_ + 1, promising + 1
            progress.clear()
            head = tasks.get(position.next_index)
            if head is None or not head.done():
                await progress.wait()
                continue
            del tasks[position.next_index]
            entry = head.result()
            promising -= entry.reason is None
            yield entry
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
