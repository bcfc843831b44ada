"""Memory does not grow with the run: a million scenarios cost what a few thousand do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import resource, sys
from pathlib import Path
from synth import pipeline
from synth.pipeline import running
from synth.config import RunConfig, TeacherConfig
from tests.test_pipeline import UnevenTeacher

candidates = int(sys.argv[2])
teacher = UnevenTeacher(reject=lambda index: index % 50 != 0)

async def opened(_request):
    return teacher

class Forgetful(list):
    def append(self, _item):
        pass

teacher.calls = Forgetful()
running.open_teacher = opened
config = RunConfig(specialty="endocrinology", n=candidates, teacher=TeacherConfig(name="simulator"), checks=("schema",))
try:
    pipeline.generate(config, pipeline.Execution(out=Path(sys.argv[1]), max_candidates=candidates))
except pipeline.CandidateBudgetSpent:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def peak(out: Path, candidates: int) -> int:
    """Return the most memory that a run of so many candidates, one in fifty accepted, took, in MiB."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(out), str(candidates)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.slow
def test_five_times_the_candidates_take_no_more_memory(tmp_path: Path) -> None:
    assert peak(tmp_path / "many", 12_000) <= peak(tmp_path / "few", 2_400) + 8


@pytest.mark.soak
def test_a_million_scenarios_take_no_more_memory_than_a_few_thousand(tmp_path: Path) -> None:
    few, many = peak(tmp_path / "few", 5_000), peak(tmp_path / "many", 1_000_000)
    print(f"{few} MiB for 5,000 candidates, {many} MiB for 1,000,000")
    assert many <= few + 8
