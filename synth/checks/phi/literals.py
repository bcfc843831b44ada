"""What every match of a pattern holds: one of a few literal strings, found for all patterns in one pass over a text.

Strings are written in a smaller alphabet, so that classes of characters become single ones: in *folded* texts capitals
are small and every digit is a ``0``; in texts of *shapes* every capital is an ``A``, every small letter an ``a`` and
every digit a ``0``. A text that matches a pattern holds, so written, what the pattern holds, so written. What
IGNORECASE may take for anything (``ANY``) is in no literal: where a text holds one, every pattern has to be tried.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from synth.checks.phi.alphabet import ANY, CLASSES, STAND_INS, Chars, mask
from synth.checks.phi.patterns import Alt, Edge, Look, Node, Repeat, Seq

_MOST = 400
"""Literals of one pattern."""
_GROWN = 100
"""Literals that a run may grow to by being joined with what follows it."""
_RARE = 0.002
"""Chance above which literals are looked for only where there are none that are rarer; runs of digits cost nothing."""
_A_LINE, _ENOUGH = 60, 0.001
"""Characters of a line, and the chance by line from which one more set would be no help."""
_SETS = 3
"""Sets of literals of one pattern."""
_USEFUL = 0.07
"""Chance above which literals are no help."""
_LONGEST = 12
"""Characters of a literal; what follows adds nothing to how rare it is."""
_COMMON = frozenset(
    """about and any are but can did does for from good great had has have hello her hey him his how just like mom
    morning not now okay one out right see she sure take thanks that the them then they this was well what when will
    with would yes you your doctor patient""".split()  # noqa: SIM905  a list of its words would be a page
)
"""Words, each of which is about a hundredth of what people say."""
_WORDY = frozenset(string.ascii_letters + string.digits + "_")
_FENCED, _CLOSED = "\x0b\x0c"
"""Written in literals while they grow: no word character stands before here, and none after. No text holds them."""
_FENCES = str.maketrans("", "", _FENCED + _CLOSED)
_COMMONS = _FENCED.join(sorted(_COMMON))
"""All of them, so that one search tells whether any of them holds a string."""


@dataclass(frozen=True, slots=True, order=True)
class Literal:
    """A string in one of the small alphabets."""

    text: str
    fenced: bool = False
    """Whether no word character stands before it."""
    closed: bool = False
    """Whether none stands after it."""


_CHANCE = {" ": 0.2, "0": 0.06, **dict.fromkeys(string.ascii_letters, 0.03), **dict.fromkeys(STAND_INS, 0.0002)}
"""About how often a character is met; 0.004 is another sign's."""


class Alphabet:
    """A smaller alphabet: what each character of the prefilter's alphabet becomes in it."""

    def __init__(self, capital: str | None) -> None:
        """``capital`` stands for all capitals, and ``a`` for all small letters; None makes capitals small."""
        codes = list(range(128))
        for c in string.ascii_uppercase:
            codes[ord(c)] = ord(capital or c.lower())
        for kind, becomes in (("d", "0"), *((("Lu", capital), ("Ll", "a")) if capital else ())):
            for code in range(128):
                if CLASSES[kind] >> code & 1:
                    codes[code] = ord(becomes)
        self.shapes = capital is not None
        self._table = bytes(codes) + bytes(range(128, 256))
        self._chances: dict[str, float] = {}

    def written(self, read: str) -> str:
        """Return a text, in the prefilter's alphabet, in this one."""
        return read.encode("ascii").translate(self._table).decode("ascii")

    def image(self, chars: Chars) -> frozenset[str]:
        """Return what a set of characters becomes."""
        return _image(self._table, chars.may & ~mask(ANY))

    def chance(self, grown: str) -> float:
        """Return about how often a literal is met, by character; by hand, and only for choosing among them."""
        if grown not in self._chances:
            self._chances[grown] = self._weighed(grown)
        return self._chances[grown]

    def _weighed(self, grown: str) -> float:
        text = grown.translate(_FENCES)[:_LONGEST]
        chance = 1.0
        for c in text:
            chance *= _CHANCE.get(c, 0.004) if c != "a" or not self.shapes else 0.7
        if not self.shapes and (word := text.strip()) and word in _COMMONS:
            chance = max(chance, 0.002 if word in _COMMON else 0.001)
        return chance * (0.25 if grown[:1] == _FENCED else 1) * (0.5 if grown[-1:] == _CLOSED else 1)


FOLDED, SHAPES = Alphabet(None), Alphabet("A")


@cache
def _image(table: bytes, characters: int) -> frozenset[str]:
    return frozenset(chr(table[code]) for code in range(128) if characters >> code & 1)


