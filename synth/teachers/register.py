"""How a patient speaks: plainly, as people do, or as one who reads a lot."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from synth.records import LanguageLevel


def in_register(says: Sequence[str], level: LanguageLevel) -> Sequence[str]:
    """Return the phrases that fit a language level: all of them as usual, else the half, two at least, with the
    shortest words (plain) or the longest (educated). Length of words in letters is the part of readability formulas
    that stands for vocabulary (Coleman M, Liau TL. J Appl Psychol 1975;60:283-284)."""
    if level == "usual" or len(says) < 3:
        return says
    ranked = _ranked(tuple(says))
    half = max(2, len(ranked) // 2)
    return ranked[:half] if level == "plain" else ranked[-half:]


@cache
def _ranked(says: tuple[str, ...]) -> tuple[str, ...]:
    """Return phrases from the shortest words to the longest."""

    def letters(say: str) -> float:
        words = say.split()
        return sum(map(len, words)) / len(words)

    return tuple(sorted(says, key=letters))
