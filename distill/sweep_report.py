"""The table of a sweep: on the terminal, and in ``report.html`` under its curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from distill.card import duration, gigabytes
from distill.measures import Measure
from distill.pages import Shown
from distill.plots import Level, Plot, Point, Series, line_plot
from distill.report import overview_columns, remarks_of, shown
from distill.results import SystemResults
from distill.sweep_records import Sweep, SweepRow
from distill.text_tables import aligned
from synth.assets import render_template
from synth.errors import UserError

PLOTTED = ("schema_valid", "facts_in_field", "invented")
_STYLES = {"lora": "first", "qlora": "second", "full": "third"}
_FLOOR = "retrieval"
_NOTHING = "–"


@dataclass(frozen=True, slots=True)
class TableLine:
    """A line of the table, in words."""

    name: str
    cells: tuple[str, ...]
    beside: bool
    """Whether it is the base or a floor, which nobody trained here."""


def training_columns(sweep: Sweep) -> dict[str, str]:
    """Return the columns that say what training took, with what each means."""
    seeds = {"seed": "of everything that is random"} if len({row.seed for row in sweep.rows}) > 1 else {}
    return {
        "method": "adapter, adapter on a quantised base, or the whole base",
        "pairs": "the first so many of the train split",
        **seeds,
        "trained": "parameters that were trained",
        "steps": "optimiser steps",
        "tokens": "of all forward passes, without padding",
        "time": "of the training; with * since it was resumed, and so tokens, tokens/s and memory",
        "tokens/s": "without padding",
        "memory": "the most that tensors took on a GPU, or the process in main memory",
        "val. loss": "nats a completion token of the validation split, of the student that was kept",
    }


def table_lines(sweep: Sweep, only: Sequence[str] | None = None) -> tuple[dict[str, str], list[TableLine]]:
    """Return the columns of the table with what they mean, and its lines: the combinations, then base and floors.

    ``only`` says which metrics; None is all of the overview. Values are in percent, with their 95 % interval.
    """
    known = overview_columns(sweep)
    measured = {name: known[name] for name in (known if only is None else only) if name in known}
    first = training_columns(sweep)
    lines = [
        TableLine(row.name, (*_trained(row, first), *_measured(row.result, measured)), beside=False)
        for row in sweep.rows
    ]
    lines.extend(
        TableLine(name, (*[_NOTHING] * len(first), *_measured(result, measured)), beside=True)
        for name, result in sweep.beside.items()
    )
    return first | {name: measure.meaning for name, measure in measured.items()}, lines


def text_lines(sweep: Sweep) -> list[str]:
    """Return the table as lines of text, then the reasons of what did not come to its end."""
    columns, lines = table_lines(sweep, ("schema_valid", "fact_recall", "facts_in_field", "invented"))
    return [*aligned([["", *columns], *([line.name, *line.cells] for line in lines)]), *reasons(sweep)]


def reasons(sweep: Sweep) -> list[str]:
    """Return why combinations are not complete."""
    return [f"{row.name}: {row.reason}" for row in sweep.rows if row.reason is not None]


def plots(sweep: Sweep) -> list[Plot]:
    """Return the plots of validation loss and of three metrics over the number of pairs, one line a method (the mean
    over the seeds), with base and retrieval floor where they have a value."""
    drawn = [_plot(sweep, "Validation loss", "nats a token", {row.name: row.validation_loss for row in sweep.rows})]
    known = overview_columns(sweep)
    for name in PLOTTED:
        if name in known:
            values = {row.name: _mean(row.result, name, known[name]) for row in sweep.rows}
            levels = [
                Level(system, value, style)
                for system, style in ((sweep.base, "dashed"), (_FLOOR, "dotted"))
                if system in sweep.beside and (value := _mean(sweep.beside[system], name, known[name])) is not None
            ]
            drawn.append(_plot(sweep, f"{name}: {known[name].meaning}", "%", values, levels))
    return [plot for plot in drawn if plot is not None]


def write_sweep_report(path: Path, sweep: Sweep) -> None:
    """Write the report: one self-contained page, without script and without any request. UserError where it cannot be
    written."""
    columns, lines = table_lines(sweep)
    text = render_template(
        "sweep_report.html.j2",
        sweep=sweep,
        plots=plots(sweep),
        columns=columns,
        lines=lines,
        reasons=reasons(sweep),
        notes=(*sweep.notes, *remarks_of(sweep)),
        seeds=len({row.seed for row in sweep.rows}),
        device=", ".join(sorted({row.device for row in sweep.rows if row.device is not None})),
    )
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from error


def _plot(
    sweep: Sweep, title: str, unit: str, values: Mapping[str, float | None], levels: Sequence[Level] = ()
) -> Plot | None:
    series = [Series(method, _means(sweep.rows, method, values), style) for method, style in _STYLES.items()]
    pairs = sorted({row.pairs for row in sweep.rows if values[row.name] is not None})
    return line_plot(title, "pairs trained on", unit, series, from_zero=unit == "%", levels=levels, x_values=pairs)


def _means(rows: Sequence[SweepRow], method: str, values: Mapping[str, float | None]) -> list[Point]:
    found: dict[int, list[float]] = {}
    for row in rows:
        value = values[row.name]
        if row.method == method and value is not None:
            found.setdefault(row.pairs, []).append(value)
    return [(float(pairs), fmean(some)) for pairs, some in sorted(found.items())]


def _mean(result: SystemResults | None, name: str, measure: Measure) -> float | None:
    found = shown(result.metrics.get(name), measure) if result is not None else None
    return None if found is None else found.mean


def _trained(row: SweepRow, columns: Mapping[str, str]) -> list[str]:
    star = "*" if row.resumed else ""
    said = {
        "method": row.method,
        "pairs": f"{row.pairs:,}",
        "seed": str(row.seed),
        "trained": _whole(row.trained_parameters),
        "steps": _whole(row.steps),
        "tokens": _whole(row.tokens),
        "time": _NOTHING if row.seconds is None else f"{duration(row.seconds)}{star}",
        "tokens/s": _NOTHING if row.tokens_per_second is None else f"{row.tokens_per_second:,.0f}",
        "memory": _NOTHING if row.peak_memory is None else gigabytes(row.peak_memory),
        "val. loss": _NOTHING if row.validation_loss is None else f"{row.validation_loss:.4f}",
    }
    return [said[name] for name in columns]


def _whole(value: int | None) -> str:
    return _NOTHING if value is None else f"{value:,}"


def _measured(result: SystemResults | None, columns: Mapping[str, Measure]) -> list[str]:
    if result is None:
        return [_NOTHING] * len(columns)
    return [_cell(shown(result.metrics.get(name), measure)) for name, measure in columns.items()]


def _cell(value: Shown | None) -> str:
    return _NOTHING if value is None else f"{value.mean:.1f} [{value.low:.1f}, {value.high:.1f}]"
