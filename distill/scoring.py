"""Scores of systems on a benchmark: predictions in, ``results.json``, ``scores.jsonl``, ``predictions.jsonl``,
``items.jsonl`` and ``report.html`` out."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic_core import to_json

from distill import floors
from distill.catalog import load_benchmark, load_metric
from distill.metrics.average import add_average
from distill.metrics.base import NOT_SHARES, MetricSettings
from distill.parallel import open_workers, score_systems
from distill.predictions import read_predictions
from distill.records import BenchmarkItem, Prediction, Score
from distill.results import FLOORS, ITEMS, TEST, Cell, Difference, Results, SystemResults
from distill.score_table import ScoreTable
from distill.spool import line_of
from distill.statistics import (
    CONFIDENCE,
    PERMUTATIONS,
    RESAMPLES,
    SEED,
    Interval,
    holm,
    mean_intervals,
    paired_intervals,
    permutation_ps,
)
from distill.tasks import of_one_task
from synth import __version__
from synth.errors import UserError
from synth.runs import read_manifest

_PACKAGES = ("numpy", "jsonschema", "scipy", "statsmodels", "textstat", "bert-score", "torch", "transformers")


def score_system(
    metrics: Sequence[str],
    items: Sequence[BenchmarkItem],
    predictions: Sequence[Prediction],
    settings: MetricSettings | None = None,
    *,
    workers: int | None = None,
) -> ScoreTable:
    """Return one score an item with the values of all metrics, by name; ``predictions[i]`` belongs to ``items[i]``.

    Raises ValueError where the predictions are not those of the items, UserError for an unknown metric.
    """
    return score_systems(metrics, items, {"": predictions}, settings, workers=workers)[""]


def summarise(
    systems: Mapping[str, tuple[Sequence[Prediction], Sequence[Score]]], floor_names: Sequence[str] = FLOORS
) -> dict[str, SystemResults]:
    """Return the row of each system: means, intervals, and the differences of every other system from each floor
    among them.

    ``floor_names`` may name further systems to compare with, such as the base; those that are not there are passed
    over.
    """
    columns = {name: columns_of(scores) for name, (_, scores) in systems.items()}
    rows: dict[str, SystemResults] = {}
    for name, (predictions, _) in systems.items():
        others = [other for other in floor_names if other in systems and other != name and name not in FLOORS]
        rows[name] = SystemResults(
            predictions=len(predictions),
            **_counts(predictions),
            metrics=_cells(columns[name], mean_intervals(list(columns[name].values()))),
            differences={other: differences_of(columns[name], columns[other]) for other in others},
        )
    return tested(rows, columns)


def tested(
    rows: Mapping[str, SystemResults], columns: Mapping[str, Mapping[str, Sequence[float | None]]]
) -> dict[str, SystemResults]:
    """Return the rows with the p-value of every difference, and Holm's over the differences of each metric."""
    found: dict[tuple[str, str, str], float | None] = {}
    for name, row in rows.items():
        keys = [(name, other, column) for other, cells in row.differences.items() for column in cells]
        pairs = [(columns[name][column], columns[other][column]) for _, other, column in keys]
        found.update(zip(keys, permutation_ps(pairs), strict=True))
    families: dict[str, list[tuple[str, str, str]]] = {}
    for key in found:
        families.setdefault(key[2], []).append(key)
    adjusted = {
        key: p for keys in families.values() for key, p in zip(keys, holm([found[key] for key in keys]), strict=True)
    }
    return {
        name: row.model_copy(
            update={
                "differences": {
                    other: {
                        column: cell.model_copy(
                            update={"p": found[name, other, column], "p_holm": adjusted[name, other, column]}
                        )
                        for column, cell in cells.items()
                    }
                    for other, cells in row.differences.items()
                }
            }
        )
        for name, row in rows.items()
    }


def _cells(names: Iterable[str], intervals: Iterable[Interval | None]) -> dict[str, Cell]:
    return {name: cell_of(interval, name) for name, interval in zip(names, intervals, strict=True)}


def differences_of(
    values: Mapping[str, Sequence[float | None]], others: Mapping[str, Sequence[float | None]]
) -> dict[str, Difference]:
    """Return metric → a system minus another, over the items that both have, without p-values."""
    both = [name for name in values if name in others]
    cells = _cells(both, paired_intervals([(values[name], others[name]) for name in both]))
    return {name: Difference(**dict(cell)) for name, cell in cells.items()}


def _counts(predictions: Sequence[Prediction]) -> dict[str, int]:
    empty = truncated = 0
    for prediction in predictions:
        empty += not prediction.text.strip()
        truncated += prediction.finish == "length"
    return {"empty": empty, "truncated": truncated}


def columns_of(scores: Sequence[Score]) -> dict[str, list[float | None]]:
    """Return the values of each column, in the order of the items."""
    if isinstance(scores, ScoreTable):
        return {name: scores.column(name) for name in scores.names}
    return {column: [score.values[column] for score in scores] for column in (scores[0].values if scores else ())}


