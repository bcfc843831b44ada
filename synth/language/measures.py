"""The figures: gathered in one pass over a corpus, in memory that does not grow with its texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappush, heappushpop
from math import log
from typing import Literal

import numpy as np

from synth.assets import sha256
from synth.corpora import Item
from synth.language.self_bleu import self_bleu
from synth.records import Record
from synth.shingles import Hashes, ngrams, word_hashes, words

Kind = Literal["dialogue", "note"]
KINDS: tuple[Kind, ...] = ("dialogue", "note")
SPEAKERS = ("doctor", "patient")
OVERLAP = 8
"""Words of the n-grams that dialogues have in common."""
_STEPS = (1_000, 2_000, 5_000)
_MOST_WORDS = 50_000
_COLUMNS = 4096
"""N-grams that are counted at once, which bounds memory."""


class Lengths(Record):
    """Words a text, without punctuation and placeholders."""

    texts: int
    words: int
    mean: float
    sd: float
    percentiles: dict[str, float]
    """5, 25, 50, 75 and 95."""


class Vocabulary(Record):
    """Different words."""

    size: int
    growth: dict[int, int]
    """Different words among the first 1,000, 2,000, 5,000, 10,000 … words, in the order of the corpus."""
    heaps: float | None
    """Exponent of Heaps' law (Heaps, "Information retrieval", 1978), fitted to the growth as far as every corpus of the
    report goes, because it falls with the words; None where one ends below 5,000."""


class Turns(Record):
    """Of the dialogues."""

    mean: float
    sd: float
    words: dict[str, float]
    """Mean a turn, by speaker."""
    questions: dict[str, float]
    """Share of a speaker's turns with a question mark."""


class Sampled(Record):
    """Of a sample that is as large in every corpus of the report."""

    texts: int
    words: int
    """Over which the distinct n-grams are counted."""
    distinct: dict[int, float]
    """distinct-n: different n-grams over all n-grams (Li et al., NAACL 2016), n from 1 to 3."""
    self_bleu: float


class Shared(Record):
    """Word 8-grams that dialogues have in common, as a share of the shorter one's."""

    texts: int
    mean: float
    """Of each text with the nearest other one."""
    largest: float
    pair: tuple[str, str] | None
    """Ids of the two that have the largest share in common."""


class Outside(Record):
    """Word n-grams with facts, outside of boilerplate, that any two dialogues of the run have in common."""

    texts: int
    words: int
    """Of an n-gram."""
    largest: float
    """Share of the shorter dialogue's."""
    pair: tuple[str, str] | None


class Measures(Record):
    """One corpus."""

    name: str
    items: int
    sha256: str | None
    """None for the run."""
    lengths: dict[Kind, Lengths]
    vocabulary: dict[Kind, Vocabulary]
    turns: Turns | None
    sampled: dict[Kind, Sampled]
    shared: Shared | None
    """In the sample, all n-grams."""
    outside: Outside | None = None
    """Of the run alone: only its facts say what is boilerplate."""


@dataclass(slots=True)
class _Texts:
    """What is gathered of the dialogues, or of the notes."""

    lengths: list[int] = field(default_factory=list)
    vocabulary: set[str] = field(default_factory=set)
    growth: dict[int, int] = field(default_factory=dict)
    words: int = 0

    def add(self, said: Sequence[str]) -> None:
        self.lengths.append(len(said))
        start = 0
        while start < len(said):
            step = self._next_step()
            end = min(len(said), start + step - self.words)
            self.vocabulary.update(said[start:end])
            self.words += end - start
            if self.words == step:
                self.growth[step] = len(self.vocabulary)
            start = end

    def _next_step(self) -> int:
        """Return the next number of words at which the vocabulary is counted."""
        power = 1
        while True:
            for step in _STEPS:
                if step * power > self.words:
                    return step * power
            power *= 10


