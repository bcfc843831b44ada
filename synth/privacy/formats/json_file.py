"""JSON: one document, or an array of them; read whole, up to a bound."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from synth.privacy.documents import BadRecord, Document, Event
from synth.privacy.formats import base
from synth.privacy.formats.base import Source, TextWriter, Writer, mended, of_text, undecodable
from synth.privacy.formats.json_lines import dump_json, parse_json, record, too_long, unread

_INDENT = re.compile(r"^[\[{]\r?\n([ \t]+)")


@dataclass(slots=True)
class _File:
    raw: str
    root: list[object]
    """Holds the one value of the file."""


class JsonFormat:
    """The items of an array are documents, by ``id`` or by position from 1; any other value is one document."""

    @of_text
    def read(self, source: Source) -> Iterator[Event]:
        """Yield the documents of the file; a file that is no JSON is scanned as text and counted."""
        stream = source.text("\n")
        raw, damaged = mended(stream.read(base.MOST_CHARACTERS + 1), source)
        if damaged:
            line = raw[: raw.index("\ufffd")].count("\n") + 1
            yield undecodable(line, source)
        if len(raw) > base.MOST_CHARACTERS:
            yield too_long(0)
            while raw:
                yield unread(0, raw)
                raw, _ = mended(stream.read(base.MOST_CHARACTERS), source)
            return
        if not raw.strip():
            return
        root, reason = parse_json(raw)
        if reason is not None:
            yield BadRecord(0, reason, "scanned as text; is it JSON Lines? (--format jsonl)")
            yield unread(0, raw)
            return
        file = _File(raw, root)
        if isinstance(root[0], list):
            for i in range(len(root[0])):
                yield record(root[0], i, i + 1, file)
        else:
            yield record(root, 0, 1, file)

    def writer(self, source: Source, out: BinaryIO) -> Writer:
        """Return what writes the file when all its documents are there."""
        return _JsonWriter(source, out)


class _JsonWriter(TextWriter):
    def __init__(self, source: Source, out: BinaryIO) -> None:
        super().__init__(source, out)
        self._file: _File | None = None
        self._changed = False

    def write(self, document: Document, changes: dict[int, str]) -> None:
        """Change a document in its place."""
        assert isinstance(document.payload, _File)
        self._file = document.payload
        if changes:
            document.change(changes)
            self._changed = True

    def finish(self) -> None:
        """Write the file: as it was where nothing changed, else in its manners."""
        if self._file is not None:
            raw = self._file.raw
            if self._changed:
                indent = _INDENT.match(raw.lstrip())
                end = raw[len(raw.rstrip()) :]
                raw = dump_json(self._file.root[0], raw, indent[1] if indent else None) + end
            self._out.write(raw)
        super().finish()
