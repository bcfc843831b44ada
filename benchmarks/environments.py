"""Peers in virtual environments of their own: how one is made, its interpreter, and where its doors are shut."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENTS = _ROOT / "outputs" / "bench-envs"
"""Where they lie unless said otherwise."""
_QUIET = {
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    # Nothing listens at port 9: what is meant for another machine fails at once instead of leaving.
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "ALL_PROXY": "http://127.0.0.1:9",
    "NO_PROXY": "127.0.0.1,localhost",
}


def interpreter(environments: Path, name: str) -> Path:
    """Return the interpreter of a peer's environment, whether it is there or not."""
    return environments / name / "bin" / "python"


def install(environments: Path, name: str, pinned: Path, first: Sequence[str] = ()) -> None:
    """Make a peer's environment from a list of pinned packages; CalledProcessError where pip fails.

    The list is whole, so pip resolves nothing. What is to be there ``first`` comes with its own dependencies.
    """
    subprocess.run([sys.executable, "-m", "venv", str(environments / name)], check=True)
    pip = [str(interpreter(environments, name)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if first:
        subprocess.run([*pip, *first], check=True)
    subprocess.run([*pip, "--no-deps", "--requirement", str(pinned)], check=True)


def install_missing(environments: Path, peers: Iterable[str], install: Callable[[Path, str], None]) -> None:
    """Make the environments that are not there yet, each by its ``install``, and tell of it."""
    for name in peers:
        if not interpreter(environments, name).exists():
            print(f"making {environments / name}", flush=True)
            install(environments, name)


def variables(home: Path, own: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables of a contender: this process's without its proxies, no way out, ``home`` for its
    home and caches, and what is its ``own``."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    quiet = _QUIET | {name.lower(): value for name, value in _QUIET.items() if name.endswith("_PROXY")}
    return kept | quiet | {"HOME": str(home)} | dict(own)
