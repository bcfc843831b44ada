"""House styles: how an institution words and orders its letters, and how far a text keeps to it.

A style is data (``styles/*.yaml``, or a file of the user's own). Templates and prompts write by it, the style check and
``distill``'s metric hold what was written against it; none of that needs a reference.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import Field, JsonValue, ValidationError, field_validator, model_validator

from synth.assets import find_asset, load_yaml
from synth.catalog import suggest
from synth.errors import UserError, first_fault
from synth.records import Course, Number, Record

_SLOT = re.compile(r"\{(\w+)\}")
_PLACEHOLDER = re.compile(r"\\\{\\\{\w+\\\}\\\}")
_ITEM = ("- ", "* ", "• ")
_MARKED = re.compile(r"^[#\s]+|[\s:#]+$")
_GRAY = re.compile(r"(?<![\w.,])\d+(?:[.,]\d+)?\s*Gy\b")
_PERSONS = {
    "en": {"we": r"\b(?:we|our|us)\b", "i": r"(?<!stage )(?<!Stage )\bI\b(?= [a-z])|\b(?:my|me)\b"},
    "de": {"we": r"\b(?:[Ww]ir|[Uu]ns(?:er\w*)?)\b", "i": r"\b(?:[Ii]ch|[Mm]ir|[Mm]ich|[Mm]ein\w*)\b"},
}
"""Words of whoever writes."""


class Doses(Record):
    """How doses of radiation are written. Slots: ``{total}`` and ``{each}`` in Gy, ``{fractions}``, and of a course
    under way ``{given}`` fractions and ``{received}`` Gy."""

    course: str
    single: str
    """A course of one fraction."""
    under_way: str
    decimals: int = Field(default=0, ge=0, le=2)
    """The fewest of a number in Gy; no more are written than a number has."""
    mark: Literal[".", ","] = "."

    @model_validator(mode="after")
    def _slots(self) -> Self:
        for form, needed, known in (
            (self.course, {"total"}, {"total", "each", "fractions"}),
            (self.single, {"total"}, {"total"}),
            (self.under_way, {"given", "fractions"}, {"given", "fractions", "received", "total", "each"}),
        ):
            slots = set(_SLOT.findall(form))
            if not needed <= slots <= known:
                raise ValueError(
                    f"{form!r} needs {', '.join(f'{{{slot}}}' for slot in sorted(needed))} and knows "
                    f"{', '.join(f'{{{slot}}}' for slot in sorted(known))}"
                )
        if not {"each", "fractions"} & set(_SLOT.findall(self.course)):
            raise ValueError(f"{self.course!r} needs {{fractions}} or {{each}}")
        return self

    def number(self, value: Number) -> str:
        """Return a number in Gy, or a share of it, as the style writes it."""
        text = f"{float(value):.2f}"
        while text.endswith("0") and len(text.partition(".")[2]) > self.decimals:
            text = text[:-1]
        return text.rstrip(".").replace(".", self.mark)

    def told(self, course: Course) -> str:
        """Return a course: what is prescribed, or how much of it was given so far."""
        form = self.under_way if course.given is not None else self.single if course.fractions == 1 else self.course
        return self.filled(form, course.dose, course.per_fraction, course.fractions, course.given)

    def filled(self, form: str, total: Number, each: Number, fractions: int, given: int | None = None) -> str:
        """Return a form with its numbers."""
        values = {
            "total": self.number(total),
            "each": self.number(each),
            "fractions": str(fractions),
            "given": str(given),
            "received": self.number(round(float(each) * (given or 0), 2)),
        }
        return _SLOT.sub(lambda m: values[m[1]], form)

    def restyled(self, text: str) -> str:
        """Return a text with its doses (``60 Gy in 20 fractions``, ``8 Gy in a single fraction``) in these forms."""
        text = _SINGLE.sub(lambda m: self.filled(self.single, float(m[1]), float(m[1]), 1), text)
        text = _UNDER_WAY.sub(
            lambda m: self.filled(self.under_way, float(m[4]), round(float(m[4]) / int(m[2]), 2), int(m[2]), int(m[1])),
            text,
        )
        return _COURSE.sub(
            lambda m: self.filled(self.course, float(m[1]), round(float(m[1]) / int(m[2]), 2), int(m[2])), text
        )

    @property
    def patterns(self) -> tuple[re.Pattern[str], ...]:
        """What matches the forms, with any numbers."""
        return tuple(_pattern(form, self.decimals, self.mark) for form in (self.under_way, self.course, self.single))


_COURSE = re.compile(r"(?<![\w.,])(\d+(?:\.\d+)?) Gy in (\d+) (?:fractions|Fraktionen)\b")
_SINGLE = re.compile(r"(?<![\w.,])(\d+(?:\.\d+)?) Gy (?:in a single fraction|als Einzelfraktion)\b")
_UNDER_WAY = re.compile(
    r"\b(\d+) (?:of|von) (\d+) (?:fractions|Fraktionen) \((\d+(?:\.\d+)?) (?:of|von) (\d+(?:\.\d+)?) Gy\)"
)
"""Doses as packs and their terms write them."""


class Style(Record):
    """One house style."""

    name: str
    language: Literal["en", "de"]
    sections: dict[str, str] = Field(min_length=1)
    """The task's sections in the order of the house, each with its heading."""
    salutation: tuple[str, ...] = Field(min_length=1)
    """One of them; placeholders stand for names."""
    closing: tuple[str, ...] = Field(min_length=1)
    person: Literal["we", "i", "passive"] = "we"
    """Of whoever writes."""
    tense: Literal["past", "perfect"] = "past"
    """In which therapy is told."""
    abbreviations: dict[str, str] = {}
    """A word or phrase → what is written instead."""
    doses: Doses

    @field_validator("sections")
    @classmethod
    def _apart(cls, sections: dict[str, str]) -> dict[str, str]:
        headings = [heading.casefold() for heading in sections.values()]
        if len(set(headings)) < len(headings):
            raise ValueError("two sections have one heading")
        return sections

    def shortened(self, text: str) -> str:
        """Return a text with the abbreviations of the house."""
        for long, short in self.abbreviations.items():
            text = re.sub(rf"(?<!\w){re.escape(long)}(?!\w)", short, text)
        return text


