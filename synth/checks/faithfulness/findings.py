"""What the examination of an encounter brings: a verdict on each fact, and what nothing backs."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Literal

from synth.config import InventedKind

Verdict = Literal["found", "missing", "contradicted"]
KINDS: tuple[InventedKind, ...] = ("medication", "dose", "value", "diagnosis", "negation", "laterality")


@dataclass(frozen=True, slots=True)
class Reached:
    """The verdict on a fact in one text, and what stands there instead."""

    verdict: Verdict
    why: str = ""
    field: str = ""
    """JSON pointer of what contradicts it in a target."""


@dataclass(frozen=True, slots=True)
class FactVerdict:
    """What becomes of one fact of the scenario."""

    id: str
    kind: str
    """As the fact has it; a history with its category, such as ``history/medical``."""
    text: str
    """The fact in a few words."""
    source: Reached
    target: Reached


@dataclass(frozen=True, slots=True)
class Invented:
    """Something in a target that its source does not back."""

    kind: InventedKind
    text: str
    """What stands there."""
    field: str
    """JSON pointer into the target; empty where the target is a text."""


@dataclass(frozen=True, slots=True)
class Faithfulness:
    """The examination of a target against its source, and of both against their facts."""

    facts: tuple[FactVerdict, ...]
    """Empty where there is no scenario."""
    invented: tuple[Invented, ...]
    traced: dict[InventedKind, int]
    """How many items of each kind the target holds, invented ones included."""


def of_kind(kind: str, kinds: Container[str]) -> bool:
    """Return whether a kind of fact, such as ``history/family``, is among some kinds, by itself or as a ``history``."""
    return kind in kinds or kind.partition("/")[0] in kinds
