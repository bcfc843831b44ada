"""What readers hand over: documents of values, and records that could not be read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

Kind = Literal["text", "number", "date", "key"]
"""A string; a number; a date or time stamp of a typed column; the name of something, which may itself identify."""


@dataclass(frozen=True, slots=True)
class Value:
    """One text to be scanned."""

    field: str
    """What findings call it: a column, or a JSON pointer (RFC 6901). Holds no key that looks like an identifier."""
    name: str
    """The words of the names above it, such as ``patient name``, which serve as a cue; empty where there are none."""
    text: str
    kind: Kind = "text"
    before: str = ""
    after: str = ""
    """What stands around a piece of a long text: read for context, never reported."""
    offset: int = 0
    """Where a piece begins in its text, in code points."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a value stands in what was read, so that another can be put in its place."""

    holder: dict[str, object] | list[object]
    key: str | int
    kind: Kind = "text"

    def put(self, text: str) -> None:
        """Replace the value; a number becomes the number that the text spells, else 0, so that its type stays, and a
        date becomes None."""
        value: object = text if self.kind == "text" else None if self.kind == "date" else _number(text, self._old())
        if isinstance(self.holder, list):
            self.holder[int(self.key)] = value
        else:
            self.holder[str(self.key)] = value

    def rename(self, name: str) -> None:
        """Replace the key itself, in its place; a name that is taken gets a number."""
        assert isinstance(self.holder, dict)
        unique, n = name, 1
        while unique in self.holder:
            n += 1
            unique = f"{name} {n}"
        items = [(unique if key == self.key else key, value) for key, value in self.holder.items()]
        self.holder.clear()
        self.holder.update(items)

    def _old(self) -> object:
        return self.holder[int(self.key)] if isinstance(self.holder, list) else self.holder[str(self.key)]


def _number(text: str, old: object) -> object:
    try:
        number = float(text) if isinstance(old, float) else int(text)
    except ValueError:
        number = 0.0 if isinstance(old, float) else 0
    return number if math.isfinite(number) else 0.0


@dataclass(frozen=True, slots=True)
class Document:
    """A record, a row, a text, or a piece of one."""

    id: str
    """Its own id, or its number where it has none or its id looks like an identifier."""
    values: tuple[Value, ...]
    slots: tuple[Slot, ...] = ()
    """One a value, where the values stand in something that can be changed."""
    payload: object = None
    """What the writer of its format needs to write it anew; None where it is scanned and cannot be written."""
    begins: bool = True
    """Whether it is a document's first piece; the others, and a table's header, are not counted."""

    def change(self, changes: Mapping[int, str]) -> None:
        """Put new texts in the place of values, by index; keys come last, because places go by the old ones."""
        for i, text in changes.items():
            if self.slots[i].kind != "key":
                self.slots[i].put(text)
        for i, text in changes.items():
            if self.slots[i].kind == "key":
                self.slots[i].rename(text)


@dataclass(frozen=True, slots=True)
class BadRecord:
    """Something that could not be read as what it should be; counted and reported, never dropped in silence."""

    number: int
    """Its line, or its row where the format has no lines; 0 for the file as a whole."""
    reason: str
    """A short phrase without any text of the record."""
    detail: str = ""
    """What a person needs besides; as free of the record's text."""


Event = Document | BadRecord


class Found(NamedTuple):
    """A span of a value that looks like an identifier."""

    value: int
    """Index into the document's values."""
    entity_type: str
    start: int
    end: int
    """In the value's own text: ``text[start:end]``; a piece's finding may end beyond it, in ``after``."""
    score: float
    recognizer: str
