"""The texts of an encounter by field: ``source``, and every string of the target by its JSON pointer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from pydantic import JsonValue

from synth.records import JsonObject

SOURCE: Final = "source"
Span = tuple[int, int, str]
"""Start and end in a text, as code points, and what stands there instead."""


def spliced(text: str, spans: Sequence[Span]) -> tuple[str, list[tuple[int, int]]]:
    """Return a text with its spans replaced, and where each replacement stands; spans come in order, without
    overlap."""
    parts: list[str] = []
    at, length = 0, 0
    placed: list[tuple[int, int]] = []
    for start, end, replacement in spans:
        parts += (text[at:start], replacement)
        length += start - at
        placed.append((length, length + len(replacement)))
        length += len(replacement)
        at = end
    parts.append(text[at:])
    return "".join(parts), placed


def rewritten(target: JsonObject, change: Callable[[str, str], str]) -> JsonObject:
    """Return a target with every string changed by a function of its JSON pointer and its text; keys stay."""

    def visit(where: str, value: JsonValue) -> JsonValue:
        if isinstance(value, str):
            return change(where, value)
        if isinstance(value, list):
            return [visit(f"{where}/{i}", item) for i, item in enumerate(value)]
        if isinstance(value, dict):
            return {key: visit(f"{where}/{key}", item) for key, item in value.items()}
        return value

    return {key: visit(f"/{key}", value) for key, value in target.items()}


def strings_of(target: JsonObject) -> dict[str, str]:
    """Return every string of a target by its JSON pointer, in order."""
    found: dict[str, str] = {}

    def keep(where: str, text: str) -> str:
        found[where] = text
        return text

    rewritten(target, keep)
    return found


def with_strings(target: JsonObject, texts: Mapping[str, str]) -> JsonObject:
    """Return a target with some of its strings replaced, by JSON pointer."""
    return rewritten(target, lambda where, text: texts.get(where, text)) if texts else target
