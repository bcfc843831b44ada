"""Units and frequencies: ``milligrams per deciliter`` is ``mg/dL``, ``twice a day`` is ``BID``.

A unit is a base (what is measured) and a factor, so that 1 g is 1000 mg and 12 months are one year. What is given or
lost in a day is compared as the amount alone, because a regimen says how often beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import NamedTuple, cast

from synth.assets import load_yaml

_HERE = Path(__file__).resolve().parent
_LONGEST = 3
"""Words in the longest name of a simple unit."""
_PIECES = frozenset(("tablet", "capsule", "puff", "spray", "drop", "dose"))
"""Bases of what is given piece by piece: ``one drop every hour`` says how often."""
Amount = tuple[float, str]
"""A number in the scale of its base, such as days, and that base."""
Unit = tuple[str, float]
"""Base and factor; the base of a bare number is empty."""
BARE: Unit = ("", 1.0)
_CELLS = "cell/l"
_PER_MICROLITER = 1e6
"""One in a microliter, which goes without saying where cells are counted."""


class Quantity(NamedTuple):
    """A number in a text, with the unit behind it."""

    at: int
    """Token of the number."""
    end: int
    """First token behind the unit."""
    value: float
    base: str
    factor: float

    @property
    def amount(self) -> Amount:
        """The number in the scale of its base."""
        return (round(self.value * self.factor, 6), self.base)

    def equals(self, value: float, unit: Unit) -> bool:
        """Return whether it is this value; a number without a unit is taken to have the right one."""
        if not self.base and unit[0] == _CELLS and same(self.value * _PER_MICROLITER, value * unit[1]):
            return True
        if not self.base or not unit[0]:
            return same(self.value, value)
        return self.base == unit[0] and same(self.value * self.factor, value * unit[1])


def same(one: float, other: float) -> bool:
    """Return whether two values are the same but for what floating point makes of a conversion."""
    return abs(one - other) <= 1e-6 * max(abs(one), abs(other), 1e-9)


@cache
def _tables() -> tuple[Mapping[tuple[str, ...], Unit], Mapping[str, frozenset[str]]]:
    """Return the simple units by their words, and the words that have a part in compounds."""
    data = cast("dict[str, dict[str, list[object]]]", load_yaml(_HERE / "units.yaml"))
    times = frozenset(map(str, cast("list[str]", data["times"])))
    simple: dict[tuple[str, ...], Unit] = {}
    for base, (factor, words) in data["plain"].items():
        scale = float(str(factor))
        for word in cast("list[str]", words):
            one = ("day", scale) if base in times else ("g", 1000 * scale) if base == "kg" else (base, scale)
            simple[tuple(word.split())] = one
    for base, (words, symbols) in data["prefixed"].items():
        scale, base = (1 / 86400, "day") if base == "s" else (1.0, base)
        for word in cast("list[str]", words):
            simple[tuple(word.split())] = simple[(*word.split()[:-1], f"{word.split()[-1]}s")] = (base, scale)
        for symbol in cast("list[str]", symbols):
            simple.setdefault((symbol,), (base, scale))
        for prefix, (marks, factor) in data["prefixes"].items():
            size = scale * float(str(factor))
            for mark, symbol in product(cast("list[str]", marks), cast("list[str]", symbols)):
                simple.setdefault((mark + symbol,), (base, size))
            for word, ending in product(cast("list[str]", words), ("", "s")):
                head, *rest = f"{word}{ending}".split()
                for parts in ((prefix + head, *rest), (prefix, head, *rest)):
                    simple[parts] = (base, size)
    for word, (compound, factor) in data["short"].items():
        simple[(word,)] = (str(compound), float(str(factor)))
    groups = ("over", "spoken_over", "within", "dose_bases")
    return simple, {name: frozenset(map(str, cast("list[str]", data[name]))) for name in groups}


@cache
def first_words() -> frozenset[str]:
    """Return the words with which a unit can begin."""
    return frozenset(words[0] for words in _tables()[0])


def dose_bases() -> frozenset[str]:
    """Return the bases of units in which drugs are given."""
    return _tables()[1]["dose_bases"]


def unit_at(tokens: Sequence[str], at: int) -> tuple[Unit, int]:
    """Return the unit that begins at a token and where it ends; the bare one where none does."""
    if at >= len(tokens) or tokens[at] not in _openings():
        return BARE, at
    counted = _count_at(tokens, at)
    if counted is not None:
        return counted
    found = _simple(tokens, at)
    if found is None:
        return BARE, at
    (base, factor), end = found
    words = _tables()[1]
    while end + 1 < len(tokens):
        link = tokens[end]
        after = end + 1
        within = link in words["within"]
        if link not in words["over"] and link not in words["spoken_over"] and not within:
            break
        sized = tokens[after].replace(".", "", 1).isdigit()
        below = _simple(tokens, after + 1 if sized else after)
        if below is None or (within and not (sized and tokens[after] == "24")):
            break
        (other, scale), stop = below
        if link in words["spoken_over"] and (sized or base in _PIECES or not (other == "day" and scale < 1)):
            break
        if other == "day" and sized:
            scale *= float(tokens[after])
        if other == "day":
            if base == "day" or scale > 1.01:
                break
            if scale < 0.99:
                base, factor = f"{base}/minute", factor / (scale * 1440)
        elif not (sized and other == "m2"):  # what is given for 1.73 m2 of body surface goes without saying
            base, factor = f"{base}/{other}", factor / scale
        end = stop
    return (base, factor), end


def _count_at(tokens: Sequence[str], at: int) -> tuple[Unit, int] | None:
    """Return the unit of counted cells that begins at a token: ``10^3/uL``, ``cells per microliter``, ``per mm3``."""
    counts, over = _counts(), _tables()[1]["over"]
    i, count = at, 1.0
    if i < len(tokens) and tokens[i] in counts:
        count, i = counts[tokens[i]], i + 1
    if i < len(tokens) and tokens[i] in ("cell", "cells"):
        i += 1
    if i >= len(tokens) or tokens[i] not in over:
        return None
    volume = _simple(tokens, i + 1)
    if volume is None or volume[0][0] != "l":
        return None
    return (_CELLS, count / volume[0][1]), volume[1]


@cache
def _openings() -> frozenset[str]:
    """Return the words with which a unit, or one of counted cells, can begin."""
    return first_words() | _counts().keys() | _tables()[1]["over"] | {"cell", "cells"}


@cache
def _counts() -> Mapping[str, float]:
    data = cast("dict[str, dict[str, object]]", load_yaml(_HERE / "units.yaml"))
    return {word: float(str(count)) for word, count in data["counts"].items()}


def _simple(tokens: Sequence[str], at: int) -> tuple[Unit, int] | None:
    if at >= len(tokens) or tokens[at] not in first_words():
        return None
    simple = _tables()[0]
    for length in range(min(_LONGEST, len(tokens) - at), 0, -1):
        unit = simple.get(tuple(tokens[at : at + length]))
        if unit is not None:
            return unit, at + length
    return None


PERIODS = {"hour": round(1 / 24, 6), "day": 1.0, "week": 7.0, "month": 30.4375, "year": 365.25}
"""Days of what may follow an ``a``."""
_COUNTS = {"once": 1.0, "twice": 2.0, "thrice": 3.0}
_PERIODS = {
    **dict.fromkeys(("day", "days", "daily", "night", "nightly", "nights"), 1.0),
    **dict.fromkeys(("morning", "mornings", "evening", "evenings", "bedtime"), 1.0),
    **dict.fromkeys(("week", "weeks", "weekly"), 7.0),
    **dict.fromkeys(("month", "months", "monthly"), 30.4375),
    **dict.fromkeys(("year", "years", "yearly", "annually"), 365.25),
    **dict.fromkeys(("hour", "hours", "hourly"), 1 / 24),
}
_ADVERBS = frozenset(("daily", "nightly", "weekly", "monthly", "yearly", "annually"))
_LATIN = {"qd": 1.0, "qday": 1.0, "bid": 2.0, "tid": 3.0, "qid": 4.0, "qhs": 1.0, "qam": 1.0, "qpm": 1.0, "qod": 0.5}
"""Abbreviations of prescriptions, as times a day (ISMP lists those that are better not written)."""
STARTS = frozenset((*_COUNTS, *_LATIN, *_ADVERBS, "every", "each", "time", "times"))
"""Words at which a frequency is looked for."""


def rates(tokens: Sequence[str], start: int, end: int) -> Iterator[float]:
    """Yield how many times a day each frequency between two tokens is, such as 2 for ``every 12 hours``."""
    i = start
    while i < end:
        word = tokens[i]
        if word not in STARTS:
            i += 1
            continue
        rate: float | None = _LATIN.get(word)
        stop = i + 1
        if word in _COUNTS:
            rate, stop = _per(tokens, i + 1, end, _COUNTS[word])
        elif word in ("times", "time") and i > start and _count(tokens[i - 1]):
            rate, stop = _per(tokens, i + 1, end, _count(tokens[i - 1]))
        elif word in ("every", "each"):
            rate, stop = _every(tokens, i + 1, end)
        elif word in _ADVERBS:
            rate = 1 / _PERIODS[word]
        if rate is not None:
            yield round(rate, 6)
        i = max(stop, i + 1)


def _count(word: str) -> float:
    return float(word) if word.isdigit() else 0.0


def _per(tokens: Sequence[str], at: int, end: int, count: float) -> tuple[float | None, int]:
    """Return the rate of so many times in the period that begins at a token."""
    while at < end and tokens[at] in ("a", "an", "per", "each", "every", "at", "in", "the"):
        at += 1
    if at < end and tokens[at].isdigit() and at + 1 < end and tokens[at + 1] in _PERIODS:
        return count / (float(tokens[at]) * _PERIODS[tokens[at + 1]]), at + 2
    if at < end and tokens[at] == "other":
        return count / (2 * _PERIODS.get(tokens[at + 1] if at + 1 < end else "", 1.0)), at + 2
    if at < end and tokens[at] in _PERIODS:
        return count / _PERIODS[tokens[at]], at + 1
    return None, at


def _every(tokens: Sequence[str], at: int, end: int) -> tuple[float | None, int]:
    """Return the rate of once in the period that begins at a token, such as ``other day`` or ``12 hours``."""
    size = 1.0
    if at < end and tokens[at] in ("other", "second"):
        size, at = 2.0, at + 1
    elif at < end and tokens[at].isdigit():
        size, at = float(tokens[at]) or 1.0, at + 1
        if at + 1 < end and tokens[at] in ("to", "or") and tokens[at + 1].isdigit():
            at += 2
    if at < end and tokens[at] in _PERIODS:
        return 1 / (size * _PERIODS[tokens[at]]), at + 1
    return None, at
