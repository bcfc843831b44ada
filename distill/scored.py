"""A folder that ``distill score`` or ``distill eval`` wrote, read back."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from distill.benchmarks.base import listing
from distill.records import BenchmarkItem, Prediction
from distill.results import ITEMS, Results, SystemPrediction, SystemScore
from synth.assets import sha256
from synth.errors import UserError, first_fault
from synth.records import Record

Column = list[float | None]
R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Scored:
    """What a folder says, without its texts."""

    folder: Path
    results: Results
    ids: tuple[str, ...]
    """The items, in the order of the benchmark."""
    columns: dict[str, dict[str, Column]]
    """System → metric → a value an item."""


def read_scored(folder: Path) -> Scored:
    """Return what ``results.json`` and ``scores.jsonl`` say.

    Raises UserError where the folder is none of ``distill score``'s, or its files do not belong together.
    """
    results = _results(folder)
    ids: dict[str, list[str]] = {name: [] for name in results.systems}
    columns: dict[str, dict[str, Column]] = {name: {} for name in results.systems}
    for line in _lines(folder / "scores.jsonl", SystemScore.model_validate_json):
        if line.system not in ids:
            raise UserError(f"{folder / 'scores.jsonl'}: system {line.system!r} is not in results.json; score it again")
        seen = len(ids[line.system])
        ids[line.system].append(line.id)
        for name, value in line.values.items():
            columns[line.system].setdefault(name, [None] * seen).append(value)
    for name, found in ids.items():
        if found != next(iter(ids.values())) or len(found) != results.items or len(set(found)) != len(found):
            raise UserError(f"{folder / 'scores.jsonl'}: {name!r} has not every item once; score it again")
        if any(len(column) != len(found) for column in columns[name].values()):
            raise UserError(f"{folder / 'scores.jsonl'}: items of {name!r} lack a metric; score it again")
    return Scored(folder, results, tuple(next(iter(ids.values()), ())), columns)


def read_texts(folder: Path, wanted: Collection[str]) -> dict[str, dict[str, Prediction]]:
    """Return system → item → prediction for some items, reading one line at a time."""
    found: dict[str, dict[str, Prediction]] = {}
    for line in _lines(folder / "predictions.jsonl", SystemPrediction.model_validate_json):
        if line.id in wanted:
            found.setdefault(line.system, {})[line.id] = line
    return found


def read_items(folder: Path, wanted: Collection[str]) -> dict[str, BenchmarkItem]:
    """Return some items of ``items.jsonl``; nothing where the folder has none, as those of earlier versions."""
    if not (folder / ITEMS).is_file():
        return {}
    return {item.id: item for item in _lines(folder / ITEMS, BenchmarkItem.model_validate_json) if item.id in wanted}


def item_hashes(folder: Path) -> dict[str, str]:
    """Return item → hash of its source and its reference; nothing where the folder has no ``items.jsonl``."""
    if not (folder / ITEMS).is_file():
        return {}
    return {
        item.id: sha256(json.dumps([item.source, item.reference]))
        for item in _lines(folder / ITEMS, BenchmarkItem.model_validate_json)
    }


def same_items(first: Scored, other: Scored) -> None:
    """Raise UserError, in one line that says what differs, unless two folders are of the same items."""
    one, two = first.results, other.results
    if (one.benchmark, one.split) != (two.benchmark, two.split):
        raise UserError(
            f"{other.folder} is of {two.benchmark}:{two.split}, {first.folder} of {one.benchmark}:{one.split}; "
            "compare runs on one split of one benchmark"
        )
    if set(first.ids) != set(other.ids):
        here = [name for name in first.ids if name not in set(other.ids)]
        there = [name for name in other.ids if name not in set(first.ids)]
        only = [
            f"{len(names):,} of {len(run.ids):,} only in {run.folder} ({listing(names)})"
            for names, run in ((here, first), (there, other))
            if names
        ]
        raise UserError(f"the runs are not of the same items: {'; '.join(only)}; score both on the same ones")
    texts, others = item_hashes(first.folder), item_hashes(other.folder)
    if texts and others and (changed := [name for name in first.ids if texts.get(name) != others.get(name)]):
        raise UserError(
            f"the runs are not of the same items: source or reference of {listing(changed)} differs between "
            f"{first.folder} and {other.folder}; score both on the same data"
        )


def _results(folder: Path) -> Results:
    path = folder / "results.json"
    try:
        return Results.model_validate_json(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{folder} holds no results.json; make one with 'distill score' or 'distill eval'") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 at byte {error.start}") from error
    except ValidationError as error:
        raise UserError(f"{path}: not the results of this version: {first_fault(error)}") from error


def _lines(path: Path, read: Callable[[str], R]) -> Iterator[R]:
    """Yield the records of a file, one a line; UserError where it or a line of it cannot be read."""
    number = 0
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            for line in file:
                number += 1
                yield read(line)
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing; score it again") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 after line {number}") from error
    except ValidationError as error:
        raise UserError(f"{path}: line {number} cannot be read: {first_fault(error)}") from error
