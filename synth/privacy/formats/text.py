"""Plain text of any size: one document, read in pieces that see what stands around them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from synth.privacy.documents import Document, Event, Value
from synth.privacy.formats.base import Source, TextWriter, Writer, mended, of_text, undecodable
from synth.privacy.scanning import CONTEXT, PIECE, cut


class TextFormat:
    """A text file is one document with one field, ``text``; offsets are code points from its beginning."""

    @of_text
    def read(self, source: Source) -> Iterator[Event]:
        """Yield the pieces of the text."""
        stream = source.text("\n")
        text, before, offset, line, begins = "", "", 0, 1, True
        while True:
            more = ""
            while len(text) < PIECE + CONTEXT and (more := stream.read(PIECE)):
                more, damaged = mended(more, source)
                if damaged:
                    first = line + text.count("\n") + more[: more.index("\ufffd")].count("\n")
                    yield undecodable(first, source)
                text += more
            end = cut(text, 0, PIECE)
            piece = text[:end]
            value = Value("text", "", piece, before=before, after=text[end : end + CONTEXT], offset=offset)
            yield Document(source.name, (value,), payload=source, begins=begins)
            before = (before + piece)[-CONTEXT:]
            offset, line, begins = offset + end, line + piece.count("\n"), False
            text = text[end:]
            if not text and not more:
                return

    def writer(self, source: Source, out: BinaryIO) -> Writer:
        """Return what writes the pieces one after the other."""
        return _TextWriter(source, out)


class _TextWriter(TextWriter):
    def write(self, document: Document, changes: dict[int, str]) -> None:
        """Write a piece."""
        self._out.write(changes.get(0, document.values[0].text))
