"""Scores of one or more systems in parts, shared between processes: the values of one process, to the last bit.

A part is some items with what every system wrote for them, so that a reference is tokenised and a source read once for
all systems. Few parts are on their way at a time: memory does not grow with the number of items.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from distill.catalog import load_metric
from distill.metrics.base import MetricSettings
from distill.records import BenchmarkItem, Metric, PartwiseMetric, Prediction, Score
from distill.score_table import ScoreTable
from distill.spool import lines, values_of
from distill.workers import Workers
from synth.processes import default_workers

PART = 32
"""Items that are scored at once; those of a part are read once for all systems."""
LEAST = 512
"""Predictions from which on the start of further processes pays off."""
PARTS_BETWEEN = 32
"""Parts of a process between two collections of its garbage: often enough that memory stays flat, and a tenth of the
time less than Python's own schedule takes."""
Part = tuple[tuple[BenchmarkItem, ...], tuple[tuple[Prediction, ...], ...]]
Values = list[list[dict[str, float | None]]]
"""System → item → values."""


Surveys = tuple[tuple[object, ...], ...]
"""System → metric → what matters of all its predictions."""
_Sent = tuple[list[bytes], list[list[bytes]], Surveys]
"""Items and what each system wrote for them, as JSON."""


def open_workers(
    metrics: Sequence[str], settings: MetricSettings | None, predictions: int, workers: int | None
) -> AbstractContextManager[Workers | None]:
    """Return processes that can score by some metrics, which start at once; None for so few predictions that none pay
    off. ``workers`` is one a core unless given.

    Raises UserError for an unknown metric and for one that lacks what it needs.
    """
    settings = settings or MetricSettings()
    names = [name for name in dict.fromkeys(metrics) if isinstance(load_metric(name, settings), PartwiseMetric)]
    count = workers or default_workers()
    return Workers(count, _begin, names, settings) if names and count > 1 and predictions >= LEAST else nullcontext()


def score_systems(
    metrics: Sequence[str],
    items: Sequence[BenchmarkItem],
    systems: Mapping[str, Sequence[Prediction]],
    settings: MetricSettings | None = None,
    *,
    workers: int | None = None,
    opened: Workers | None = None,
) -> dict[str, ScoreTable]:
    """Return for each system one score an item with the values of all metrics, by name; ``predictions[i]`` of each
    belongs to ``items[i]``.

    ``workers`` is one a core unless given; few predictions are scored in this process. Those that are already
    ``opened``, for the same metrics, are taken instead. Raises ValueError where the predictions are not those of the
    items, UserError for an unknown metric and for one that lacks what it needs.
    """
    settings = settings or MetricSettings()
    loaded = {name: load_metric(name, settings) for name in dict.fromkeys(metrics)}
    for predictions in systems.values():
        if len(items) != len(predictions):
            raise ValueError("the predictions are not those of the items, in their order")
    in_parts = {name: metric for name, metric in loaded.items() if isinstance(metric, PartwiseMetric)}
    surveys = tuple(
        tuple(metric.survey(items, predictions) for metric in in_parts.values()) for predictions in systems.values()
    )
    whole = {
        system: {name: metric(items, predictions) for name, metric in loaded.items() if name not in in_parts}
        for system, predictions in systems.items()
    }
    tables = {system: ScoreTable() for system in systems}
    ids = [str(name) for name in values_of(items, "id")]
    at = 0
    of_all = tuple(systems.values())
    several = len(items) * len(systems)
    with nullcontext(opened) if opened else open_workers(metrics, settings, several, workers) as found:
        scored = (
            _here(items, of_all, surveys, list(in_parts.values()))
            if found is None or not in_parts
            else found.in_order(_score, _sent(items, of_all, surveys))
        )
        for values in scored:
            for i in range(len(values[0]) if values else 0):
                for system, of_system in zip(tables, values, strict=True):
                    row: dict[str, float | None] = {}
                    for name in loaded:
                        row.update(
                            {key: of_system[i][key] for key in loaded[name].columns}
                            if name in in_parts
                            else whole[system][name][at].values
                        )
                    tables[system].append(Score(id=ids[at], values=row))
                at += 1
    return tables


def _parts(count: int) -> Iterator[range]:
    """Yield which items are scored at once."""
    return (range(at, min(at + PART, count)) for at in range(0, count, PART))


def _checked(part: Part) -> Part:
    items, systems = part
    for predictions in systems:
        if any(item.id != one.id for item, one in zip(items, predictions, strict=True)):
            raise ValueError("the predictions are not those of the items, in their order")
    return part


def _here(
    items: Sequence[BenchmarkItem],
    systems: Sequence[Sequence[Prediction]],
    surveys: Surveys,
    metrics: Sequence[PartwiseMetric],
) -> Iterator[Values]:
    """Yield the values of each part, in order, computed in this process."""
    for rows in _parts(len(items)):
        part = tuple(items[i] for i in rows), tuple(tuple(system[i] for i in rows) for system in systems)
        yield _values(_checked(part), surveys, metrics)


def _sent(items: Sequence[BenchmarkItem], systems: Sequence[Sequence[Prediction]], surveys: Surveys) -> Iterator[_Sent]:
    """Yield each part as another process is given it."""
    return ((lines(items, rows), [lines(system, rows) for system in systems], surveys) for rows in _parts(len(items)))


def _values(part: Part, of_systems: Surveys, metrics: Sequence[PartwiseMetric]) -> Values:
    items, systems = part
    found: Values = []
    for predictions, surveys in zip(systems, of_systems, strict=True):
        rows: list[dict[str, float | None]] = [{} for _ in items]
        for metric, survey in zip(metrics, surveys, strict=True):
            for row, score in zip(rows, metric.score(items, predictions, survey), strict=True):
                row.update(score.values)
        found.append(rows)
    return found


@dataclass(slots=True)
class _Mine:
    """What a process scores by that only scores."""

    metrics: list[PartwiseMetric]
    parts: int = 0

    def collected(self) -> None:
        """Collect garbage where it is time. What the first part loads, lexicons above all, stays and is never scanned
        again."""
        if self.parts % PARTS_BETWEEN == 0:
            gc.collect()
        if self.parts == 0:
            gc.freeze()
            gc.disable()
        self.parts += 1


_mine: list[_Mine] = []


def _begin(names: Sequence[str], settings: MetricSettings) -> None:
    metrics: list[Metric] = [load_metric(name, settings) for name in names]
    _mine[:] = [_Mine([metric for metric in metrics if isinstance(metric, PartwiseMetric)])]


def _score(sent: _Sent) -> Values:
    """Return the values of a part that comes as JSON, which is read here and nowhere else."""
    items, systems, surveys = sent
    mine = _mine[0]
    part = (
        tuple(map(BenchmarkItem.model_validate_json, items)),
        tuple(tuple(map(Prediction.model_validate_json, system)) for system in systems),
    )
    values = _values(_checked(part), surveys, mine.metrics)
    mine.collected()
    return values
