"""What one client has to do, and what it says when it is done; standard library only, for every interpreter."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

MAX_TOKENS = 4096
TEMPERATURE = 0.8
MODEL = "fake-1"
TARGET_BEGINS = "Transcript\n\n"
"""What comes before the source in the user message of a target."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """The prompt of one source."""

    id: str
    system: str
    user: str


@dataclass(frozen=True, slots=True)
class Job:
    """Write a source from each prompt, and a target from each source."""

    endpoint: str
    """Base URL that ends in ``/v1``."""
    model: str
    in_flight: int
    """The most requests that may be under way at once."""
    out: Path
    """Folder of the client's own."""
    prompts: tuple[Prompt, ...]
    target_system: str
    """System message of every target; its user message is ``TARGET_BEGINS`` and the reply that is the source."""

    @property
    def source_system(self) -> str:
        """System message of every source."""
        return self.prompts[0].system


def write_prompts(file: Path, prompts: Sequence[Prompt], target_system: str) -> None:
    """Write one line with the system message of the targets, then one line a prompt."""
    with file.open("w", encoding="utf-8") as lines:
        lines.write(json.dumps({"target_system": target_system}) + "\n")
        for prompt in prompts:
            lines.write(json.dumps({"id": prompt.id, "system": prompt.system, "user": prompt.user}) + "\n")


def read_prompts(file: Path, most: int) -> tuple[tuple[Prompt, ...], str]:
    """Return the first so many prompts of a file, and the system message of the targets."""
    head, *rest = file.read_text("utf-8").splitlines()
    prompts = tuple(Prompt(**json.loads(line)) for line in rest[:most])
    if len(prompts) < most:
        raise ValueError(f"{file} holds {len(prompts)} prompts, not {most}")
    return prompts, json.loads(head)["target_system"]


def read_job() -> Job:
    """Return the job that the command line names."""
    parser = argparse.ArgumentParser(description="Run one client of the generation benchmark.")
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--prompts", type=Path, required=True)
    parser.add_argument("--pairs", type=int, required=True)
    parser.add_argument("--in-flight", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    prompts, target_system = read_prompts(given.prompts, given.pairs)
    return Job(given.endpoint, MODEL, given.in_flight, given.out, prompts, target_system)


def say_done(pairs: int, *distributions: str) -> None:
    """Print, as the last line of a client, how many pairs it has and the versions of the libraries that wrote them."""
    versions = {name: version(name) for name in distributions}
    print(json.dumps({"pairs": pairs, "versions": versions}), flush=True)
