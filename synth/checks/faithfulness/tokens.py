"""A text as tokens: case folded, numbers in one spelling, marks that end a sentence or a clause kept."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Container, Iterable, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import chain, compress, filterfalse

from synth.checks.faithfulness.memo import Memo
from synth.checks.faithfulness.numbers import BEGINNINGS, SMALL, TENS, spell, spelled

_NUMBER = r"(?:(?<![\w.)%])[-−](?=\d))?(?:\d+(?:,\d{3}(?!\d))*(?:\.\d+)?|(?<!\d)\.\d+)"
_MARK = r"[%/.,;:?!\n]"
_TOKEN = re.compile(rf"[^\W\d_][^\W_]*|{_NUMBER}|{_MARK}")
_ASCII = re.compile(rf"[a-z][a-z0-9]*|{_NUMBER}|{_MARK}")
_POWER = re.compile(r"(?:(?:\b[x]|[×*])\s?)?(?<![\d.,])10(?:[\^*](\d{1,2})|([⁰¹²³⁴⁵⁶⁷⁸⁹]{1,2}))", re.IGNORECASE)
_SCALES = {"thousand": 3, "million": 6, "billion": 9}
_PLACEHOLDER = re.compile(r"\{\{\w*\}\}")
_ALONE = {word: spell(value) for word, value in (SMALL | TENS).items()}
"""Words that are a number by themselves."""
_GOES_ON = BEGINNINGS | {"oh", "o"}
"""Words with which a number that has begun so may go on."""
_TIMES = frozenset(("this", "that", "the", "some", "which", "what", "a", "your", "my", "good"))
"""Words before a ``point`` that is none of a number."""
_MARKS = frozenset("%/.,;:?!\n")
DIGITS = frozenset("-0123456789")
"""What a number begins with, and nothing else does."""
_PERSON = {
    **dict.fromkeys(("i", "me"), "you"),
    **dict.fromkeys(("my", "his", "her", "their", "our"), "your"),
    **{"mine": "yours", "myself": "yourself", "m": "re", "am": "are"},
}
"""Said by the one and of the other: ``my eyes`` and ``your eyes`` are the same eyes."""


def _cut(text: str) -> tuple[str, ...]:
    """Return the tokens of a folded text without a space, each the same object wherever it stands."""
    return tuple(map(sys.intern, (_ASCII if text.isascii() else _TOKEN).findall(text)))


def _begins_number(word: str) -> bool:
    # Digits and marks come before letters in any text that is folded.
    return (word < "a" and word not in _MARKS) or word in BEGINNINGS


_CUT = Memo(_cut)
_BEGINS = Memo(_begins_number)


def is_number(word: str) -> bool:
    """Return whether a token is a number; only numbers begin with a digit or a sign."""
    return word[0] in DIGITS


_SPOKEN_OF = Memo(lambda word: _PERSON.get(word, word))


def tokenize(text: str) -> list[str]:
    """Return the tokens of a text; placeholders and marks other than ``. , ; : ? ! / %`` and line breaks are
    dropped."""
    if "{{" in text:
        text = _PLACEHOLDER.sub(" ", text)
    text = text.replace("°", " degrees ")
    if "10^" in text or "10*" in text or ("10" in text and not text.isascii()):
        # A power of ten is part of a unit (10^3/uL, 10*3/uL in UCUM, x10⁹/L), so it becomes a word.
        text = _POWER.sub(lambda m: f" e{int(m[1] or unicodedata.normalize('NFKC', m[2]))} ", text)
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).replace("’", "'").replace("‘", "'")
    text = text.casefold().replace("n't", " not").replace("cannot", "can not")
    # No token goes on behind a space.
    found = list(chain.from_iterable(map(_CUT.__getitem__, text.replace("\n", " \n ").split(" "))))
    number = list(compress(range(len(found)), map(_BEGINS.__getitem__, found)))
    if not number:
        return found
    result: list[str] = []
    done, size = 0, len(found)
    for i in number:
        word = found[i]
        if i < done:
            continue
        after = found[i + 1] if i + 1 < size else ""
        if word in _ALONE and after not in _GOES_ON:
            words, end = _ALONE[word], i + 1
        elif word in BEGINNINGS:
            if word == "minus" and after and after[0].isdigit():
                result += [*found[done:i], spell_written(f"-{_written(after)}")]
                done = i + 2
                continue
            read = None if word == "point" and i and found[i - 1] in _TIMES else spelled(found, i, spoken=True)
            if read is None:
                continue
            words, end = spell(read[0]), read[1]
            after = found[end] if end < size else ""
        else:
            words, end = _written(word), i + 1
        if after in _SCALES:
            words, end = spell(Decimal(words).scaleb(_SCALES[after])), end + 1
            after = found[end] if end < size else ""
        if after == "and" and found[end : end + 3] == ["and", "a", "half"]:
            words, end = spell(float(words) + 0.5), end + 3
            after = found[end] if end < size else ""
        result += found[done:i]
        result.append(words)
        if after == "percent" or (after == "per" and found[end : end + 2] == ["per", "cent"]):
            result.append("%")
            end += 1 + (after == "per")
        done = end
    return result + found[done:]


@lru_cache(maxsize=4096)
def _written(word: str) -> str:
    digits = word.replace(",", "").replace("−", "-")
    if digits.isdigit():
        return digits.lstrip("0") or "0"
    return spell(float(digits)) if digits[0] == "." else spell_written(digits)


def spell_written(digits: str) -> str:
    """Return the one spelling of a number in digits."""
    sign, digits = ("-", digits[1:]) if digits[0] == "-" else ("", digits)
    whole, _, decimals = digits.partition(".")
    decimals = decimals.rstrip("0")
    whole = whole.lstrip("0") or "0"
    number = f"{whole}.{decimals}" if decimals else whole
    return number if number == "0" else sign + number


def plain(tokens: Iterable[str]) -> list[str]:
    """Return the tokens that are words or numbers, in the second person."""
    return list(map(_SPOKEN_OF.__getitem__, filterfalse(_MARKS.__contains__, tokens)))


def is_mark(word: str) -> bool:
    """Return whether a token is a mark or the end of a line."""
    return word in _MARKS


def places_of(words: Container[str], tokens: Sequence[str]) -> list[int]:
    """Return which tokens are among some words."""
    return list(compress(range(len(tokens)), map(words.__contains__, tokens)))


_ENDINGS = (("sses", "ss"), ("ies", "y"), ("ations", "ate"), ("ation", "ate"), ("ings", ""), ("ing", ""), ("edly", ""))
_ENDINGS_LAST = (("ed", ""), ("ness", ""), ("ly", ""), ("es", "e"), ("s", ""))


@lru_cache(maxsize=16384)
def stem(word: str) -> str:
    """Return a word without its commonest endings, so that ``nodules`` and ``nodule`` are the same."""
    if len(word) < 4 or not word.isalpha():
        return word
    for ending, instead in (*_ENDINGS, *_ENDINGS_LAST):
        if ending == "s" and word.endswith(("ss", "us", "is")):
            continue
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: len(word) - len(ending)] + instead
            break
    if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "aeiouls":
        word = word[:-1]
    return word[:-1] if len(word) > 4 and word[-1] in "ey" else word
