"""Checks in processes of their own say what they say in this one, and no process outlives its use."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from synth.catalog import load_task
from synth.checks.workers import CheckWorkers
from synth.errors import UserError
from synth.ledger import Decided
from synth.records import Encounter, Rejection, Turn
from tests.running import ANNOUNCED, command, environment
from tests.samples import encounter, note

PLUGIN = '''
"""Checks for tests; what they do is decided by the index of an encounter."""
import os
import time
from pathlib import Path

from synth.checks.base import reject
from synth.errors import UserError

HERE = Path(__file__).parent


class Odd:
    """Accepts, changes and rejects by turns."""

    name = "odd"

    def __init__(self, task):
        self.task = task

    def __call__(self, encounter):
        if encounter.index % 3 == 1:
            return reject(encounter, "odd", "one_of_three", "as agreed")
        if encounter.index % 3 == 2:
            return encounter.model_copy(update={"target": encounter.target | {"changed": "caf\\u00e9 \\u2713"}})
        return encounter


class Slow(Odd):
    """Takes its time, and says first which process it is in."""

    def __call__(self, encounter):
        (HERE / f"pid-{os.getpid()}").touch()
        time.sleep(0.01)
        return super().__call__(encounter)


class Fatal(Odd):
    """Ends its process at one encounter, each time."""

    def __call__(self, encounter):
        if encounter.index == 7:
            os._exit(1)
        return super().__call__(encounter)


class Buggy(Odd):
    """Raises at one encounter."""

    def __call__(self, encounter):
        if encounter.index == 7:
            raise ZeroDivisionError("a bug in a check")
        return super().__call__(encounter)


class Unready:
    """Cannot be opened."""

    def __init__(self, task):
        raise UserError("the word list of this check is missing; install it")
'''
NAMES = ("Odd", "Slow", "Fatal", "Buggy", "Unready")
ENOUGH_S = 60.0
"""For what must end; a hang takes longer."""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with an installed distribution that has the checks above, which processes started here find."""
    folder = tmp_path / "site"
    info = folder / "odd_checks-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "odd_checks.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd-checks\nVersion: 1.0\n")
    points = "\n".join(f"{name.lower()} = odd_checks:{name}" for name in NAMES)
    (info / "entry_points.txt").write_text(f"[notewright.checks]\n{points}\n")
    monkeypatch.delitem(sys.modules, "odd_checks", raising=False)
    monkeypatch.syspath_prepend(str(folder))
    return folder


def encounters(count: int) -> list[Encounter]:
    """Return encounters of which every fifth breaks its contract and every seventh is no dialogue."""
    alone = (Turn(speaker="doctor", text="Hello?"),)
    return [
        encounter(i, target={} if i % 5 == 4 else note(), turns=alone if i % 7 == 6 else None) for i in range(count)
    ]


async def verdicts(workers: CheckWorkers, count: int) -> list[Decided | Rejection | BaseException]:
    gathered = asyncio.gather(*(workers.verdict(each) for each in encounters(count)), return_exceptions=True)
    return await asyncio.wait_for(gathered, ENOUGH_S)


def judged(names: Sequence[str], workers: int, count: int) -> list[Decided | Rejection | BaseException]:
    """Return what checks make of so many encounters, all given to them at once."""

    async def run() -> list[Decided | Rejection | BaseException]:
        async with CheckWorkers(names, load_task("note"), workers) as checks:
            return await verdicts(checks, count)

    return asyncio.run(run())


def pids(plugin: Path) -> list[int]:
    return [int(path.name.removeprefix("pid-")) for path in plugin.glob("pid-*")]


def until(holds: Callable[[], bool], seconds: float = ENOUGH_S) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.01)


def marked(mark: str) -> set[int]:
    """Return the processes, zombies left out, in whose environment a mark stands."""
    found = set()
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                if mark.encode() in (process / "environ").read_bytes():
                    found.add(int(process.name))
            except OSError:
                continue  # it has just ended, or is another user's
    return found


# What they say


@pytest.mark.usefixtures("plugin")
def test_workers_say_what_this_process_says() -> None:
    inline = judged(("schema", "odd"), 0, 70)
    assert judged(("schema", "odd"), 2, 70) == inline
    rejections = [verdict for verdict in inline if isinstance(verdict, Rejection)]
    accepted = [verdict for verdict in inline if isinstance(verdict, Decided)]
    assert {rejection.reason for rejection in rejections} == {"no_dialogue", "not_valid_under_contract", "one_of_three"}
    assert {entry.index for entry in accepted} | {rejection.index for rejection in rejections} == set(range(70))
    changed = [entry for entry in accepted if entry.index % 3 == 2]
    assert changed
    for entry in accepted:
        assert ("changed" in Encounter.model_validate_json(entry.line).target) == (entry in changed)
        assert entry.line == Encounter.model_validate_json(entry.line).model_dump_json().encode()


@pytest.mark.slow
def test_the_phi_check_says_the_same_in_a_worker() -> None:
    named = (
        Turn(speaker="doctor", text="What brings you in, Mr. Abernathy?"),
        Turn(speaker="patient", text="Call me at (415) 555-0123, my MRN is 00123456."),
    )

    async def run(workers: int) -> list[Decided | Rejection]:
        async with CheckWorkers(("schema", "phi"), load_task("note"), workers) as checks:
            return [await checks.verdict(each) for each in (encounter(0), encounter(1, turns=named))]

    clean, found = inline = asyncio.run(run(0))
    assert isinstance(clean, Decided)
    assert isinstance(found, Rejection)
    assert found.findings
    assert asyncio.run(run(1)) == inline


