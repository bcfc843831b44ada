"""``synth generate`` as a user runs it: killed, resumed, interrupted, misspelt."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from synth.ledger import REJECTIONS
from synth.records import Rejection
from synth.runs import read_encounters, read_manifest
from tests.running import all_bytes

SETTINGS = "specialty: endocrinology\nseed: 5\nteacher: {name: simulator}\n"


def command(*words: str) -> list[str]:
    return [sys.executable, "-c", "from synth.cli import main; main()", "generate", *words]


def finish(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*words), capture_output=True, text=True, cwd=cwd, check=False)


def one_line(result: subprocess.CompletedProcess[str]) -> str:
    """Return the only line on standard error, after seeing that the exit code is that of a user's mistake."""
    lines = result.stderr.splitlines()
    assert result.returncode == 2, result.stderr
    assert len(lines) == 1, result.stderr
    assert result.stdout == ""
    return lines[0]


def settings_file(tmp_path: Path, checks: str, more: str = "") -> Path:
    path = tmp_path / "settings.yaml"
    path.write_text(f"{SETTINGS}checks: {checks}\n{more}")
    return path


def generate_with_kills(config: Path, out: Path, n: int, kills: int, seed: int, concurrency: int) -> int:
    """Run to the end with so many kill -9 on the way, each at a random number of candidates; return how many hit a
    running process."""
    chance = random.Random(seed)
    words = ["--config", str(config), "-n", str(n), "--out", str(out), "--concurrency", str(concurrency)]
    hits = 0
    for _ in range(kills):
        process = subprocess.Popen(command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        log = out / "encounters.jsonl"
        before = log.stat().st_size if log.exists() else 0
        while process.poll() is None and (not log.exists() or log.stat().st_size <= before):
            time.sleep(0.002)
        time.sleep(chance.random() * 0.15)
        hits += process.poll() is None
        process.kill()
        process.wait()
    result = finish(*words)
    assert result.returncode == 0, result.stderr
    return hits


def test_killed_at_any_moment_a_run_ends_in_the_same_bytes(tmp_path: Path) -> None:
    config = settings_file(tmp_path, "[schema, duplicates]", "duplicates: {share: 0.06}\n")
    assert finish("--config", str(config), "-n", "300", "--out", str(tmp_path / "whole")).returncode == 0
    hits = generate_with_kills(config, tmp_path / "killed", 300, kills=3, seed=1, concurrency=7)
    assert hits >= 2
    assert all_bytes(tmp_path / "killed") == all_bytes(tmp_path / "whole")
    assert "near_duplicate" in (tmp_path / "killed" / REJECTIONS).read_text()


@pytest.mark.slow
def test_1500_with_every_check_killed_ten_times(tmp_path: Path) -> None:
    config = settings_file(tmp_path, "[schema, phi]")
    assert finish("--config", str(config), "-n", "1500", "--out", str(tmp_path / "whole")).returncode == 0
    hits = generate_with_kills(config, tmp_path / "killed", 1500, kills=10, seed=2, concurrency=64)
    assert hits >= 5
    assert all_bytes(tmp_path / "killed") == all_bytes(tmp_path / "whole")
    assert sum(1 for _ in read_encounters(tmp_path / "whole")) == 1500


def test_all_checks_leave_exactly_n_and_a_whole_ledger(tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = finish("--specialty", "endocrinology", "-n", "40", "--teacher", "simulator", "--out", str(out))
    assert result.returncode == 0, result.stderr
    accepted = [encounter.index for encounter in read_encounters(out)]
    rejected = [Rejection.model_validate_json(line).index for line in (out / REJECTIONS).open()]
    counts = read_manifest(out).counts
    assert counts is not None
    assert len(accepted) == 40
    assert sorted(accepted + rejected) == list(range(counts.candidates))
    assert read_manifest(out).status == "complete"


def test_interrupt_stops_cleanly_and_prints_the_command_that_resumes(tmp_path: Path) -> None:
    config = settings_file(tmp_path, "[schema]")
    out = tmp_path / "run"
    words = ["--config", str(config), "-n", "20000", "--out", str(out)]
    process = subprocess.Popen(command(*words), stderr=subprocess.PIPE, text=True)
    while not (out / "encounters.jsonl").exists() or (out / "encounters.jsonl").stat().st_size < 100_000:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    last = errors.splitlines()[-1]
    assert f"To go on: synth generate --config {config} -n 20000 --out {out}" in last
    assert "Traceback" not in errors
    assert read_manifest(out).status == "running"


def test_misspelt_words_get_one_line_and_a_suggestion(tmp_path: Path) -> None:
    assert "did you mean endocrinology?" in one_line(finish("--specialty", "endocrinolgy", "-n", "3", cwd=tmp_path))
    assert "Did you mean '--specialty'?" in one_line(finish("--specalty", "endocrinology", cwd=tmp_path))
    assert "did you mean note?" in one_line(
        finish("--specialty", "endocrinology", "-n", "3", "--task", "notes", cwd=tmp_path)
    )
    assert "n is missing" in one_line(finish("--specialty", "endocrinology", "--teacher", "simulator", cwd=tmp_path))
    assert "does not exist" in one_line(finish("--config", "nowhere.yaml", cwd=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_settings_that_make_no_sense_get_one_line(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(SETTINGS + "n: 3\nchecks: [schema, phy]\n")
    assert "did you mean phi?" in one_line(finish("--config", str(wrong), "--out", str(tmp_path / "run")))
    wrong.write_text(SETTINGS + "n: 3\ncolour: red\n")
    assert "colour" in one_line(finish("--config", str(wrong)))
    wrong.write_text("[1, 2")
    assert "cannot read" in one_line(finish("--config", str(wrong)))
    assert "--endpoint needs --model" in one_line(
        finish("--specialty", "endocrinology", "-n", "3", "--endpoint", "http://127.0.0.1:9")
    )


def test_a_folder_that_cannot_be_written_gets_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = finish(
        "--specialty", "endocrinology", "-n", "3", "--teacher", "simulator", "--out", str(tmp_path / "file" / "run")
    )
    assert "cannot write to" in one_line(result)


@pytest.mark.parametrize(
    "words", [["synth", "--help"], ["synth", "generate", "--help"], ["distill", "train", "--help"]]
)
def test_help_answers_in_under_half_a_second_of_work(words: list[str]) -> None:
    code = f"from {words[0]}.cli import main; main()"
    start = os.times()
    subprocess.run([sys.executable, "-c", code, *words[1:]], stdout=subprocess.DEVNULL, check=True)
    end = os.times()
    assert end.children_user - start.children_user + end.children_system - start.children_system < 0.5