@dataclass(slots=True)
class Gathered:
    """A corpus on its way to its measures."""

    name: str
    most: int
    """Items in the sample."""
    seed: int
    sha256: str | None = None
    items: int = 0
    texts: dict[Kind, _Texts] = field(default_factory=lambda: {kind: _Texts() for kind in KINDS})
    turns: list[int] = field(default_factory=list)
    spoken: Counter[str] = field(default_factory=Counter)
    """Turns by speaker."""
    said: Counter[str] = field(default_factory=Counter)
    """Words by speaker."""
    asked: Counter[str] = field(default_factory=Counter)
    """Turns with a question mark by speaker."""
    drawn: dict[Kind, list[tuple[int, str, list[str]]]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    """The sample: those whose hash of seed and id is smallest, whatever their order."""

    def add(self, item: Item) -> None:
        """Take an item in."""
        self.items += 1
        by_turn = [(speaker, words(said), "?" in said) for speaker, said in item.turns]
        for speaker, said, asks in by_turn:
            if speaker in SPEAKERS:
                self.spoken[speaker] += 1
                self.said[speaker] += len(said)
                self.asked[speaker] += asks
        if by_turn and item.spoken:
            self.turns.append(len(by_turn))
        self._take(item, "dialogue", [word for _, said, _ in by_turn for word in said])
        self._take(item, "note", words(item.note))

    def _take(self, item: Item, kind: Kind, said: list[str]) -> None:
        if not said:
            return
        self.texts[kind].add(said)
        entry = (-rank(item.id, self.seed), item.id, said)
        if len(self.drawn[kind]) < self.most:
            heappush(self.drawn[kind], entry)
        else:
            heappushpop(self.drawn[kind], entry)

    def sample(self, kind: Kind, most: int) -> list[tuple[str, list[str]]]:
        """Return ids and words of at most so many texts, always the same first ones."""
        return [(id_, said) for _, id_, said in sorted(self.drawn[kind], reverse=True)[:most]]


def rank(id_: str, seed: int) -> int:
    """Return what decides whether an item is drawn: those with the lowest ranks are."""
    return int(sha256(f"{seed} {id_}")[:15], 16)


def measured(corpora: Sequence[Gathered]) -> tuple[Measures, ...]:
    """Return the measures of corpora that are set side by side: samples are of the same size in all of them."""
    sizes: dict[Kind, int] = {}
    budgets: dict[Kind, int] = {}
    ends: dict[Kind, int] = {}
    for kind in KINDS:
        drawn = [len(one.drawn[kind]) for one in corpora if one.drawn[kind]]
        sizes[kind] = min(drawn, default=0)
        totals = [sum(len(said) for _, said in one.sample(kind, sizes[kind])) for one in corpora if one.drawn[kind]]
        budgets[kind] = min([_MOST_WORDS, *totals])
        ends[kind] = min((one.texts[kind].words for one in corpora if one.drawn[kind]), default=0)
    return tuple(_measures(one, sizes, budgets, ends) for one in corpora)


def _measures(
    one: Gathered, sizes: Mapping[Kind, int], budgets: Mapping[Kind, int], ends: Mapping[Kind, int]
) -> Measures:
    present = [kind for kind in KINDS if one.texts[kind].lengths]
    return Measures(
        name=one.name,
        items=one.items,
        sha256=one.sha256,
        lengths={kind: _lengths(one.texts[kind]) for kind in present},
        vocabulary={kind: _vocabulary(one.texts[kind], ends[kind]) for kind in present},
        turns=_turns(one) if one.turns else None,
        sampled={kind: _sampled(one.sample(kind, sizes[kind]), budgets[kind]) for kind in present},
        shared=_shared(one.sample("dialogue", sizes["dialogue"])) if "dialogue" in present else None,
    )


def _lengths(texts: _Texts) -> Lengths:
    lengths = np.array(texts.lengths)
    marks = (5, 25, 50, 75, 95)
    return Lengths(
        texts=len(lengths),
        words=texts.words,
        mean=float(lengths.mean()),
        sd=_sd(texts.lengths),
        percentiles={str(p): float(value) for p, value in zip(marks, np.percentile(lengths, marks), strict=True)},
    )


def _sd(values: Sequence[int]) -> float:
    """Return the standard deviation of a sample; 0 for one value."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def _vocabulary(texts: _Texts, end: int) -> Vocabulary:
    heaps = None
    points = [(log(words), log(size)) for words, size in texts.growth.items() if words <= end]
    if len(points) >= len(_STEPS):
        heaps = float(np.polyfit([x for x, _ in points], [y for _, y in points], 1)[0])
    return Vocabulary(size=len(texts.vocabulary), growth=texts.growth, heaps=heaps)


def _turns(one: Gathered) -> Turns:
    return Turns(
        mean=float(np.mean(one.turns)),
        sd=_sd(one.turns),
        words={speaker: one.said[speaker] / one.spoken[speaker] for speaker in SPEAKERS if one.spoken[speaker]},
        questions={speaker: one.asked[speaker] / one.spoken[speaker] for speaker in SPEAKERS if one.spoken[speaker]},
    )


def _sampled(sample: Sequence[tuple[str, list[str]]], budget: int) -> Sampled:
    return Sampled(
        texts=len(sample),
        words=budget,
        distinct={n: distinct([said for _, said in sample], n, budget) for n in (1, 2, 3)},
        self_bleu=self_bleu([said for _, said in sample]),
    )


def distinct(texts: Iterable[Sequence[str]], n: int, budget: int) -> float:
    """Return distinct-n over the first so many words of texts, none of which goes on in the next."""
    found: list[Hashes] = []
    for said in texts:
        if budget <= 0:
            break
        found.append(ngrams(word_hashes(said[:budget]), n))
        budget -= len(said)
    grams = np.concatenate(found) if found else np.empty(0, dtype=np.uint64)
    return len(np.unique(grams)) / len(grams) if len(grams) else 0.0


def _shared(sample: Sequence[tuple[str, list[str]]]) -> Shared:
    """Return what each dialogue of a sample has in common with the nearest other one."""
    grams = {id_: np.unique(ngrams(word_hashes(said), OVERLAP)) for id_, said in sample}
    ids = list(grams)
    sizes = np.array([len(own) for own in grams.values()])
    ranks = np.argsort(np.argsort(np.array(ids)))
    first, second = np.nonzero(ranks[:, None] < ranks[None, :])  # each pair once, by the order of the sample
    shares = in_common(list(grams.values()))[first, second] / np.maximum(1, np.minimum(sizes[first], sizes[second]))
    nearest = np.zeros(len(ids))
    np.maximum.at(nearest, first, shares)
    np.maximum.at(nearest, second, shares)
    paired, at = np.unique(np.stack((first, second), 1).ravel(), return_index=True)
    top = int(np.argmax(shares)) if len(shares) else None
    return Shared(
        texts=len(grams),
        mean=float(np.mean(nearest[paired[np.argsort(at)]])) if len(paired) else 0.0,
        largest=float(shares[top]) if top is not None else 0.0,
        pair=(ids[first[top]], ids[second[top]]) if top is not None and shares[top] else None,
    )


def in_common(sets: Sequence[Hashes]) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Return how many n-grams any two different sets of them have in common; a set holds an n-gram once."""
    owners = np.repeat(np.arange(len(sets)), [len(own) for own in sets])
    _, number, times = np.unique(np.concatenate(sets), return_inverse=True, return_counts=True)
    column = np.cumsum(times > 1) - 1  # what one text alone has is in common with none
    several = times[number] > 1
    rows, columns = owners[several], column[number[several]]
    order = np.argsort(columns, kind="stable")
    rows, columns = rows[order], columns[order]
    found = np.zeros((len(sets), len(sets)), dtype=np.int64)
    for start in range(0, int(columns[-1]) + 1 if len(columns) else 0, _COLUMNS):
        here = slice(*np.searchsorted(columns, (start, start + _COLUMNS)))
        held = np.zeros((len(sets), _COLUMNS), dtype=np.float32)
        held[rows[here], columns[here] - start] = 1.0
        found += (held @ held.T).astype(np.int64)  # exact: whole numbers far below 2^24
    np.fill_diagonal(found, 0)  # it would hold what a set has in common with any
    return found
