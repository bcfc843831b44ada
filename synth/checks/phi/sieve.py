"""The prefilter of the PHI check: which patterns are worth trying on which lines of a text.

Every match of a pattern holds one of its literals (``literals.py``); all literals of all patterns are found in one pass
over a text. On a line with a literal the pattern's weaker form (``weaker.py``) is tried, which matches wherever the
pattern does; most lines end there. A pattern that reads line breaks is tried on a whole field (fields are parted by
NUL), one without a literal on every line, and one without a weaker form always.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property

from ahocorasick_rs import AhoCorasick, Implementation
from pydantic_core import SchemaValidator, core_schema

from synth.checks.phi.alphabet import ANY, PLAIN, WORDY, plain
from synth.checks.phi.literals import FOLDED, SHAPES, Alphabet, Literal, required
from synth.checks.phi.patterns import Node, Unsupported, parse
from synth.checks.phi.weaker import reads_line_breaks, weaker, width, written

Span = tuple[int, int]
_ZEROS = re.compile("0+")
_WORD_CHARACTERS = frozenset(c for c in PLAIN if c.isalnum() or c == "_")


class _Form:
    """A pattern's weaker form, written when it is first needed."""

    def __init__(self, tree: Node) -> None:
        self._tree = tree
        self.by_line = not reads_line_breaks(tree)

    @cached_property
    def bounded(self) -> Callable[[str], bool]:
        """Return whether it is found in a text without stand-ins that may be word characters."""
        return _matcher(written(weaker(self._tree), bounds=True))

    @cached_property
    def unbounded(self) -> Callable[[str], bool]:
        """Return whether it is found in any text."""
        return _matcher(written(weaker(self._tree), bounds=False))


class _Index:
    """Finds the lines on which sets of literals of one alphabet stand, each set by its number.

    Texts are searched with capitals where words begin, which tells fenced literals from others at no cost.
    """

    def __init__(self, alphabet: Alphabet, sets: Mapping[int, Iterable[Literal]]) -> None:
        self._alphabet = alphabet
        self._runs: list[tuple[int, int]] = []
        by_text: dict[str, tuple[set[int], set[int]]] = {}
        for number, literals in sets.items():
            for literal in literals:
                if literal.text.strip("0"):
                    for text in _begun(literal, alphabet):
                        by_text.setdefault(text, (set(), set()))[literal.closed].add(number)
                else:
                    self._runs.append((len(literal.text), number))
        groups: dict[tuple[int, ...], int] = {}
        self._anywhere = [groups.setdefault(tuple(sorted(anywhere)), len(groups)) for anywhere, _ in by_text.values()]
        """Of each literal, the group of the sets in which it counts wherever it stands."""
        self._closed = [
            groups.setdefault(tuple(sorted(closed - anywhere)), len(groups)) for anywhere, closed in by_text.values()
        ]
        """Of each literal, the group of the sets in which it counts where no word goes on after it."""
        self._groups = list(groups)
        self._none = groups.get(())
        self._automaton = AhoCorasick(list(by_text), store_patterns=False, implementation=Implementation.DFA)

    def add(self, read: str, after: Sequence[int], on: list[int]) -> None:
        """Set bits in ``on``, by number of a set, for its lines: bit n for the one that ends at ``after[n]``."""
        written = self._alphabet.written(read)
        if not self._alphabet.shapes:
            written = written.encode("ascii").title().decode("ascii")  # a fifth of the time of the same on a str
        following = read + "\n"
        held = [0] * len(self._groups)
        anywhere, closing, none = self._anywhere, self._closed, self._none
        limit, line = -1, 0
        for which, _, end in self._automaton.find_matches_as_indexes(written, overlapping=True):
            if end > limit:  # matches come in the order of their ends
                at = bisect_left(after, end)
                limit, line = after[at], 1 << at
            held[anywhere[which]] |= line
            closed = closing[which]
            if closed != none and following[end] not in _WORD_CHARACTERS:
                held[closed] |= line
        for numbers, lines in zip(self._groups, held, strict=True):
            if lines:
                for number in numbers:
                    on[number] |= lines
        if self._runs:
            longest: dict[int, int] = {}
            start = written.find("0")  # from one to the next: most texts hold few
            while start >= 0 and (run := _ZEROS.match(written, start)):
                end = run.end()
                longest[end - start] = longest.get(end - start, 0) | 1 << bisect_left(after, end)
                start = written.find("0", end)
            for size, number in self._runs:
                for length, lines in longest.items():
                    if length >= size:
                        on[number] |= lines


def _begun(literal: Literal, alphabet: Alphabet) -> Iterator[str]:
    """Yield the ways in which a literal is written where words begin with capitals."""
    if alphabet.shapes:
        yield literal.text
        return
    yield literal.text.title()
    if not literal.fenced and literal.text[0].isalpha():
        yield literal.text[0] + literal.text.title()[1:]


