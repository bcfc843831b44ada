"""Progress says what a person waits to know, a line now and then in a log and one live line on a terminal."""

from __future__ import annotations

import io
import sys
from collections import Counter
from dataclasses import dataclass

import pytest

from synth.ledger import Cost, Position
from synth.progress import RunProgress


@dataclass
class Hand:
    """A clock's hand that a test moves."""

    at: float = 50.0

    def __call__(self) -> float:
        return self.at


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def position(accepted: int, tokens: int = 0, **reasons: int) -> Position:
    return Position(
        accepted=accepted,
        rejected=sum(reasons.values()),
        reasons=Counter({reason.replace("__", "/"): count for reason, count in reasons.items()}),
        spent_on_accepted=Cost(accepted, tokens, tokens),
        spent_on_rejected=Cost(1, tokens, tokens) if reasons else Cost(),
    )


def test_a_log_gets_a_plain_line_every_five_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    hand = Hand()
    with RunProgress(1500, monotonic=hand) as progress:
        for accepted in range(200):
            progress.in_flight(48, 64)
            progress.decided(position(accepted, tokens=accepted * 1000, phi__identifier_found=2, target__truncated=9))
            hand.at += 0.0625
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "accepted 80 of 1,500, 16.0/s, 1:29 left, in flight 48/64, 4,000 tokens a pair, "
        "rejected 11 (target/truncated 9, phi/identifier_found 2)",
        "accepted 160 of 1,500, 16.0/s, 1:24 left, in flight 48/64, 4,000 tokens a pair, "
        "rejected 11 (target/truncated 9, phi/identifier_found 2)",
    ]


def test_what_is_not_known_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    hand = Hand()
    with RunProgress(10, monotonic=hand) as progress:
        progress.in_flight(0, 0)
        progress.decided(position(0))
        hand.at += 6
        progress.decided(position(0, tokens=5, schema__not_valid_under_contract=1))
    line = "accepted 0 of 10, 0.0/s, time left unknown, rejected 1 (schema/not_valid_under_contract 1)\n"
    assert capsys.readouterr().err == line


def test_a_resumed_run_counts_its_rate_from_where_it_took_up(capsys: pytest.CaptureFixture[str]) -> None:
    hand = Hand()
    with RunProgress(8000, monotonic=hand) as progress:
        hand.at += 100  # a server that loads is not the run's rate
        progress.decided(position(1000))
        hand.at += 10
        progress.decided(position(1005))
    assert capsys.readouterr().err == "accepted 1,005 of 8,000, 0.5/s, 3:53:10 left, rejected 0\n"


def test_only_the_three_commonest_reasons_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    hand = Hand()
    with RunProgress(10, monotonic=hand) as progress:
        progress.decided(position(1))
        hand.at += 5
        progress.decided(position(1, a__a=1, b__b=4, c__c=3, d__d=2))
    assert capsys.readouterr().err.endswith("rejected 10 (b/b 4, c/c 3, d/d 2)\n")


def test_a_terminal_shows_the_last_state_live(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, hand = Terminal(), Hand()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm")
    with RunProgress(10, monotonic=hand) as progress:
        progress.decided(position(1, tokens=50))
        hand.at += 1
        progress.in_flight(3, 64)
        progress.decided(position(2, tokens=100))
        hand.at += 0.01
        progress.decided(position(3, tokens=150))  # too soon for a frame of its own, and the last state all the same
    assert "3/10" in terminal.getvalue()
    assert "in flight 3/64, 100 tokens a pair, rejected 0" in terminal.getvalue()


def test_a_terminal_where_nothing_was_decided_shows_no_state(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "200")
    with RunProgress(10, monotonic=Hand()):
        pass
    assert "rejected" not in terminal.getvalue()
