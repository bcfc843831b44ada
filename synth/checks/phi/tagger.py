"""A small statistical tagger of identifiers: logistic regression over a word, its neighbours and the word lists.

It adds what the rules miss in a text that is known to be about somebody; alone it decides nothing. Its weights were
fitted by ``tools/phi/tagger.py`` on hand-written development documents that share no author with the held-out set.
Features are hashed into a table (the hashing trick, Weinberger et al., ICML 2009), so that a text is a few dozen array
operations; the table is kept as text, an index and a weight a line.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from synth.checks.phi.tokens import Form
from synth.checks.phi.units import BITS, Ids, Places, Reading, Truths, Vocabulary

_FILE = Path(__file__).resolve().parent / "lexicon" / "tagger.txt.gz"
_NONE = 1
"""Stands for a neighbour that is not there."""
_NEIGHBOURS = {-1: 20, -2: 30, 1: 40, 2: 50}
"""How far on, and the number of its first feature."""


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
        self._bias = bias
        self._table = np.zeros(1 << BITS)
        self._table[list(weights)] = list(weights.values())
        self._vocabulary = Vocabulary(words, lambda own: float(self._table[list(own)].sum()))

    def tagged(self, text: str, start: int, end: int, least: float) -> list[Tagged]:
        """Return the units of a stretch of text whose probability is at least ``least``, in order."""
        read = self._vocabulary.read(text, start, end)
        if read is None:
            return []
        total = read.weight + self._bias + self._table[context(read)].sum(axis=0)
        probabilities = 1.0 / (1.0 + np.exp(-total))
        return [
            Tagged(int(read.starts[i]), int(read.ends[i]), read.known[read.numbers[i]].form, float(probabilities[i]))
            for i in np.flatnonzero(probabilities >= least).tolist()
        ]


@cache
def tagger() -> Tagger:
    """Return this process's tagger."""
    lines = gzip.decompress(_FILE.read_bytes()).decode().splitlines()
    rows = [line.split("\t") for line in lines]
    weights = {int(row[1]): float(row[2]) for row in rows if row[0] == "weight"}
    bias = next(float(row[1]) for row in rows if row[0] == "bias")
    return Tagger(weights, bias, frozenset(row[1] for row in rows if row[0] == "word"))


def context(read: Reading) -> Places:
    """Return the places in the table of the features that depend on the neighbours, one row a feature."""
    count = len(read.starts)
    kind, case, word = read.kind, read.case, read.word
    breaks, opens = read.breaks[:-1].copy(), read.opens[:-1].copy()
    breaks[0] = opens[0] = True
    left_gap, right_gap = read.gap[:-1], read.gap[1:]
    at = np.arange(count)
    first = np.maximum.accumulate(np.where(breaks, at, 0))
    line = np.cumsum(breaks) - 1
    labels = np.maximum.accumulate(np.where(read.labels[1:], at, -1))
    labels = np.concatenate([[-1], labels[:-1]])
    label = np.where(labels >= first, word[labels] + np.uint64(3), np.uint64(2))
    before = np.where(first > 0, word[first - 1] + np.uint64(3), np.uint64(2))
    one = np.uint64(1)
    opening = np.where(opens, before, one)

    def shifted(values: Ids, by: int) -> Ids:
        """Return the values of the neighbours ``by`` places on, in the same line."""
        result = np.full(count, _NONE, dtype=np.uint64)
        if abs(by) < count:
            here, there = (slice(None, -by), slice(by, None)) if by > 0 else (slice(-by, None), slice(None, by))
            result[here] = np.where(line[here] == line[there], values[there], np.uint64(_NONE))
        return result

    words = {by: shifted(word, by) for by in _NEIGHBOURS}
    features: list[tuple[int, tuple[Ids, ...]]] = [
        (1, (_shapes(read, line)[line], case)),
        (2, (opens + one, case)),
        (3, (opens + one, kind)),
        (4, (left_gap,)),
        (5, (right_gap,)),
        (6, (left_gap, case)),
        (7, (right_gap, case)),
        (8, (left_gap, right_gap, case)),
        (9, (_told_by_title(read) + one, case)),
        (10, (label,)),
        (11, (label, case)),
        (12, (opening,)),
        (13, (opening, case)),
        (60, (words[-2], words[-1])),
        (61, (words[1], words[2])),
        (62, (words[-1], words[1])),
    ]
    for by, number in _NEIGHBOURS.items():
        other_kind = shifted(kind, by)
        features += [
            (number, (other_kind,)),
            (number + 1, (shifted(case, by), case)),
            (number + 2, (words[by],)),
            (number + 3, (words[by], case)),
        ]
        if abs(by) == 1:
            beside = left_gap if by < 0 else right_gap
            features += [(number + 4, (beside, other_kind, kind)), (number + 5, (beside, words[by], case))]
    rows = [_mixed([each for each in features if len(each[1]) == size]) for size in (1, 2, 3)]
    return np.concatenate(rows).astype(np.intp)


def _told_by_title(read: Reading) -> Truths:
    """Return which words are unknown and, somewhere in the text, stand after a title."""
    told = read.titles[:-1] & read.unknown[1:] & read.links[1:-1]
    found: Truths = np.isin(read.lower, read.lower[1:][told]) & (read.word == 0)
    return found


def _shapes(read: Reading, line: Places) -> Ids:
    """Return for each line how it is written: small letters, capitals, headings, or as usual."""
    lines = int(line[-1]) + 1
    title, upper, lower = (np.bincount(line, weights=read.shape == wanted, minlength=lines) for wanted in (1, 2, 3))
    words = np.maximum(title + upper + lower, 1)
    shape = np.where(upper > 0.6 * words, 3, np.where(upper + title > 0.7 * words, 4, 5))
    return np.where((title == 0) & (upper < 2), 2, shape).astype(np.uint64)


def _mixed(features: Sequence[tuple[int, tuple[Ids, ...]]]) -> Ids:
    """Return the place in the table of each value of features of the same number of values, one row a feature
    (multiply and xor-shift, as in splitmix64)."""
    seeds = [number * 0x9E3779B97F4A7C15 % (1 << 64) for number, _ in features]
    mixed = np.array(seeds, dtype=np.uint64)[:, np.newaxis]
    for values in zip(*(values for _, values in features), strict=True):
        mixed = (mixed ^ np.stack(values)) * np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(31)
    return (mixed * np.uint64(0x94D049BB133111EB)) >> np.uint64(64 - BITS)
