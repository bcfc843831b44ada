"""Which weak hits count: those in a text that identifies somebody elsewhere, for sure.

A word that no list knows is a name in a letter with a telephone number and a date of birth, and an eponym or a brand in
a text in which nothing else identifies anybody. So weak hits count where sure ones, and words that the tagger is nearly
sure of, are as frequent as they are in documents about a person. The bounds were set on development documents, in which
the two kinds lie far apart: at least 8 a hundred words where somebody is identified, at most 5 where nobody is.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from synth.checks.phi.sieve import fields
from synth.checks.phi.tagger import Tagged, tagger

Hit = tuple[int, int, float]
"""Start, end and score."""
SURE = 0.6
"""Least score of a hit that backs others."""
WEAK = 0.5
"""Hits below this score need to be backed."""
_POSSIBLE = 0.015
"""Probability from which a word is handed on; what of it counts depends on its neighbours."""
_NEARLY_SURE = 0.97
_TRIED = 1.2
"""Sure hits a hundred words from which a text is worth tagging."""
_ENOUGH = 6.0
"""Sure hits and nearly sure words a hundred words."""
_LETTERS_A_WORD = 6
"""Characters, the blank included."""


@dataclass(frozen=True, slots=True)
class Field:
    """One of the texts that are scanned together, parted by NUL."""

    start: int
    end: int
    tagged: tuple[Tagged, ...]
    """Words that may be part of an identifier; none where weak hits do not count."""
    backed: bool
    """Whether weak hits count in it."""


def judged(text: str, found: Mapping[str, Sequence[Hit]]) -> list[Field]:
    """Return the fields of a text, each judged by itself, by the hits of sure rules."""
    places = sorted({start for hits in found.values() for start, _, score in hits if score >= SURE})
    judgements: list[Field] = []
    for start, end in _fields(text):
        sure = bisect_left(places, end) - bisect_left(places, start)
        tagged: tuple[Tagged, ...] = ()
        if _per_hundred(sure, end - start) >= _TRIED:
            likely = tagger().tagged(text, start, end, _POSSIBLE)
            nearly = sum(word.probability >= _NEARLY_SURE for word in likely)
            if _per_hundred(sure + nearly, end - start) >= _ENOUGH:
                tagged = tuple(likely)
        judgements.append(Field(start, end, tagged, backed=bool(tagged)))
    return judgements


def _fields(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of each field, without the line breaks beside the NULs that part them."""
    for start, end in fields(text):
        before, after = start > 0, end < len(text)
        yield start + (before and text.startswith("\n", start)), end - (after and text.endswith("\n", start, end))


def _per_hundred(count: int, length: int) -> float:
    return 100 * count * _LETTERS_A_WORD / max(length, 1)
