"""Whether a text says a fact: by its terms, by number with unit, by polarity; no model, no second opinion.

A text is cut into segments (lines and sentences) and those into tokens: case folded, numbers in one spelling
(``1,000``, ``1000.0`` and ``one thousand`` are the same), ``percent`` as ``%``. The rules are meant to be simple
enough to check by hand; they know no synonyms, so they count what was said in the words of the fact.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise

from synth.records import (
    ComplaintFact,
    DiagnosisFact,
    Fact,
    FindingFact,
    HistoryFact,
    LabFact,
    MedicationFact,
    Number,
    PatientFact,
    PlanFact,
    StudyFact,
    SymptomFact,
    VitalFact,
)

_SEGMENT = re.compile(r"\n|(?<=[.;!?])\s")
_TOKEN = re.compile(r"(?:(?<![\w.)%])[-−])?\d+(?:,\d{3}(?!\d))*(?:\.\d+)?|[^\W\d_][^\W_]*|%")
_NUMBER = re.compile(r"[-−]?\d")
_SMALL = {
    "zero": 0,
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "eleven": 11,
    "twelve": 12,
    "thirteen": 13,
    "fourteen": 14,
    "fifteen": 15,
    "sixteen": 16,
    "seventeen": 17,
    "eighteen": 18,
    "nineteen": 19,
}
_TENS = {
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "seventy": 70,
    "eighty": 80,
    "ninety": 90,
}
_NEGATIONS = frozenset(
    ("no", "not", "denies", "denied", "deny", "without", "negative", "absent", "none", "never", "nor", "neither")
)
_AFFIRMATIONS = frozenset(
    ("but", "however", "although", "except", "positive", "has", "reports", "reported", "endorses", "endorsed", "admits")
)
"""Words that end the reach of a negation; after NegEx (Chapman et al., J Biomed Inform 2001;34:301)."""
_SEX = {
    "female": ("female", "woman", "lady", "girl"),
    "male": ("male", "man", "gentleman", "boy"),
}
_YEARS = frozenset(("year", "years", "yr", "yrs", "yo", "y"))


class Text:
    """A text in segments of tokens."""

    __slots__ = ("_joined", "_segments")

    def __init__(self, text: str) -> None:
        rows = (tokens(part) for part in _SEGMENT.split(text))
        self._segments = [row for row in rows if row]
        self._joined = f" {' '.join(token for row in self._segments for token in row)} "

    def says(self, fact: Fact) -> bool:
        """Return whether the text carries a fact.

        Patient: age with a unit of years, and a word for the sex. Complaint: term and duration. Symptom: its term,
        affirmed or negated as the fact has it. Medication, vital, lab: term, and the nearest number (the next one,
        else the one before) is the value, with its unit behind it. Study: name and result. Everything else: its term.
        A plan item's term is its text.
        """
        match fact:
            case PatientFact():
                return self._has_age(fact.age) and any(map(self.has, _SEX[fact.sex]))
            case ComplaintFact():
                return self.has(fact.name) and (fact.duration is None or self.has(fact.duration))
            case SymptomFact():
                return any(affirmed == fact.present for affirmed in self._polarities(fact.name))
            case MedicationFact(medication=drug):
                return self.has_quantity(drug.name, drug.dose, drug.unit)
            case VitalFact() | LabFact():
                return self.has_quantity(fact.name, fact.value, fact.unit)
            case StudyFact():
                return self.has(fact.name) and self.has(fact.result)
            case HistoryFact() | FindingFact() | DiagnosisFact():
                return self.has(fact.name)
            case PlanFact():
                return self.has(fact.text)

    def has(self, term: str) -> bool:
        """Return whether the tokens of a term stand in a row; an empty term is never there."""
        wanted = _term(term)
        return bool(wanted) and f" {' '.join(wanted)} " in self._joined

    def has_quantity(self, term: str, value: Number, unit: str) -> bool:
        """Return whether a term stands in one segment with a value and its unit, and no other number nearer to it."""
        wanted = [spell(value), *_term(unit)]
        for segment, start, stop in self._places(term):
            at = next((i for i in range(stop, len(segment)) if _NUMBER.match(segment[i])), None)
            if at is None:
                at = next((i for i in reversed(range(start)) if _NUMBER.match(segment[i])), None)
            if at is not None and segment[at : at + len(wanted)] == wanted:
                return True
        return False

    def _has_age(self, age: int) -> bool:
        years = spell(age)
        return any(
            number == years and following in _YEARS
            for segment in self._segments
            for number, following in pairwise(segment)
        )

    def _polarities(self, term: str) -> Iterator[bool]:
        """Yield for each place of a term whether it is affirmed: the last cue before it in its segment decides."""
        for segment, start, _ in self._places(term):
            cues = (token for token in reversed(segment[:start]) if token in _NEGATIONS or token in _AFFIRMATIONS)
            yield next(cues, "positive") in _AFFIRMATIONS

    def _places(self, term: str) -> Iterator[tuple[list[str], int, int]]:
        wanted = list(_term(term))
        if not wanted:
            return
        for segment in self._segments:
            for start in range(len(segment) - len(wanted) + 1):
                if segment[start : start + len(wanted)] == wanted:
                    yield segment, start, start + len(wanted)


def tokens(text: str) -> list[str]:
    """Return the tokens of a text; anything but words, numbers and ``%`` is dropped."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("n't", " not")
    found = ["%" if word == "percent" else word for word in _TOKEN.findall(folded)]
    result: list[str] = []
    at = 0
    while at < len(found):
        word = found[at]
        spelled = None if _NUMBER.match(word) else _spelled(found, at)
        if spelled is not None:
            result.append(spell(spelled[0]))
            at = spelled[1]
            continue
        result.append(spell(Decimal(word.replace(",", "").replace("−", "-"))) if _NUMBER.match(word) else word)
        at += 1
    return result


