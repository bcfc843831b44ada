"""What is judged: the items and predictions of a folder of ``distill score`` or ``distill eval``."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from distill.answers import parse_score
from distill.benchmarks.base import duplicates, listing
from distill.catalog import load_benchmark
from distill.files import read_record
from distill.records import BenchmarkItem
from distill.results import Results
from distill.scored import read_items
from synth.catalog import suggest
from synth.errors import UserError

ANSWERS = "answers"
"""The one system of a benchmark whose items hold what is to be judged."""


@dataclass(frozen=True, slots=True)
class Output:
    """What stands before the judge: one item, with what every system wrote for it."""

    id: str
    source: str
    reference: str
    texts: Mapping[str, str]
    """System → output."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that is judged."""

    results: Results
    systems: tuple[str, ...]
    outputs: tuple[Output, ...]
    human: Mapping[tuple[str, str], float]
    """(System, item) → the benchmark's own human score; empty where it has none."""
    notes: tuple[str, ...]


def read_inputs(run: Path, data: Path | None, chosen: Sequence[str], limit: int | None) -> Inputs:
    """Return the first ``limit`` items of a folder with the outputs of the ``chosen`` systems, all where none is named.

    The items are the benchmark's, from ``data`` where that is given, else those that the folder keeps
    (``items.jsonl``). Where the
    benchmark is one of answers that people have scored, these answers are judged, and not the scores that the folder's
    systems gave them. Raises UserError for what is missing or does not fit.
    """
    results = read_record(
        run / "results.json", Results, f"{run} holds no results.json; it is written by distill eval and distill score"
    )
    texts = _texts(run / "predictions.jsonl")
    wanted = list(next(iter(texts.values())))
    items = _items(run, results, data, set(wanted))
    if missing := [name for name in wanted if name not in items]:
        raise UserError(f"{len(missing)} of {len(wanted)} items of {run} are not in the data: {listing(missing)}")
    benchmark, _ = load_benchmark(f"{results.benchmark}:{results.split}")
    if benchmark.metadata.task == "judge":
        if chosen:
            raise UserError(
                f"{results.benchmark}: its answers are judged, not the systems of {run}; leave out --system"
            )
        return _answers(results, [items[name] for name in wanted][:limit])
    systems = _chosen(run, list(texts), chosen)
    for system in systems:
        if texts[system].keys() != set(wanted):
            raise UserError(
                f"{run / 'predictions.jsonl'}: {system!r} is not of the same items as {next(iter(texts))!r}"
            )
    kept = wanted[:limit]
    notes = [f"the first {len(kept)} of {len(wanted)} items only"] if len(kept) < len(wanted) else []
    outputs = tuple(
        Output(
            id=name,
            source=items[name].prompt,
            reference=items[name].reference,
            texts={system: texts[system][name] for system in systems},
        )
        for name in kept
    )
    return Inputs(results, tuple(systems), outputs, {}, tuple(notes))


def _answers(results: Results, items: Sequence[BenchmarkItem]) -> Inputs:
    human = {(ANSWERS, item.id): score for item in items if (score := parse_score(item.right)) is not None}
    # The reference is people's score, which the judge must not see; task and truth stand above the answer.
    outputs = tuple(Output(id=item.id, source="", reference="", texts={ANSWERS: item.source}) for item in items)
    notes = [f"the answers that {results.benchmark} holds are judged, and compared with its human scores"]
    if len(items) < results.items:
        notes.append(f"the first {len(items)} of {results.items} items only")
    return Inputs(results, (ANSWERS,), outputs, human, tuple(notes))


def _items(run: Path, results: Results, data: Path | None, wanted: Collection[str]) -> dict[str, BenchmarkItem]:
    """Return the items by id: those of ``data`` where that is given, else those that the folder keeps."""
    if data is not None:
        benchmark, split = load_benchmark(f"{results.benchmark}:{results.split}")
        return {item.id: item for item in benchmark.load(data, split)}
    if kept := read_items(run, wanted):
        return kept
    raise UserError(f"{run} keeps no items; say where the data of {results.benchmark} is: --data DIR")


def _texts(path: Path) -> dict[str, dict[str, str]]:
    """Return system → item → output, in the order of the file."""
    if not path.is_file():
        raise UserError(f"{path} is missing; it is written by distill eval and distill score")
    found: dict[str, dict[str, str]] = {}
    for number, line in enumerate(_lines(path), 1):
        try:
            row: object = json.loads(line)
        except ValueError as error:
            raise UserError(f"{path}: line {number} is not JSON") from error
        values = [row.get(name) for name in ("system", "id", "text")] if isinstance(row, dict) else []
        match values:
            case [str(system), str(name), str(text)]:
                if name in found.setdefault(system, {}):
                    raise UserError(f"{path}: line {number}: a second prediction of {system!r} for {name!r}")
                found[system][name] = text
            case _:
                raise UserError(f"{path}: line {number} has no system, id and text")
    if not found:
        raise UserError(f"{path}: no predictions in it")
    return found


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text("utf-8").split("\n") if line.strip()]
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 at byte {error.start}") from error


def _chosen(run: Path, known: Sequence[str], chosen: Sequence[str]) -> list[str]:
    if twice := duplicates(chosen):
        raise UserError(f"the system {listing(twice)} is named twice")
    for name in chosen:
        if name not in known:
            raise UserError(f"{run} has no system {name!r}{suggest(name, known)}; it has: {', '.join(known)}")
    return list(chosen) or list(known)