class Sieve:
    """Picks the lines of a text on which each of several patterns may match; reading the patterns is its slow part."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._forms: dict[int, _Form] = {}
        self._sets: list[tuple[int, tuple[int, ...], bool]] = []
        """Of each pattern that has a weaker form, its position, the numbers of its sets, whether it reads one line."""
        unknown: list[int] = []
        numbers: dict[tuple[Alphabet, frozenset[Literal]], int] = {}
        for index, pattern in enumerate(patterns):
            try:
                tree = parse(pattern)
            except Unsupported:
                unknown.append(index)
                continue
            if not width(tree):
                unknown.append(index)
                continue
            form = self._forms[index] = _Form(tree)
            held = [(alphabet, literals) for alphabet, sets in required(tree).items() for literals in sets]
            sets_of = tuple(numbers.setdefault(each, len(numbers)) for each in held)
            self._sets.append((index, sets_of, form.by_line))
        self._count = len(numbers)
        self._indexes = [
            _Index(alphabet, {number: literals for (own, literals), number in numbers.items() if own is alphabet})
            for alphabet in (FOLDED, SHAPES)
        ]
        self.unknown = tuple(unknown)
        """Positions of the patterns that have no weaker form."""

    def sifted(self, text: str) -> Sifted:
        """Return where in a text each pattern may match."""
        read = plain(text)
        lines = list(_lines(read))
        after = [end for _, end in lines]
        every = (1 << len(lines)) - 1
        odd = sum(1 << i for i, (start, end) in enumerate(lines) if ANY in read[start:end]) if ANY in read else 0
        found = [odd] * self._count
        for index in self._indexes:
            index.add(read, after, found)
        on = {}
        for pattern, sets, by_line in self._sets:
            held = found[sets[0]] if sets else every
            if not held:
                continue
            for number in sets:
                held &= found[number]
            if not by_line:  # where a match may go over lines, its literals need not stand on the same one
                held = every if all(found[number] for number in sets) else 0
            if held:
                on[pattern] = held
        return Sifted(read, lines, on, self._forms, self.unknown)


class Sifted:
    """Where in one text each pattern may match."""

    def __init__(
        self,
        read: str,
        lines: Sequence[Span],
        on: Mapping[int, int],
        forms: Mapping[int, _Form],
        unknown: Sequence[int],
    ) -> None:
        """``read`` is the text in the prefilter's alphabet, ``on`` has a bit set for each line with a literal."""
        self._read = read
        self._lines = lines
        self._parts = [read[start:end].rstrip("\n") for start, end in lines]
        self._fields = list(fields(read))
        self._on = on
        self._held: dict[int, tuple[list[int], str]] = {}
        """Positions and text of the lines of several patterns, by their bits."""
        self._forms = forms
        self._bounds = not any(character in read for character in WORDY)
        self.patterns = sorted((*on, *unknown))
        """Positions of the patterns that may match."""

    def spans(self, pattern: int) -> list[Span]:
        """Return the stretches of text to try one of ``patterns`` on.

        They are disjoint, in order, and whole lines, each with its line break, or whole fields; none holds a NUL.
        """
        form = self._forms.get(pattern)
        if form is None:
            return self._fields
        matches = form.bounded if self._bounds else form.unbounded
        if not form.by_line:
            return [(start, end) for start, end in self._fields if matches(self._read[start:end])]
        held = self._on[pattern]
        on = self._held.get(held)
        if on is None:
            positions = _bits(held)
            on = self._held[held] = positions, "\n".join([self._parts[i] for i in positions])
        if not matches(on[1]):
            return []  # most end here: one search over several lines is faster than one each
        return [self._lines[i] for i in on[0] if matches(self._parts[i])]


def fields(text: str) -> Iterator[Span]:
    """Yield start and end of each field of a text; fields are parted by NUL."""
    start = 0
    for part in text.split("\x00"):
        yield start, start + len(part)
        start += len(part) + 1


def _lines(text: str) -> Iterator[Span]:
    """Yield start and end of each line of each field, with its line break."""
    start = 0
    for field in text.split("\x00"):
        *whole, last = field.split("\n")
        for line in whole:
            end = start + len(line) + 1
            yield start, end
            start = end
        yield start, start + len(last)
        start += len(last) + 1


def _bits(number: int) -> list[int]:
    """Return the positions of the bits that are set, in order; linear in the length of the number."""
    written = bin(number)[:1:-1]
    found = []
    at = written.find("1")
    while at >= 0:
        found.append(at)
        at = written.find("1", at + 1)
    return found


@cache
def _matcher(pattern: str) -> Callable[[str], bool]:
    """Return whether a pattern of the Rust engine is found in a text; that engine is linear and gives nothing up."""
    return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex")).isinstance_python
