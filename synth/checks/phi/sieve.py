"""The prefilter of the PHI check: which patterns are worth trying on which lines of a text.

A pattern's weaker form (``weaker.py``) matches wherever the pattern does, so a line on which the weaker form matches
nothing holds no hit. Weaker forms are tried in groups, on the whole text first; most texts end there. A pattern that
reads line breaks is tried on the whole text, and one that has no weaker form always is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby

from pydantic_core import SchemaValidator, core_schema

from synth.checks.phi.alphabet import WORDY, plain
from synth.checks.phi.patterns import Unsupported, parse
from synth.checks.phi.weaker import bits, reads_line_breaks, weaker, width, written

Span = tuple[int, int]
_GROUP = 16
"""Patterns tried at once: the more, the faster on a text that none matches, while the automaton fits its cache."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Patterns by their positions, with their weaker forms, behind one form that matches wherever any of them does."""

    by_line: bool
    matches: Callable[[str], bool]
    forms: tuple[tuple[int, str], ...]


class Sieve:
    """Picks the lines of a text on which each of several patterns may match; reading the patterns is its slow part."""

    def __init__(self, patterns: Sequence[str]) -> None:
        known: list[tuple[bool, float, int, tuple[str, str]]] = []
        unknown: list[int] = []
        for index, pattern in enumerate(patterns):
            try:
                tree = parse(pattern)
                weak = weaker(tree)
                forms = written(weak, bounds=False), written(weak, bounds=True)
            except Unsupported:
                unknown.append(index)
                continue
            if width(tree):
                known.append((not reads_line_breaks(tree), -bits(weak), index, forms))
            else:
                unknown.append(index)
        # Those that match often come last and together, so that they spoil no other group.
        self._known = sorted(known)
        self.unknown = tuple(unknown)
        """Positions of the patterns that have no weaker form."""

    @cache  # noqa: B019  one sieve a process
    def _groups(self, bounds: bool) -> tuple[_Group, ...]:
        groups = []
        for by_line, entries in groupby(self._known, key=lambda entry: entry[0]):
            weak = [(index, forms[bounds]) for _, _, index, forms in entries]
            for i in range(0, len(weak), _GROUP):
                forms = tuple(weak[i : i + _GROUP])
                groups.append(_Group(by_line, _matcher("|".join(f"(?:{form})" for _, form in forms)), forms))
        return tuple(groups)

    def spans(self, text: str) -> list[tuple[int, list[Span]]]:
        """Return, for each pattern that may match somewhere, its position and the stretches of text to try it on.

        Stretches are disjoint, in order, and whole lines, each with its line break (the last may end beyond the text).
        """
        whole = [(0, len(text))]
        found: dict[int, list[Span]] = dict.fromkeys(self.unknown, whole)
        read = plain(text)
        for group in self._groups(bounds=not any(character in read for character in WORDY)):
            if not group.matches(read):
                continue
            lines = _lines(read, 0, len(read), group.matches) if group.by_line else whole
            for start, end in lines:
                line = read[start:end]
                for index, form in group.forms:
                    if _matcher(form)(line):
                        found.setdefault(index, []).append((start, end + 1))
        return sorted(found.items())


def _lines(text: str, start: int, end: int, matches: Callable[[str], bool]) -> Iterator[Span]:
    """Yield the lines in a stretch of text that match, where it is known that one does."""
    stretches = [(start, end)]
    while stretches:
        start, end = stretches.pop()
        middle = (start + end) // 2
        cut = text.find("\n", middle, end)
        if cut < 0:
            cut = text.rfind("\n", start, middle)
        if cut < 0:
            yield start, end
            continue
        left = matches(text[start:cut])
        if not left or matches(text[cut + 1 : end]):  # one of the halves has it
            stretches.append((cut + 1, end))
        if left:
            stretches.append((start, cut))


@cache
def _matcher(pattern: str) -> Callable[[str], bool]:
    """Return whether a pattern of the Rust engine is found in a text; that engine is linear and gives nothing up."""
    return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex")).isinstance_python
