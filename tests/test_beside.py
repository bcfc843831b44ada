"""What is done once, ahead or beside a run: processes that are forked loaded, recall that is kept, work in a worker."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from synth.catalog import load_task
from synth.checks.workers import CheckWorkers
from synth.config import PhiConfig
from synth.privacy import kept_recall
from synth.privacy.evaluation import HeldOut, Recall
from synth.privacy.kept_recall import recall_by_class
from synth.serving.cache import default_kept_path
from tests.running import environment

ONE = HeldOut(
    sha256="0" * 64,
    documents=1,
    classes={"A": Recall(found=3, total=4, low=0.3, high=0.95)},
    overall=Recall(found=3, total=4, low=0.3, high=0.95),
)
FORKED = """
import os, sys
from pathlib import Path
from synth.processes import AHEAD, load_ahead, open_pool

def begin(value):
    Path(os.environ["HERE"], f"{os.getpid()}").touch()

def told():
    return (os.environ["LATER"], AHEAD in os.environ, "PYTHONSAFEPATH" in os.environ, "seen_ahead" in sys.modules,
            sys.modules["seen_ahead"].KNOWN, sys.modules["seen_ahead"].PROCESS != os.getpid())

if __name__ == "__main__":
    load_ahead("seen_ahead", "endocrinology")
    os.environ["LATER"] = "set after the server was started"
    pool = open_pool(2, begin, (1,), loaded=True)
    print(pool.submit(told).result())
    pool.shutdown()
"""
SEEN = "import os\nKNOWN, PROCESS = os.environ['NOTEWRIGHT_AHEAD'], os.getpid()\n"


def test_a_pool_is_forked_from_what_is_loaded_ahead_and_has_the_environment_of_now(tmp_path: Path) -> None:
    (tmp_path / "seen_ahead.py").write_text(SEEN)
    (tmp_path / "main.py").write_text(FORKED)
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, str(tmp_path / "main.py")],
        capture_output=True,
        text=True,
        env=environment(PYTHONPATH=path, HERE=str(tmp_path)),
        timeout=120,
        check=False,
    )
    assert done.stdout.strip() == str(
        ("set after the server was started", False, False, True, "endocrinology", True)
    ), done.stderr


def test_a_module_ahead_comes_from_where_the_parent_has_it_and_not_from_the_folder_it_is_in(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "seen_ahead.py").write_text(SEEN)
    (tmp_path / "seen_ahead.py").write_text("raise SystemExit('the wrong one')\n")
    (tmp_path / "own" / "main.py").write_text(FORKED)
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, str(tmp_path / "own" / "main.py")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(PYTHONPATH=path, HERE=str(tmp_path)),
        timeout=120,
        check=False,
    )
    assert "'endocrinology', True)" in done.stdout, done.stderr


def beside(work: Callable[[], HeldOut | None]) -> Callable[[], HeldOut | None]:
    return work


def test_recall_is_measured_once_for_a_filter_and_anew_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times: list[PhiConfig] = []

    def measured(settings: PhiConfig) -> HeldOut:
        times.append(settings)
        return ONE

    monkeypatch.setattr(kept_recall, "measured", measured)
    usual, other = PhiConfig(), PhiConfig(thresholds={"PERSON": 0.9})
    expected = {"A": (3, 4, 0.3, 0.95)}
    assert recall_by_class(usual, tmp_path / "kept", beside)() == expected
    assert recall_by_class(usual, tmp_path / "kept", beside)() == expected
    # What becomes of a finding does not change what is found.
    assert recall_by_class(PhiConfig(policy="redact", quarantine=()), tmp_path / "kept", beside)() == expected
    assert times == [usual]
    assert recall_by_class(other, tmp_path / "kept", beside)() == expected
    assert times == [usual, other]
    assert recall_by_class(usual, None, beside)() == expected  # where nothing is kept
    assert times == [usual, other, usual]
    for path in (tmp_path / "kept").iterdir():
        path.write_text('{"sha256":', "utf-8")
    assert recall_by_class(usual, tmp_path / "kept", beside)() == expected
    assert len(times) == 4


def test_recall_that_cannot_be_kept_or_measured_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_recall, "measured", lambda _settings: ONE)
    (tmp_path / "file").touch()
    assert recall_by_class(PhiConfig(), tmp_path / "file", beside)() == {"A": (3, 4, 0.3, 0.95)}
    monkeypatch.setattr(kept_recall, "measured", lambda _settings: None)
    assert recall_by_class(PhiConfig(), tmp_path / "kept", beside)() is None
    assert not (tmp_path / "kept").exists()


def test_a_changed_file_of_the_filter_is_another_filter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = kept_recall._key(PhiConfig())
    assert kept_recall._key(PhiConfig()) == before
    monkeypatch.setattr(kept_recall, "_PACKAGE", tmp_path)
    monkeypatch.setattr(kept_recall, "_BESIDE", ())
    (tmp_path / "privacy").mkdir()
    keys = set()
    for text in ("one", "two"):
        (tmp_path / "privacy" / "held_out.jsonl").write_text(text)
        keys.add(kept_recall._key(PhiConfig()))
    assert len(keys) == 2


def test_nothing_is_kept_beside_a_cache_that_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTEWRIGHT_CACHE", os.devnull)
    assert default_kept_path() is None
    monkeypatch.setenv("NOTEWRIGHT_CACHE", str(tmp_path / "replies.sqlite"))
    assert default_kept_path() == tmp_path / "phi-recall"


@pytest.mark.parametrize("workers", [0, 1])
def test_work_beside_the_checks_is_done_in_a_process_or_here(workers: int) -> None:
    with CheckWorkers(("schema",), load_task("note"), workers) as checks:
        process = checks.beside(os.getpid)()
        assert (process == os.getpid()) == (workers == 0)
        assert checks.beside(max, 3, 7)() == 7
        with pytest.raises(ZeroDivisionError):
            checks.beside(divmod, 1, 0)()
    assert checks.beside(os.getpid)() == os.getpid()


def test_work_beside_is_done_here_where_the_process_died_of_it() -> None:
    with CheckWorkers(("schema",), load_task("note"), 1) as checks:
        assert checks.beside(_ends_a_worker, os.getpid())() == "here"


def _ends_a_worker(parent: int) -> str:
    if os.getpid() != parent:
        os._exit(1)
    return "here"
