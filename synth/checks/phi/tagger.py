"""A small statistical tagger of identifiers: logistic regression over a word, its neighbours and the word lists.

It adds what the rules miss in a text that is known to be about somebody; alone it decides nothing. Its weights were
fitted by ``tools/phi/tagger.py`` on hand-written development documents that share no author with the held-out set.
Features are hashed into a table (the hashing trick, Weinberger et al., ICML 2009), so that a text is a few dozen array
operations; the table is kept as text, an index and a weight a line.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

from synth.checks.phi.lexicon import lexicon
from synth.checks.phi.tokens import SENTENCE_END, TAG, UNIT, Case, Form, form, number_form

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ids = NDArray[np.uint64]

_FILE = Path(__file__).resolve().parent / "lexicon" / "tagger.txt.gz"
BITS = 18
_KEPT = 200_000
_LONGEST = 64
"""Characters of a word or number; longer runs are neither."""
_NONE = 1
"""Stands for a neighbour that is not there."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A word or number as written."""

    form: Form
    case: int
    """Hash of its case, and whether it is known."""
    kind: int
    """Hash of its case and the lists that it is in."""
    word: int
    """Hash of a word that may be a feature by itself; 0 for others."""
    own: tuple[int, ...]
    """Places in the table of the features that do not depend on its neighbours."""
    weight: float = 0.0
    """What the table says of them in all; known to the tagger."""


@dataclass(frozen=True, slots=True)
class _Gap:
    """What stands between two units."""

    kind: int
    breaks: bool
    """Whether it holds a line break."""
    ends: bool
    """Whether a sentence or a field begins after it."""
    labels: bool
    """Whether what is before it is a label of what is after it."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """A word or number with the probability that it is part of an identifier."""

    start: int
    end: int
    form: Form
    probability: float


class Tagger:
    """Weights, and the words that may be features by themselves."""

    def __init__(self, weights: dict[int, float], bias: float, words: frozenset[str]) -> None:
        import numpy as np

        self.words = words
        self._bias = bias
        self._table = np.zeros(1 << BITS)
        self._table[list(weights)] = list(weights.values())
        self._units: dict[str, Unit] = {}

    def tagged(self, text: str, start: int, end: int, least: float) -> list[Tagged]:
        """Return the units of a stretch of text whose probability is at least ``least``, in order."""
        import numpy as np

        written = units(text, start, end, self.unit)
        if not written:
            return []
        own = np.array([unit.weight for _, _, unit in written])
        total = own + self._bias + self._table[context(text, start, end, written)].sum(axis=0)
        probabilities = 1.0 / (1.0 + np.exp(-total))
        return [
            Tagged(first, last, unit.form, float(probability))
            for (first, last, unit), probability in zip(written, probabilities, strict=True)
            if probability >= least
        ]

    def unit(self, written: str) -> Unit:
        """Return what is known of a word or number."""
        found = self._units.get(written)
        if found is None:
            if len(self._units) > _KEPT:
                self._units.clear()
            what = unit(written, self.words)
            found = self._units[written] = replace(what, weight=float(self._table[list(what.own)].sum()))
        return found


@cache
def tagger() -> Tagger:
    """Return this process's tagger."""
    lines = gzip.decompress(_FILE.read_bytes()).decode().splitlines()
    rows = [line.split("\t") for line in lines]
    weights = {int(row[1]): float(row[2]) for row in rows if row[0] == "weight"}
    bias = next(float(row[1]) for row in rows if row[0] == "bias")
    return Tagger(weights, bias, frozenset(row[1] for row in rows if row[0] == "word"))


Written = tuple[int, int, Unit]
"""Start, end and unit."""


