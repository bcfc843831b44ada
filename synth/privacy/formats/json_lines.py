"""JSON Lines: one document a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from synth.privacy.documents import BadRecord, Document, Event, Slot, Value
from synth.privacy.formats import base
from synth.privacy.formats.base import Source, TextWriter, Writer, mended, of_text, undecodable
from synth.privacy.walk import safe_id, walk


@dataclass(slots=True)
class _Line:
    raw: str
    root: list[object]
    """Holds the one value of the line."""


class JsonLinesFormat:
    """Every string and number of a line is a value; ``id`` names the document, else the number of its line does."""

    @of_text
    def read(self, source: Source) -> Iterator[Event]:
        """Yield a document for each line that is not blank; a line that is no JSON is scanned as text and counted."""
        stream = source.text("\n")
        number = 0
        while raw := stream.readline(base.MOST_CHARACTERS):
            number += 1
            if not raw.endswith("\n") and len(raw) >= base.MOST_CHARACTERS:
                yield too_long(number)
                while raw and not raw.endswith("\n"):
                    yield unread(number, mended(raw, source)[0])
                    raw = stream.readline(base.MOST_CHARACTERS)
                if raw:
                    yield unread(number, mended(raw, source)[0])
                continue
            raw, damaged = mended(raw, source)
            if damaged:
                yield undecodable(number, source)
            if raw.strip():
                yield from _parsed(raw, number)

    def writer(self, source: Source, out: BinaryIO) -> Writer:
        """Return what writes the lines, those without a change as they were."""
        return _LinesWriter(source, out)


def _parsed(raw: str, number: int) -> Iterator[Event]:
    root, reason = parse_json(raw)
    if reason is not None:
        yield BadRecord(number, reason, "scanned as text")
        yield unread(number, raw)
        return
    yield record(root, 0, number, _Line(raw, root))


def record(root: list[object], at: int, number: int, payload: object) -> Document:
    """Return the document of ``root[at]``."""
    value = root[at]
    written = value.get("id") if isinstance(value, dict) else None
    walked = walk(value, Slot(root, at))
    return Document(safe_id(written, number), tuple(walked.values), tuple(walked.slots), payload)


def unread(number: int, raw: str) -> Document:
    """Return what could not be read as a record as a text to scan; it is never written."""
    return Document(str(number), (Value("", "", raw),))


def too_long(number: int) -> BadRecord:
    """Return what is said of a record that is too long to be held."""
    return BadRecord(number, "too long", f"more than {base.MOST_CHARACTERS >> 20} million characters; scanned as text")


def parse_json(raw: str) -> tuple[list[object], str | None]:
    """Return the value of a JSON text in a list, and None; or an empty list, and why it is none."""
    try:
        return [json.loads(raw, object_pairs_hook=_once)], None
    except RecursionError:
        return [], "nested too deeply"
    except _Twice:
        return [], "the same key twice"
    except ValueError:
        return [], "invalid JSON"


class _Twice(ValueError):
    """An object has the same key twice, of which a reader sees only one."""


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _Twice
    return made


def dump_json(value: object, raw: str, indent: int | str | None = None) -> str:
    """Return the JSON text of a value with the manners of another text: its spaces after signs, and escapes."""
    tight = indent is None and '": ' not in raw
    separators = (",", ":") if tight else None
    text = json.dumps(value, ensure_ascii="\\u" in raw, separators=separators, indent=indent)
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which only an escape can write
        return json.dumps(value, separators=separators, indent=indent)
    return text


class _LinesWriter(TextWriter):
    def write(self, document: Document, changes: dict[int, str]) -> None:
        """Write a line."""
        line = document.payload
        assert isinstance(line, _Line)
        if not changes:
            self._out.write(line.raw)
            return
        document.change(changes)
        end = line.raw[len(line.raw.rstrip("\r\n")) :]
        self._out.write(dump_json(line.root[0], line.raw) + end)
