"""Scores of one or more systems in parts, shared between processes: the values of one process, to the last bit.

A part is some items with what every system wrote for them, so that a reference is tokenised and a source read once for
all systems. Few parts are on their way at a time: memory does not grow with the number of items.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

from distill.catalog import load_metric
from distill.metrics.base import MetricSettings
from distill.records import BenchmarkItem, Metric, PartwiseMetric, Prediction, Score
from distill.score_table import ScoreTable
from distill.spool import lines, values_of
from synth.errors import UserError
from synth.processes import default_workers, open_pool

PART = 32
"""Items that are scored at once; those of a part are read once for all systems."""
LEAST = 512
"""Predictions from which on the start of further processes pays off."""
PARTS_BETWEEN = 8
"""Parts of a process between two collections of its garbage: often enough that memory stays flat, and a tenth of the
time less than Python's own schedule takes."""
Part = tuple[tuple[BenchmarkItem, ...], tuple[tuple[Prediction, ...], ...]]
Values = list[list[dict[str, float | None]]]
"""System → item → values."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a process has to know before its first part."""

    names: tuple[str, ...]
    """The metrics that score in parts."""
    surveys: tuple[tuple[object, ...], ...]
    """System → metric → what matters of all its predictions."""
    settings: MetricSettings


def score_systems(
    metrics: Sequence[str],
    items: Sequence[BenchmarkItem],
    systems: Mapping[str, Sequence[Prediction]],
    settings: MetricSettings | None = None,
    *,
    workers: int | None = None,
) -> dict[str, ScoreTable]:
    """Return for each system one score an item with the values of all metrics, by name; ``predictions[i]`` of each
    belongs to ``items[i]``.

    ``workers`` is one a core unless given; few predictions are scored in this process. Raises ValueError where the
    predictions are not those of the items, UserError for an unknown metric and for one that lacks what it needs.
    """
    settings = settings or MetricSettings()
    loaded = {name: load_metric(name, settings) for name in dict.fromkeys(metrics)}
    for predictions in systems.values():
        if len(items) != len(predictions):
            raise ValueError("the predictions are not those of the items, in their order")
    in_parts = {name: metric for name, metric in loaded.items() if isinstance(metric, PartwiseMetric)}
    plan = _Plan(
        tuple(in_parts),
        tuple(
            tuple(metric.survey(items, predictions) for metric in in_parts.values()) for predictions in systems.values()
        ),
        settings,
    )
    whole = {
        system: {name: metric(items, predictions) for name, metric in loaded.items() if name not in in_parts}
        for system, predictions in systems.items()
    }
    count = workers or default_workers()
    if len(items) * len(systems) < LEAST:
        count = 1
    tables = {system: ScoreTable() for system in systems}
    ids = [str(name) for name in values_of(items, "id")]
    at = 0
    for values in _scored(items, tuple(systems.values()), plan, list(in_parts.values()), count):
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


def _scored(
    items: Sequence[BenchmarkItem],
    systems: Sequence[Sequence[Prediction]],
    plan: _Plan,
    metrics: Sequence[PartwiseMetric],
    workers: int,
) -> Iterator[Values]:
    """Yield the values of each part, in order."""
    if workers == 1 or not metrics:
        for rows in _parts(len(items)):
            part = tuple(items[i] for i in rows), tuple(tuple(system[i] for i in rows) for system in systems)
            yield _values(_checked(part), plan, metrics)
        return
    pool = open_pool(workers, _begin, (plan,))
    waiting: deque[Future[Values]] = deque()
    try:
        for rows in _parts(len(items)):
            waiting.append(pool.submit(_score, lines(items, rows), [lines(system, rows) for system in systems]))
            if len(waiting) > 3 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise UserError(
            "a process that scores was ended from outside; is memory short? --workers 1 needs least"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _values(part: Part, plan: _Plan, metrics: Sequence[PartwiseMetric]) -> Values:
    items, systems = part
    found: Values = []
    for predictions, surveys in zip(systems, plan.surveys, strict=True):
        rows: list[dict[str, float | None]] = [{} for _ in items]
        for metric, survey in zip(metrics, surveys, strict=True):
            for row, score in zip(rows, metric.score(items, predictions, survey), strict=True):
                row.update(score.values)
        found.append(rows)
    return found


@dataclass(slots=True)
class _Mine:
    """What a process scores by that only scores."""

    plan: _Plan
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


def _begin(plan: _Plan) -> None:
    metrics: list[Metric] = [load_metric(name, plan.settings) for name in plan.names]
    _mine[:] = [_Mine(plan, [metric for metric in metrics if isinstance(metric, PartwiseMetric)])]


def _score(items: list[bytes], systems: list[list[bytes]]) -> Values:
    """Return the values of a part that comes as JSON, which is read here and nowhere else."""
    mine = _mine[0]
    part = (
        tuple(map(BenchmarkItem.model_validate_json, items)),
        tuple(tuple(map(Prediction.model_validate_json, system)) for system in systems),
    )
    values = _values(_checked(part), mine.plan, mine.metrics)
    mine.collected()
    return values
