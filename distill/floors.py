"""Systems that know nothing, and that every other one has to clear: of a note, copying the source and somebody else's
reference; of a question or a diagnosis, the most frequent answer; of a judge, one and the same score; of all of these,
where there are train items, the answer to the nearest one."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from distill.answers import parse_score
from distill.benchmarks.base import TaskKind
from distill.records import BenchmarkItem, Prediction
from synth.records import JsonObject

MAJORITY_CLASS, CONSTANT, BEST_CONSTANT = "majority class", "constant 4.5", "best constant"
NAMES = ("copy", "retrieval", MAJORITY_CLASS, CONSTANT, BEST_CONSTANT)
"""Of all floors, in the order of a table."""
GRID = tuple(1 + step / 2 for step in range(9))
"""The scores of a judge: 1 to 5 in half points."""
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


def majority_class(items: Sequence[BenchmarkItem]) -> list[Prediction]:
    """Return for each item the answer that is right for most items; the first of several equally frequent ones."""
    counts = Counter(item.right for item in items)
    return _always(items, counts.most_common(1)[0][0] if counts else "")


def best_constant(items: Sequence[BenchmarkItem]) -> float:
    """Return the score of the half-point grid with the least mean absolute error; the lower of equally good ones."""
    scores = [score for item in items if (score := parse_score(item.right)) is not None]
    return min(GRID, key=lambda value: math.fsum(abs(score - value) for score in scores))


def of_task(
    task: TaskKind, items: Sequence[BenchmarkItem], train: Sequence[BenchmarkItem] | None
) -> dict[str, list[Prediction]]:
    """Return the floors that a task has, by name; the retrieval floor only where there are train items."""
    nearest = {"retrieval": retrieval(items, train)} if train else {}
    if task in ("diagnosis", "mcq"):
        return {**nearest, MAJORITY_CLASS: majority_class(items)}
    if task == "judge":
        constants = {CONSTANT: _always(items, "4.5"), BEST_CONSTANT: _always(items, f"{best_constant(items):g}")}
        return {**nearest, **constants}
    return {"copy": copy(items), **nearest}


def _always(items: Sequence[BenchmarkItem], text: str) -> list[Prediction]:
    return [_given(item.id, text, None) for item in items]


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
