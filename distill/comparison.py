"""What a comparison of runs is: the records of ``compare.json``, and the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from distill.catalog import load_benchmark
from distill.item_views import ItemView, item_view
from distill.measures import Measure
from distill.merged import Systems
from distill.pages import Apart, MostApart, Page, plots_of, write_page
from distill.records import BenchmarkItem, Prediction
from distill.report import compared_columns, differences_of, overview_columns, reads_facts, remarks_of, tables_of
from distill.results import SystemResults
from synth.errors import UserError
from synth.records import Record


class ComparedRun(Record):
    """One of the folders."""

    folder: str
    systems: dict[str, str]
    """Name in the comparison → name in the folder."""
    notes: tuple[str, ...]
    settings: dict[str, str | int | float | bool]
    versions: dict[str, str]


class ItemDifference(Record):
    """An item in which a system and the one it is compared with are far apart."""

    id: str
    system: str
    value: float
    against: float
    difference: float


class ItemTexts(Record):
    """What there is to read of an item; None where the folder does not keep it."""

    source: str | None
    reference: str | None
    predictions: dict[str, str]
    """System → text."""


class Comparison(Record):
    """What ``compare.json`` holds."""

    format: Literal[1] = 1
    benchmark: str
    split: str
    items: int
    simulated: bool
    against: str
    """The system that the others are compared with."""
    runs: tuple[ComparedRun, ...]
    systems: dict[str, SystemResults]
    """Their differences are from ``against``, and from nothing else."""
    most_different: dict[str, tuple[ItemDifference, ...]]
    """Metric → the items that differ most from ``against``, the farthest first."""
    texts: dict[str, ItemTexts]
    """Of the items in ``most_different``."""
    notes: tuple[str, ...]
    settings: dict[str, str | int | float | bool]
    versions: dict[str, str]


def write_comparison_report(
    path: Path,
    comparison: Comparison,
    ids: Sequence[str],
    systems: Systems,
    wanted: Sequence[str],
    items: Mapping[str, BenchmarkItem],
    written: Mapping[str, Mapping[str, Prediction]],
) -> None:
    columns, first, read = compared_columns(comparison), overview_columns(comparison), reads_facts(comparison)
    tables = tables_of(comparison)
    try:
        metadata = load_benchmark(comparison.benchmark)[0].metadata
        title, citation = metadata.title, metadata.citation
    except UserError:
        title, citation = comparison.benchmark, ""
    number = {name: i for i, name in enumerate(wanted, 1)}
    page = Page(
        title=f"{title}: {len(comparison.runs)} runs",
        subtitle=f"{comparison.benchmark}:{comparison.split}, {comparison.items:,} items",
        citation=citation,
        notes=(*comparison.notes, *remarks_of(comparison)),
        simulated=comparison.simulated,
        tables=tuple(tables),
        plots=tuple(plots_of(tables)),
        differences=tuple(differences_of(comparison)),
        settings=comparison.settings,
        versions=comparison.versions,
        items=comparison.items,
        runs=tuple((run.folder, ", ".join(run.systems) or "nothing of its own") for run in comparison.runs),
        against=comparison.against,
        most_apart=tuple(
            MostApart(column, tuple(_apart(row, number[row.id], columns[column]) for row in rows))
            for column, rows in comparison.most_different.items()
        ),
    )
    place = {name: i for i, name in enumerate(ids)}

    def views() -> Iterator[ItemView]:
        for name in wanted:
            values = {
                system: (
                    prediction,
                    {column: found[place[name]] for column, found in systems.columns[system].items()},
                )
                for system, prediction in written[name].items()
                if system != "copy"
            }
            if name in items:
                yield item_view(number[name], items[name], values, first, read=read)

    write_page(path, page, views())


def _apart(row: ItemDifference, number: int, measure: Measure) -> Apart:
    scale = 100 if measure.unit == "percent" else 1
    return Apart(
        id=row.id,
        number=number,
        system=row.system,
        value=f"{scale * row.value:.1f}",
        other=f"{scale * row.against:.1f}",
        difference=f"{scale * row.difference:+.1f}",
    )
