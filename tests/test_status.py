"""The status of a run is read beside its writer, and says the same as the logs do."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.clock import Clock, Session, Worked, clock_path
from synth.errors import UserError
from synth.ledger import ENCOUNTERS, REJECTIONS, decided, read_position
from synth.records import Counts, Encounter, Manifest, Rejection, TeacherIdentity, Usage
from synth.runs import RunDir
from synth.status import Status, is_running, read_status, status_text
from tests.samples import encounter, rejection

GOLDEN = Path(__file__).parent / "golden"
CONFIG = "specialty: endocrinology\ntask: note\nn: 20\n"
COUNTS = Counts(candidates=0, accepted=0, rejected=0, reasons={}, splits={})


def manifest(n: int = 20, teacher: TeacherIdentity | None = None) -> Manifest:
    return Manifest(
        status="running",
        fingerprint="f" * 64,
        versions={},
        assets={},
        teacher=teacher or TeacherIdentity(name="server", model="my-model", revision=None),
        seed=1,
        target_accepted=n,
        counts=None,
    )


def outcome(index: int) -> Encounter | Rejection:
    """Return one of a run in which every third candidate is rejected, mostly by the PHI check."""
    usage = Usage(prompt_tokens=1500, completion_tokens=900)
    if index % 3 != 2:
        return encounter(index).model_copy(update={"usage": usage, "attempts": 1 + index % 2})
    reasons = {5: ("target", "truncated"), 8: ("target", "not_json"), 11: ("phi", "name_found")}
    stage, reason = reasons.get(index, ("phi", "identifier_found"))
    return rejection(index).model_copy(update={"usage": usage, "attempts": 3, "stage": stage, "reason": reason})


def write(path: Path, until: int, n: int = 20) -> RunDir:
    run = RunDir(path, manifest(n), CONFIG)
    while run.position.next_index < until:
        run.commit(decided(outcome(run.position.next_index)))
    return run


def session(**changes: int | float | str | None) -> Session:
    return Session.model_validate({"started": datetime(2026, 5, 4, tzinfo=UTC), "seconds": 600.0, **changes})


def keep_clock(run: Path, *sessions: Session, earlier: Worked | None = None) -> None:
    clock_path(run).write_text(Clock(earlier=earlier or Worked(), sessions=sessions).model_dump_json())


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a run's lock as its writer does."""
    with (path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def check_golden(name: str, status: Status) -> None:
    assert status_text(status) + "\n" == (GOLDEN / f"status_{name}.txt").read_text("utf-8")
    assert Status.model_validate_json(status.model_dump_json()) == status


def test_a_run_that_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("run")
    run = write(path, 21)
    traffic = {"requests": 2300, "cached": 45, "prompt_tokens": 31500, "completion_tokens": 18900}
    keep_clock(path, session(gpus=2, loading=60.0, accepted=6, **traffic), session(loading=100.0, accepted=8))
    status = read_status(path)
    run.close()
    check_golden("running", status)
    assert (status.state, status.candidates, status.accepted, status.rejected) == ("running", 21, 14, 7)
    assert status.rate == pytest.approx(8 / 500)
    assert status.left_s == pytest.approx(6 / (8 / 500))
    assert status.gpu_hours == pytest.approx(2 * 600 / 3600)
    assert status.tokens_per_accepted == pytest.approx(21 * 2400 / 14)
    assert status.share_on_rejected == pytest.approx(1 / 3)
    assert status.attempts == 7 * 3 + sum(1 + i % 2 for i in range(21) if i % 3 != 2)


def test_a_run_that_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("run")
    write(path, 9).close()
    keep_clock(path, session(accepted=6, seconds=2.0, candidates=9))
    check_golden("stopped", read_status(path))


def test_a_complete_run_of_the_simulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("run")
    simulator = manifest(4, TeacherIdentity(name="simulator", model=None, revision="abc"))
    run = RunDir(path, simulator, CONFIG)
    for index in range(4):
        run.commit(decided(encounter(index)))
    run.complete(COUNTS)
    run.close()
    keep_clock(path, session(gpus=0, accepted=4, seconds=1.0, candidates=4))
    check_golden("complete", read_status(path))


def test_a_run_that_has_decided_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    RunDir(Path("run"), manifest(), CONFIG).close()
    status = read_status(Path("run"))
    check_golden("new", status)
    assert status.worked is None


def test_older_sessions_count_too(tmp_path: Path) -> None:
    write(tmp_path / "run", 3).close()
    earlier = Worked(sessions=4, seconds=7200.0, gpu_seconds=7200.0, cached=7)
    keep_clock(tmp_path / "run", session(gpus=1, cached=3), earlier=earlier)
    status = read_status(tmp_path / "run")
    assert status.worked is not None
    assert (status.worked.sessions, status.worked.cached) == (5, 10)
    assert status.gpu_hours == pytest.approx(7800 / 3600)
    assert status.rate is None
    assert status.left_s is None


def test_a_clock_that_cannot_be_read_is_only_not_known(tmp_path: Path) -> None:
    write(tmp_path / "run", 3).close()
    clock_path(tmp_path / "run").write_text("{")
    assert "unknown: there is no run.clock.json" in status_text(read_status(tmp_path / "run"))
    assert clock_path(tmp_path / "run").read_text() == "{"


def test_it_changes_no_byte(tmp_path: Path) -> None:
    write(tmp_path / "run", 9).close()
    with (tmp_path / "run" / ENCOUNTERS).open("ab") as log:
        log.write(b'{"id":"torn')

    def state() -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()}

    before = state()
    assert read_status(tmp_path / "run").candidates == 9
    assert state() == before


