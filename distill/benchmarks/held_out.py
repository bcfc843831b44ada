"""The held-out split of a run directory as a benchmark: the one benchmark whose facts are known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from distill.benchmarks.base import BenchmarkMetadata, Provenance, WantedFile
from distill.benchmarks.tables import read_bytes
from distill.datasets import held_out_lines
from distill.records import BenchmarkItem
from distill.spool import Spool
from synth.assets import sha256
from synth.errors import UserError
from synth.records import Split


class HeldOut:
    """Encounters that no student of the run was trained on."""

    metadata = BenchmarkMetadata(
        name="held-out",
        title="Held-out split of the run",
        splits=("test", "validation", "train"),
        default_split="test",
        train_split="train",
        metrics=("validity", "facts", "faithfulness", "rouge"),
        licence="that of the run",
        citation="the run's dataset card",
        url="",
    )

    def load(self, data: Path, split: str) -> Sequence[BenchmarkItem]:
        """Return the encounters of a split, on the disk until they are asked for; UserError where the run has none
        there."""
        chosen = next(name for name in get_args(Split) if name == split)
        items = Spool(BenchmarkItem, kept=("id", "task"))
        items.extend_lines(held_out_lines(data, chosen))
        if not items:
            raise UserError(f"the {split} split of {data} is empty; generate more encounters")
        return items

    def available(self, data: Path, split: str) -> bool:
        """Return whether the run has the file of a split."""
        return (data / "dataset" / f"{split}.parquet").is_file()

    def columns(self, data: Path, split: str) -> dict[str, list[str]]:  # noqa: ARG002  the protocol's
        """Return nothing: a run holds no one else's outputs."""
        return {}

    def provenance(self, data: Path, split: str) -> Provenance:
        """Return the split's file; UserError where the run has none."""
        file = data / "dataset" / f"{split}.parquet"
        return Provenance(files={f"dataset/{file.name}": sha256(read_bytes(file))})

    def wanted(self, split: str) -> tuple[WantedFile, ...]:  # noqa: ARG002  the protocol's
        """Return the files of a run directory."""
        place = "a run directory of 'synth generate', given as --data"
        return (WantedFile(name="dataset/SPLIT.parquet", place=place, sha256=None),)
