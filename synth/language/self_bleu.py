"""Self-BLEU: how much the texts of a sample repeat each other (Zhu et al., "Texygen", SIGIR 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log

import numpy as np

from synth.shingles import ngrams, word_hashes

_ORDERS = (1, 2, 3, 4)
_EPSILON = 0.1


def self_bleu(texts: Sequence[Sequence[str]]) -> float:
    """Return the mean BLEU-4 of each text, in words, against all others, 0 to 1; 0 for fewer than two texts.

    As Texygen has it: clipped precisions, the brevity penalty of the nearest reference length, and zeros smoothed by
    epsilon (Chen and Cherry 2014, method 1, as in NLTK). Its size depends on how many texts there are, so compare only
    samples of the same size.
    """
    kept = [word_hashes(text) for text in texts if text]
    if len(kept) < 2:
        return 0.0
    logs = np.zeros(len(kept))
    for n in _ORDERS:
        counts = [np.unique(ngrams(hashes, n), return_counts=True) for hashes in kept]
        clipped = _clipped([(grams.tolist(), times.tolist()) for grams, times in counts])
        for i, hits in enumerate(clipped):
            total = max(1, len(kept[i]) - n + 1)
            # Without a single word in common there is no match to smooth: BLEU is 0.
            logs[i] += log((hits or _EPSILON) / total) if hits or n > 1 else -np.inf
    lengths = [len(hashes) for hashes in kept]
    return float(np.mean([_penalty(i, lengths) * exp(logs[i] / len(_ORDERS)) for i in range(len(kept))]))


def _clipped(counts: Sequence[tuple[list[int], list[int]]]) -> list[int]:
    """Return for each text how many of its n-grams are matched, each at most as often as any other text has it.

    The two largest counts of an n-gram and whose the largest is say what the largest count among the others is.
    """
    largest: dict[int, tuple[int, int, int]] = {}
    for i, (grams, times) in enumerate(counts):
        for gram, count in zip(grams, times, strict=True):
            first, owner, second = largest.get(gram, (0, -1, 0))
            largest[gram] = (count, i, first) if count > first else (first, owner, max(second, count))
    hits = []
    for i, (grams, times) in enumerate(counts):
        matched = 0
        for gram, count in zip(grams, times, strict=True):
            first, owner, second = largest[gram]
            matched += min(count, second if owner == i else first)
        hits.append(matched)
    return hits


def _penalty(i: int, lengths: Sequence[int]) -> float:
    """Return the brevity penalty of a text; of two references that are equally near, the shorter one counts."""
    own = lengths[i]
    nearest = min((abs(length - own), length) for j, length in enumerate(lengths) if j != i)[1]
    return 1.0 if own > nearest else exp(1 - nearest / own)