def test_running_is_what_another_process_locks(tmp_path: Path) -> None:
    path = tmp_path / "run"
    write(path, 3).close()
    assert not is_running(path)
    code = "import fcntl, sys; lock = open(sys.argv[1], 'w'); fcntl.flock(lock, fcntl.LOCK_EX); print(); input()"
    arguments = [sys.executable, "-c", code, str(path / ".lock")]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert is_running(path)
        assert read_status(path).state == "running"
        child.communicate("\n")
    assert read_status(path).state == "stopped"
    write(path, 4).close()


def test_a_writer_that_commits_meanwhile_is_no_damage(tmp_path: Path) -> None:
    run = write(tmp_path / "run", 1, n=10_000)
    entries = [decided(outcome(index)) for index in range(1, 4000)]
    ended = threading.Event()

    def commit() -> None:
        for entry in entries:
            run.commit(entry)
        ended.set()

    writer = threading.Thread(target=commit)
    writer.start()
    seen: list[int] = []
    while not ended.is_set():
        status = read_status(tmp_path / "run")
        assert (status.rejected, status.accepted) == (
            (status.candidates) // 3,
            status.candidates - status.candidates // 3,
        )
        seen.append(status.candidates)
    writer.join()
    assert seen == sorted(seen)
    assert read_status(tmp_path / "run").candidates == 4000
    run.close()


@settings(max_examples=60, deadline=None)
@given(cuts=st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)))
def test_any_moment_of_a_writer_is_its_longest_prefix(
    tmp_path_factory: pytest.TempPathFactory, cuts: tuple[float, float]
) -> None:
    path = tmp_path_factory.mktemp("moment") / "run"
    write(path, 12).close()
    whole: set[int] = set()
    for name, cut, indices in (
        (ENCOUNTERS, cuts[0], [i for i in range(12) if i % 3 != 2]),
        (REJECTIONS, cuts[1], [2, 5, 8, 11]),
    ):
        data = (path / name).read_bytes()
        data = data[: round(cut * len(data))]
        (path / name).write_bytes(data)
        whole |= set(indices[: data.count(b"\n")])
    prefix = next(i for i in range(13) if i not in whole)
    with locked(path):
        assert read_status(path).candidates == prefix
    if whole == set(range(prefix)):
        assert read_status(path).candidates == prefix == read_position(path).next_index
    else:
        with pytest.raises(UserError, match="do not fit together"):
            read_status(path)


def test_a_garbled_line_is_named(tmp_path: Path) -> None:
    write(tmp_path / "run", 9).close()
    log = tmp_path / "run" / REJECTIONS
    log.write_bytes(log.read_bytes().replace(b'"index":5', b'"index":x'))
    with pytest.raises(UserError, match=r"rejections\.jsonl is damaged in line 2"):
        read_status(tmp_path / "run")


def test_what_is_no_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a run directory"):
        read_status(tmp_path)
