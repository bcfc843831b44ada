"""A model as judge of two systems, asked in both orders."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import JsonValue

from distill.judging.judge import Request
from distill.judging.records import JudgeResults
from distill.judging.rubric import load_rubric
from distill.judging.table import judge_lines
from tests.fake_server import FakeServer
from tests.judging import OUT, judged, lines_of, part

pytestmark = pytest.mark.usefixtures("fixture_benchmarks")


def pair(run: Request, better: Callable[[str, str], str], repeats: int = 3) -> JudgeResults:
    """Return what a judge says of writer and copy that decides by what stands first and second."""

    def answer(prompt: str, _number: int) -> JsonValue:
        return {"better": better(part(prompt, "first"), part(prompt, "second"))}

    with FakeServer(grades=answer) as server:
        return judged(server, Request(run=run.run, data=run.data, pair=("writer", "copy")), repeats)


def test_a_judge_that_prefers_a_place_gives_nobody_a_win(run: Request) -> None:
    found = pair(run, lambda _first, _second: "first").pairwise
    assert found is not None
    assert (found.first_wins, found.second_wins, found.ties) == (0, 0, 4)
    assert found.win_rate is None
    assert found.p == 1.0
    assert found.first_place is not None
    assert found.first_place.value == 1.0
    assert found.consistent is not None
    assert found.consistent.value == 0.0


def test_a_judge_that_prefers_a_system_says_so_in_both_orders(run: Request) -> None:
    results = pair(run, lambda first, _second: "first" if first.startswith("Note") else "second")
    found = results.pairwise
    assert found is not None
    assert (found.first, found.first_wins, found.second_wins, found.ties) == ("writer", 4, 0, 0)
    assert found.first_place is not None
    assert found.first_place.value == 0.5
    assert found.p == pytest.approx(0.125)
    lines = judge_lines(results, load_rubric("transcription"))
    assert any("both orders agree: 100%" in line for line in lines)


def test_a_tie_in_one_order_is_no_win(run: Request) -> None:
    found = pair(run, lambda first, _second: "first" if first.startswith("Note") else "tie").pairwise
    assert found is not None
    assert (found.first_wins, found.ties) == (0, 4)


def test_a_comparison_that_cannot_be_read_is_told(run: Request) -> None:
    found = pair(run, lambda first, _second: "both" if "visit-2" in first else "second").pairwise
    assert found is not None
    assert found.without == ("visit-2",)
    assert found.unread == {"not_valid_under_contract": 18}
    assert found.first_wins + found.second_wins + found.ties == 3


def test_both_orders_are_asked_of_every_item(run: Request) -> None:
    pair(run, lambda _first, _second: "tie", repeats=2)
    lines = lines_of(run.run / f"{OUT}-writer-vs-copy")
    assert len({(line["id"], line["first"], line["repeat"]) for line in lines}) == len(lines) == 16
    assert all({line["first"], line["second"]} == {"writer", "copy"} for line in lines)
