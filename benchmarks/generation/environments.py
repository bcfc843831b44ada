"""The environment of each peer: its interpreter, what is installed there, and where its doors are shut."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_PEERS = Path(__file__).with_name("peers")
_QUIET = {
    # Telemetry, viewers and caches of the peers, each by its own switch; and no look at a hub.
    "NEMO_TELEMETRY_ENABLED": "false",
    "TELEMETRY_ENABLED": "false",
    "CURATOR_VIEWER": "0",
    "CURATOR_DISABLE_CACHE": "1",
    "CURATOR_DISABLE_RICH_DISPLAY": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
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


def install(environments: Path, name: str) -> None:
    """Make a peer's environment; CalledProcessError where pip fails.

    The lists are whole and pinned, so pip resolves nothing: the latest DataDesigner asks for a release of certifi that
    not every index has, and distilabel leaves out a library that it imports.
    """
    folder = environments / name
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(interpreter(environments, name)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--requirement", str(_PEERS / f"{name}.txt")], check=True)


def variables(home: Path, environments: Path) -> dict[str, str]:
    """Return the environment variables of a client: this process's, with its home and caches in a folder of its own.

    DataDesigner and Curator count tokens with an encoding that tiktoken would download; litellm brings the file.
    """
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    quiet = _QUIET | {name.lower(): value for name, value in _QUIET.items() if name.endswith("_PROXY")}
    encodings = sorted(environments.glob("*/lib/python*/site-packages/litellm/litellm_core_utils/tokenizers"))
    return kept | quiet | {"HOME": str(home)} | ({"TIKTOKEN_CACHE_DIR": str(encodings[0])} if encodings else {})
