"""Two systems that know nothing, and that every other one has to clear: copying the source, and somebody else's
reference."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from distill.records import BenchmarkItem, Prediction
from synth.records import JsonObject

_WORD = re.compile(r"[a-z0-9]+")


def copy(items: Sequence[BenchmarkItem]) -> list[Prediction]:
    """Return the source of each item as its prediction."""
    return [_given(item.id, item.source, None) for item in items]


def retrieval(items: Sequence[BenchmarkItem], train: Sequence[BenchmarkItem]) -> list[Prediction]:
    """Return for each item the reference (and target) of the train item whose source is nearest to its own.

    Nearest by the cosine of TF-IDF vectors over lower-case words: weight ``count * (ln((1 + N) / (1 + documents)) +
    1)``, documents counted in ``train`` (Salton and Buckley, Information Processing & Management 1988;24:513, with
    smoothed document counts). The first of several equally near ones is taken. Raises ValueError where ``train`` is
    empty.
    """
    if not train:
        raise ValueError("retrieval needs at least one train item")
    index = _Index([item.source for item in train])
    nearest = [train[index.nearest(item.source)] for item in items]
    return [_given(item.id, found.reference, found.target) for item, found in zip(items, nearest, strict=True)]


def _given(name: str, text: str, target: JsonObject | None) -> Prediction:
    return Prediction(id=name, raw=text, text=text, target=target, finish="given")


class _Index:
    """Word → the texts that hold it, with their normalised weights."""

    def __init__(self, texts: Sequence[str]) -> None:
        counts = [Counter(_WORD.findall(text.lower())) for text in texts]
        documents = Counter(word for count in counts for word in count)
        self._size = len(texts)
        self._rarity = {word: math.log((1 + self._size) / (1 + seen)) + 1 for word, seen in documents.items()}
        postings: dict[str, tuple[list[int], list[float]]] = defaultdict(lambda: ([], []))
        for i, count in enumerate(counts):
            weights = {word: times * self._rarity[word] for word, times in count.items()}
            norm = math.hypot(*weights.values())
            for word, weight in weights.items():
                postings[word][0].append(i)
                postings[word][1].append(weight / norm)
        self._postings = {word: (np.array(where), np.array(weights)) for word, (where, weights) in postings.items()}

    def nearest(self, text: str) -> int:
        """Return the position of the nearest text; the query's own length does not change the order."""
        scores = np.zeros(self._size)
        for word, times in Counter(_WORD.findall(text.lower())).items():
            if word in self._postings:
                where, weights = self._postings[word]
                scores[where] += times * self._rarity[word] * weights
        return int(scores.argmax())
