"""Settings of all tests: `make test` draws the same inputs each time, `make test-search` others; and fixtures that
several files share."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from distill.judging.judge import Request

if find_spec("hypothesis"):  # which the environment of `make test-vllm` has not
    from hypothesis import settings

    settings.register_profile("same", derandomize=True, print_blob=True)
    settings.register_profile("search", print_blob=True)
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


@pytest.fixture
def fixture_benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the catalogue have the benchmarks that only tests have, and no other."""
    from tests import judging, tabular

    monkeypatch.setattr("distill.catalog.BENCHMARKS", tabular.BENCHMARKS | judging.BENCHMARKS)


@pytest.fixture
def run(tmp_path: Path, fixture_benchmarks: None) -> Request:  # noqa: ARG001  which the scoring needs
    """Return a request for what a run of ``distill score`` holds to be judged."""
    from distill.judging.judge import Request
    from tests.judging import scored

    folder, data = scored(tmp_path)
    return Request(run=folder, data=data)