def units(text: str, start: int, end: int, look: Callable[[str], Unit]) -> list[Written]:
    """Return start, end and unit of each word and number in a stretch of text, but for speakers' roles."""
    roles = [hit.span() for hit in TAG.finditer(text, start, end)] if "[" in text else []
    found = []
    at = 0
    for hit in UNIT.finditer(text, start, end):
        first, last = hit.span()
        while at < len(roles) and roles[at][1] <= first:
            at += 1
        if at < len(roles) and roles[at][0] <= first and text[first - 1] == "[":
            continue
        if last - first > _LONGEST:
            continue
        written = hit[0]
        if not (written.isascii() or written[0].isalpha() or any(c.isdecimal() for c in written)):
            continue
        what = look(written)
        found.append((first, min(last, first + what.form.length), what))
    return found


def unit(written: str, words: frozenset[str]) -> Unit:
    """Return what is known of a word or number."""
    is_number = any(c.isdecimal() for c in written)
    what = number_form(written) if is_number else form(written)
    lists = lexicon()
    lower = what.lower
    members = (
        ("g", what.given),
        ("s", what.surname),
        ("p", what.place),
        ("f", lower in lists.frequent_surnames),
        ("e", lower in lists.eponyms),
        ("n", lower in lists.eponym_nouns),
        ("m", lower in lists.makers),
        ("w", lower in lists.words),
        ("a", lower in lists.ambiguous),
        ("q", lower in lists.generic_places),
        ("b", lower in lists.abbreviations),
        ("x", lower in lists.not_names),
    )
    case = what.case.name[0] + ("k" if what.known else "u")
    letters = "".join(letter for letter, member in members if member)
    word = lower if lower in words else "?"
    names = [f"o{case}", f"l{letters}", f"ol{case}{letters}", f"len{min(what.length, 12)}{case}", f"w={word}"]
    names += [f"c{letter}{case}" for letter in letters]
    if is_number:
        names.append(f"n={lower}")
    elif not what.known:
        names += [f"s3{lower[-3:]}", f"s2{lower[-2:]}", f"p2{lower[:2]}"]
    return Unit(
        form=what,
        case=_hash(case),
        kind=_hash(case + letters),
        word=_hash(word) if word != "?" else 0,
        own=tuple(sorted({_hash(name) % (1 << BITS) for name in names})),
    )


@lru_cache(maxsize=50_000)
def _gap(gap: str) -> _Gap:
    if not gap:
        kind = "none"
    elif "\n" in gap:
        kind = "$" + gap[: gap.index("\n")].strip()[:2]
    else:
        kind = "sp" if gap == " " else gap.strip()[:2] or "wide"
    last = gap.rstrip(" ")[-1:]
    return _Gap(
        kind=_hash("gap" + kind),
        breaks="\n" in gap,
        ends="\n" in gap or last in tuple(SENTENCE_END) or (len(gap) > 2 and not gap.strip()),
        labels=gap[:1] == ":" or gap[:2] == "  ",
    )


@lru_cache(maxsize=100_000)
def _hash(name: str) -> int:
    return crc32(name.encode("utf-8", "surrogatepass")) | 1 << 32


