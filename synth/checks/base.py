"""What every check is."""

from __future__ import annotations

import json
from typing import Protocol

from synth.assets import sha256
from synth.records import Encounter, Part, PhiFinding, Rejection


class Check(Protocol):
    """Decides on one encounter; pure, so that it can run anywhere and in any order."""

    name: str

    def __call__(self, encounter: Encounter) -> Encounter | Rejection:
        """Return the encounter, changed where the check's policy says so, or a rejection in the stage of the check's
        name."""


def reject(
    encounter: Encounter,
    stage: str,
    reason: str,
    detail: str,
    findings: tuple[PhiFinding, ...] = (),
    *,
    part: Part = "target",
) -> Rejection:
    """Return the rejection of an encounter, which keeps a hash of what was written but none of its text.

    Takes any target that Python's JSON reader returns, ``NaN`` and lone surrogates included.
    """
    written = f"{encounter.source.text}\n{json.dumps(encounter.target, separators=(',', ':'))}"
    return Rejection(
        id=encounter.id,
        index=encounter.index,
        stage=stage,
        reason=reason,
        part=part,
        detail=detail,
        attempts=encounter.attempts,
        usage=encounter.usage,
        sha256=sha256(written.encode("utf-8", "surrogatepass")),
        findings=findings,
    )
