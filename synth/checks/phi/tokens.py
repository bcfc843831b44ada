"""Words of a line with what the name rules ask of each: how it is written, whether it is known, whose it may be."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache

from synth.checks.phi.lexicon import lexicon

_WORD = re.compile(r"[^\W\d_]+(?:['’ʻ][^\W\d_]+)*")
_HUMP = re.compile(r"([^\W\d_]*?[a-z])[A-Z]")
"""Capitals within a word: resourceType, SUVmax, EuroSCORE."""
_POSSESSIVE = re.compile(r"['’]s?$")
_NUMBER = re.compile(
    r"(?<![^\W_])(?=[^\W\d]{0,16}+[._/:@#*+-]{0,2}+[^\W\d]{0,16}+[._/:@#*+-]{0,2}+\d)[^\W](?:[\w./:@#*+-]{0,60}\w)?"
)
"""A run without a blank that holds a digit near its beginning."""
UNIT = re.compile(f"{_NUMBER.pattern}|{_WORD.pattern}")
"""A number or code, or else a word."""
_NO_LETTERS = {code: " " for code in range(128) if not (chr(code).isalpha() or chr(code) == "'")}
"""For ``str.translate``, which takes a quarter of the time of the pattern of a word on plain ASCII."""
_KEPT = 200_000
_LONGEST = 30
"""Letters of a word that may still be a name."""
_DIGITS, _CAPITALS, _SMALL = re.compile(r"\d+"), re.compile(r"[A-Z]+"), re.compile(r"[^\W\d_A-Z]+")
TAG = re.compile(r"[\t ]*\[[A-Za-z_ ]{1,30}\]")
"""A speaker's role before a turn."""
SENTENCE_END = '.?!:;|•·*>–—"“”([{}/\\^&#+=-'


class Case(Enum):
    """How a word is written."""

    LOWER = auto()
    TITLE = auto()
    """A capital first, and a small letter somewhere."""
    UPPER = auto()
    INITIAL = auto()
    """One capital letter."""
    NUMBER = auto()
    """Holds a digit."""


@dataclass(frozen=True, slots=True)
class Form:
    """A word as written, whatever stands around it."""

    lower: str
    """Without a possessive ending, in lower case, with plain apostrophes."""
    length: int
    """Of the word as written, without a possessive ending."""
    case: Case
    known: bool
    given: bool
    surname: bool
    place: bool

    @property
    def named(self) -> bool:
        """Return whether it is in any list of names."""
        return self.given or self.surname or self.place


@lru_cache(maxsize=_KEPT)
def form(word: str) -> Form:
    """Return what is known of a word."""
    lists = lexicon()
    bare = _POSSESSIVE.sub("", word)
    lower = bare.lower().replace("’", "'").replace("ʻ", "'")
    whole = word.lower().replace("’", "'")
    if len(bare) == 1:
        case = Case.INITIAL if bare.isupper() else Case.LOWER
    elif bare.isupper():
        case = Case.UPPER
    else:
        case = Case.TITLE if bare[0].isupper() else Case.LOWER
    given, surname, place = lower in lists.given, lower in lists.surnames, lower in lists.places
    known = lower in lists.known or whole in lists.known or lower.partition("'")[0] in lists.contracted
    if not known and lower in lists.abbreviations:
        known = case is not Case.TITLE or not (given or surname or place)
    if case is Case.LOWER and lower in lists.unsure:
        known = False
    if not bare[:1].isalpha() or len(bare) > _LONGEST:
        known = True  # a fraction, an exponent; a run of letters that is no word
    if not known and (hump := _HUMP.match(bare)):
        known = hump[1].lower() not in lists.hump_prefixes
    return Form(
        lower=lower,
        length=len(bare),
        case=case,
        known=known,
        given=given,
        surname=surname,
        place=place,
    )


