"""How long a visit is: what a brief one leaves out, and what a long one takes its time for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from synth.records import Difficulty, Length


@dataclass(frozen=True, slots=True)
class Extent:
    """The pace of one length of visit."""

    asides: float
    """How much more often what a visit can do without is said: small talk, acknowledgements, check-in."""
    groups: tuple[int, ...]
    """How many symptoms are asked about at once, each as often as it stands here."""
    wordy: int
    """Which of two ways of saying a thing is taken: the shorter (-1), the longer (1), or the first that comes (0)."""
    talk: float
    """How likely each of the topics is that only a long visit has."""


EXTENTS: Mapping[Length, Extent] = {
    "brief": Extent(asides=0.1, groups=(3,), wordy=-1, talk=0.0),
    "usual": Extent(asides=1.0, groups=(1, 2, 2, 3, 3, 3), wordy=0, talk=0.0),
    "long": Extent(asides=2.0, groups=(1, 1, 1, 1, 2), wordy=0, talk=1.0),
}
SLIPS: Mapping[Difficulty, float] = {"easy": 0.0, "usual": 1.0, "hard": 2.5}
"""How much more often somebody corrects himself or interrupts."""
