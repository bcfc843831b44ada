"""Many requests at once."""

from __future__ import annotations

import asyncio

import pytest

from distill.lanes import in_lanes


@pytest.mark.parametrize(("things", "lanes"), [(0, 3), (2, 3), (7, 3), (5, 1)])
def test_each_thing_is_done_once_with_its_place_and_never_more_at_once(things: int, lanes: int) -> None:
    started: list[tuple[str, int]] = []
    now = most = 0

    async def work(thing: str, place: int) -> None:
        nonlocal now, most
        started.append((thing, place))
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1

    asyncio.run(in_lanes([f"thing {i}" for i in range(things)], work, lanes))
    assert started == [(f"thing {i}", i) for i in range(things)]
    assert most == min(things, lanes)


def test_the_first_error_stops_the_others_before_it_is_raised() -> None:
    ended: list[int] = []

    async def work(thing: int, _place: int) -> None:
        if thing == 1:
            raise ValueError("the second")
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(thing)

    with pytest.raises(ValueError, match="the second"):
        asyncio.run(in_lanes(range(9), work, 3))
    assert sorted(ended) == [0, 2]