def context(text: str, start: int, end: int, written: Sequence[Written]) -> NDArray[np.intp]:
    """Return the places in the table of the features that depend on the neighbours, one row a feature."""
    import numpy as np

    count = len(written)
    gaps = [_gap(text[start : written[0][0]])]
    gaps += [_gap(text[a[1] : b[0]]) for a, b in pairwise(written)]
    gaps.append(_gap(text[written[-1][1] : min(end, written[-1][1] + 4)] + "\n"))
    kind, case, word = np.array([(u.kind, u.case, u.word) for _, _, u in written], dtype=np.uint64).T
    gap = np.array([g.kind for g in gaps], dtype=np.uint64)
    breaks = np.array([g.breaks for g in gaps])
    breaks[0] = True
    left_gap, right_gap = gap[:-1], gap[1:]
    initial = np.array([g.ends for g in gaps[:-1]])
    initial[0] = True
    at = np.arange(count)
    first = np.maximum.accumulate(np.where(breaks[:-1], at, 0))
    line = np.cumsum(breaks[:-1]) - 1
    shape = _shapes(written, line)[line]
    labels = np.maximum.accumulate(np.where([g.labels for g in gaps[1:]], at, -1))
    labels = np.concatenate([[-1], labels[:-1]])
    label = np.where(labels >= first, word[labels] + np.uint64(3), np.uint64(2))
    before = np.where(first > 0, word[first - 1] + np.uint64(3), np.uint64(2))
    told = told_by_title(text, written)
    is_told = np.array([u.word == 0 and u.form.lower in told for _, _, u in written])

    def shifted(values: Ids, by: int) -> Ids:
        """Return the values of the neighbours ``by`` places on, in the same line."""
        result = np.full(count, _NONE, dtype=np.uint64)
        if abs(by) < count:
            here, there = (slice(None, -by), slice(by, None)) if by > 0 else (slice(-by, None), slice(None, by))
            result[here] = np.where(line[here] == line[there], values[there], np.uint64(_NONE))
        return result

    one = np.uint64(1)
    features: list[Ids] = [
        _mix(1, shape, case),
        _mix(2, initial + one, case),
        _mix(3, initial + one, kind),
        _mix(4, left_gap),
        _mix(5, right_gap),
        _mix(6, left_gap, case),
        _mix(7, right_gap, case),
        _mix(8, left_gap, right_gap, case),
        _mix(9, is_told + one, case),
        _mix(10, label),
        _mix(11, label, case),
        _mix(12, np.where(initial, before, one)),
        _mix(13, np.where(initial, before, one), case),
    ]
    for number, by in ((20, -1), (30, -2), (40, 1), (50, 2)):
        other_kind, other_case, other_word = shifted(kind, by), shifted(case, by), shifted(word, by)
        features += [
            _mix(number, other_kind),
            _mix(number + 1, other_case, case),
            _mix(number + 2, other_word),
            _mix(number + 3, other_word, case),
        ]
        if abs(by) == 1:
            beside = left_gap if by < 0 else right_gap
            features += [_mix(number + 4, beside, other_kind, kind), _mix(number + 5, beside, other_word, case)]
    features += [
        _mix(60, shifted(word, -2), shifted(word, -1)),
        _mix(61, shifted(word, 1), shifted(word, 2)),
        _mix(62, shifted(word, -1), shifted(word, 1)),
    ]
    return np.stack(features).astype(np.intp)


def told_by_title(text: str, written: Sequence[Written]) -> frozenset[str]:
    """Return the unknown words, in small letters, that stand after a title somewhere in a text."""
    return frozenset(
        after.form.lower
        for (_, end, before), (start, _, after) in pairwise(written)
        if before.form.lower in lexicon().title_words and not after.form.known and text[end:start] in (" ", ". ")
    )


def _shapes(written: Sequence[Written], line: NDArray[np.intp]) -> Ids:
    """Return for each line how it is written: small letters, capitals, headings, or as usual."""
    import numpy as np

    cases = [u.form.case if u.form.length > 1 else None for _, _, u in written]
    lines = int(line[-1]) + 1
    title, upper, lower = (
        np.bincount(line, weights=[case is wanted for case in cases], minlength=lines)
        for wanted in (Case.TITLE, Case.UPPER, Case.LOWER)
    )
    words = np.maximum(title + upper + lower, 1)
    shape = np.where(upper > 0.6 * words, 3, np.where(upper + title > 0.7 * words, 4, 5))
    return np.where((title == 0) & (upper < 2), 2, shape).astype(np.uint64)


def _mix(number: int, *values: Ids) -> Ids:
    """Return the place in the table of each value of a feature (multiply and xor-shift, as in splitmix64)."""
    import numpy as np

    mixed = np.full(len(values[0]), number * 0x9E3779B97F4A7C15 % (1 << 64), dtype=np.uint64)
    for value in values:
        mixed = (mixed ^ value) * np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(31)
    return (mixed * np.uint64(0x94D049BB133111EB)) >> np.uint64(64 - BITS)
