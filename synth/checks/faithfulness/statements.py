"""Statements: what a sentence says, as word stems with their polarity, sides and amounts, and how much of one another
carries."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Literal, NamedTuple

from synth.checks.faithfulness.language import language
from synth.checks.faithfulness.lexicon import Lexicon
from synth.checks.faithfulness.reading import AFFIRMED, DENIED, UNSURE, Line, Reading
from synth.checks.faithfulness.units import Amount

ENOUGH = 0.6
"""Least share of a statement's words that another has to have to be about the same."""
Conflict = Literal["negation", "laterality", "value"]


class Statement(NamedTuple):
    """What is said in a row."""

    stems: dict[str, int]
    """Stem → affirmed, denied or both."""
    sides: frozenset[str]
    amounts: frozenset[Amount]
    """Numbers in the scale of their base, such as days; a bare number has an empty base."""


class Match(NamedTuple):
    """How much of a statement is carried at best, and what contradicts it there."""

    share: float
    conflict: Conflict | None
    where: int
    """Number of the statement that carries it."""


NOWHERE = Match(0.0, None, -1)


def statement(reading: Reading, start: int, end: int, answered: int | None = None) -> Statement:
    """Return what is said between two tokens; ``answered`` is the polarity of a question's words."""
    roots, reaches, tokens = reading.roots, reading.reaches, reading.tokens
    negatives = language().fixed_negatives
    stems: dict[str, int] = {}
    quantities = reading.within(start, end)
    used = {i for q in quantities for i in range(q.at, q.end)}
    for i in range(start, end):
        root = roots[i]
        if not root or i in used:
            continue
        bits = answered if answered is not None else DENIED if reaches[i] else AFFIRMED
        if tokens[i] in negatives and bits != UNSURE:
            bits ^= UNSURE
        stems[root] = stems.get(root, 0) | bits
    return Statement(
        stems,
        frozenset(sides(reading, start, end).values()),
        frozenset([q.amount for q in quantities]),
    )


def sides(reading: Reading, start: int, end: int) -> dict[int, str]:
    """Return which tokens between two name a side, and which."""
    found = reading.sides
    if not found:
        return {}
    places = reading.side_places
    return {i: found[i] for i in places[bisect_left(places, start) : bisect_left(places, end)]}


def spoken(text: str, lexicon: Lexicon, *, denied: bool = False) -> Statement:
    """Return the statement that a text is."""
    reading = Reading([Line(f"no {text}" if denied else text)], lexicon)
    return statement(reading, 0, len(reading.tokens))


class Statements:
    """The statements of a reading, with those that it makes in other words, ready to be searched."""

    def __init__(self, reading: Reading, others: Sequence[Statement] = (), lines: Sequence[int] = ()) -> None:
        """``lines`` are those of the others."""
        sentences = reading.sentences
        self.lines = [*(sentence.line for sentence in sentences), *lines]
        self._reading = reading
        self._own = len(sentences)
        self._all: list[Statement | None] = [*([None] * len(sentences)), *others]
        self._places: defaultdict[str, list[int]] = defaultdict(list)
        """Stem → the statements that it stands in; those of sentences are made when they are compared."""
        places = self._places
        roots = reading.roots.copy()
        for q in reading.quantities:
            roots[q.at : q.end] = [""] * (q.end - q.at)
        for i, sentence in enumerate(sentences):
            for root in set(roots[sentence.start : sentence.end]):
                places[root].append(i)
        for i, one in enumerate(others, len(sentences)):
            for root in one.stems:
                places[root].append(i)

    def _at(self, i: int) -> Statement:
        found = self._all[i]
        if found is None:
            sentence = self._reading.sentences[i]
            answered = self._reading.reply(sentence.line) if sentence.question else None
            found = self._all[i] = statement(self._reading, sentence.start, sentence.end, answered)
        return found

    def match(self, query: Statement, among: frozenset[int] | None = None) -> Match:
        """Return the best match of a statement, in one sentence or in two that follow each other, among the sentences
        of some lines; ``NOWHERE`` where none carries ``ENOUGH`` of it."""
        counts = self._counts(query.stems)
        size = len(query.stems)
        best, rank = NOWHERE, 2 * _enough(size) - 1
        for i, count in counts.items():
            both = count + counts.get(i + 1, 0)
            # Most sentences have too little in common to be better than the best one, and are not compared.
            if 2 * both < rank or (among is not None and self.lines[i] not in among):
                continue
            for most, window in ((count, (i,)), (both, (i, i + 1))):
                if 2 * most < rank or (len(window) == 2 and not self._follows(i)):
                    continue
                shared, conflict = _compare(query, [self._at(j) for j in window])
                if 2 * shared + (conflict is None) > rank:
                    best, rank = Match(shared / size, conflict, i), 2 * shared + (conflict is None)
        return best

    def _counts(self, stems: Iterable[str]) -> dict[int, int]:
        """Return how many of some words each statement has that has one."""
        places = self._places
        counts: dict[int, int] = {}
        for root in stems:
            for i in places.get(root, ()):
                counts[i] = counts.get(i, 0) + 1
        return counts

    def _follows(self, i: int) -> bool:
        """Return whether a sentence goes on in the next one: of the same line, or the answer to a question."""
        if i + 1 >= self._own:
            return False
        return self.lines[i] == self.lines[i + 1] or self._reading.sentences[i].question

    def around(self, stems: Iterable[str]) -> list[frozenset[str]]:
        """Return the sides that are named in or beside the sentences that hold the most of some words."""
        counts = self._counts(stems)
        most = max(counts.values(), default=0)
        found: list[frozenset[str]] = []
        for i, count in counts.items():
            if count == most:
                beside = range(max(0, i - 1), min(i + 2, self._own)) if i < self._own else ()
                found.append(self._at(i).sides or frozenset().union(*(self._at(j).sides for j in beside)))
        return found

    def sides_of(self, stems: Iterable[str]) -> frozenset[str]:
        """Return the sides that are named in sentences that hold all of some words."""
        places = [set(self._places.get(root, ())) for root in stems]
        found = set.intersection(*places) if places else set()
        return frozenset().union(*(self._at(i).sides for i in found))


@cache
def _enough(size: int) -> int:
    """Return how many of so many words are ``ENOUGH``."""
    return next((count for count in range(1, size) if count / size >= ENOUGH), size)


def _compare(query: Statement, window: Sequence[Statement]) -> tuple[int, Conflict | None]:
    """Return how many words of a statement a window carries, and what contradicts it."""
    shared, opposed = 0, False
    for root, bits in query.stems.items():
        found = 0
        for one in window:
            found |= one.stems.get(root, 0)
        if found:
            shared += 1
            opposed |= not found & bits
    if opposed:
        return shared, "negation"
    if query.sides:
        there = frozenset().union(*(one.sides for one in window))
        if there and query.sides.isdisjoint(there):
            return shared, "laterality"
    if query.amounts:
        amounts = frozenset().union(*(one.amounts for one in window))
        for value, base in query.amounts:
            same_base = {other for other, measured in amounts if measured == base}
            if same_base and value not in same_base and (base or value not in {v for v, _ in amounts}):
                return shared, "value"
    return shared, None
