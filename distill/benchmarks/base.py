"""What every benchmark is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

from pydantic import Field

from distill.benchmarks.tables import duplicates as duplicates
from distill.benchmarks.tables import listing as listing
from distill.benchmarks.tables import read_csv as read_csv
from distill.records import BenchmarkItem
from synth.records import Record

TaskKind = Literal["note", "section", "diagnosis", "mcq", "judge"]
"""What the reference is: a note, one section of a note, a final diagnosis, option letters (sorted), a score of 1–5."""


class BenchmarkMetadata(Record):
    """What a report says about where its numbers come from."""

    name: str
    title: str
    task: TaskKind = "note"
    splits: tuple[str, ...]
    default_split: str
    """The split that is meant where a name stands without one."""
    train_split: str | None
    """The split that the retrieval floor reads; None where there is none."""
    metrics: tuple[str, ...]
    """Names of the metrics that apply, in the order of a table."""
    licence: str
    citation: str
    url: str


class WantedFile(Record):
    """A file that a split is read from."""

    name: str
    """As published, such as ``train.csv``; of a set of files, what it holds."""
    place: str
    """Where it is to be had, in words or as an address."""
    sha256: str | None
    """What it has to have; None where nobody has published one, so that the form alone is checked."""
    form: str = ""
    """What is checked instead, such as its columns."""


class Provenance(Record):
    """What the items of a split were read from."""

    files: dict[str, str] = Field(default_factory=dict)
    """Name → SHA-256."""
    notes: tuple[str, ...] = ()
    """What a reader of the numbers has to know, such as rows that are no items."""


class Benchmark(Protocol):
    """Data that somebody else keeps, as items."""

    metadata: BenchmarkMetadata

    def load(self, data: Path, split: str) -> Sequence[BenchmarkItem]:
        """Return the items of a split in their published order; UserError where the data is missing or is not what
        was published."""

    def available(self, data: Path, split: str) -> bool:
        """Return whether the files of a split lie in the folder, whatever is in them."""

    def columns(self, data: Path, split: str) -> dict[str, list[str]]:
        """Return what others have added to the data: name → one cell an item, in the order of the items; only the
        columns that are not the format's own. Raises UserError as ``load`` does."""

    def provenance(self, data: Path, split: str) -> Provenance:
        """Return the files that ``load`` reads, and what it says about them; UserError as ``load``."""

    def wanted(self, split: str) -> tuple[WantedFile, ...]:
        """Return the files of a split, whether they are there or not."""