_Grown = frozenset[str]
"""Strings one of which stands at a place in every match, with fences in them."""
_NOTHING: _Grown = frozenset({""})


class _Reader:
    """Derives literals of trees in one alphabet."""

    def __init__(self, alphabet: Alphabet) -> None:
        self._alphabet = alphabet
        self._known: dict[int, _Grown | None] = {}
        self._starts: dict[int, _Grown] = {}

    def rarest(self, node: Node) -> list[tuple[float, _Grown]]:
        """Return the sets of literals found, each with about how often any of it is met, the rarest first."""
        weighed = (
            (sum(map(self._alphabet.chance, literals)), literals)
            for literals in self._candidates(node)
            if len(literals) <= _MOST and all(literal.translate(_FENCES) for literal in literals)
        )
        return sorted((pair for pair in weighed if pair[0] < _USEFUL), key=lambda pair: pair[0])

    def _exact(self, node: Node) -> _Grown | None:
        """Return all that a tree can match, or None where that is too much."""
        key = id(node)
        if key not in self._known:
            self._known[key] = self._listed(node)
        return self._known[key]

    def _listed(self, node: Node) -> _Grown | None:
        if isinstance(node, Chars):
            image = self._alphabet.image(node)
            both = self._alphabet.shapes and {"A", "a"} <= image
            return None if both or len(image) > 8 else image
        if isinstance(node, Edge):
            return frozenset({{"b": _FENCED + _CLOSED, "^": _FENCED, "$": _CLOSED}[node.kind]})
        if isinstance(node, Look):
            return _fence(node)
        if isinstance(node, Alt):
            options: set[str] = set()
            for option in node.options:
                one = self._exact(option)
                if one is None or len(options) + len(one) > _MOST:
                    return None
                options |= one
            return frozenset(options)
        if isinstance(node, Seq):
            whole: _Grown | None = _NOTHING
            for item in node.items:
                whole = _joined(whole, self._exact(item))
                if whole is None:
                    return None
            return whole
        if node.high is None or node.high > 3:
            return None
        one = self._exact(node.node)
        times: _Grown | None = _NOTHING
        every = frozenset[str]() if node.low else _NOTHING
        for count in range(1, node.high + 1):
            times = _joined(times, one)
            if times is None:
                return None
            every |= times if count >= node.low else frozenset()
        return every if len(every) <= _MOST else None

    def _candidates(self, node: Node) -> Iterator[_Grown]:
        """Yield sets of literals, of each of which every match holds one."""
        items = node.items if isinstance(node, Seq) else (node,)
        run = _NOTHING
        for item in items:
            if isinstance(item, Look) and not item.negative:
                yield from self._candidates(item.node)
                if item.ahead:
                    yield _joined(run, self._start(item.node)) or run
                elif (seen := self._exact(item.node)) is not None:
                    yield run
                    run = seen  # what stood there ends with it
                continue
            exact = self._exact(item)
            if (longer := _joined(run, exact)) is not None:
                run = longer
                continue
            yield run
            if exact is not None:
                run = _joined(_after(run), exact) or exact
                continue
            yield from self._within(item)
            yield _joined(run, self._start(item)) or run
            run = self._end(item)
        yield run

    def _within(self, node: Node) -> Iterator[_Grown]:
        """Yield sets of literals of a part that can match too much for a list."""
        if isinstance(node, Seq):
            yield from self._candidates(node)
        elif isinstance(node, Alt):
            options = [self.rarest(option) for option in node.options]
            if all(options):
                yield frozenset().union(*(option[0][1] for option in options))
        elif isinstance(node, Repeat) and node.low:
            yield from self._candidates(node.node)
            yield self._times(node)

    def _times(self, node: Repeat) -> _Grown:
        """Return the least number of times that a part is repeated, as far as that is a list."""
        one, times = self._exact(node.node), _NOTHING
        for _ in range(min(node.low, _LONGEST)):
            longer = _joined(times, one)
            if longer is None:
                break
            times = longer
        return times

    def _start(self, node: Node) -> _Grown:
        """Return strings with one of which all that a part matches begins."""
        key = id(node)
        if key not in self._starts:
            self._starts[key] = self._exact(node) or self._begun(node)
        return self._starts[key]

    def _end(self, node: Node) -> _Grown:
        """Return strings with one of which all that a part matches ends."""
        exact = self._exact(node)
        if exact is not None:
            return exact
        if isinstance(node, Repeat) and node.low:
            times = self._times(node)
            return times if times != _NOTHING else self._end(node.node)
        if isinstance(node, Alt):
            ends = frozenset[str]().union(*map(self._end, node.options))
            return ends if len(ends) <= _GROWN else _NOTHING
        run = _NOTHING
        for item in reversed(node.items) if isinstance(node, Seq) else ():
            longer = _joined(_NOTHING if isinstance(item, Look) else self._exact(item), run)
            if longer is None:
                return _joined(self._end(item), run) or run
            run = longer
        return run

    def _begun(self, node: Node) -> _Grown:
        if isinstance(node, Repeat) and node.low:
            times = self._times(node)
            return times if times != _NOTHING else self._start(node.node)
        if isinstance(node, Alt):
            starts = frozenset[str]().union(*map(self._start, node.options))
            return starts if len(starts) <= _MOST else _NOTHING
        run = _NOTHING
        for item in node.items if isinstance(node, Seq) else ():
            if not isinstance(item, Look) or item.negative:
                longer = _joined(run, self._exact(item))
                if longer is None:
                    return _joined(run, self._start(item)) or run
                run = longer
        return run


