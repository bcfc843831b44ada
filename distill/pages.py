"""``report.html``: one self-contained page, complete without its script, that makes no request.

Every text is escaped by the template, and what no browser shows is made visible; the page's policy forbids every
resource, and every script but its own.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from distill.dot_plots import Dot, DotPlot, dot_plot
from distill.item_views import ItemView
from synth.assets import render_template
from synth.errors import UserError

ITEM_BYTES = 8_000_000
"""Of the items in a page; those beyond stay in ``predictions.jsonl``."""
MOST_ITEMS = 200
"""In a page: reading them takes up to a quarter of a second each."""
ITEMS_A_PAGE = 25
_MOST_PLOTS = 12
_UNSEEN = {
    **{code: chr(0x2400 + code) for code in range(0x20) if code not in (0x09, 0x0A)},
    0x0D: None,
    0x7F: "\u2421",
    **dict.fromkeys(range(0x80, 0xA0), "\ufffd"),
}
_NO_CHARACTER = re.compile("[\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Shown:
    """A mean with its interval, in the unit that it is shown in."""

    mean: float
    low: float
    high: float
    unit: str = "percent"
    p: float | None = None
    """Of a difference, after Holm over all differences of the metric."""

    @property
    def apart(self) -> bool:
        """Whether, of a difference, the interval leaves out 0."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class TableRow:
    """A system; a cell is None where the metric does not apply."""

    system: str
    floor: bool
    cells: tuple[Shown | None, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Columns with what they mean, and a row for each system."""

    title: str
    columns: tuple[tuple[str, str], ...]
    rows: tuple[TableRow, ...]
    remark: str = ""
    aside: bool = False
    """Whether it is folded away, and has no plots."""


@dataclass(frozen=True, slots=True)
class DifferenceTable:
    """Each system minus one."""

    title: str
    against: str
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]

    @property
    def plots(self) -> list[DotPlot]:
        """A plot for each column."""
        return [
            plot
            for i, column in enumerate(self.columns)
            if (plot := dot_plot(f"{column}, minus {self.against}", _dots(self.rows, i), differences=True))
        ]


@dataclass(frozen=True, slots=True)
class Apart:
    """An item in which a system and the one it is compared with are far apart."""

    id: str
    number: int
    system: str
    value: str
    other: str
    difference: str


@dataclass(frozen=True, slots=True)
class MostApart:
    """The items that differ most in one metric."""

    column: str
    rows: tuple[Apart, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """What a page says beside its items."""

    title: str
    subtitle: str
    citation: str
    notes: tuple[str, ...]
    simulated: bool
    tables: tuple[Table, ...]
    plots: tuple[DotPlot, ...]
    differences: tuple[DifferenceTable, ...]
    settings: Mapping[str, object]
    versions: Mapping[str, str]
    items: int
    """How many there are, whether or not all of them fit."""
    runs: tuple[tuple[str, str], ...] = ()
    """Of a comparison: folder, and what it holds."""
    against: str = ""
    most_apart: tuple[MostApart, ...] = ()
    lines: tuple[str, ...] = ()
    """A table in letters, of what published columns say."""


def plots_of(tables: Sequence[Table]) -> list[DotPlot]:
    """Return a plot for each column of the tables that are not aside."""
    return [
        plot
        for table in tables
        if not table.aside
        for i, (column, _) in enumerate(table.columns)
        if (plot := dot_plot(column, _dots(table.rows, i)))
    ][:_MOST_PLOTS]


def _dots(rows: Iterable[TableRow], i: int) -> list[Dot]:
    return [
        Dot(row.system, cell.mean, cell.low, cell.high, row.floor, 1 if cell.unit == "percent" else 2)
        for row in rows
        if (cell := row.cells[i]) is not None
    ]


@dataclass(frozen=True, slots=True)
class DrawnItem:
    """An item as it stands in the page."""

    id: str
    html: str


def drawn(view: ItemView) -> DrawnItem:
    """Return an item as it stands in the page."""
    return DrawnItem(view.id, visible(render_template("eval_item.html.j2", item=view)))


def write_page(path: Path, page: Page, views: Iterable[ItemView | DrawnItem], *, limit: int = ITEM_BYTES) -> None:
    """Write a page with as many items as fit into ``limit`` bytes, ``MOST_ITEMS`` at most, in their order.

    Raises UserError where it cannot be written.
    """
    items: list[DrawnItem] = []
    left = limit
    for view in views:
        item = view if isinstance(view, DrawnItem) else drawn(view)
        left -= len(item.html.encode())
        if left < 0 and items:
            break
        items.append(item)
        if len(items) == MOST_ITEMS:
            break
    groups = [items[start : start + ITEMS_A_PAGE] for start in range(0, len(items), ITEMS_A_PAGE)]
    script = render_template("eval_report.js.j2")
    text = render_template(
        "eval_report.html.j2",
        page=page,
        groups=[
            (1 + ITEMS_A_PAGE * i, group[0].id, group[-1].id, [item.html for item in group])
            for i, group in enumerate(groups)
        ],
        shown=len(items),
        policy=f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'",
    )
    try:
        path.write_text(visible(text), "utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from error


def visible(text: str) -> str:
    """Return a text with signs in place of control characters, and of what is no character at all."""
    return _NO_CHARACTER.sub("\ufffd", text).translate(_UNSEEN)


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