@dataclass(frozen=True, slots=True)
class Conformity:
    """How far a text keeps to a style: shares of 0 to 1; None where a text has nothing that the part is about."""

    headings: float
    """Of the style's headings and those of the text together, those that both have."""
    order: float | None
    """Of the headings that are there, those in the style's order (the longest such row); None where fewer than two."""
    phrases: float
    """Of salutation and closing."""
    doses: float | None
    """Of the places where a dose in Gy stands, those within one of the style's forms."""
    wording: float | None
    """Of the abbreviations and the person, what is kept; None where the style asks for neither."""

    @property
    def score(self) -> float:
        """The mean of the parts that there are."""
        parts = [
            part for part in (self.headings, self.order, self.phrases, self.doses, self.wording) if part is not None
        ]
        return sum(parts) / len(parts)


def conformity(style: Style, text: str) -> Conformity:
    """Return how far a letter, as people read it, keeps to a style.

    Its first line is the salutation, its last one the closing; items of a section begin with a dash, and any other
    short line between a blank one and an item is a heading.
    """
    lines = [line.strip() for line in text.splitlines()]
    filled = [line for line in lines if line]
    first, last = (filled[0], filled[-1]) if filled else ("", "")
    found = _headings(style, lines)
    wanted = [heading.casefold() for heading in style.sections.values()]
    there = [wanted.index(heading) for heading in found if heading in wanted]
    both = {*wanted, *found}
    phrases = (_is_phrase(first, style.salutation), _is_phrase(last, style.closing))
    return Conformity(
        headings=len(set(there)) / len(both),
        order=_rising(there) / len(there) if len(there) > 1 else None,
        phrases=sum(phrases) / 2,
        doses=_in_form(style.doses, text),
        wording=_worded(style, text),
    )


