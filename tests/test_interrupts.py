"""Ctrl-C ends a command also where a library that is being loaded takes the exception for something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.running import synth

WHILE_LOADING = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "synth.pipeline" and "forkserver" not in " ".join(sys.orig_argv):
            try:
                os.kill(os.getpid(), signal.SIGINT)
            except KeyboardInterrupt:
                {then}

sys.meta_path.insert(0, Finder())
"""


@pytest.mark.parametrize("then", ["pass", "raise ValueError('no schema') from None"], ids=["dropped", "renamed"])
def test_ctrl_c_that_a_library_drops_or_renames_ends_the_command(tmp_path: Path, then: str) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(WHILE_LOADING.format(then=then))
    words = ["generate", "--specialty", "endocrinology", "-n", "3", "--teacher", "simulator"]
    done = synth(*words, "--out", str(tmp_path / "run"), PYTHONPATH=str(site))
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run" / "dataset").exists()
