"""Train, validation, test: an encounter's split depends on its id alone, so a growing data set never moves one."""

from __future__ import annotations

from synth.assets import sha256
from synth.config import SplitConfig
from synth.records import Split


def split_of(encounter_id: str, shares: SplitConfig) -> Split:
    """Return the split of an encounter: its id, hashed, as a number between 0 and 1, against the shares."""
    point = int(sha256(f"split:{encounter_id}")[:13], 16) / 16**13
    if point < shares.test:
        return "test"
    return "validation" if point < shares.test + shares.validation else "train"