def _headings(style: Style, lines: Sequence[str]) -> list[str]:
    """Return the headings of a text, folded: lines that are one of the style's, and lines that stand like one."""
    own = {heading.casefold() for heading in style.sections.values()}
    found: list[str] = []
    for i, line in enumerate(lines):
        folded = _MARKED.sub("", line).casefold()
        above, below = (lines[i - 1] if i else ""), (lines[i + 1] if i + 1 < len(lines) else "")
        stands = not above and below.startswith(_ITEM) and not line.startswith(_ITEM)
        if folded and (folded in own or stands):
            found.append(folded)
    return found


def _rising(numbers: Sequence[int]) -> int:
    """Return the length of the longest row of rising numbers."""
    best: list[int] = []
    for i, number in enumerate(numbers):
        best.append(1 + max((best[j] for j in range(i) if numbers[j] < number), default=0))
    return max(best, default=0)


def _is_phrase(line: str, phrases: Sequence[str]) -> bool:
    return any(_phrase(phrase).fullmatch(line) for phrase in phrases)


@lru_cache(maxsize=256)
def _phrase(phrase: str) -> re.Pattern[str]:
    """Return what matches a phrase, with anything in the place of a placeholder."""
    return re.compile(_PLACEHOLDER.sub(lambda _: r"\S.*?", re.escape(phrase)))


@lru_cache(maxsize=256)
def _pattern(form: str, decimals: int, mark: str) -> re.Pattern[str]:
    least = rf"\d+{re.escape(mark)}\d{{{decimals},2}}"
    number = least if decimals else rf"\d+(?:{re.escape(mark)}\d{{1,2}})?"
    pattern, at = "", 0
    for slot in _SLOT.finditer(form):
        pattern += re.escape(form[at : slot.start()])
        pattern += r"\d+" if slot[1] in ("fractions", "given") else number
        at = slot.end()
    return re.compile(rf"(?<![\w.,]){pattern}{re.escape(form[at:])}(?!\w)")


def _in_form(doses: Doses, text: str) -> float | None:
    places = [m.start() for m in _GRAY.finditer(text)]
    covered = [m.span() for pattern in doses.patterns for m in pattern.finditer(text)]
    good = sum(any(start <= at < end for start, end in covered) for at in places)
    return good / len(places) if places else None


def _worded(style: Style, text: str) -> float | None:
    rules = [re.search(rf"(?<!\w){re.escape(long)}(?!\w)", text) is None for long in style.abbreviations]
    persons = _PERSONS[style.language]
    rules += [re.search(pattern, text) is None for person, pattern in persons.items() if person != style.person]
    return sum(rules) / len(rules) if rules else None


def style_names() -> list[str]:
    """Return the names of the shipped styles."""
    found = find_asset("styles/english.yaml")
    return sorted(path.stem for path in found.parent.glob("*.yaml")) if found is not None else []


def load_style(given: str) -> Style:
    """Return a style: a shipped one by its name, any other from its file. UserError where there is none, or where it is
    malformed."""
    path = find_asset(f"styles/{given}.yaml") or Path(given)
    try:
        content = load_yaml(path)
    except FileNotFoundError:
        known = style_names()
        raise UserError(
            f"no style {given!r}{suggest(given, known)}; give a file, or one of {', '.join(known)}"
        ) from None
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"cannot read {given}: {str(error).splitlines()[0]}") from error
    return read_style(content, given)  # type: ignore[arg-type]  # what YAML holds


def read_style(content: JsonValue, where: str = "style") -> Style:
    """Return the style in a mapping; UserError where it is malformed."""
    try:
        return Style.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{where}: {first_fault(error)}") from error
