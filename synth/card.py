"""The dataset card: what is in the data set, where it comes from, and what it does not show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from synth.assets import render_template
from synth.catalog import Task
from synth.config import RunConfig
from synth.held_out import HeldOutTable
from synth.judged import JudgedTable
from synth.packs import Pack
from synth.publish import Summary
from synth.records import Counts, Manifest
from synth.release import Release
from synth.runs import write_atomically
from synth.shares import Share


def write_card(
    run: Path,
    config: RunConfig,
    manifest: Manifest,
    counts: Counts,
    summary: Summary,
    task: Task,
    pack: Pack,
    release: Release,
    held_out: HeldOutTable | None = None,
    shares: Sequence[Share] = (),
    judged: JudgedTable | None = None,
) -> None:
    """Write ``README.md`` of a run: the card that a publisher reads before signing."""
    conditions = [
        (name, summary.conditions[name], [pack.citations[source] for source in pack.conditions[name].sources])
        for name in sorted(pack.conditions)
    ]
    text = render_template(
        "dataset_card.md.j2",
        config=config,
        manifest=manifest,
        counts=counts,
        summary=summary,
        task=task,
        source=task.nouns[0],
        target=task.nouns[1],
        conditions=conditions,
        release=release,
        held_out=held_out,
        shares=shares,
        judged=judged,
        size=_size_category(counts.accepted),
    )
    write_atomically(run / "README.md", text.rstrip() + "\n")


def _size_category(n: int) -> str:
    """Return the Hugging Face Hub's ``size_categories`` label for a number of rows."""
    for limit, label in ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")):
        if n < limit:
            return label
    return "n>1M"
