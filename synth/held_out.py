"""What a release has to say about the benchmarks that were held out of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from synth.checks.contamination import NAME, NGRAMS, SIMILAR
from synth.config import ContaminationConfig, RunConfig
from synth.ledger import REJECTIONS, whole_lines
from synth.publish import Summary
from synth.records import Overlap, Rejection

_STAGE = f'"stage":"{NAME}"'.encode()


@dataclass(frozen=True, slots=True)
class HeldOutRow:
    """One benchmark."""

    name: str
    items: int
    sha256: str
    shared: int
    """Candidates rejected for n-grams in common with it."""
    similar: int
    """Candidates rejected for their similarity to it."""


@dataclass(frozen=True, slots=True)
class HeldOutTable:
    """All of them, and how near the accepted encounters come."""

    rows: tuple[HeldOutRow, ...]
    limits: ContaminationConfig
    nearest: Overlap | None
    """The largest number of n-grams and the largest cosine among the accepted encounters; None where there are none."""

    @property
    def rejected(self) -> int:
        """Candidates rejected for any of the benchmarks."""
        return sum(row.shared + row.similar for row in self.rows)


def held_out_table(run: Path, config: RunConfig, summary: Summary) -> HeldOutTable | None:
    """Return the table of a run from its logs; None where nothing was held out."""
    if not config.hold_out:
        return None
    taken: Counter[tuple[str, str]] = Counter()
    for line in whole_lines(run / REJECTIONS):
        if _STAGE in line:
            rejection = Rejection.model_validate_json(line)
            if rejection.stage == NAME:
                taken[rejection.detail.partition(" ")[0], rejection.reason] += 1  # the benchmark comes first
    rows = tuple(
        HeldOutRow(one.name, one.items, one.sha256, taken[one.name, NGRAMS], taken[one.name, SIMILAR])
        for one in config.hold_out
    )
    return HeldOutTable(rows, config.contamination, summary.nearest)
