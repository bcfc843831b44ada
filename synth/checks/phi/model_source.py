"""A named-entity model as found on this machine, and what reads with one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from synth.checks.phi.model_labels import Span

Reader = Callable[[str], Iterable[Span]]
"""Yields what a model labels in a text of any length; spans may overlap."""


@dataclass(frozen=True, slots=True)
class Source:
    """A model on this machine."""

    written: str
    """As the user wrote it."""
    kind: str
    folder: Path
    revision: str
    """The commit in the local cache, or the version that the model states; empty where there is none."""
