"""Students of one base on one held-out split: the base and the floors write once, and every student is set beside
them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from distill.datasets import Example, tokenize
from distill.device import free_memory
from distill.evaluate import Examination, Scored
from distill.generation import Loaded, stop_tokens
from distill.inference.base import Decoding
from distill.inference.local import LocalPredictor
from distill.inference.writing import Progress, written
from distill.predict import HEADROOM, load_base, load_student
from distill.records import Prediction, Score
from distill.results import Results
from distill.score_table import ScoreTable
from distill.scored import read_scored, read_texts
from distill.student import find_student
from distill.trained import read_trained
from synth.errors import UserError

BESIDE = "base"
"""The folder of what base and floors wrote."""
EVALUATION = "eval-held-out"
_LAST = "report.html"
"""What is written last: where it is, everything is."""


@dataclass(frozen=True, slots=True)
class Beside:
    """The base and the floors, scored, and how long a prediction may be."""

    base: str
    scored: Scored
    results: Results
    max_new_tokens: int


def set_beside(
    asked: Examination,
    student: str,
    rows: Sequence[Example],
    out: Path,
    *,
    batch_size: int,
    max_new_tokens: int | None,
    device: str | None,
    progress: Progress,
) -> Beside:
    """Return what base and floors write on the items, from ``out`` where they did already, else written there.

    A prediction may be a quarter longer than the longest completion of all ``rows`` that fit, however many of them a
    student has seen, so that all students are cut off at one place. Raises UserError where the base is missing, or what
    is in ``out`` is of other items.
    """
    name = f"{find_student(student).name} (base)"
    if (out / _LAST).is_file():
        found = read_scored(out)
        if found.ids != tuple(item.id for item in asked.items) or name not in found.columns:
            raise UserError(f"{out} is of another base or of other items; choose another --out")
        lines = read_texts(out, set(found.ids))
        texts = {
            system: {one: Prediction.model_validate(line.model_dump(exclude={"system"})) for one, line in of.items()}
            for system, of in lines.items()
        }
        scored: Scored = {
            system: ([texts[system][one] for one in found.ids], _table(found.ids, columns))
            for system, columns in found.columns.items()
        }
        return Beside(name, scored, found.results, cast("int", found.results.settings["max_new_tokens"]))
    writes_json = find_student(student).recipe.format == "json"
    longest, predictions = _by_base(
        asked,
        name,
        student,
        rows,
        writes_json=writes_json,
        batch_size=batch_size,
        max_new_tokens=max_new_tokens,
        device=device,
        progress=progress,
    )
    free_memory()
    scored, said = asked.scored(predictions | asked.floors())
    results = asked.write(
        out,
        scored,
        compared=(name,),
        max_new_tokens=longest,
        asked_for_json=(name,) if writes_json else (),
        notes=said,
    )
    return Beside(name, scored, results, longest)


def evaluate_beside(
    asked: Examination,
    beside: Beside,
    student: str,
    adapter: Path,
    *,
    batch_size: int,
    device: str | None,
    progress: Progress,
) -> Results:
    """Return what a trained student is worth beside base and floors, under the name of its folder; what is written to
    the folder's ``eval-held-out`` is what ``distill eval`` writes. UserError where it cannot be loaded."""
    trained = read_trained(adapter)
    writes_json = trained.format == "json"

    def load() -> Loaded:
        return replace(load_student(adapter, base=student, device=device), name=adapter.name)

    predictor = _predictor(adapter.name, load, trained.tasks[0], writes_json, beside.max_new_tokens, batch_size)
    scored, said = asked.scored(written(predictor, asked.items, None, 1, progress))
    return asked.write(
        adapter / EVALUATION,
        scored | beside.scored,
        compared=(beside.base,),
        max_new_tokens=beside.max_new_tokens,
        asked_for_json=(adapter.name, beside.base) if writes_json else (),
        notes=said,
    )


def read_evaluation(adapter: Path) -> Results | None:
    """Return what an earlier run of the sweep found, None where it did not come to that."""
    out = adapter / EVALUATION
    return read_scored(out).results if (out / _LAST).is_file() else None


def forget_evaluation(adapter: Path) -> None:
    """Make an evaluation count as not done, before its student is trained anew."""
    (adapter / EVALUATION / _LAST).unlink(missing_ok=True)


def _by_base(
    asked: Examination,
    name: str,
    student: str,
    rows: Sequence[Example],
    *,
    writes_json: bool,
    batch_size: int,
    max_new_tokens: int | None,
    device: str | None,
    progress: Progress,
) -> tuple[int, dict[str, Sequence[Prediction]]]:
    """Return how long a prediction may be, and what the base writes, by its name; nothing holds on to the base
    afterwards."""
    base = load_base(student, device=device)
    longest = max_new_tokens or _longest(base, rows, find_student(student).max_length)
    predictor = _predictor(name, lambda: base, rows[0].task, writes_json, longest, batch_size)
    return longest, written(predictor, asked.items, None, 1, progress)


def _predictor(
    name: str, load: Callable[[], Loaded], task: str, writes_json: bool, max_new_tokens: int, batch_size: int
) -> LocalPredictor:
    return LocalPredictor(
        name,
        load,
        {},
        Decoding(),
        task=task,
        max_new_tokens=max_new_tokens,
        wants_json=writes_json,
        batch_size=batch_size,
    )


def _longest(system: Loaded, rows: Sequence[Example], max_length: int) -> int:
    stops = stop_tokens(system.model, system.tokenizer)
    found = [tokenize(row, system.tokenizer, stops) for row in rows]
    lengths = [tokens.completion_length for tokens in found if len(tokens.input_ids) <= max_length]
    if not lengths:
        raise UserError(f"no example of the train split fits into {max_length} tokens; take another student")
    return int(max(lengths) * HEADROOM)


def _table(ids: Sequence[str], columns: dict[str, list[float | None]]) -> ScoreTable:
    table = ScoreTable()
    for i, one in enumerate(ids):
        table.append(Score(id=one, values={name: values[i] for name, values in columns.items()}))
    return table
