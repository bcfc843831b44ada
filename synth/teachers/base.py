"""What every teacher is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from synth.catalog import Task
from synth.config import TeacherConfig
from synth.packs import Pack
from synth.records import Encounter, Rejection, Scenario, TeacherIdentity


class Teacher(Protocol):
    """Writes encounters; instances serve many candidates at once."""

    @property
    def identity(self) -> TeacherIdentity:
        """Who writes; goes into every encounter and into the manifest."""

    async def write(self, scenario: Scenario) -> Encounter | Rejection:
        """Return the encounter written from a scenario, or a rejection in stage ``source`` or ``target``.

        Raises TeacherUnavailable where the teacher itself is gone, so that the run stops and can be resumed.
        """

    async def close(self) -> None:
        """Give back what the teacher holds: connections, a server that it started."""


@dataclass(frozen=True, slots=True)
class TeacherRequest:
    """What a teacher needs to know before it can write."""

    task: Task
    pack: Pack
    seed: int
    teacher: TeacherConfig
    endpoint: str | None
    """Base URL of an OpenAI-compatible server; only for a teacher of kind ``server``."""
    serve: str | None
    """Folder of the model that a teacher of kind ``vllm`` serves, where that is not the model's name on the Hub."""
    concurrency: int
    """How many candidates will be under way at once."""
    log: Path
    """Where a server that the teacher starts may write its log; beside the run directory, not in it."""
    notify: Callable[[str], None]
    """Told what is being waited for."""
