"""Rows and JSON values → values to be scanned, and the places where a replaced one goes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from synth.checks.phi import scanner
from synth.privacy.cues import identifies, words_of
from synth.privacy.documents import Kind, Slot, Value

_LABELS = ("type", "label", "field", "key", "attribute", "question", "system", "name", "variable")
"""Keys whose text names the ``value`` beside them, as in FHIR and in long tables."""
_BARE = {"name": "patient name", "names": "patient name", "first": "patient first", "last": "patient last"} | {
    part: f"patient {part}" for part in ("family", "given", "middle", "maiden")
}
"""What a bare name means beside an identifier of a person."""


@dataclass(slots=True)
class Walked:
    """The values of a document with their places."""

    values: list[Value] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)

    def add(self, value: Value, slot: Slot) -> None:
        """Add a value."""
        self.values.append(value)
        self.slots.append(slot)


_PROGRAMMED = re.compile(r"[a-z]+(?:[_-]?[A-Za-z]+)*\d{0,2}")
"""A name as programs have it, such as ``telecom`` or ``familyName``: its words are no person's and no place's."""


@lru_cache(maxsize=100_000)
def is_suspect(name: str) -> bool:
    """Return whether a key or a column name itself looks like an identifier."""
    found = {finding.entity_type for finding in scanner().text(name)}
    return bool(found - {"PERSON", "LOCATION"} if _PROGRAMMED.fullmatch(name) else found)


def safe_id(written: object, number: int) -> str:
    """Return a record's own id where it has one that looks like no identifier, else its number."""
    if isinstance(written, bool) or not isinstance(written, (str, int)) or not (text := str(written).strip()):
        return str(number)
    return f"#{number}" if len(text) > 200 or is_suspect(text) else text


def walk(root: object, slot: Slot | None = None, where: str = "", name: str = "") -> Walked:
    """Return every string and number below a JSON value, in order, and every key that looks like an identifier.

    Such a key stands in pointers as ``?`` and its position. ``slot`` is where the value itself stands, ``where`` and
    ``name`` what it is called. Never recurses, however deep the value.
    """
    walked = Walked()
    waiting: list[tuple[str, str, Slot, object]] = [(where, name, slot or Slot([root], 0), root)]
    while waiting:
        at, words, place, value = waiting.pop()
        if isinstance(value, (dict, list)):
            below = _items(value, at, words, walked) if isinstance(value, dict) else _elements(value, at, words)
            waiting.extend(reversed(list(below)))
            continue
        scalar = scalar_text(value)
        if scalar is not None:
            text, kind = scalar
            walked.add(Value(at, words, text, kind), Slot(place.holder, place.key, kind))
    return walked


def scalar_text(value: object) -> tuple[str, Kind] | None:
    """Return the text of a scalar and what it is; None for what cannot identify: nothing, true, false."""
    if isinstance(value, str):
        return (value, "text") if value else None
    if value is None or isinstance(value, bool):
        return None
    if hasattr(value, "isoformat"):
        return str(value.isoformat()), "date"
    return str(value), "number"


def _elements(value: list[object], at: str, words: str) -> Iterator[tuple[str, str, Slot, object]]:
    for i, item in enumerate(value):
        yield f"{at}/{i}", words, Slot(value, i), item


def _items(value: dict[str, object], at: str, above: str, walked: Walked) -> Iterator[tuple[str, str, Slot, object]]:
    named = names_in(list(value), value.get)
    for i, (key, item) in enumerate(value.items()):
        step = f"{at}/{key.replace('~', '~0').replace('/', '~1')}"
        if is_suspect(key):
            step = f"{at}/?{i}"
            walked.add(Value(f"{step} (key)", "", key, "key"), Slot(value, key, "key"))
        words = named[i]
        holder = above.rpartition(" ")[2]
        yield step, words if words.startswith("patient ") else f"{holder} {words}".strip(), Slot(value, key), item


def names_in(keys: Sequence[str], get: Callable[[str], object]) -> list[str]:
    """Return the words that each key of an object or each column of a row says of its value.

    A bare ``name`` beside an identifier is a person's; a ``value`` is named by the label beside it.
    """
    names = list(_names(tuple(keys)))
    for i, name in enumerate(names):
        if name in ("value", "values"):
            label = next((text for key in keys if (text := _label(key, get))), "")
            names[i] = words_of(label) or name
    return names


@lru_cache(maxsize=1_000)
def _names(keys: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(words_of(key) for key in keys)
    if {"given", "family"} <= set(names) or any(identifies(name) for name in names):
        return tuple(_BARE.get(name, name) for name in names)
    return names


def _label(key: str, get: Callable[[str], object]) -> str:
    if words_of(key) not in _LABELS:
        return ""
    label = get(key)
    if isinstance(label, Mapping):
        label = label.get("text")
    return label if isinstance(label, str) and len(label) <= 60 and "/" not in label else ""
