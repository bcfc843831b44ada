"""``synth`` as a user runs it, in a process of its own, or in this one to save time; no cache but the test's is
touched."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from distill.cli import main as distill_main
from synth.cli import main as synth_main
from tests.fake_server import FakeServer

ANNOUNCED = ("teacher: ", "judge: ", "decoding is ", "accepted ", "all encounters are there")
"""How the lines on standard error begin that tell of no error."""


def command(*words: str) -> list[str]:
    """Return the command line of ``synth`` with these words."""
    return [sys.executable, "-c", "from synth.cli import main; main()", *words]


def environment(**more: str) -> dict[str, str]:
    """Return the environment without the user's cache folder, key and proxies, and with what is given."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("NOTEWRIGHT_")}
    return own | {"NOTEWRIGHT_CACHE": os.devnull} | more


def synth(*words: str, cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    """Return what became of ``synth`` with these words; ``more`` goes into its environment."""
    return subprocess.run(
        command(*words), capture_output=True, text=True, cwd=cwd, env=environment(**more), check=False, timeout=120
    )


def here(*words: str, program: str = "synth") -> subprocess.CompletedProcess[str]:
    """Return what became of ``synth`` or ``distill`` with these words in this process; what would be a traceback is
    raised."""
    stdout, stderr = io.StringIO(), io.StringIO()
    argv, on_term = sys.argv, signal.getsignal(signal.SIGTERM)
    sys.argv = [program, *words]
    code: object = None
    try:
        with redirect_stdout(stdout), redirect_stderr(stderr):
            {"synth": synth_main, "distill": distill_main}[program]()
    except SystemExit as leaving:
        code = leaving.code
    finally:
        sys.argv = argv
        signal.signal(signal.SIGTERM, on_term)
    assert isinstance(code, int)
    return subprocess.CompletedProcess(words, code, stdout.getvalue(), stderr.getvalue())


def at(server: FakeServer, out: Path, n: int | None, **flags: object) -> list[str]:
    """Return the words that generate N encounters with a server, checked by this process and without a cache; the
    server repeats itself, so duplicates are let through.

    ``flags`` come in addition or instead; None leaves one out, True gives one without a value.
    """
    chosen: Mapping[str, object] = {
        "specialty": "endocrinology",
        "n": n,
        "seed": 5,
        "endpoint": server.endpoint,
        "model": "fake-1",
        "out": out,
        "workers": 0,
        "no-cache": True,
        "duplicates": "off",
    }
    words = ["generate"]
    for name, value in {**chosen, **{key.replace("_", "-"): value for key, value in flags.items()}}.items():
        if value is not None:
            words += [f"-{name}" if len(name) == 1 else f"--{name}", *([] if value is True else [str(value)])]
    return words


def errors(result: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the lines on standard error that are no announcements; there must be no traceback."""
    assert "Traceback" not in result.stderr, result.stderr
    return [line for line in result.stderr.splitlines() if not line.startswith(ANNOUNCED)]


def all_bytes(path: Path) -> dict[str, bytes]:
    """Return every file below a folder by its relative name."""
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}
