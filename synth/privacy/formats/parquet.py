"""Parquet: one document a row, read in batches; strings, numbers and dates, nested ones too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synth.errors import UserError
from synth.privacy.documents import BadRecord, Document, Event, Slot, Value
from synth.privacy.formats.base import Source, Writer
from synth.privacy.walk import Walked, is_suspect, names_in, safe_id, scalar_text, walk

_Array: TypeAlias = "pa.Array[pa.Scalar[pa.DataType]]"
_ROWS = 256
_SKIPPED = "skipped columns"


@dataclass(slots=True)
class _Batch:
    """Some rows, as they were read and as Python sees them."""

    table: pa.RecordBatch
    columns: dict[int, list[object]]
    """By index, those that are scanned; what is replaced is replaced here."""
    changed: dict[int, list[int]] = field(default_factory=dict)
    """Column → rows in which something was replaced."""


@dataclass(slots=True)
class _Row:
    batch: _Batch
    row: int
    of_value: list[int]
    """The column of each value."""


class ParquetFormat:
    """A column ``id`` names the rows, else their number does. Columns without text, numbers or dates are skipped, which
    is said where they hold bytes."""

    def read(self, source: Source) -> Iterator[Event]:
        """Yield a document for each row."""
        if not source.stream.peek(4):
            return
        file = _open(source)
        if file is None:
            yield BadRecord(0, "invalid Parquet", "its footer cannot be read")
            return
        schema: pa.Schema = file.schema_arrow
        scanned = [i for i, column in enumerate(schema) if not _nothing_in(column.type)]
        opaque = [column.name for column in schema if _is_bytes(column.type)]
        if opaque:
            yield BadRecord(0, _SKIPPED, f"{len(opaque)} with bytes, not scanned")
        yield _header(schema)
        names = [schema.field(i).name for i in scanned]
        fields = [f"?{i}" if is_suspect(schema.field(i).name) else schema.field(i).name for i in scanned]
        number = 0
        try:
            for batch in file.iter_batches(batch_size=_ROWS):
                read = _Batch(batch, {i: _python(batch.column(i)) for i in scanned})
                for row in range(batch.num_rows):
                    number += 1
                    yield _document(read, row, number, names, fields)
        except (pa.ArrowException, OSError, UnicodeDecodeError, ValueError) as error:
            yield BadRecord(number + 1, "invalid Parquet", f"not read from this row on ({type(error).__name__})")

    def writer(self, source: Source, out: BinaryIO) -> Writer:  # noqa: ARG002  every format has the same
        """Return what writes the rows under the schema of the source."""
        return _ParquetWriter(out)


def _open(source: Source) -> pq.ParquetFile | None:
    if source.path is None:
        raise UserError("Parquet cannot be read from standard input; give the file")
    try:
        return pq.ParquetFile(source.path)
    except (pa.ArrowException, OSError):
        return None


def _header(schema: pa.Schema) -> Document:
    """Return the document of names that look like identifiers, nested ones too; it carries the schema to the writer."""
    suspect = [(f"?{i}", name) for i, column in enumerate(schema) for name in _names_in(column) if is_suspect(name)]
    values = tuple(Value(f"{field} (column)", "", name, "key") for field, name in suspect)
    return Document("header", values, (), schema, begins=False)


def _names_in(column: pa.Field[pa.DataType]) -> Iterator[str]:
    yield column.name
    for i in range(column.type.num_fields):
        yield from _names_in(column.type.field(i))


def _nothing_in(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_boolean(kind) or types.is_null(kind) or types.is_time(kind) or types.is_duration(kind)
    ) or _is_bytes(kind)


def _is_bytes(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind))


def _python(column: _Array) -> list[object]:
    """Return a column's values; of dates their ISO texts, which Python cannot always hold otherwise."""
    if pa.types.is_temporal(column.type):
        column = pc.cast(column, pa.string())
    return list(column.to_pylist(maps_as_pydicts="strict"))  # type: ignore[misc]  # typed for flat columns alone


def _document(batch: _Batch, row: int, number: int, names: list[str], fields: list[str]) -> Document:
    columns = list(batch.columns.items())
    cells = {name: column[row] for name, (_, column) in zip(names, columns, strict=True)}
    words = names_in(names, cells.get)
    walked, of_value = Walked(), list[int]()
    for k, (i, column) in enumerate(columns):
        cell = column[row]
        if isinstance(cell, (dict, list)):
            below = walk(cell, Slot(column, row), fields[k], words[k])
            walked.values += below.values
            walked.slots += below.slots
        elif (scalar := scalar_text(cell)) is not None:
            temporal = pa.types.is_temporal(batch.table.schema.field(i).type)
            walked.add(
                Value(fields[k], words[k], scalar[0], "date" if temporal else scalar[1]), Slot(column, row, scalar[1])
            )
        of_value += [i] * (len(walked.values) - len(of_value))
    written = next((cells[name] for name in names if name.lower() == "id"), None)
    payload = _Row(batch, row, of_value)
    return Document(safe_id(written, number), tuple(walked.values), tuple(walked.slots), payload)


class _ParquetWriter:
    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._writer: pq.ParquetWriter | None = None
        self._schema: pa.Schema | None = None
        self._batch: _Batch | None = None

    def write(self, document: Document, changes: dict[int, str]) -> None:
        """Change a row in its place; a batch is written when the next one begins."""
        if isinstance(document.payload, pa.Schema):
            self._begin(document.payload, changes)
            return
        row = document.payload
        assert isinstance(row, _Row)
        if self._batch is not row.batch:
            self._flush()
            self._batch = row.batch
        document.change(changes)
        for i in sorted({row.of_value[value] for value in changes}):
            row.batch.changed.setdefault(i, []).append(row.row)

    def finish(self) -> None:
        """Write the last batch and the footer."""
        self._flush()
        if self._writer is not None:
            self._writer.close()

    def _begin(self, schema: pa.Schema, changes: dict[int, str]) -> None:
        if changes:
            raise UserError(f"{len(changes)} column names look like identifiers; rename these columns, then redact")
        self._schema = schema
        self._writer = pq.ParquetWriter(self._out, schema)

    def _flush(self) -> None:
        if self._batch is None:
            return
        assert self._writer is not None
        assert self._schema is not None
        batch, self._batch = self._batch, None
        columns = [
            self._rebuilt(batch, i, batch.changed[i]) if i in batch.changed else batch.table.column(i)
            for i in range(batch.table.num_columns)
        ]
        self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._schema))

    def _rebuilt(self, batch: _Batch, i: int, rows: list[int]) -> _Array:
        assert self._schema is not None
        column, old = self._schema.field(i), batch.table.column(i)
        if pa.types.is_temporal(column.type):
            if not column.nullable:
                raise UserError(f"column {i + 1} holds dates and may not be empty, so they cannot be taken out of it")
            chosen = set(rows)
            mask = pa.array([row in chosen for row in range(len(old))])
            emptied: _Array = pc.if_else(mask, pa.scalar(None, column.type), old)
            return emptied
        rebuilt: _Array = pa.array(batch.columns[i], type=column.type)
        return rebuilt
