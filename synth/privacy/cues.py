"""What the name of a column or key says of its value: in a column named ``mrn`` stands a medical record number,
whatever it looks like."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

from synth.assets import load_yaml
from synth.records import Record

RECOGNIZER = "column name"
SCORE = 0.95
"""Of a finding that rests on the name alone; by hand, as all scores are."""
_MOST = 200
"""Longest value, in code points, that a name can speak for; a longer one is prose."""
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z']+|\d+|[^\W\d_A-Za-z]+")
_TAG = re.compile(r"\[[A-Z_]+\]")
_REPLACED = re.compile(r"(?:\{\{[a-z_]+\d*\}\}|\[[A-Z_]+\](?: \d+)?|█+|[\s,;:/.()-])*")
"""Placeholders, tags and masks, which identify nobody."""
_BARE_YEAR = re.compile(r"(?:19|20)\d\d")
_MONTH = re.compile(r"(?i)\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)")
_CLOCK = re.compile(r"\d{1,2}:\d\d(?::\d\d)?(?: ?[ap]m)?", re.IGNORECASE)
_NOT_PERSONAL = ("AGE_OVER_89", "DATE_TIME", "OTHER_ID", "DEVICE_ID")
Shape = Literal["any", "digits", "token", "person", "date", "old", "zip", "dotted"]


class _Entry(Record):
    entity: str
    value: Shape
    endings: tuple[str, ...]


class _File(Record):
    fragments: dict[str, str]
    nothing: tuple[str, ...]
    sparse_zip: str
    entries: tuple[_Entry, ...]


@cache
def _file() -> _File:
    return _File.model_validate(load_yaml(Path(__file__).with_name("cues.yaml")))


@cache
def _cues() -> tuple[tuple[re.Pattern[str], str, Shape], ...]:
    file = _file()

    def pattern(ending: str) -> str:
        filled = re.sub(r"\{([a-z]+)\}", lambda hit: f"(?:{file.fragments[hit[1]]})", ending)
        return filled.replace("( )?", " ?").replace("( )", " ?")

    return tuple(
        (re.compile(rf"(?:^|.* )(?:{'|'.join(map(pattern, entry.endings))})"), entry.entity, entry.value)
        for entry in file.entries
    )


@lru_cache(maxsize=100_000)
def words_of(name: str) -> str:
    """Return a name as lower-case words without the digits at its end: ``patientName2`` → ``patient name``.

    A tag in it, which stands for what was taken out of it, says nothing.
    """
    words = [word.lower() for word in _WORDS.findall(_TAG.sub(" ", name[:_MOST]))]
    while words and words[-1].isdigit():
        words.pop()
    return " ".join(words)


@lru_cache(maxsize=100_000)
def _said(words: str) -> tuple[tuple[str, Shape], ...]:
    return tuple((entity, shape) for pattern, entity, shape in _cues() if pattern.fullmatch(words))


def identifies(words: str) -> bool:
    """Return whether a name announces an identifier of a person, so that a bare ``name`` beside it is a person's."""
    return words == "dob" or any(entity not in _NOT_PERSONAL for entity, _ in _said(words))


def claimed(words: str, text: str) -> str | None:
    """Return the entity type that a name says its whole value has; None where it says nothing, or of no such value."""
    said = _said(words) if words and len(text) <= _MOST else ()
    if not said:
        return None
    stripped = text.strip()
    if stripped.lower() in _file().nothing or _REPLACED.fullmatch(stripped) or set(stripped) <= set("0.-?*xX#"):
        return None
    return next((entity for entity, shape in said if _SHAPES[shape](stripped)), None)


def speaks(words: str) -> bool:
    """Return whether a name may be read before its value as a form's label; the name of a drug is nobody's name."""
    return bool(words) and words.rpartition(" ")[2] not in ("name", "names")


def _digits(text: str) -> int:
    return sum(character.isdigit() for character in text)


def _is_date(text: str) -> bool:
    if _BARE_YEAR.fullmatch(text) or _CLOCK.fullmatch(text):
        return False
    return len(text) <= 40 and (_digits(text) >= 2 or _MONTH.search(text) is not None)


def _is_person(text: str) -> bool:
    return len(text.split()) <= 8 and any(c.isalpha() for c in text) and _digits(text) == 0


def _is_old(text: str) -> bool:
    years = re.match(r"(\d{2,3})(?:\.\d+)?(?:\D|$)", text)
    return years is not None and 90 <= int(years[1]) <= 130


def _is_zip(text: str) -> bool:
    digits = re.sub(r"\D", "", text)
    return text in _file().sparse_zip.split() if text == digits and len(digits) <= 3 else _digits(text) >= 2


_SHAPES: Mapping[Shape, Callable[[str], bool]] = {
    "any": lambda text: any(c.isalnum() for c in text),
    "digits": lambda text: _digits(text) >= 4,
    "token": lambda text: any(c.isalnum() for c in text) and (_digits(text) > 0 or " " not in text),
    "person": _is_person,
    "date": _is_date,
    "old": _is_old,
    "zip": _is_zip,
    "dotted": lambda text: "." in text and " " not in text,
}
