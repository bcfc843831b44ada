"""Candidates are handed over in the order of their indices, whatever the order in which they end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import aclosing
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.ledger import Decided, Position
from synth.records import Usage
from synth.scheduling import Window, in_order, window

HANGS_S = 10.0
"""What takes longer than this, where a millisecond is usual, waits for something that never comes."""
NOTHING = Usage(prompt_tokens=0, completion_tokens=0)


@dataclass
class Work:
    """Decides candidates after some turns of the event loop, and sees to the rules while it does."""

    accepts: list[bool]
    """By index; what lies behind is accepted."""
    turns: list[int]
    """Turns of the event loop that a candidate takes, by index modulo their number; none is no time at all."""
    position: Position
    n: int
    most: int
    window: Window
    fails_at: int | None = None
    started: list[int] = field(default_factory=list)
    over: dict[int, bool] = field(default_factory=dict)
    """Whether those that have ended were accepted."""
    cancelled: set[int] = field(default_factory=set)
    most_under_way: int = 0

    def accepted(self, index: int) -> bool:
        return index >= len(self.accepts) or self.accepts[index]

    def decide(self, index: int) -> Coroutine[None, None, Decided]:
        """Take note of a start before the event loop turns, because later it may have come to be needed."""
        before = self.position.accepted
        first = self.position.next_index
        hopeful = sum(self.over.get(i, True) for i in self.started if i >= first)
        assert before + hopeful < self.n, f"{index} is started while {before + hopeful} of {self.n} may be accepted"
        assert index < self.most
        self.started.append(index)
        under_way = len(self.started) - len(self.over) - len(self.cancelled)
        self.most_under_way = max(self.most_under_way, under_way)
        assert under_way <= self.window.under_way
        assert sum(i >= first for i in self.started) <= self.window.ahead
        return self._decided(index)

    async def _decided(self, index: int) -> Decided:
        try:
            for _ in range(self.turns[index % len(self.turns)]):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled.add(index)
            raise
        if index == self.fails_at:
            self.over[index] = False
            raise RuntimeError(f"candidate {index}")
        self.over[index] = self.accepted(index)
        return Decided(index, None if self.accepted(index) else "phi/found", 1, NOTHING, b"")

    async def run(self) -> list[int]:
        """Return the indices that were handed over, each committed before the next was asked for."""
        handed: list[int] = []
        entries = in_order(self.decide, self.position, self.n, self.most, self.window)
        async with asyncio.timeout(HANGS_S), aclosing(entries):
            async for entry in entries:
                handed.append(entry.index)
                assert (entry.reason is None) == self.accepted(entry.index)
                self.position.add(entry)
        return handed


def end(work: Work, accepted: int, first: int) -> int:
    """Return the index behind the last that is needed, by the definition: one after the other."""
    index = first
    while accepted < work.n and index < work.most:
        accepted += work.accepted(index)
        index += 1
    return index


@st.composite
def works(draw: st.DrawFn) -> Work:
    accepts = draw(st.lists(st.booleans(), max_size=60))
    position = Position(accepted=draw(st.integers(0, 10)), rejected=draw(st.integers(0, 10)))
    under_way = draw(st.integers(1, 12))
    return Work(
        accepts=accepts,
        turns=draw(st.lists(st.integers(0, 12), min_size=1, max_size=30)),
        position=position,
        n=draw(st.integers(1, 40)),
        most=draw(st.integers(1, 80)),
        window=Window(under_way=under_way, ahead=draw(st.integers(1, 30))),
    )


@given(works())
def test_indices_come_in_order_until_n_or_the_budget_and_nothing_is_thrown_away(work: Work) -> None:
    first, before = work.position.next_index, work.position.accepted
    behind = end(work, before, first)
    handed = asyncio.run(work.run())
    assert handed == list(range(first, behind))
    assert sorted(work.started) == handed
    assert not work.cancelled
    if before < work.n:
        assert work.position.accepted == work.n or work.position.next_index >= work.most
    assert work.position.accepted <= max(work.n, before)


@given(works(), st.data())
def test_a_failure_is_raised_at_its_turn_and_ends_the_others(work: Work, data: st.DataObject) -> None:
    first = work.position.next_index
    behind = end(work, work.position.accepted, first)
    if behind == first:
        assert asyncio.run(work.run()) == []
        return
    work.fails_at = data.draw(st.integers(first, behind - 1))

    async def failing() -> set[asyncio.Task[object]]:
        with pytest.raises(RuntimeError, match=f"^candidate {work.fails_at}$"):
            await work.run()
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(failing()) == set()
    assert work.position.next_index == work.fails_at
    assert {*work.over, *work.cancelled} <= set(work.started)


@given(works(), st.integers(0, 20))
def test_whoever_stops_asking_leaves_nothing_running(work: Work, asked: int) -> None:
    async def stopped() -> set[asyncio.Task[object]]:
        async with aclosing(in_order(work.decide, work.position, work.n, work.most, work.window)) as entries:
            for _ in range(asked):
                entry = await anext(entries, None)
                if entry is None:
                    break
                work.position.add(entry)
        return asyncio.all_tasks() - {asyncio.current_task()}

    first = work.position.next_index
    behind = end(work, work.position.accepted, first)
    assert asyncio.run(stopped()) == set()
    assert work.position.next_index == min(first + asked, behind)


@pytest.mark.parametrize(
    ("n", "under_way", "ahead", "at_once"), [(50, 8, 30, 8), (5, 8, 30, 5), (50, 20, 6, 6), (50, 1, 1, 1)]
)
def test_all_the_room_there_is_is_used(n: int, under_way: int, ahead: int, at_once: int) -> None:
    work = Work([], [40], Position(), n, 1000, Window(under_way, ahead))
    assert asyncio.run(work.run()) == list(range(n))
    assert work.most_under_way == at_once


def test_one_that_hangs_lets_the_others_go_on_up_to_the_room_ahead() -> None:
    work = Work([], [2000, *[1] * 99], Position(), 90, 1000, Window(under_way=4, ahead=32))

    async def run() -> int:
        running = asyncio.create_task(work.run())
        for _ in range(1000):
            await asyncio.sleep(0)
        ended = len(work.over)
        assert work.position.next_index == 0
        assert await running == list(range(90))
        return ended

    assert asyncio.run(run()) == 31


@given(st.integers(1, 100_000))
def test_the_window_of_a_run_keeps_its_servers_busy(in_flight: int) -> None:
    room = window(in_flight)
    assert in_flight < room.under_way < room.ahead


def test_a_failure_does_not_wait_for_those_behind_it() -> None:
    ended: list[str] = []

    async def decide(index: int) -> Decided:
        if index == 0:
            await asyncio.sleep(0)
            raise RuntimeError("candidate 0")
        never: asyncio.Future[Decided] = asyncio.get_running_loop().create_future()
        try:
            return await never
        except asyncio.CancelledError:
            ended.append(f"candidate {index}")
            raise

    async def run() -> None:
        async with asyncio.timeout(HANGS_S):
            await anext(in_order(decide, Position(), 5, 100, Window(3, 10)))

    with pytest.raises(RuntimeError, match="candidate 0"):
        asyncio.run(run())
    assert ended == ["candidate 1", "candidate 2"]
