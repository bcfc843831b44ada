"""The environments of the peers: what is installed there, and each one's own switches."""

from __future__ import annotations

from pathlib import Path

from benchmarks import environments as shared

_PEERS = Path(__file__).with_name("peers")
_QUIET = {
    # Telemetry, viewers and caches of the peers, each by its own switch.
    "NEMO_TELEMETRY_ENABLED": "false",
    "TELEMETRY_ENABLED": "false",
    "CURATOR_VIEWER": "0",
    "CURATOR_DISABLE_CACHE": "1",
    "CURATOR_DISABLE_RICH_DISPLAY": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
}


def install(environments: Path, name: str) -> None:
    """Make a peer's environment; CalledProcessError where pip fails.

    The lists are whole and pinned because the latest DataDesigner asks for a release of certifi that not every index
    has, and distilabel leaves out a library that it imports.
    """
    shared.install(environments, name, _PEERS / f"{name}.txt")


def variables(home: Path, environments: Path) -> dict[str, str]:
    """Return the environment variables of a client: this process's, with its home and caches in a folder of its own.

    DataDesigner and Curator count tokens with an encoding that tiktoken would download; litellm brings the file.
    """
    encodings = sorted(environments.glob("*/lib/python*/site-packages/litellm/litellm_core_utils/tokenizers"))
    own = {"TIKTOKEN_CACHE_DIR": str(encodings[0])} if encodings else {}
    return shared.variables(home, _QUIET | own)