@dataclass(frozen=True, slots=True)
class Token:
    """A word in its line."""

    start: int
    """Code points from the start of the text."""
    end: int
    """Without a possessive ending."""
    form: Form
    initial: bool
    """Whether a sentence, a field or a line begins with it, so that a capital says nothing."""
    spelled: bool
    """Whether it is part of something that is no word, such as an address or a code."""


def lines_of(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield start and end of each line in a stretch of a text."""
    while True:
        cut = text.find("\n", start, end)
        yield start, end if cut < 0 else cut
        if cut < 0:
            return
        start = cut + 1


class Noticer:
    """Finds the lines of a text that hold a word of a wanted form; most words are remembered as not wanted."""

    def __init__(self, wanted: Callable[[Form], bool], before_capital: Callable[[Form], bool]) -> None:
        """``before_capital`` tells which forms are wanted besides where a blank and a capital letter follow."""
        self._wanted = wanted
        self._before_capital = before_capital
        self._dull: set[str] = set()

    def lines(self, text: str, start: int, end: int) -> list[tuple[int, int]]:
        """Return start and end of each line in a stretch of a text that holds a wanted word, in order; and of others
        that hold such a word as part of another."""
        part = text[start:end]
        written = set(part.translate(_NO_LETTERS).split() if part.isascii() else _WORD.findall(part)) - self._dull
        found: set[tuple[int, int]] = set()
        for word in (word for run in written for word in self._noticed(run)):
            capital = not self._wanted(form(word))
            at = text.find(word, start, end)
            while at >= 0:
                after = at + len(word)
                if capital and not (text[after : after + 1] == " " and text[after + 1 : after + 2].isupper()):
                    at = text.find(word, after, end)
                    continue
                first = text.rfind("\n", start, at) + 1 or start
                last = text.find("\n", at, end)
                last = end if last < 0 else last
                found.add((first, last))
                at = text.find(word, last, end)
        return sorted(found)

    def _noticed(self, run: str) -> list[str]:
        """Return the words in a run of letters and apostrophes that are wanted, if only before a capital."""
        forms = ((word, form(word)) for word in _WORD.findall(run))
        noticed = [word for word, what in forms if self._wanted(what) or self._before_capital(what)]
        if not noticed:
            if len(self._dull) > _KEPT:
                self._dull.clear()
            self._dull.add(run)
        return noticed


def tokens(text: str, start: int, end: int) -> list[Token]:
    """Return the words of a line, but for a speaker's role before it."""
    tag = TAG.match(text, start, end)
    first = tag.end() if tag else start
    found = []
    for hit in _WORD.finditer(text, first, end):
        what = form(hit[0])
        before = text[max(first, hit.start() - 3) : hit.start()]
        after = text[hit.end() : hit.end() + 2]
        found.append(
            Token(
                start=hit.start(),
                end=hit.start() + what.length,
                form=what,
                initial=(not before.strip() and len(before) < 3) or before.rstrip()[-1:] in SENTENCE_END,
                spelled=_is_spelled(before, after),
            )
        )
    return found


@lru_cache(maxsize=50_000)
def number_form(written: str) -> Form:
    """Return a number or code as its shape: ``#3-3-4`` for 415-555-0134, ``#A7`` for AB1234563."""
    if written.isdecimal() and len(written) < 5:
        value = int(written)
        shape = (
            "year" if 1900 <= value < 2100 else "90s" if 90 <= value < 120 and len(written) < 4 else str(len(written))
        )
    else:
        shape = _DIGITS.sub(lambda hit: str(min(len(hit[0]), 9)), _SMALL.sub("a", _CAPITALS.sub("A", written)))
    return Form(
        lower=f"#{shape[:24]}",
        length=len(written),
        case=Case.NUMBER,
        known=True,
        given=False,
        surname=False,
        place=False,
    )


def _is_spelled(before: str, after: str) -> bool:
    if before[-1:].isdigit() or before[-1:] in tuple("@_=~%") or after[:1].isdigit() or after[:1] in tuple("@_=~"):
        return True
    return (before[-1:] == "." and before[-2:-1].isalnum()) or (after[:1] == "." and after[1:].isalnum())
