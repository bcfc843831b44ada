"""What every teacher is."""

from __future__ import annotations

from typing import Protocol

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
