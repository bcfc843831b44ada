"""CSV and TSV: one document a row, one value a cell."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, TextIO

from synth.privacy.documents import BadRecord, Document, Event, Slot, Value
from synth.privacy.formats import base
from synth.privacy.formats.base import Source, TextWriter, Writer, mended, of_text, undecodable
from synth.privacy.formats.json_lines import unread
from synth.privacy.walk import is_suspect, names_in, safe_id

_DELIMITERS = ",;\t"


@dataclass(slots=True)
class _Row:
    raw: str
    cells: list[object]
    delimiter: str


@dataclass(frozen=True, slots=True)
class _Header:
    names: list[str]
    fields: list[str]
    """What findings call the columns: their names, or ``?`` and the position of one that looks like an identifier."""
    id_at: int | None


class _Lines:
    """The lines of a file as the csv module takes them, of which those of the current row are kept."""

    def __init__(self, stream: TextIO, source: Source) -> None:
        self._stream = stream
        self._source = source
        self.taken: list[str] = []
        self.damaged = False
        self.number = 0
        """Of the last line that was taken."""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._stream.readline(base.MOST_CHARACTERS)
        if not line:
            raise StopIteration
        line, damaged = mended(line, self._source)
        self.damaged |= damaged
        self.number += line.endswith(("\n", "\r"))
        self.taken.append(line)
        return line

    def damage(self, line: int) -> list[BadRecord]:
        """Return what is to be said of bytes in the current row that could not be decoded."""
        return [undecodable(line, self._source)] if self.damaged else []

    def row(self) -> str:
        """Return the text of the row that was read, and forget it."""
        raw = "".join(self.taken)
        self.taken.clear()
        self.damaged = False
        return raw


class TableFormat:
    """The first row names the columns; a column ``id`` names the rows, else their number does, from 1 below it."""

    @of_text
    def read(self, source: Source) -> Iterator[Event]:
        """Yield the header where a name in it looks like an identifier, then a document for each row.

        A row with more or fewer cells than the header is scanned and counted as bad.
        """
        with base.cells_up_to(base.MOST_CHARACTERS // 4):
            yield from self._read(source)

    def _read(self, source: Source) -> Iterator[Event]:
        lines = _Lines(source.text(""), source)
        head = next(lines, "")
        tabbed = source.path is not None and source.path.suffix.lower() in (".tsv", ".tab")
        delimiter = "\t" if tabbed else max(_DELIMITERS, key=head.count)
        lines.taken.clear()
        rows = _rows(_again(head, lines), lines, delimiter)
        header: _Header | None = None
        number = 0
        for cells, raw, problems in rows:
            yield from problems
            if cells is None:
                yield unread(number, raw)
            elif header is None:
                header = _header(cells)
                yield _header_document(header, _Row(raw, list(cells), delimiter))
            elif not cells:
                yield Document(str(number), (), (), _Row(raw, [], delimiter), begins=False)
            else:
                number += 1
                if len(cells) != len(header.names):
                    many = "many" if len(cells) > len(header.names) else "few"
                    yield BadRecord(
                        number, f"too {many} columns", f"{len(cells)} where the header has {len(header.names)}"
                    )
                yield _document(header, cells, number, raw, delimiter)

    def writer(self, source: Source, out: BinaryIO) -> Writer:
        """Return what writes the rows, those without a change as they were."""
        return _TableWriter(source, out)


def _again(first: str, rest: _Lines) -> Iterator[str]:
    rest.taken.append(first)
    yield first
    yield from rest


def _rows(
    texts: Iterable[str], lines: _Lines, delimiter: str
) -> Iterator[tuple[list[str] | None, str, list[BadRecord]]]:
    """Yield cells, text and what is wrong, row by row; no cells where the row cannot be read as one."""
    reader = csv.reader(texts, delimiter=delimiter)
    while True:
        first = lines.number + (not lines.taken)
        cells: list[str] | None = None
        problem = "a cell is too long, or a quote is not closed; scanned as text"
        with suppress(csv.Error):
            try:
                cells = next(reader)
            except StopIteration:
                return
        problems = lines.damage(first)
        raw = lines.row()
        if raw.count('"') % 2 and _unclosed(raw, delimiter):
            cells, problem = None, "a quote is not closed; the rest of the file is scanned as text"
        if cells is None:
            problems.append(BadRecord(first, "invalid CSV", problem))
        yield cells, raw, problems


def _unclosed(raw: str, delimiter: str) -> bool:
    """Return whether a row's text ends within quotes."""
    try:
        for _ in csv.reader(io.StringIO(raw, newline=""), delimiter=delimiter, strict=True):
            pass
    except csv.Error as error:
        return "unexpected end" in str(error)
    return False


def _header(cells: list[str]) -> _Header:
    fields = [f"?{i}" if is_suspect(name) else name for i, name in enumerate(cells)]
    id_at = next((i for i, name in enumerate(cells) if name.strip().lower() == "id"), None)
    return _Header(cells, fields, id_at)


def _header_document(header: _Header, row: _Row) -> Document:
    suspect = [i for i, name in enumerate(header.names) if header.fields[i] != name]
    values = tuple(Value(f"?{i} (column)", "", header.names[i], "key") for i in suspect)
    return Document("header", values, tuple(Slot(row.cells, i) for i in suspect), row, begins=False)


def _document(header: _Header, cells: list[str], number: int, raw: str, delimiter: str) -> Document:
    row = _Row(raw, list(cells), delimiter)
    by_name = dict(zip(header.names, cells, strict=False))
    names = names_in(header.names, by_name.get)
    written = cells[header.id_at] if header.id_at is not None and header.id_at < len(cells) else None
    values, slots = [], []
    for i, cell in enumerate(cells):
        if cell:
            known = i < len(names)
            values.append(Value(header.fields[i] if known else f"?{i}", names[i] if known else "", cell))
            slots.append(Slot(row.cells, i))
    return Document(safe_id(written, number), tuple(values), tuple(slots), row)


class _TableWriter(TextWriter):
    def write(self, document: Document, changes: dict[int, str]) -> None:
        """Write a row."""
        row = document.payload
        assert isinstance(row, _Row)
        if not changes:
            self._out.write(row.raw)
            return
        document.change(changes)
        end = row.raw[len(row.raw.rstrip("\r\n")) :]
        write = csv.writer(
            self._out,
            delimiter=row.delimiter,
            lineterminator=end,
            quoting=csv.QUOTE_ALL if _all_quoted(row) else csv.QUOTE_MINIMAL,
        )
        write.writerow(row.cells)


def _all_quoted(row: _Row) -> bool:
    return row.raw.count('"') >= 2 * len(row.cells) and row.raw.lstrip("\ufeff").startswith('"')
