"""Predictions that some other system wrote, read from a file by id."""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

from pydantic import ValidationError

from distill.benchmarks.base import duplicates, listing, read_csv
from distill.predict import as_prediction
from distill.records import BenchmarkItem, Prediction
from distill.spool import Spool, values_of
from synth.errors import UserError, first_fault

_ID_COLUMNS = ("id", "encounter_id", "item_id", "TestID")
_TEXT_COLUMNS = ("prediction", "note", "SystemOutput", "SystemOutput1", "generated", "output", "summary", "text")
"""Names in use, most telling first: this project's, ACI-Bench's, MEDIQA-Chat's, and what people write. Case does not
matter."""
_LONGEST = 100_000_000
"""Characters of the longest cell that is read."""
_OWN = frozenset(Prediction.model_fields)


def read_predictions(path: Path, items: Sequence[BenchmarkItem], task: str = "note") -> Sequence[Prediction]:
    """Return one prediction an item, in the order of the items, from a CSV or JSONL file; on the disk until they are
    asked for.

    A row is found by its id, white space around it aside; every item needs exactly one. A row of this project's own
    ``predictions.jsonl`` is taken as it is; of any other the text column is read, and rendered where it is a target in
    JSON. An empty cell, ``nan`` and ``null`` are the empty prediction; a number is its digits, a list of texts (as of
    option letters) what commas join. Raises UserError for a file that cannot be read, for ids that are missing,
    unknown or repeated, for the predictions of several systems, and for rows that lack the column.
    """
    _refuse_other_encodings(path)
    rows = _rows(path)
    if not rows:
        raise UserError(f"{path}: no predictions in it")
    columns = list(dict.fromkeys(name for row in rows for name in row))
    wanted = [str(name) for name in values_of(items, "id")]
    key = _id_column(path, columns, rows, set(wanted))
    ids = [_identifier(path, number, row.get(key)) for number, row in enumerate(rows, 1)]
    if repeated := duplicates(ids):
        systems = [str(name) for name in dict.fromkeys(row.get("system") for row in rows) if name is not None]
        if len(systems) > 1:
            raise UserError(f"{path}: predictions of {len(systems)} systems ({listing(systems)}); leave those of one")
        raise UserError(f"{path}: more than one prediction for {listing(repeated)}; leave one system's, one an item")
    known = set(wanted)
    if unknown := [name for name in ids if name not in known]:
        count = f"{len(unknown)} of {len(ids)} ids"
        raise UserError(f"{path}: {count} are not in the benchmark: {listing(unknown)}; is it the right split?")
    found = dict(zip(ids, rows, strict=True))
    if missing := [name for name in wanted if name not in found]:
        raise UserError(f"{path}: no prediction for {len(missing)} of {len(wanted)} items: {listing(missing)}")
    if all(row.keys() >= _OWN for row in rows):
        return Spool(Prediction, (_own(path, name, found[name]) for name in wanted))
    column = _column(path, columns, _TEXT_COLUMNS, "predictions")
    if bare := [name for name in wanted if column not in found[name]]:
        count = f"{len(bare)} of {len(wanted)} items"
        raise UserError(f"{path}: no {column!r} for {count}: {listing(bare)}; null says empty")
    task_of = [task if name is None else str(name) for name in values_of(items, "task")]
    return Spool(
        Prediction,
        (
            as_prediction(name, _text(path, name, found[name].get(column)), "given", own)
            for name, own in zip(wanted, task_of, strict=True)
        ),
    )


def _refuse_other_encodings(path: Path) -> None:
    """Raise UserError for a text that is no UTF-8 though each of its bytes may be: UTF-16, UTF-32, NUL bytes."""
    try:
        with path.open("rb") as file:
            start = file.read(4)
            if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)):
                raise UserError(f"{path}: not UTF-8 but UTF-16 or UTF-32; save it as UTF-8")
            file.seek(0)
            at = 0
            while block := file.read(1 << 20):
                if (found := block.find(b"\0")) >= 0:
                    where = f"a NUL byte at {at + found}"
                    raise UserError(f"{path}: {where}, as in UTF-16 or a damaged file; save it as UTF-8")
                at += len(block)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error


def _rows(path: Path) -> Sequence[Mapping[str, object]]:
    # A model that did not stop may have written more than the 128 KiB that csv takes for one cell.
    csv.field_size_limit(_LONGEST)
    match path.suffix.lower():
        case ".csv":
            return read_csv(path)
        case ".jsonl":
            return _read_jsonl(path)
    raise UserError(f"{path}: predictions are read from .csv or .jsonl files")


def _read_jsonl(path: Path) -> list[dict[str, object]]:
    try:
        lines = path.read_text("utf-8-sig").split("\n")
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
    rows: list[dict[str, object]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row: object = json.loads(line, object_pairs_hook=_once)
        except _TwiceError as error:
            raise UserError(f"{path}: line {number} has {error} twice") from error
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}: line {number} is not JSON") from error
        if not isinstance(row, dict):
            raise UserError(f"{path}: line {number} is not a JSON object")
        rows.append(row)
    return rows


class _TwiceError(Exception):
    """A JSON object has a key twice, and nobody knows which is meant."""


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _TwiceError(repr(duplicates(key for key, _ in pairs)[0]))
    return found


def _id_column(
    path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, object]], known: AbstractSet[str]
) -> str:
    """Return the first column for ids that holds nothing but the benchmark's; the first of any where none does."""
    first = _column(path, columns, _ID_COLUMNS, "ids")
    names = {name.strip().lower(): name for name in reversed(columns)}
    candidates = [names[name.lower()] for name in _ID_COLUMNS if name.lower() in names]
    return next((name for name in candidates if all(str(row.get(name)).strip() in known for row in rows)), first)


def _column(path: Path, columns: Sequence[str], candidates: Sequence[str], what: str) -> str:
    """Return the first candidate that is a column; UserError where none is."""
    by_name = {name.strip().lower(): name for name in reversed(columns)}
    for candidate in candidates:
        if candidate.lower() in by_name:
            return by_name[candidate.lower()]
    hint = "; columns are parted by commas" if len(columns) == 1 and any(mark in columns[0] for mark in ";\t|") else ""
    raise UserError(
        f"{path}: no column with {what}; it has {listing(columns)}, and needs one of {', '.join(candidates)}{hint}"
    )


def _identifier(path: Path, number: int, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise UserError(f"{path}: row {number} has no id")
    return str(value).strip()


def _text(path: Path, name: str, value: object) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=False)
    elif isinstance(value, list) and all(isinstance(part, str) for part in value):
        value = ", ".join(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        value = repr(value)
    if not isinstance(value, str):
        raise UserError(f"{path}: the prediction for {name!r} is not text")
    _refuse_half_characters(path, name, value)
    return "" if value.strip().lower() == "nan" else value


def _refuse_half_characters(path: Path, name: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"{path}: the prediction for {name!r} holds half a character (a lone surrogate)") from error


def _own(path: Path, name: str, row: Mapping[str, object]) -> Prediction:
    try:
        _refuse_half_characters(path, name, json.dumps(row, ensure_ascii=False, allow_nan=False))
    except ValueError as error:
        raise UserError(f"{path}: prediction {name!r}: NaN and Infinity are no JSON") from error
    try:
        return Prediction.model_validate({field: row[field] for field in _OWN} | {"id": name})
    except ValidationError as error:
        raise UserError(f"{path}: prediction {name!r}: {first_fault(error)}") from error
