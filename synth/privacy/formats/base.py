"""What every format is, and how bytes become text."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import BinaryIO, Protocol, TypeAlias, TypeVar

from synth.privacy.documents import BadRecord, Document, Event

_Reader = TypeVar("_Reader")
Stream: TypeAlias = "io.BufferedReader[io.FileIO]"
MOST_CHARACTERS = 64 << 20
"""Longest record, in code points; a longer one is counted as bad."""
BUFFER = 1 << 16
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MAGIC = (
    (b"%PDF-", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive or Office document"),
    (b"\x1f\x8b", "compressed by gzip"),
    (b"PAR1", "Parquet"),
    (b"{\\rtf", "RTF"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
)
_INVALID = re.compile("[\udc80-\udcff]")
_MOST_NULS = 0.05
"""Share of NUL bytes above which a file is no text."""


@contextmanager
def cells_up_to(characters: int) -> Iterator[None]:
    """Let the csv module read cells of so many characters in the body; its limit is the whole process's."""
    before = csv.field_size_limit(characters)
    try:
        yield
    finally:
        csv.field_size_limit(before)


@dataclass(slots=True)
class Source:
    """An open input."""

    name: str
    """What findings and messages call it."""
    stream: Stream
    path: Path | None
    """None for standard input."""
    encoding: str = "utf-8"

    def text(self, newline: str) -> io.TextIOWrapper:
        """Return the input as text; bytes that are not valid UTF-8 become lone surrogates, which ``mended`` finds."""
        errors = "surrogateescape" if self.encoding.startswith("utf-8") else "replace"
        return io.TextIOWrapper(self.stream, encoding=self.encoding, errors=errors, newline=newline)


class Writer(Protocol):
    """Writes a file of one format anew."""

    def write(self, document: Document, changes: dict[int, str]) -> None:
        """Write a document with new texts for some of its values."""

    def finish(self) -> None:
        """Write what remains; the file is closed by whoever opened it."""


class Format(Protocol):
    """A format that can be read and written."""

    def read(self, source: Source) -> Iterator[Event]:
        """Yield documents, and records that could not be read, in the order of the file."""

    def writer(self, source: Source, out: BinaryIO) -> Writer:
        """Return what writes the documents of a source to another file of the same format."""


def open_source(path: Path | None, name: str, stream: Stream) -> Source:
    """Return an input whose encoding is known: what its byte order mark says, else UTF-8."""
    begin = stream.peek(4)
    encoding = next((encoding for mark, encoding in _BOMS if begin.startswith(mark)), "utf-8")
    return Source(name, stream, path, encoding)


def not_text(source: Source) -> BadRecord | None:
    """Return why an input is no text, by its beginning; None where it is."""
    begin = source.stream.peek(BUFFER)[:BUFFER]
    kind = next((kind for mark, kind in _MAGIC if begin.startswith(mark)), None)
    if kind is not None:
        return BadRecord(0, "no text", f"it is {kind}")
    if source.encoding.startswith("utf-8"):
        nuls = begin.count(0)
        if nuls > _MOST_NULS * len(begin):
            return BadRecord(0, "no text", "binary, or UTF-16 without a byte order mark")
        if nuls and _invalid(begin):
            return BadRecord(0, "no text", "binary")
    return None


def of_text(read: Callable[[_Reader, Source], Iterator[Event]]) -> Callable[[_Reader, Source], Iterator[Event]]:
    """Make a reader of text say why an input is none, where it is none, in place of reading it."""

    @wraps(read)
    def checked(reader: _Reader, source: Source) -> Iterator[Event]:
        binary = not_text(source)
        if binary is not None:
            yield binary
            return
        yield from read(reader, source)

    return checked


def undecodable(number: int, source: Source) -> BadRecord:
    """Return what is said of a record in which bytes could not be decoded."""
    return BadRecord(number, f"invalid {source.encoding}", "read with U+FFFD in its place")


def _invalid(data: bytes) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(data)
    except UnicodeDecodeError:
        return True
    return False


def mended(text: str, source: Source) -> tuple[str, bool]:
    """Return a text with U+FFFD for every byte that could not be decoded, and whether there was one."""
    if source.encoding.startswith("utf-8"):
        if text.isascii() or not _INVALID.search(text):
            return text, False
        return _INVALID.sub("\ufffd", text), True
    return text, "\ufffd" in text


class TextWriter:
    """What the writers of text share: a file to write text to in the encoding of the input, as it is."""

    def __init__(self, source: Source, out: BinaryIO) -> None:
        self._out = io.TextIOWrapper(out, encoding=source.encoding, errors="replace", newline="", write_through=True)

    def finish(self) -> None:
        """Hand the file back to whoever opened it."""
        self._out.detach()
