"""Where the benchmark data lies on this machine, for the tests that read it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "bench"


def aci_bench() -> Path:
    """Return the folder of ACI-Bench; skips the test where there is none."""
    return benchmark("aci-bench")


def benchmark(name: str) -> Path:
    """Return the folder of a benchmark; skips the test where there is none."""
    folder = Path(os.environ.get("NOTEWRIGHT_BENCH", _BESIDE)) / name
    if not folder.is_dir():
        pytest.skip(f"no {name} at {folder}; set NOTEWRIGHT_BENCH to the folder that holds {name}/")
    return folder