@lru_cache(maxsize=4096)
def _term(text: str) -> tuple[str, ...]:
    return tuple(tokens(text))


def spell(value: Number | Decimal) -> str:
    """Return the one spelling of a number: no exponent, no zeros behind the last decimal."""
    text = format(Decimal(str(value)), "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text.lstrip("0") or "0"
    return "0" if text in ("-0", "") else text


def _spelled(words: Sequence[str], at: int) -> tuple[Decimal, int] | None:
    """Return the number that starts at a word, up to 999,999 and with spoken decimals, and where it ends; None where
    none starts."""
    if words[at] == "minus":
        rest = _spelled(words, at + 1) if _continues(words, at + 1) else None
        return None if rest is None else (-rest[0], rest[1])
    total, group, i = 0, None, at
    while i < len(words):
        word = words[i]
        if word in _SMALL and (group is None or _takes(group, _SMALL[word])):
            group = (group or 0) + _SMALL[word]
        elif word in _TENS and (group is None or (group and group % 100 == 0)):
            group = (group or 0) + _TENS[word]
        elif word == "hundred" and (group or 1) < 100 and group != 0 and not (group is None and total):
            group = (group or 1) * 100
        elif word == "thousand" and not total and group != 0:
            total, group = (group or 1) * 1000, None
        elif not (word == "and" and i > at and words[i - 1] in ("hundred", "thousand") and _continues(words, i + 1)):
            break
        i += 1
    if i == at:
        return None
    digits = ""
    if i + 1 < len(words) and words[i] == "point":
        while i + 1 + len(digits) < len(words) and _SMALL.get(words[i + 1 + len(digits)], 10) < 10:
            digits += str(_SMALL[words[i + 1 + len(digits)]])
    value = Decimal(f"{total + (group or 0)}.{digits or 0}")
    return value, i + 1 + len(digits) if digits else i


def _takes(group: int, small: int) -> bool:
    """Return whether a number that has been said so far can go on with one below twenty."""
    return small > 0 and group > 0 and (group % 100 == 0 or (group % 10 == 0 and group % 100 >= 20 and small < 10))


def _continues(words: Sequence[str], at: int) -> bool:
    return at < len(words) and (words[at] in _SMALL or words[at] in _TENS)