def score_predictions(
    benchmark: str,
    predictions: Path,
    data: Path,
    out: Path,
    *,
    metrics: Sequence[str] | None = None,
    metric_settings: MetricSettings | None = None,
    with_floors: bool = True,
    workers: int | None = None,
) -> Results:
    """Score a file of predictions on a benchmark (``name`` or ``name:split``) beside the floors, and write the results,
    the items and ``report.html`` to ``out``.

    The system is named after the file; the floors stay out where ``with_floors`` is False; ``metrics`` are the
    benchmark's own unless given. Raises UserError for what is wrong with the name, the data, the file, the folder or a
    metric.
    """
    # The report reads the records of this module.
    from distill.report import write_report

    loaded, split = load_benchmark(benchmark)
    make_folder(out)
    found = loaded.load(data, split)
    facts, items, _ = of_one_task(loaded.metadata, found, None, f"the {split} split of {data}")
    chosen = tuple(metrics or facts.metrics)
    described = describe(chosen, metric_settings)
    name = predictions.stem if predictions.stem not in FLOORS else f"{predictions.stem} (file)"
    train = None
    origin = loaded.provenance(data, split)
    notes = list(origin.notes)
    if not with_floors:
        notes.append("no floors: they were not asked for, so nothing here says whether the system is any use")
    elif facts.task in ("note", "section") or facts.train_split is not None:
        if facts.train_split is None or facts.train_split == split:
            notes.append(f"no retrieval floor: {split} has no train split beside it")
        elif not loaded.available(data, facts.train_split):
            notes.append(f"no retrieval floor: the {facts.train_split} split is not in the data folder")
        else:
            train = loaded.load(data, facts.train_split)
    expected = len(items) * (1 + len(FLOORS) * with_floors)
    with open_workers(chosen, metric_settings, expected, workers) as opened:
        systems: dict[str, Sequence[Prediction]] = {
            name: read_predictions(predictions, items),
            **(floors.of_task(facts.task, items, train) if with_floors else {}),
        }
        tables = score_systems(chosen, items, systems, metric_settings, workers=workers, opened=opened)
        if facts.name == "aci-bench":
            notes.extend(add_average(tables.values()))
        scored = {key: (written, tables[key]) for key, written in systems.items()}
        results = Results(
            benchmark=facts.name,
            split=split,
            items=len(items),
            systems=summarise(scored),
            notes=tuple(notes),
            simulated=written_by_simulator(facts.name, data),
            settings=settings() | described,
            versions=versions(),
            data=origin.files,
        )
        write(out, results, scored)
        write_items(out, items)
        write_report(out / "report.html", results, items, scored, facts, opened)
    return results


def describe(
    metrics: Sequence[str], metric_settings: MetricSettings | None = None
) -> dict[str, str | int | float | bool]:
    """Return what the values of some metrics depend on, such as the encoder of BERTScore; UserError where one is
    unknown or lacks what it needs."""
    found: dict[str, str | int | float | bool] = {}
    for name in metrics:
        told = getattr(load_metric(name, metric_settings), "describe", None)
        if told is not None:
            found.update(told())
    return found


def written_by_simulator(benchmark: str, data: Path) -> bool:
    """Return whether the items of a benchmark are encounters that the simulator wrote."""
    return benchmark == "held-out" and read_manifest(data).teacher.name == "simulator"


def settings() -> dict[str, str | int | float | bool]:
    """Return what the numbers depend on beside data and versions."""
    return {
        "rouge": "as rouge-score 0.1.2",
        "rouge_stemmer": False,
        "rouge_value": "F-measure",
        "interval": "percentile bootstrap over items",
        "confidence": CONFIDENCE,
        "resamples": RESAMPLES,
        "seed": SEED,
        "test": TEST,
        "permutations": PERMUTATIONS,
    }


def versions() -> dict[str, str]:
    """Return the versions of what computes the numbers; a package that is not installed is left out."""
    found = {"notewright": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def write(out: Path, results: Results, systems: Mapping[str, tuple[Sequence[Prediction], Sequence[Score]]]) -> None:
    """Write ``scores.jsonl`` and ``predictions.jsonl`` (one line for each item of each system), and ``results.json``
    last.

    Raises UserError where the folder cannot be written.
    """
    make_folder(out)
    try:
        with (out / "scores.jsonl").open("wb") as file:
            for name, (_, scores) in systems.items():
                for score in scores:
                    file.write(to_json({"id": score.id, "values": score.values, "system": name}) + b"\n")
        with (out / "predictions.jsonl").open("wb") as texts:
            for name, (predictions, _) in systems.items():
                # The line of a SystemPrediction: that of its prediction, then the system.
                rest = b',"system":' + to_json(name) + b"}\n"
                for i in range(len(predictions)):
                    texts.writelines((line_of(predictions, i).removesuffix(b"}"), rest))
        (out / "results.json").write_text(results.model_dump_json(indent=2) + "\n", "utf-8")
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror}") from error


def write_items(out: Path, items: Sequence[BenchmarkItem]) -> None:
    """Write ``items.jsonl``: what was read and what it was compared with, one item a line, so that the folder can be
    read and compared by itself. UserError where it cannot be written."""
    try:
        with (out / ITEMS).open("wb") as file:
            for i in range(len(items)):
                file.writelines((line_of(items, i), b"\n"))
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror}") from error


def make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{out}: cannot be made: {error.strerror}") from error


def cell_of(interval: Interval | None, column: str) -> Cell:
    """Return an interval as the cell of a column."""
    if interval is None:
        return Cell(mean=None, low=None, high=None, n=0, percent=None)
    return Cell(
        mean=interval.mean,
        low=interval.low,
        high=interval.high,
        n=interval.n,
        percent=None if column in NOT_SHARES else round(100 * interval.mean, 2),
    )
