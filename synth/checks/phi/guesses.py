"""Tagged words and numbers → identifiers: what stands together is one, and its words say of which type it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from synth.checks.phi.evidence import WEAK
from synth.checks.phi.lexicon import lexicon
from synth.checks.phi.tagger import Tagged
from synth.checks.phi.tokens import Case, Form

_NEXT = re.compile(
    r"[ ]{1,2}|[ ]?[-–,.'’&/][ ]?|\.[ ]||[ ](?:of|on|and|de|del|la|at|near)[ ](?:the[ ])?|[ ]?,[ ]|[ ]the[ ]"
)
_DATE = re.compile(r"#(?:[12]?[/.-][12][/.-](?:2|4|year)|[12][/.-][12](?:[/.-][24])?|4-2-2)")
_LIKELY = 0.05
"""Probability from which a tagged word counts: a low one, because a miss costs more than a word too many."""
_CARRIES = 0.5
_LIKELY_PLAIN = 0.15
"""As above, for a word of the language that is nobody's name."""
_LEAST_SCORE = 0.3


@dataclass(frozen=True, slots=True)
class Name:
    """A stretch of text that is taken for a name."""

    start: int
    end: int
    score: float
    entity_type: str


def joined(text: str, tagged: Sequence[Tagged]) -> Iterator[Name]:
    """Yield tagged words and numbers, those that stand next to one another as one identifier.

    Beside a word of which the tagger is sure enough, its neighbours count at a lower probability (hysteresis): most
    misses are parts of an identifier that was found.
    """
    lists = lexicon()
    at = 0
    while at < len(tagged):
        chain = [tagged[at]]
        while at + 1 < len(tagged) and _goes_with(text, chain[-1], tagged[at + 1]):
            at += 1
            chain.append(tagged[at])
        at += 1
        likeliest = max(word.probability for word in chain)
        if likeliest < _LIKELY:
            continue
        carried = likeliest >= _CARRIES
        runs: list[list[Tagged]] = [[]]
        for word in chain:
            lower = word.form.lower
            if lower in lists.title_words:
                counts = word.probability >= _CARRIES
            else:
                plain = word.form.known and not word.form.named and word.form.case is not Case.NUMBER
                counts = carried or word.probability >= (_LIKELY_PLAIN if plain else _LIKELY)
            if counts:
                runs[-1].append(word)
            elif runs[-1]:
                runs.append([])
        for run in filter(None, runs):
            probability = max(word.probability for word in run)
            # Rounded, so that the order in which a processor adds cannot be seen in a finding.
            score = round(_LEAST_SCORE + probability * (WEAK - _LEAST_SCORE) * 0.99, 4)
            yield Name(run[0].start, run[-1].end, score, _entity_type([word.form for word in run]))


def _goes_with(text: str, word: Tagged, after: Tagged) -> bool:
    """Return whether two tagged words are parts of one identifier."""
    return bool(_NEXT.fullmatch(text[word.end : after.start]))


def _entity_type(words: Sequence[Form]) -> str:
    """Return the likeliest entity type of tagged words."""
    if any(word.lower in lexicon().month_words for word in words) or any(_DATE.fullmatch(word.lower) for word in words):
        return "DATE_TIME"
    if any(word.case is Case.NUMBER or word.lower in lexicon().number_words for word in words):
        streets = any(word.lower in lexicon().place_nouns for word in words)
        return "LOCATION" if streets else "OTHER_ID"
    return "LOCATION" if is_place(words) else "PERSON"


def is_place(words: Sequence[Form]) -> bool:
    """Return whether words are a place by themselves: one ends in a place's noun, or they are in its lists alone."""
    return any(word.lower in lexicon().place_nouns for word in words[1:]) or all(
        word.place and not word.given and not word.surname for word in words
    )