def _fence(look: Look) -> _Grown:
    """Return nothing at all, fenced where a negative assertion of one character refuses all word characters."""
    if look.negative:
        options = look.node.options if isinstance(look.node, Alt) else (look.node,)
        refused = Chars(0, 0)
        for option in options:
            if isinstance(option, Chars):
                refused |= option
        if not mask("".join(sorted(_WORDY))) & ~refused.must:
            return frozenset({_CLOSED if look.ahead else _FENCED})
    return _NOTHING


def _after(run: _Grown) -> _Grown:
    """Return nothing at all, fenced where none of these strings can end with a word character."""
    for grown in run:
        text = grown.rstrip(_FENCED + _CLOSED)
        if _FENCED not in grown[len(text) :] and (not text or text[-1] in _WORDY or text[-1] in STAND_INS):
            return _NOTHING
    return frozenset({_FENCED})


def _joined(first: _Grown | None, second: _Grown | None) -> _Grown | None:
    if first is None or second is None:
        return None
    if len(first) > 1 and len(second) > 1 and len(first) * len(second) > _GROWN:
        return None
    return frozenset([a + b for a in first for b in second])


def _reduced(literals: Iterable[str]) -> frozenset[Literal]:
    """Return few and short literals, one of which is wherever one of these strings is; fences count beside words."""
    cut = set()
    for grown in literals:
        text = grown.translate(_FENCES)
        before, after = (
            grown[: len(grown) - len(grown.lstrip(_FENCED + _CLOSED))],
            grown[len(grown.rstrip(_FENCED + _CLOSED)) :],
        )
        cut.add(
            Literal(
                text[:_LONGEST],
                _FENCED in before and text[0] in _WORDY,
                _CLOSED in after and text[-1] in _WORDY and len(text) <= _LONGEST,
            )
        )
    kept: list[Literal] = []
    for literal in sorted(cut, key=lambda literal: (len(literal.text), literal.fenced + literal.closed)):
        if not any(other.text in literal.text and _covers(other, literal) for other in kept):
            kept.append(literal)
    return frozenset(kept)


def _covers(short: Literal, long: Literal) -> bool:
    """Return whether a literal is found wherever one that holds its text is."""
    if short.fenced and not (long.fenced and long.text.startswith(short.text)):
        return False
    return not short.closed or (long.closed and long.text.endswith(short.text))


def required(tree: Node) -> dict[Alphabet, list[frozenset[Literal]]]:
    """Return sets of literals, by the alphabet that they are written in: every match holds one literal of each set.

    Empty where there is no list of reasonable length.
    """
    found = [
        (chance, literals, alphabet)
        for alphabet in (FOLDED, SHAPES)
        for chance, literals in _Reader(alphabet).rarest(tree)
    ]
    chosen: dict[Alphabet, list[frozenset[Literal]]] = {}
    seen: list[str] = []
    together = 1.0
    for chance, grown, alphabet in sorted(found, key=lambda each: each[0]):
        digits = all(not literal.translate(_FENCES).strip("0") for literal in grown)
        if chosen and not digits and (alphabet.shapes or chance > _RARE or together < _ENOUGH):
            continue
        literals = _reduced(grown)
        texts = [literal.text for literal in literals]
        # Another part of the pattern, not the same part in other words.
        if any(text in other or other in text for text in texts for other in seen):
            continue
        chosen.setdefault(alphabet, []).append(literals)
        together *= min(1.0, _A_LINE * chance)
        seen.extend(texts)
        if sum(map(len, chosen.values())) == _SETS:
            break
    return chosen
