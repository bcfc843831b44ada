"""Scores of one or more systems in parts, shared between processes: the values of one process, to the last bit.

A part is some items with what every system wrote for them, so that a reference is tokenised and a source read once for
all systems. Few parts are on their way at a time: memory does not grow with the number of items.
"""

from __future__ import annotations

import gc
import pickle
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice

from distill.catalog import load_metric
from distill.metrics.base import MetricSettings
from distill.records import BenchmarkItem, Metric, PartwiseMetric, Prediction, Score
from distill.score_table import ScoreTable
from synth.errors import UserError
from synth.processes import default_workers, open_pool
from synth.records import Scenario

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
    at = 0
    for part, values in _scored(_parts(items, tuple(systems.values())), plan, list(in_parts.values()), count):
        for i, item in enumerate(part):
            for system, of_system in zip(tables, values, strict=True):
                row: dict[str, float | None] = {}
                for name in loaded:
                    row.update(
                        {key: of_system[i][key] for key in loaded[name].columns}
                        if name in in_parts
                        else whole[system][name][at].values
                    )
                tables[system].append(Score(id=item, values=row))
            at += 1
    return tables


def _parts(items: Sequence[BenchmarkItem], systems: Sequence[Sequence[Prediction]]) -> Iterator[Part]:
    rows = zip(items, *systems, strict=True)
    while row := list(islice(rows, PART)):
        chosen: tuple[BenchmarkItem, ...] = tuple(entry[0] for entry in row)
        written = tuple(tuple(entry[1 + k] for entry in row) for k in range(len(systems)))
        for of_system in written:
            if any(item.id != one.id for item, one in zip(chosen, of_system, strict=True)):
                raise ValueError("the predictions are not those of the items, in their order")
        yield chosen, written


def _scored(
    parts: Iterator[Part], plan: _Plan, metrics: Sequence[PartwiseMetric], workers: int
) -> Iterator[tuple[list[str], Values]]:
    """Yield ids and values of each part, in order."""
    if workers == 1 or not metrics:
        for part in parts:
            yield [item.id for item in part[0]], _values(part, plan, metrics)
        return
    pool = open_pool(workers, _begin, (plan,))
    waiting: deque[tuple[list[str], Future[Values]]] = deque()
    try:
        for part in parts:
            waiting.append(([item.id for item in part[0]], pool.submit(_score, _packed(part))))
            if len(waiting) > 3 * workers:
                ids, future = waiting.popleft()
                yield ids, future.result()
        while waiting:
            ids, future = waiting.popleft()
            yield ids, future.result()
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


def _score(data: bytes) -> Values:
    mine = _mine[0]
    values = _values(_unpacked(data), mine.plan, mine.metrics)
    mine.collected()
    return values


def _packed(part: Part) -> bytes:
    """Return a part as bytes: its scenarios as JSON, of which pydantic is faster than pickle."""
    items, systems = part
    scenarios = [None if item.scenario is None else item.scenario.model_dump_json() for item in items]
    bare = [item.model_copy(update={"scenario": None}) for item in items]
    return pickle.dumps((bare, scenarios, systems), protocol=pickle.HIGHEST_PROTOCOL)


def _unpacked(data: bytes) -> Part:
    bare: list[BenchmarkItem]
    bare, scenarios, systems = pickle.loads(data)  # noqa: S301  what this command's own process sent
    items = (
        item if told is None else item.model_copy(update={"scenario": Scenario.model_validate_json(told)})
        for item, told in zip(bare, scenarios, strict=True)
    )
    return tuple(items), systems
