"""Words, numbers and what stands between them, as columns of numbers for the tagger; each is looked up once."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from synth.checks.phi.lexicon import lexicon
from synth.checks.phi.tokens import SENTENCE_END, TAG, UNIT, Case, Form, form, number_form

Ids: TypeAlias = NDArray[np.uint64]
Places: TypeAlias = NDArray[np.intp]
Truths: TypeAlias = NDArray[np.bool_]
BITS = 18
"""Of a place in the tagger's table."""
_PARTS = re.compile(f"({UNIT.pattern})")
_KEPT = 200_000
"""Words and gaps that are remembered."""
_LONGEST = 64
"""Characters of a word or number; longer runs are neither."""
_SHAPES = {Case.TITLE: 1, Case.UPPER: 2, Case.LOWER: 3}


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


@dataclass(frozen=True, slots=True)
class Reading:
    """The units of a stretch of text, in order, but for the roles of speakers: one element of each array a unit."""

    starts: Places
    """Code points from the start of the whole text."""
    ends: Places
    """Without a possessive ending."""
    numbers: Places
    """Where each stands in ``known``."""
    known: Sequence[Unit]
    """Units that were met so far."""
    weight: NDArray[np.float64]
    """Of the features that do not depend on neighbours."""
    kind: Ids
    case: Ids
    word: Ids
    lower: Places
    """The same number for the same word in small letters."""
    shape: Places
    """1 for a capital first, 2 for capitals, 3 for small letters, 0 for numbers and single letters."""
    titles: Truths
    """Whether it is a title, such as ``Dr``."""
    unknown: Truths
    """Whether no list of words holds it."""
    gap: Ids
    """Hash of what stands before each unit; one more, for what stands after the last. So for the others below."""
    breaks: Truths
    """Whether a gap holds a line break."""
    opens: Truths
    """Whether a sentence or a field begins after it."""
    labels: Truths
    """Whether what is before it is a label of what is after it."""
    links: Truths
    """Whether it is a blank, with a full stop or without."""


class _Columns(dict[str, int]):
    """Numbers by text, each with a column of values; what is not there yet is looked at when it is asked for."""

    def __init__(self, look: Callable[[str], tuple[float, ...]], rows: int) -> None:
        super().__init__()
        self._look = look
        self.columns = np.zeros((rows, 1024))

    def __missing__(self, text: str) -> int:
        number = len(self)
        if number == self.columns.shape[1]:
            self.columns = np.concatenate([self.columns, np.zeros_like(self.columns)], axis=1)
        self.columns[:, number] = self._look(text)
        self[text] = number
        return number

    def of(self, texts: Sequence[str]) -> Places:
        """Return the number of each text."""
        return np.fromiter(map(self.__getitem__, texts), np.intp, len(texts))


class Vocabulary:
    """Reads texts; remembers the units and gaps that it met."""

    def __init__(self, words: frozenset[str], weigh: Callable[[Sequence[int]], float]) -> None:
        """``words`` may be features by themselves; ``weigh`` returns what a unit's own features weigh."""
        self.words = words
        self._weigh = weigh
        self._forget()

    def _forget(self) -> None:
        self._known: list[Unit] = []
        self._lowers: dict[str, int] = {}
        self._units = _Columns(self._looked, 10)
        self._gaps = _Columns(_between, 5)

    def read(self, text: str, start: int, end: int) -> Reading | None:
        """Return the units of a stretch of text; None where there are none."""
        if len(self._units) + len(self._gaps) > _KEPT:
            self._forget()
        parts = _PARTS.split(text[start:end])
        numbers = self._units.of(parts[1::2])
        places = start + np.cumsum(np.fromiter(map(len, parts), np.intp, len(parts)))
        starts, ends = places[:-1:2], places[1::2]
        kept = self._units.columns[9, numbers] > 0
        if "[" in text:
            kept &= ~np.isin(starts, [text.index("[", hit.start()) + 1 for hit in TAG.finditer(text, start, end)])
        at = np.flatnonzero(kept)
        if not len(at):
            return None
        numbers, starts, written = numbers[at], starts[at], ends[at]
        weight, kind, case, word, lower, length, shape, titles, unknown, _ = self._units.columns[:, numbers]
        ends = np.minimum(written, starts + length.astype(np.intp))
        gaps = [parts[2 * i] for i in at.tolist()]
        gaps[0] = text[start : starts[0]]
        # Where a unit was left out, or has a possessive ending, the gap is wider than between two matches.
        for i in np.flatnonzero((np.diff(at) != 1) | (ends < written)[:-1]).tolist():
            gaps[i + 1] = text[ends[i] : starts[i + 1]]
        last = int(ends[-1])
        gaps.append(text[last : min(end, last + 4)] + "\n")
        between = self._gaps.of(gaps)
        gap, breaks, opens, labels, links = self._gaps.columns[:, between]
        return Reading(
            starts=starts,
            ends=ends,
            numbers=numbers,
            known=self._known,
            weight=weight,
            kind=kind.astype(np.uint64),
            case=case.astype(np.uint64),
            word=word.astype(np.uint64),
            lower=lower.astype(np.intp),
            shape=shape.astype(np.intp),
            titles=titles > 0,
            unknown=unknown > 0,
            gap=gap.astype(np.uint64),
            breaks=breaks > 0,
            opens=opens > 0,
            labels=labels > 0,
            links=links > 0,
        )

    def _looked(self, written: str) -> tuple[float, ...]:
        """Return the column of a match; it is no unit where it is too long, or has neither letter nor digit."""
        odd = not (written.isascii() or written[0].isalpha() or any(c.isdecimal() for c in written))
        what = _unit(written, self.words)
        self._known.append(what)
        form = what.form
        return (
            self._weigh(what.own),
            what.kind,
            what.case,
            what.word,
            self._lowers.setdefault(form.lower, len(self._lowers)),
            form.length,
            _SHAPES.get(form.case, 0) if form.length > 1 else 0,
            form.lower in lexicon().title_words,
            not form.known,
            not odd and len(written) <= _LONGEST,
        )


def _unit(written: str, words: frozenset[str]) -> Unit:
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


def _between(gap: str) -> tuple[float, ...]:
    """Return the column of what stands between two units."""
    if not gap:
        kind = "none"
    elif "\n" in gap:
        kind = "$" + gap[: gap.index("\n")].strip()[:2]
    else:
        kind = "sp" if gap == " " else gap.strip()[:2] or "wide"
    breaks = "\n" in gap
    opens = breaks or gap.rstrip(" ")[-1:] in tuple(SENTENCE_END) or (len(gap) > 2 and not gap.strip())
    return _hash("gap" + kind), breaks, opens, gap[:1] == ":" or gap[:2] == "  ", gap in (" ", ". ")


def _hash(name: str) -> int:
    return crc32(name.encode("utf-8", "surrogatepass")) | 1 << 32
