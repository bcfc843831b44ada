"""What the libraries of the hub may do unasked: nothing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from distill.hub import quiet_hub


@pytest.mark.parametrize(("terminal", "said"), [(False, "1"), (True, None)])
def test_bars_are_for_a_terminal(monkeypatch: pytest.MonkeyPatch, terminal: bool, said: str | None) -> None:
    for name in ("HF_HUB_DISABLE_PROGRESS_BARS", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_OFFLINE"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    quiet_hub()
    assert os.environ.get("HF_HUB_DISABLE_PROGRESS_BARS") == said
    assert os.environ["HF_HUB_DISABLE_TELEMETRY"] == os.environ["HF_HUB_OFFLINE"] == "1"


def test_loading_a_base_says_nothing_in_a_log() -> None:
    """The bars of transformers go by the hub's setting as it was when they were imported."""
    code = "from distill.student import find_student, load_model; load_model(find_student('tiny'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
