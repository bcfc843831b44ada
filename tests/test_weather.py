"""Every fault at once, and kill -9 at random moments: exactly N, none lost, none doubled, the same bytes."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from synth.ledger import REJECTIONS
from synth.records import Rejection
from synth.runs import read_encounters, read_manifest
from tests.running import all_bytes

STORM = (
    "busy=0.1,unavailable=0.05,error=0.1,disconnect=0.05,cut=0.05,hang=0.05,slow_drip=0.05,garbage=0.05,no_choices=0.05,"
    "malformed=0.05,truncated=0.1,wrong_schema=0.1,no_turns=0.05,surrogate=0.05,phi=0.05"
)
RAIN = (
    "busy=0.02,unavailable=0.02,error=0.02,disconnect=0.02,cut=0.02,hang=0.01,slow_drip=0.01,garbage=0.02,no_choices=0.02,"
    "malformed=0.05,truncated=0.05,wrong_schema=0.1,no_turns=0.05,surrogate=0.05,phi=0.05"
)


@contextmanager
def serving(rates: str) -> Iterator[str]:
    """Serve with faults at these rates; yield the URL."""
    words = ["--port", "0", "--latency", "0.01", "--bank", "60", "--drip", "4", "--rates", rates]
    command = [sys.executable, "-m", "tests.fake_server", *words]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{server.stdout.readline().split()[1]}"
    finally:
        server.kill()
        server.communicate()


def command(url: str, out: Path, n: int, *more: str) -> list[str]:
    """Return the command of a run that gives a request 1.5 seconds.

    The fake server answers with encounters of other scenarios, so that faithfulness is not checked.
    """
    settings = out.with_name("settings.yaml")
    settings.write_text("checks: [schema, phi]\n")
    synth = [sys.executable, "-c", "from synth.cli import main; main()", "generate", "--specialty", "endocrinology"]
    words = ["--endpoint", url, "--model", "fake-1", "--timeout", "1.5", "--concurrency", "128", "--workers", "1"]
    words += ["--config", str(settings)]
    return [*synth, "-n", str(n), "--out", str(out), *words, *more]


def survives(tmp_path: Path, rates: str, n: int, kills: int, longest: float) -> int:
    """Compare a run that is killed so often, each time after at most so many seconds, with one that is not; return how
    many candidates there were."""
    environment = os.environ | {"NOTEWRIGHT_CACHE": str(tmp_path / "cache.sqlite")}
    chance = random.Random(n)
    with serving(rates) as url:
        whole = subprocess.run(
            command(url, tmp_path / "whole", n, "--no-cache"), stderr=subprocess.PIPE, text=True, check=False
        )
        assert whole.returncode == 0, whole.stderr
        for _ in range(kills):
            process = subprocess.Popen(
                command(url, tmp_path / "killed", n),
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            time.sleep(longest * chance.random())
            process.kill()
            process.wait()
        done = subprocess.run(
            command(url, tmp_path / "killed", n), env=environment, stderr=subprocess.PIPE, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert all_bytes(tmp_path / "killed") == all_bytes(tmp_path / "whole")
    accepted = [encounter.index for encounter in read_encounters(tmp_path / "killed")]
    rejections = [Rejection.model_validate_json(line) for line in (tmp_path / "killed" / REJECTIONS).open()]
    assert len(accepted) == n
    assert sorted(accepted + [one.index for one in rejections]) == list(range(len(accepted) + len(rejections)))
    assert all(one.stage and one.reason and one.detail and one.attempts >= 3 for one in rejections)
    counts = read_manifest(tmp_path / "killed").counts
    assert counts is not None
    assert (counts.accepted, counts.rejected) == (n, len(rejections))
    return counts.candidates


def test_a_small_run_survives_every_fault_and_two_kills(tmp_path: Path) -> None:
    assert survives(tmp_path, RAIN, n=40, kills=2, longest=3.0) >= 40


@pytest.mark.slow
def test_two_thousand_candidates_survive_every_fault_and_fifty_kills(tmp_path: Path) -> None:
    assert survives(tmp_path, STORM, n=1_780, kills=50, longest=2.2) >= 2_000


@pytest.mark.soak
def test_twenty_thousand_candidates_survive_every_fault_and_three_hundred_kills(tmp_path: Path) -> None:
    assert survives(tmp_path, STORM, n=17_000, kills=300, longest=6.0) >= 20_000
