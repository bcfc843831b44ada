"""Numbers in a text: one spelling for each, and those that are written in words.

``one thousand two hundred`` is 1200, ``seven point nine`` 7.9. What is only said, never written, is read where
``spoken`` asks for it: ``one thirty-two`` is 132, ``one oh five`` 105, ``point five`` 0.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from synth.records import Number

SMALL = {
    word: value
    for value, word in enumerate(
        (
            *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"),
            *("twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
        )
    )
}
TENS = {
    word: 10 * value
    for value, word in enumerate(("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"), 2)
}
BEGINNINGS = frozenset((*SMALL, *TENS, "hundred", "thousand", "minus", "point"))
"""Words that a number in words can begin with."""
_ZERO = ("oh", "o")


def spell(value: Number | Decimal) -> str:
    """Return the one spelling of a number: no exponent, no zeros behind the last decimal."""
    text = format(Decimal(str(value)), "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text.lstrip("0") or "0"
    return "0" if text in ("-0", "") else text


def spelled(words: Sequence[str], at: int, *, spoken: bool = False) -> tuple[Decimal, int] | None:
    """Return the number that starts at a word, up to 999,999 and with spoken decimals, and where it ends; None where
    none starts."""
    if words[at] == "minus":
        rest = spelled(words, at + 1, spoken=spoken) if _continues(words, at + 1) else None
        return None if rest is None else (-rest[0], rest[1])
    if words[at] == "point" and not spoken:
        return None
    total, group, i = 0, None, at
    while i < len(words):
        word = words[i]
        if word in SMALL and (group is None or _takes(group, SMALL[word], spoken)):
            grown = 100 * (group or 0) if spoken and group is not None and group < 10 else (group or 0)
            group = grown + SMALL[word]
        elif word in TENS and (group is None or (group and group % 100 == 0) or (spoken and 0 < group < 10)):
            grown = 100 * (group or 0) if spoken and group is not None and group < 10 else (group or 0)
            group = grown + TENS[word]
        elif word == "hundred" and (group or 1) < 100 and group != 0 and not (group is None and total):
            group = (group or 1) * 100
        elif word == "thousand" and not total and group != 0:
            total, group = (group or 1) * 1000, None
        elif spoken and word in _ZERO and group is not None and 0 < group < 10 and _digit(words, i + 1):
            group, i = 100 * group + SMALL[words[i + 1]], i + 1
        elif not (word == "and" and i > at and words[i - 1] in ("hundred", "thousand") and _continues(words, i + 1)):
            break
        i += 1
    if i == at and not (spoken and words[at] == "point"):
        return None
    digits = ""
    if i + 1 < len(words) and words[i] == "point":
        while i + 1 + len(digits) < len(words) and SMALL.get(words[i + 1 + len(digits)], 10) < 10:
            digits += str(SMALL[words[i + 1 + len(digits)]])
    if i == at and not digits:
        return None
    value = Decimal(f"{total + (group or 0)}.{digits or 0}")
    return value, i + 1 + len(digits) if digits else i


def _takes(group: int, small: int, spoken: bool) -> bool:
    """Return whether a number that has been said so far can go on with one below twenty."""
    if spoken and 0 < group < 10 <= small:
        return True
    return small > 0 and group > 0 and (group % 100 == 0 or (group % 10 == 0 and group % 100 >= 20 and small < 10))


def _digit(words: Sequence[str], at: int) -> bool:
    return at < len(words) and 0 < SMALL.get(words[at], 10) < 10


def _continues(words: Sequence[str], at: int) -> bool:
    return at < len(words) and (words[at] in SMALL or words[at] in TENS)
