"""A target as lines to read, whatever its contract: an entry that says how much of something is one line."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue

from synth.checks.faithfulness.language import language
from synth.checks.faithfulness.reading import Line
from synth.records import JsonObject

_UNSAID = ("icd10cm",)
"""Keys whose values nobody says; they are compared as they are."""
_SECTION = "section"
"""Key under which an entry says what section of a text it is; its value is no text."""
_DEEPEST = 40
"""Levels of a target that are read; an output that broke its contract may have any number."""


def lines_of(target: JsonObject | str) -> list[Line]:
    """Return a target's texts, one line for each string and for each entry of name, number and unit; a text's lines."""
    if isinstance(target, str):
        return [Line(text, field="") for text in target.splitlines() if text.strip()]
    found: list[Line] = []
    _collect(target, "", False, found)
    return found


def _collect(value: JsonValue, field: str, denied: bool, found: list[Line], section: str = "") -> None:
    if field.count("/") > _DEEPEST:
        return
    if isinstance(value, str):
        if value.strip():
            found.append(Line(f"no {value}" if denied else value, "", field, False, section))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            _collect(inner, f"{field}/{i}", denied, found, section)
    elif isinstance(value, dict):
        if isinstance(value.get("name"), str):
            words = [_word(inner) for key, inner in value.items() if key not in _UNSAID]
            measured = any(isinstance(inner, int | float) and not isinstance(inner, bool) for inner in value.values())
            found.append(Line(" ".join([word for word in words if word]), field=field, entry=measured))
            return
        named = value.get(_SECTION)
        section = named if isinstance(named, str) else section
        negative = language().negative_keys
        for key, inner in value.items():
            if key not in _UNSAID and not (key == _SECTION and inner == section):
                _collect(inner, f"{field}/{key}", denied or key in negative, found, section)


def _word(value: JsonValue) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return value if isinstance(value, str) else repr(value)


def belongs(field: str, keys: frozenset[str]) -> bool:
    """Return whether a JSON pointer leads through one of some keys."""
    return not keys.isdisjoint(field.split("/"))


def codes_of(target: JsonObject) -> Iterator[tuple[str, str, str]]:
    """Yield field, problem and ICD-10-CM code of every entry that has a code."""
    stack: list[tuple[str, JsonValue]] = [("", target)]
    while stack:
        field, value = stack.pop()
        if isinstance(value, dict):
            problem, code = value.get("problem"), value.get("icd10cm")
            if isinstance(problem, str) and isinstance(code, str):
                yield field, problem, code
            stack.extend((f"{field}/{key}", inner) for key, inner in value.items() if isinstance(inner, dict | list))
        elif isinstance(value, list):
            stack.extend((f"{field}/{i}", inner) for i, inner in enumerate(value) if isinstance(inner, dict | list))
