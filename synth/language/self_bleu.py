"""Self-BLEU: how much the texts of a sample repeat each other (Zhu et al., "Texygen", SIGIR 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log

import numpy as np

from synth.shingles import Hashes, ngrams, word_hashes

Counts = np.ndarray[tuple[int], np.dtype[np.int64]]
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
        for i, hits in enumerate(_clipped(counts)):
            total = max(1, len(kept[i]) - n + 1)
            # Without a single word in common there is no match to smooth: BLEU is 0.
            logs[i] += log((hits or _EPSILON) / total) if hits or n > 1 else -np.inf
    lengths = [len(hashes) for hashes in kept]
    return float(np.mean([_penalty(i, lengths) * exp(logs[i] / len(_ORDERS)) for i in range(len(kept))]))


def _clipped(counts: Sequence[tuple[Hashes, Counts]]) -> list[int]:
    """Return for each text how many of its n-grams are matched, each at most as often as any other text has it.

    The two largest counts of an n-gram and whose the largest is say what the largest count among the others is.
    """
    grams = np.concatenate([own for own, _ in counts])
    times = np.concatenate([often for _, often in counts])
    owners = np.repeat(np.arange(len(counts)), [len(own) for own, _ in counts])
    if not len(grams):
        return [0] * len(counts)
    order = np.lexsort((-times, grams))
    grams, times, owners = grams[order], times[order], owners[order]
    same = np.concatenate((grams[1:] == grams[:-1], [False]))  # as the one after it
    begins = np.concatenate(([True], ~same[:-1]))
    group = np.cumsum(begins) - 1
    largest = times[begins]
    second = np.where(same, np.append(times[1:], 0), 0)[begins]
    others = np.where(begins, second[group], largest[group])
    matched = np.bincount(owners, weights=np.minimum(times, others), minlength=len(counts))
    return [int(hits) for hits in matched]


def _penalty(i: int, lengths: Sequence[int]) -> float:
    """Return the brevity penalty of a text; of two references that are equally near, the shorter one counts."""
    own = lengths[i]
    nearest = min((abs(length - own), length) for j, length in enumerate(lengths) if j != i)[1]
    return 1.0 if own > nearest else exp(1 - nearest / own)
