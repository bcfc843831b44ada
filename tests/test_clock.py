"""The clock counts sessions, survives what is done to its file, and never reaches the run."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.clock import Clock, RunClock, Session, Traffic, Worked, clock_path, read_clock
from synth.ledger import Position, decided
from tests.samples import encounter, rejection

START = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)


@dataclass
class Hand:
    """A clock's hand that a test moves."""

    at: float = 100.0
    told: list[str] = field(default_factory=list)

    def open(self, run: Path, position: Position, gpus: tuple[int | None, str | None] = (None, None)) -> RunClock:
        return RunClock(run, position, self.told.append, gpus=gpus, now=lambda: START, monotonic=lambda: self.at)


NO_TRAFFIC = Traffic()


def commit(position: Position, count: int) -> None:
    """Decide some more candidates; every third one is rejected."""
    for index in range(position.next_index, position.next_index + count):
        position.add(decided(rejection(index) if index % 3 == 2 else encounter(index)))


def session(**changes: int | float | str | None) -> Session:
    return Session.model_validate({"started": START, "seconds": 10.0, **changes})


@pytest.mark.parametrize("run", ["run", "run/", ".", "../run"])
def test_it_lies_beside_the_run_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: str) -> None:
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path if run.startswith("run") else tmp_path / "run")
    assert clock_path(Path(run)) == tmp_path / "run.clock.json"


def test_a_session_counts_what_was_done_in_it(tmp_path: Path) -> None:
    hand, position = Hand(), Position()
    commit(position, 3)
    clock = hand.open(tmp_path / "run", position, (2, "NVIDIA H100"))
    hand.at += 20
    clock.ready()
    traffic = Traffic(requests=4, cached=1, prompt_tokens=400, completion_tokens=40)
    commit(position, 6)
    hand.at += 30
    clock.tick(position, traffic)
    expected = Session(
        started=START, seconds=50.0, loading=20.0, candidates=6, accepted=4, requests=4, cached=1,
        prompt_tokens=400, completion_tokens=40, gpus=2, gpu="NVIDIA H100",
    )  # fmt: skip
    assert read_clock(tmp_path / "run") == Clock(sessions=(expected,))
    assert expected.rate == pytest.approx(4 / 30)
    assert not list(tmp_path.glob("*.partial"))
    assert hand.told == []


def test_it_is_written_every_five_seconds_and_at_the_end(tmp_path: Path) -> None:
    hand, position = Hand(), Position()
    clock = hand.open(tmp_path / "run", position)
    seen: list[float | None] = []
    for _ in range(12):
        hand.at += 1
        clock.tick(position, NO_TRAFFIC)
        kept = read_clock(tmp_path / "run")
        seen.append(kept.sessions[-1].seconds if kept else None)
    assert seen == [None] * 4 + [5.0] * 5 + [10.0] * 3
    clock.close(position)
    kept = read_clock(tmp_path / "run")
    assert kept is not None
    assert kept.sessions[-1].seconds == 12.0


def test_sessions_are_appended(tmp_path: Path) -> None:
    hand, position = Hand(), Position()
    for _ in range(3):
        clock = hand.open(tmp_path / "run", position)
        commit(position, 3)
        hand.at += 7
        clock.close(position)
    kept = read_clock(tmp_path / "run")
    assert kept is not None
    assert [one.accepted for one in kept.sessions] == [2, 2, 2]
    assert kept.worked() == Worked(sessions=3, seconds=21.0, candidates=9, accepted=6, unknown_seconds=21.0)


def test_only_the_last_thousand_sessions_are_kept_one_by_one(tmp_path: Path) -> None:
    many = tuple(session(candidates=1, cached=2, gpus=i % 2 or None) for i in range(1010))
    before = Clock(earlier=Worked(sessions=5, seconds=5.0, accepted=5), sessions=many)
    path = clock_path(tmp_path / "run")
    path.write_text(before.model_dump_json())
    hand = Hand()
    hand.open(tmp_path / "run", Position()).close(Position())
    after = read_clock(tmp_path / "run")
    assert after is not None
    assert (len(after.sessions), after.earlier.sessions) == (1000, 16)
    assert after.worked() == before.worked().plus(session(seconds=0.0))


@given(st.lists(st.tuples(st.integers(0, 50), st.none() | st.integers(0, 8)), max_size=8))
def test_gpu_time_is_summed_over_what_is_known(parts: list[tuple[int, int | None]]) -> None:
    worked = Clock(sessions=tuple(session(seconds=seconds, gpus=gpus) for seconds, gpus in parts)).worked()
    assert worked.gpu_seconds == sum(seconds * gpus for seconds, gpus in parts if gpus is not None)
    assert worked.unknown_seconds == sum(seconds for seconds, gpus in parts if gpus is None)
    assert worked.seconds == sum(seconds for seconds, _ in parts)


@pytest.mark.parametrize("content", [b"", b"{", b'{"format": 2}', b"\xff\xfe", b'{"sessions": [{"seconds": 1}]}'])
def test_a_file_that_cannot_be_read_is_moved_aside(tmp_path: Path, content: bytes) -> None:
    path = clock_path(tmp_path / "run")
    path.write_bytes(content)
    assert read_clock(tmp_path / "run") is None
    hand = Hand()
    hand.open(tmp_path / "run", Position()).close(Position())
    kept = read_clock(tmp_path / "run")
    assert kept is not None
    assert len(kept.sessions) == 1
    assert (tmp_path / "run.clock.json.unreadable").read_bytes() == content
    assert len(hand.told) == 1
    assert "moved to run.clock.json.unreadable" in hand.told[0]


def test_a_disk_that_takes_nothing_is_told_once_and_never_raised() -> None:
    hand, position = Hand(), Position()
    clock = hand.open(Path("/proc/run"), position)
    for _ in range(3):
        hand.at += 10
        clock.tick(position, NO_TRAFFIC)
    clock.close(position)
    assert len(hand.told) == 1
    assert hand.told[0].startswith("cannot write /proc/run.clock.json: ")


def test_a_full_disk_keeps_the_last_state_and_leaves_no_rest(tmp_path: Path) -> None:
    hand, position = Hand(), Position()
    path = clock_path(tmp_path / "run")
    hand.open(tmp_path / "run", position).close(Position())
    before = path.read_bytes()
    (tmp_path / "run.clock.json.partial").symlink_to("/dev/full")
    clock = hand.open(tmp_path / "run", position)
    clock.close(position)
    assert path.read_bytes() == before
    assert not (tmp_path / "run.clock.json.partial").is_symlink()
    assert hand.told == [f"cannot write {path}: No space left on device; the run goes on, its times are not kept"]


def test_the_file_says_utc(tmp_path: Path) -> None:
    hand = Hand()
    hand.open(tmp_path / "run", Position()).close(Position())
    stored = json.loads(clock_path(tmp_path / "run").read_text("utf-8"))
    assert stored["sessions"][0]["started"] == "2026-05-04T12:30:00Z"
