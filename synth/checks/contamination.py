"""The gate against contamination: rejects what comes too near to a benchmark that the data set is to be used with.

Two measures. Word n-grams: any run of 13 words in common rejects, as Brown et al. 2020 ("Language models are few-shot
learners", appendix C) cleaned GPT-3's training data. Words weighted with TF-IDF: a cosine that catches a text with
words left out, put in, changed or moved, which may have no 13 words in a row left. Neither needs a model or a network.
What is told of an overlap is the benchmark's name and the item's, never their text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synth.catalog import Task
from synth.checks.base import reject
from synth.config import ContaminationConfig, RunConfig
from synth.errors import UserError
from synth.fields import strings_of
from synth.records import Encounter, Overlap, Part, Rejection
from synth.shingles import Hashes, ngrams, word_hashes, words

NAME = "contamination"
NGRAMS, SIMILAR = "shared_ngrams", "too_similar"
"""Reasons of rejections."""
_Numbers = NDArray[np.int64]
_Weights = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Postings:
    """Which texts have which key, as two columns sorted by key."""

    keys: Hashes
    """Distinct."""
    starts: _Numbers
    """Where the texts of each key begin, and where those of the last one end."""
    texts: _Numbers

    def find(self, keys: Hashes) -> tuple[_Numbers, NDArray[np.bool_]]:
        """Return which of the keys there are, and where those stand among ``self.keys``."""
        if not len(self.keys):
            return np.empty(0, dtype=np.int64), np.zeros(len(keys), dtype=np.bool_)
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        there = self.keys[at] == keys
        return at[there], there

    def spread(self, at: _Numbers) -> tuple[_Numbers, _Numbers]:
        """Return the position in ``texts`` of every text of some keys, and how many texts each key has."""
        counts = self.starts[at + 1] - self.starts[at]
        begins = np.repeat(self.starts[at] - (np.cumsum(counts) - counts), counts)
        return begins + np.arange(len(begins)), counts


def _postings(per_text: list[Hashes]) -> tuple[_Postings, _Numbers]:
    """Return the postings of the distinct keys of each text, and the order in which their keys were put."""
    keys = np.concatenate(per_text)
    texts = np.repeat(np.arange(len(per_text)), [len(one) for one in per_text])
    order = np.argsort(keys, kind="stable")
    distinct, counts = np.unique(keys, return_counts=True)
    return _Postings(distinct, np.concatenate(([0], np.cumsum(counts))), texts[order]), order


@dataclass(frozen=True, slots=True)
class HeldOutIndex:
    """The texts of the benchmarks that are held out, as hashes and weights."""

    labels: tuple[str, ...]
    """Of each text: the benchmark and the item."""
    words: int
    """Of an n-gram."""
    ngrams: _Postings
    terms: _Postings
    weights: _Weights
    """Of the terms, beside ``terms.texts``; those of one text have a length of 1."""
    rarity: _Weights
    """Inverse document frequency, beside ``terms.keys``."""
    unseen: float
    """That of a word that stands in no text."""

    def shared(self, hashes: Hashes) -> tuple[int, str]:
        """Return the most distinct n-grams that a text shares with one that is held out, and that one's label."""
        at, _ = self.ngrams.find(np.unique(ngrams(hashes, self.words)))
        if not len(at):
            return 0, ""
        where, _ = self.ngrams.spread(at)
        counts = np.bincount(self.ngrams.texts[where])
        best = int(counts.argmax())
        return int(counts[best]), self.labels[best]

    def nearest(self, hashes: Hashes) -> tuple[float, str]:
        """Return the largest cosine of a text with one that is held out, and that one's label."""
        terms, counts = np.unique(hashes, return_counts=True)
        at, there = self.terms.find(terms)
        if not len(at):
            return 0.0, self.labels[0]
        rarity = np.full(len(terms), self.unseen)
        rarity[there] = self.rarity[at]
        weights = _weights(counts, rarity)
        where, texts = self.terms.spread(at)
        # Summed in order, not by a matrix product, so that no number of threads changes the last digit.
        cosines = np.bincount(self.terms.texts[where], np.repeat(weights[there], texts) * self.weights[where])
        best = int(cosines.argmax())
        return round(float(cosines[best] / np.sqrt(np.sum(weights * weights))), 4), self.labels[best]


def _weights(counts: NDArray[np.int64], rarity: _Weights) -> _Weights:
    weights: _Weights = (1.0 + np.log(counts)) * rarity
    return weights


def held_out_index(texts: Iterable[tuple[str, str]], n: int) -> HeldOutIndex:
    """Return the index of texts with their labels; there is at least one.

    Weights are sublinear TF-IDF with smoothed document frequencies (Manning, Raghavan and Schütze, "Introduction to
    information retrieval", 2008, section 6.4).
    """
    labels: list[str] = []
    runs: list[Hashes] = []
    terms: list[Hashes] = []
    counts: list[NDArray[np.int64]] = []
    for label, text in texts:
        hashes = word_hashes(words(text))
        labels.append(label)
        runs.append(np.unique(ngrams(hashes, n)))
        distinct, times = np.unique(hashes, return_counts=True)
        terms.append(distinct)
        counts.append(times)
    grams, _ = _postings(runs)
    postings, order = _postings(terms)
    frequency = np.diff(postings.starts)
    rarity: _Weights = np.log((1 + len(labels)) / (1 + frequency)) + 1.0
    weights = _weights(np.concatenate(counts)[order], np.repeat(rarity, frequency))
    lengths = np.sqrt(np.bincount(postings.texts, weights=weights * weights, minlength=len(labels)))
    return HeldOutIndex(
        labels=tuple(labels),
        words=n,
        ngrams=grams,
        terms=postings,
        weights=weights / lengths[postings.texts],
        rarity=rarity,
        unseen=float(np.log(1 + len(labels)) + 1.0),
    )


class ContaminationCheck:
    """Rejects an encounter whose source or target shares word n-grams with a text that is held out
    (``shared_ngrams``), or is too similar to it (``too_similar``); an accepted one keeps how near it comes."""

    name = NAME

    def __init__(self, task: Task, config: RunConfig, index: HeldOutIndex | None) -> None:  # noqa: ARG002
        if index is None:
            raise UserError("nothing is held out; name the benchmarks with --hold-out NAME=PATH")
        self._limits: ContaminationConfig = config.contamination
        self._index = index

    def __call__(self, encounter: Encounter) -> Encounter | Rejection:
        """Return the encounter with its overlap, or its rejection."""
        source = "\n".join(encounter.source.passages)
        target = "\n".join(strings_of(encounter.target).values())
        most, nearest = 0, (0.0, self._index.labels[0])
        parts: tuple[tuple[Part, str], ...] = (("source", source), ("target", target))
        for part, text in parts:
            hashes = word_hashes(words(text))
            shared, label = self._index.shared(hashes)
            if shared >= self._limits.shared:
                detail = f"{label}: {shared} word {self._limits.words}-grams in common"
                return reject(encounter, NAME, NGRAMS, detail, part=part)
            cosine, label = self._index.nearest(hashes)
            if cosine >= self._limits.cosine:
                return reject(encounter, NAME, SIMILAR, f"{label}: cosine {cosine:.2f}", part=part)
            most, nearest = max(most, shared), max(nearest, (cosine, label), key=lambda found: found[0])
        overlap = Overlap(ngrams=most, cosine=nearest[0], nearest=nearest[1])
        return encounter.model_copy(update={"overlap": overlap})