def test_an_unknown_check_is_a_user_error_before_any_process_starts() -> None:
    for workers in (0, 2):
        with pytest.raises(UserError, match="did you mean schema"):
            CheckWorkers(("shema",), load_task("note"), workers)


# Workers that die, checks that raise


def test_a_worker_that_is_killed_takes_no_verdict_with_it(plugin: Path) -> None:
    async def run() -> list[Decided | Rejection | BaseException]:
        async with CheckWorkers(("schema", "slow"), load_task("note"), 2) as checks:
            running = asyncio.create_task(verdicts(checks, 60))
            while not pids(plugin):
                await asyncio.sleep(0.005)
            os.kill(pids(plugin)[0], signal.SIGKILL)
            return await running

    assert asyncio.run(run()) == judged(("schema", "odd"), 0, 60)
    assert len(pids(plugin)) >= 2


@pytest.mark.usefixtures("plugin")
def test_workers_that_die_each_time_are_a_user_error() -> None:
    outcomes = judged(("schema", "fatal"), 1, 40)
    failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert outcomes[7] in failures
    for failure in failures:
        assert type(failure) is UserError
        assert str(failure).startswith("the processes that run the checks die")
        assert "\n" not in str(failure)


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("workers", [0, 1])
def test_what_a_check_raises_reaches_those_who_asked(workers: int) -> None:
    outcomes = judged(("schema", "buggy"), workers, 40)
    assert isinstance(outcomes[7], ZeroDivisionError)
    failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert all(str(failure) == "a bug in a check" for failure in failures)
    assert len(failures) <= 16  # of one batch


@pytest.mark.usefixtures("plugin")
def test_a_check_that_cannot_be_opened_says_why_in_this_process() -> None:
    with pytest.raises(UserError, match="the word list of this check is missing; install it"):
        CheckWorkers(("schema", "unready"), load_task("note"), 0)


@pytest.mark.usefixtures("plugin")
def test_a_check_that_cannot_be_opened_says_why_from_a_worker(capfd: pytest.CaptureFixture[str]) -> None:
    outcomes = judged(("schema", "unready"), 1, 1)
    assert isinstance(outcomes[0], UserError)
    assert "Traceback" not in capfd.readouterr().err
    assert str(outcomes[0]) == "the word list of this check is missing; install it"


# Processes that end


OPEN = """
import asyncio
from synth.catalog import load_task
from synth.checks.workers import CheckWorkers
from tests.test_check_workers import verdicts

async def run():
    async with CheckWorkers(("schema", "slow"), load_task("note"), 2) as checks:
        while True:
            await verdicts(checks, 40)

asyncio.run(run())
"""


def test_no_worker_outlives_a_parent_that_is_killed(plugin: Path) -> None:
    mark = f"NOTEWRIGHT_TEST_MARK={os.getpid()}-{time.monotonic_ns()}"
    name, _, value = mark.partition("=")
    root = str(Path(__file__).resolve().parents[1])
    path = os.pathsep.join([str(plugin), root])
    parent = subprocess.Popen(
        [sys.executable, "-c", OPEN],
        env=environment(**{name: value, "PYTHONPATH": path}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: len(pids(plugin)) == 2)
        assert {parent.pid, *pids(plugin)} <= marked(mark)
        parent.kill()
        parent.wait()
        until(lambda: not marked(mark))
    finally:
        parent.kill()


def test_workers_are_gone_when_they_are_left(plugin: Path) -> None:
    judged(("schema", "slow"), 2, 40)
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids(plugin)))


SLOW_START = """
import pathlib, sys, time
if "multiprocessing.forkserver" in " ".join(sys.orig_argv):
    pathlib.Path(__file__).with_name("starting").touch()
    time.sleep(1.0)
"""


def test_no_thread_of_the_pool_is_left_to_race_with_the_exit() -> None:
    before = set(threading.enumerate())
    for _ in range(3):
        judged(("schema",), 1, 1)
        assert set(threading.enumerate()) <= before


def interrupted(tmp_path: Path, ready: Callable[[Path], bool], **more: str) -> tuple[int, list[str]]:
    """Return the exit code, and the lines on standard error that are no announcements, of a run that is interrupted
    with two workers when its directory is ready for that."""
    out, settings = tmp_path / "run", tmp_path / "settings.yaml"
    settings.write_text("teacher: {name: simulator}\nchecks: [schema]\n")
    words = ["generate", "--specialty", "endocrinology", "-n", "100000", "--config", str(settings), "--out", str(out)]
    process = subprocess.Popen(
        command(*words, "--workers", "2"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**more),
        start_new_session=True,
    )
    try:
        until(lambda: ready(out))
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to all processes
        _, errors = process.communicate(timeout=ENOUGH_S)
    finally:
        process.kill()
    return process.returncode, [line for line in errors.splitlines() if not line.startswith(ANNOUNCED)]


def test_ctrl_c_prints_one_line_and_no_traceback_of_a_worker(tmp_path: Path) -> None:
    log = "encounters.jsonl"
    code, lines = interrupted(tmp_path, lambda out: (out / log).exists() and (out / log).stat().st_size > 0)
    assert code == 130
    assert len(lines) == 1, lines
    assert lines[0].startswith("stopped; everything accepted so far is kept. To go on: synth generate ")


def test_ctrl_c_while_a_worker_starts_prints_no_traceback_either(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(SLOW_START)
    code, lines = interrupted(tmp_path, lambda _out: (site / "starting").exists(), PYTHONPATH=str(site))
    assert code == 130
    # What they are forked from starts first of all, when there may be nothing to keep; click ends a line then.
    assert [line.startswith("stopped; ") for line in lines if line] in ([], [True]), lines
