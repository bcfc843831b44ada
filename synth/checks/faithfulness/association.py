"""Which numbers belong to which name: those behind it up to the next name, and those just before it."""

from __future__ import annotations

from itertools import pairwise

from synth.checks.faithfulness.language import language
from synth.checks.faithfulness.reading import Reading
from synth.checks.faithfulness.units import Quantity, rates

_REACH = 70
"""Tokens behind a name in which its number may stand, over some short turns."""
_LINES = 5
"""Turns that it may be away."""
_JOINED = frozenset(
    (*link, *whose) for link in (("of",), ("for",), ("on",)) for whose in ((), ("the",), ("your",), ("my",), ("that",))
) | {()}
"""What may stand between a number and its name, where others follow: ``500 mg of metformin``."""
_AFTER_NO = frozenset((*".,;:!?", "it", "that", "make", "let", "i", "my"))
"""What follows a "no" that takes back a number."""


class Association:
    """The numbers of a reading, by the drugs and quantities that it names."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        spans: dict[tuple[int, int], set[str]] = {}
        for hit in reading.hits:
            if hit.form.kind in ("drug", "measure"):
                spans.setdefault((hit.start, hit.end), set()).add(hit.form.name)
        self._anchors: list[tuple[int, int, set[str]]] = []
        for (start, end), names in sorted(spans.items(), key=lambda span: (span[0][0], -span[0][1])):
            if not self._anchors or start >= self._anchors[-1][1]:
                self._anchors.append((start, end, names))
        self._by_name: dict[str, list[int]] = {}
        for i, (_, _, names) in enumerate(self._anchors):
            for name in names:
                self._by_name.setdefault(name, []).append(i)
        self._regions: dict[int, tuple[int, int]] = {}
        self._numbers: dict[int, list[Quantity]] = {}
        self._rates: dict[int, frozenset[float]] = {}

    def places(self, name: str) -> list[int]:
        """Return the anchors that may name something."""
        return self._by_name.get(name, [])

    def anchors(self) -> list[tuple[int, int, set[str]]]:
        """Return where drugs and quantities are named, in order, none within another."""
        return self._anchors

    def region(self, place: int) -> tuple[int, int]:
        """Return the tokens behind a name that may be about it."""
        if place not in self._regions:
            self._regions[place] = self._region(place)
        return self._regions[place]

    def _region(self, place: int) -> tuple[int, int]:
        reading = self._reading
        _, end, names = self._anchors[place]
        stop = min(len(reading.tokens), end + _REACH)
        following = place + 1
        while following < len(self._anchors) and self._anchors[following][2] == names:
            following += 1
        if following < len(self._anchors):
            stop = min(stop, self._anchors[following][0])
        line = reading.line_at(end - 1)
        spoken = bool(reading.lines[line].speaker) if line < len(reading.lines) else False
        last = line + (_LINES if spoken else 0)
        return end, max(end, min(stop, reading.line_end(last)))

    def numbers(self, place: int) -> list[Quantity]:
        """Return the numbers of a name; one that is taken back (``32, no, sorry, 36 units``) is none."""
        if place not in self._numbers:
            self._numbers[place] = self._numbers_of(place)
        return self._numbers[place]

    def _numbers_of(self, place: int) -> list[Quantity]:
        reading = self._reading
        start = self._anchors[place][0]
        found = reading.within(*self.region(place))
        kept = [q for q, following in pairwise(found) if not self._taken_back(q, following)] + found[-1:]
        begin = reading.sentences[reading.sentence_at(start)].start
        taken = place > 0 and self._anchors[place - 1][1] > begin
        before = reading.within(self._anchors[place - 1][1] if taken else begin, start)
        if before:
            joined = tuple(reading.tokens[before[-1].end : start]) in _JOINED
            # What follows another name in the same sentence is that one's.
            if joined or (not kept and not taken):
                kept.append(before[-1])
        return kept

    def rates(self, place: int) -> frozenset[float]:
        """Return how many times a day a drug is taken, as far as that is said with its name."""
        if place not in self._rates:
            start, end = self.region(place)
            self._rates[place] = frozenset(rates(self._reading.tokens, start, end))
        return self._rates[place]

    def _taken_back(self, q: Quantity, following: Quantity) -> bool:
        if q.base and q.base != following.base:
            return False
        between = self._reading.tokens[q.end : following.at]
        return len(between) <= 16 and bool(following.base or not q.base) and self._corrects(between, bare=not q.base)

    @staticmethod
    def _corrects(between: list[str], *, bare: bool) -> bool:
        words = language().corrections
        if "\n" in between:
            return False
        for word, after in zip(between, [*between[1:], ","], strict=False):
            # "no tear, no detachment" takes nothing back, "no, 7.9" and "no wait" do
            if word in words and (word != "no" or (bare and (after in _AFTER_NO or after in words))):
                return True
        return False
