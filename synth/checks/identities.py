"""The check of placeholders: rejects what could not be published, whichever way the run is published."""

from __future__ import annotations

from synth.catalog import Task
from synth.checks.base import reject
from synth.checks.schema import first_violation
from synth.fields import SOURCE, strings_of
from synth.filling import MODES, fill
from synth.identities import unknown
from synth.records import Encounter, Part, Rejection


class IdentitiesCheck:
    """Rejects a placeholder that the catalogue does not know (``unknown_placeholder``), and a target that breaks its
    contract once it is filled (``not_valid_when_filled``).

    It comes last and looks at every way of filling, so that the way can be chosen anew when the run is complete.
    """

    name = "identities"

    def __init__(self, task: Task) -> None:
        self._schema_name = task.schema_name

    def __call__(self, encounter: Encounter) -> Encounter | Rejection:
        """Return the encounter unchanged, or its rejection."""
        strings = strings_of(encounter.target)
        stray = strays(encounter, strings, self.name)
        if stray is not None:
            return stray
        if any("{{" in text for text in strings.values()):
            for mode in MODES:
                violation = first_violation(self._schema_name, fill(encounter, mode).target)
                if violation is not None:
                    return reject(encounter, self.name, "not_valid_when_filled", f"{violation} ({mode})")
        return encounter


def strays(encounter: Encounter, strings: dict[str, str], stage: str) -> Rejection | None:
    """Return the rejection of an encounter that holds unknown placeholders; None where it holds none."""
    for part, texts in (("source", {SOURCE: encounter.source.text}), ("target", strings)):
        if (line := unknown(texts)) is not None:
            written: Part = "source" if part == "source" else "target"
            return reject(encounter, stage, "unknown_placeholder", line, part=written)
    return None
