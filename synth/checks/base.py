"""What every check is."""

from __future__ import annotations

from typing import Protocol

from synth.assets import canonical_json, sha256
from synth.records import Encounter, PhiFinding, Rejection


class Check(Protocol):
    """Decides on one encounter; pure, so that it can run anywhere and in any order."""

    name: str

    def __call__(self, encounter: Encounter) -> Encounter | Rejection:
        """Return the encounter, changed where the check's policy says so, or a rejection in the stage of the check's name."""


def reject(
    encounter: Encounter, stage: str, reason: str, detail: str, findings: tuple[PhiFinding, ...] = ()
) -> Rejection:
    """Return the rejection of an encounter, which keeps a hash of what was written but none of its text."""
    return Rejection(
        id=encounter.id,
        index=encounter.index,
        stage=stage,
        reason=reason,
        detail=detail,
        attempts=encounter.attempts,
        usage=encounter.usage,
        sha256=sha256(encounter.source.text + "\n" + canonical_json(encounter.target)),
        findings=findings,
    )
