"""Whether a text says a fact: by its terms, by number with unit, by polarity; no model, no second opinion.

A text is cut into segments (lines and sentences) and those into tokens: case folded, numbers in one spelling
(``1,000``, ``1000.0`` and ``one thousand`` are the same), ``percent`` as ``%``. The rules are meant to be simple
enough to check by hand; they know no synonyms, so they count what was said in the words of the fact.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise

from synth.checks.faithfulness.numbers import spell, spelled
from synth.records import (
    ComplaintFact,
    Fact,
    LabFact,
    MedicationFact,
    Number,
    PatientFact,
    PlanFact,
    ResponseFact,
    StudyFact,
    SymptomFact,
    TherapyFact,
    ToxicityFact,
    TumorFact,
    VitalFact,
)

_SEGMENT = re.compile(r"\n|(?<=[.;!?])\s")
_TOKEN = re.compile(r"(?:(?<![\w.)%])[-−])?\d+(?:,\d{3}(?!\d))*(?:\.\d+)?|[^\W\d_][^\W_]*|%")
_NUMBER = re.compile(r"[-−]?\d")
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
        else the one before) is the value, with its unit behind it. Study: name and result. A tumor: its
        histology, grading, TNM and stage. A course of radiation: target and total dose. Toxicity: term and grade.
        Everything else: its term; a plan item's and a response's is its text.
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
            case PlanFact() | ResponseFact():
                return self.has(fact.text)
            case TumorFact():
                return all(map(self.has, filter(None, (fact.histology, fact.grading, fact.tnm, fact.stage))))
            case TherapyFact():
                course = fact.course
                if course is None:
                    return self.has(fact.name)
                return self.has(course.target) and self.has(f"{course.dose:g} Gy")
            case ToxicityFact():
                return self.has(f"{fact.term} grade {fact.grade}") or self.has(f"grade {fact.grade} {fact.term}")
        term: object = getattr(fact, "name", None)  # which a fact that only some tasks have may not have
        return isinstance(term, str) and self.has(term)

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
        read = None if _NUMBER.match(word) else spelled(found, at)
        if read is not None:
            result.append(spell(read[0]))
            at = read[1]
            continue
        result.append(spell(Decimal(word.replace(",", "").replace("−", "-"))) if _NUMBER.match(word) else word)
        at += 1
    return result


@lru_cache(maxsize=4096)
def _term(text: str) -> tuple[str, ...]:
    return tuple(tokens(text))
