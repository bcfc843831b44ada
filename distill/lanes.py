"""Many requests at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


async def in_lanes(things: Sequence[T], work: Callable[[T, int], Awaitable[None]], lanes: int) -> None:
    """Do ``work`` with every thing and its place, in order, so many at once; the first error stops all."""
    waiting = iter(enumerate(things))

    async def lane() -> None:
        for place, thing in waiting:
            await work(thing, place)

    running = [asyncio.create_task(lane()) for _ in range(min(lanes, len(things)))]
    try:
        await asyncio.gather(*running)
    finally:
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)
