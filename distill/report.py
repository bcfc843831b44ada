"""The tables that people read: on the terminal, and in ``report.html`` with every item beside its predictions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol, get_args

from distill.benchmarks.base import BenchmarkMetadata
from distill.columns.table import column_lines
from distill.item_views import ItemView, item_view
from distill.measures import Group, Measure, measure_of, measures
from distill.pages import (
    MOST_ITEMS,
    DifferenceTable,
    DrawnItem,
    Page,
    Shown,
    Table,
    TableRow,
    drawn,
    plots_of,
    write_page,
)
from distill.records import BenchmarkItem, Prediction, Score
from distill.results import FLOORS, Cell, Difference, Results, SystemResults
from distill.spool import line_of
from distill.text_tables import aligned
from distill.workers import Workers

_FAITHFUL = "Faithfulness to the source"
_REST = "Every other column"
_OWN_MISTAKES = (
    "A copy of the source invents nothing: what it is charged with here is how often the check itself is mistaken on "
    "texts of this kind, and every other row has to be read with that in mind."
)


class Tabular(Protocol):
    """What has systems: the results of a run, or a comparison of several."""

    @property
    def systems(self) -> Mapping[str, SystemResults]:
        """Name → row."""


@dataclass(frozen=True, slots=True)
class Row:
    """One system of the overview; a cell is None where the metric does not apply."""

    system: str
    cells: tuple[Shown | None, ...]


def known_columns(results: Tabular) -> dict[str, float]:
    """Return the columns that any system has a value for, each with its highest end of an interval."""
    found: dict[str, float] = {}
    for row in results.systems.values():
        for column, cell in row.metrics.items():
            if cell.mean is not None and cell.high is not None:
                found[column] = max(found.get(column, 0.0), cell.high)
    return found


def overview_columns(results: Tabular) -> dict[str, Measure]:
    """Return the columns of the overview: those that this project describes as such, then what nobody described."""
    found = known_columns(results)
    known = {column: measure for column, measure in measures("overview").items() if column in found}
    described = {column for group in get_args(Group) for column in measures(group)}
    others = [column for column in found if column.rpartition(".")[2] not in described and "." not in column]
    return known | {column: measure_of(column, found[column]) for column in others}


def overview(results: Tabular) -> tuple[list[str], list[Row]]:
    """Return the columns of the overview that any system has a value for, and one row a system."""
    columns = overview_columns(results)
    rows = [
        Row(name, tuple(shown(row.metrics.get(column), measure) for column, measure in columns.items()))
        for name, row in results.systems.items()
    ]
    return list(columns), rows


def shown(cell: Cell | None, measure: Measure) -> Shown | None:
    """Return a cell in the unit that it is shown in; None where there is no value."""
    if cell is None or cell.mean is None or cell.low is None or cell.high is None:
        return None
    scale = 100 if measure.unit == "percent" else 1
    p = cell.p_holm if isinstance(cell, Difference) else None
    return Shown(scale * cell.mean, scale * cell.low, scale * cell.high, measure.unit, p)


def table_lines(results: Tabular) -> list[str]:
    """Return the overview as lines of text, in percent, each mean with its 95 % interval."""
    columns, rows = overview(results)
    return aligned([["system", *columns], *([row.system, *map(_text, row.cells)] for row in rows)])


def _text(cell: Shown | None) -> str:
    return f"{cell.mean:.2f} [{cell.low:.1f}, {cell.high:.1f}]" if cell else "-"


def tables_of(results: Tabular, floors: Iterable[str] = FLOORS) -> list[Table]:
    """Return the tables of a page: the overview, faithfulness, and every other column."""
    found = known_columns(results)
    first = overview_columns(results)
    second = {column: measure for column, measure in measures("faithfulness").items() if column in found}
    rest = {column: measure_of(column, found[column]) for column in found if column not in first | second}
    titled = (("Overview", first, ""), (_FAITHFUL, second, _OWN_MISTAKES), (_REST, rest, ""))
    chosen = frozenset(floors)
    return [
        Table(
            title=title,
            columns=tuple((column, measure.meaning) for column, measure in columns.items()),
            rows=tuple(
                TableRow(
                    name, name in chosen, tuple(shown(row.metrics.get(column), m) for column, m in columns.items())
                )
                for name, row in results.systems.items()
            ),
            remark=remark,
            aside=title == _REST,
        )
        for title, columns, remark in titled
        if columns
    ]


def compared_columns(results: Tabular) -> dict[str, Measure]:
    """Return the columns in which systems are compared: those of the overview, and of faithfulness."""
    found = known_columns(results)
    return overview_columns(results) | {
        column: measure for column, measure in measures("faithfulness").items() if column in found
    }


def differences_of(results: Tabular) -> list[DifferenceTable]:
    """Return the tables of differences, the overview's and those of faithfulness, for each system that others are
    compared with."""
    against = dict.fromkeys(other for row in results.systems.values() for other in row.differences)
    first = overview_columns(results)
    second = {name: measure for name, measure in compared_columns(results).items() if name not in first}
    return [
        DifferenceTable(
            title=f"Minus {other}{what}",
            against=other,
            columns=tuple(columns),
            rows=tuple(
                TableRow(
                    name, False, tuple(shown(row.differences[other].get(column), m) for column, m in columns.items())
                )
                for name, row in results.systems.items()
                if other in row.differences
            ),
        )
        for other in against
        for what, columns in (("", first), (": faithfulness to the source", second))
        if columns
    ]


def remarks_of(results: Tabular) -> list[str]:
    """Return what has to be said of predictions that are empty or cut off."""
    return [
        f"{name}: {count:,} of {row.predictions:,} predictions {what}; they stay in the means"
        for name, row in results.systems.items()
        for count, what in ((row.empty, "are empty"), (row.truncated, "were cut off at the token limit"))
        if count
    ]


def write_report(
    path: Path,
    results: Results,
    items: Sequence[BenchmarkItem],
    systems: Mapping[str, tuple[Sequence[Prediction], Sequence[Score]]],
    metadata: BenchmarkMetadata,
    workers: Workers | None = None,
) -> None:
    """Write the report of one run: one self-contained file that makes no request; ``workers`` draw up its items, if
    there are any. UserError where it cannot be written."""
    page = Page(
        title=metadata.title,
        subtitle=f"{results.benchmark}:{results.split}, {results.items:,} items",
        citation=metadata.citation,
        notes=(*results.notes, *remarks_of(results)),
        simulated=results.simulated,
        tables=tuple(tables_of(results)),
        plots=tuple(plots_of(tables_of(results))),
        differences=tuple(differences_of(results)),
        settings=results.settings,
        versions=results.versions,
        items=len(items),
        lines=tuple(column_lines(results)) if results.columns is not None else (),
    )
    asked = _asked(results, items, systems)
    if workers is None:
        write_page(path, page, map(_view, asked))
    else:
        # The first ones alone are shown, and the others need not be on their way.
        write_page(path, page, workers.in_order(_drawn, islice(asked, MOST_ITEMS)))


@dataclass(frozen=True, slots=True)
class _Asked:
    """What an item's view is made of; the records as JSON."""

    number: int
    item: bytes
    written: dict[str, tuple[bytes, dict[str, float | None]]]
    """System → prediction and values."""
    columns: Mapping[str, Measure]
    read: bool


def _asked(
    results: Results,
    items: Sequence[BenchmarkItem],
    systems: Mapping[str, tuple[Sequence[Prediction], Sequence[Score]]],
) -> Iterator[_Asked]:
    columns = overview_columns(results)
    read = reads_facts(results)
    for i in range(len(items)):
        written = {
            name: (line_of(predictions, i), scores[i].values)
            for name, (predictions, scores) in systems.items()
            if name != "copy"
        }
        yield _Asked(i + 1, line_of(items, i), written, columns, read)


def _view(asked: _Asked) -> ItemView:
    return item_view(
        asked.number,
        BenchmarkItem.model_validate_json(asked.item),
        {
            name: (Prediction.model_validate_json(prediction), values)
            for name, (prediction, values) in asked.written.items()
        },
        asked.columns,
        read=asked.read,
    )


def _drawn(asked: _Asked) -> DrawnItem:
    return drawn(_view(asked))


def reads_facts(results: Tabular) -> bool:
    """Return whether facts and what is invented were measured, so that a page shows them."""
    return not known_columns(results).keys().isdisjoint(measures("faithfulness"))
