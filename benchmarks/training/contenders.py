"""Who takes part, which environment each runs in, and what is installed there."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks import environments as shared

_LISTS = Path(__file__).with_name("environments")
_QUIET = {
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "WANDB_MODE": "disabled",
    # Neither a look at a registry for a newer release, nor statistics.
    "DISABLE_VERSION_CHECK": "1",
    "UNSLOTH_DISABLE_STATISTICS": "1",
}


@dataclass(frozen=True, slots=True)
class Contender:
    """How one of them is started."""

    key: str
    name: str
    module: str
    batch: int
    defaults: bool = False
    packing: bool = False
    environment: str = ""
    """Name of its own environment; none is this process's."""

    def python(self, environments: Path) -> Path:
        """Return its interpreter, whether it is there or not."""
        return shared.interpreter(environments, self.environment) if self.environment else Path(sys.executable)


CONTENDERS = (
    Contender("distill", "distill train", "ours", 1),
    Contender("unsloth", "unsloth, batch 1 x 8", "unsloth_cpu", 1, environment="unsloth"),
    Contender("litgpt", "litgpt, batch 1 x 8", "litgpt_lora", 1, environment="litgpt"),
    Contender("llamafactory", "LLaMA-Factory, batch 1 x 8", "llama_factory", 1, environment="llamafactory"),
    Contender("trl", "TRL, batch 1 x 8", "plain_trl", 1),
    Contender("unsloth8", "unsloth, batch 8", "unsloth_cpu", 8, environment="unsloth"),
    Contender("litgpt8", "litgpt, batch 8", "litgpt_lora", 8, environment="litgpt"),
    Contender("llamafactory8", "LLaMA-Factory, batch 8", "llama_factory", 8, environment="llamafactory"),
    Contender("packed", "distill train --packing", "ours", 1, packing=True),
    Contender("trl8", "TRL, defaults (batch 8, padded)", "plain_trl", 8, defaults=True),
)
OURS = CONTENDERS[0].name
PEERS = tuple(dict.fromkeys(each.environment for each in CONTENDERS if each.environment))


def install(environments: Path, name: str) -> None:
    """Make a peer's environment, with the release of torch that is here; CalledProcessError where pip fails."""
    torch = version("torch").partition("+")[0]
    shared.install(environments, name, _LISTS / f"{name}.txt", [f"torch=={torch}"])


def variables(home: Path) -> dict[str, str]:
    """Return the environment variables of every contender: one thread, no way out, a home of its own."""
    return shared.variables(home, _QUIET | {"UNSLOTH_COMPILE_LOCATION": str(home / "unsloth")})
