"""A source or a target, read, with what is looked up in it more than once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache

from synth.checks.faithfulness.association import Association
from synth.checks.faithfulness.language import language
from synth.checks.faithfulness.lexicon import ConceptKind, Lexicon
from synth.checks.faithfulness.reading import DENIED, Hit, Line, Reading
from synth.checks.faithfulness.statements import Statement, Statements, spoken
from synth.checks.faithfulness.tokens import stem
from synth.checks.faithfulness.units import PERIODS, Amount, Quantity

_A = ("a", "an")


class View:
    """A text as lines, turns of a dialogue or entries of a target."""

    def __init__(self, lines: Sequence[Line], lexicon: Lexicon, *, target: bool = False) -> None:
        self.lines = lines
        self.lexicon = lexicon
        self.target = target
        self.reading = Reading(lines, lexicon)
        self.association = Association(self.reading)
        self._kept: dict[str, frozenset[int] | None] = {}

    @cached_property
    def by_form(self) -> dict[tuple[ConceptKind, str], list[Hit]]:
        """Where each thing is named or said."""
        found: dict[tuple[ConceptKind, str], list[Hit]] = {}
        for hit in self.reading.hits:
            found.setdefault((hit.form.kind, hit.form.name), []).append(hit)
        return found

    @cached_property
    def statements(self) -> Statements:
        """What is said, in the text's own words and in the terms of the lexicon."""
        others: list[Statement] = []
        lines: list[int] = []
        for hit, bits, _ in self.reading.phrases:
            others.append(_term(hit.form.name, bits == DENIED, self.lexicon))
            lines.append(self.reading.line_at(hit.start))
        return Statements(self.reading, others, lines)

    @cached_property
    def words(self) -> frozenset[str]:
        """All tokens."""
        return frozenset(self.reading.tokens)

    @cached_property
    def stems(self) -> frozenset[str]:
        """All tokens without their commonest endings: ``penicillins`` speaks of penicillin."""
        return frozenset(map(stem, self.words))

    @cached_property
    def _by_key(self) -> dict[str, list[int]]:
        """The lines below each key."""
        found: dict[str, list[int]] = {}
        for i, line in enumerate(self.lines):
            for key in (*line.field.split("/"), line.section):
                found.setdefault(key, []).append(i)
        return found

    @cached_property
    def amounts(self) -> frozenset[Amount]:
        """All numbers in the scale of their base; ``a week`` is one week."""
        found = {q.amount for q in self.reading.quantities}
        tokens = self.reading.tokens
        found.update((PERIODS[tokens[i]], "day") for i in self.reading.periods if tokens[i - 1] in _A)
        return frozenset(found)

    def allowed(self, kind: str) -> frozenset[int] | None:
        """Return the lines in which a kind of fact stands; None for all of them."""
        if not self.target:
            return None
        if kind not in self._kept:
            keys = language().fields[kind]
            lines = frozenset(i for key in keys for i in self._by_key.get(key, ()))
            self._kept[kind] = lines or None
        return self._kept[kind]

    def hits(self, kind: ConceptKind, name: str, within: str | None = None) -> list[Hit]:
        """Return where something is named or said, within the fields of a kind of fact."""
        found = self.by_form.get((kind, name), [])
        lines = self.allowed(within) if within else None
        return found if lines is None else [hit for hit in found if self.reading.line_at(hit.start) in lines]

    def places(self, name: str, within: str | None = None) -> list[int]:
        """Return the anchors that may name a drug or a quantity, within the fields of a kind of fact."""
        found = self.association.places(name)
        lines = self.allowed(within) if within else None
        if lines is None:
            return found
        anchors = self.association.anchors()
        return [place for place in found if self.reading.line_at(anchors[place][0]) in lines]

    def field_at(self, token: int) -> str:
        """Return the field that a token stands in."""
        line = self.reading.line_at(token)
        return self.lines[line].field if line < len(self.lines) else ""

    def quote(self, q: Quantity) -> str:
        """Return a number with its unit as it stands there."""
        return " ".join(self.reading.tokens[q.at : q.end])


@lru_cache(maxsize=8192)
def _term(name: str, denied: bool, lexicon: Lexicon) -> Statement:
    return spoken(name, lexicon, denied=denied)


def term(name: str, lexicon: Lexicon, *, denied: bool = False) -> Statement:
    """Return the statement that a term is."""
    return _term(name, denied, lexicon)
