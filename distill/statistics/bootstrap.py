"""Percentile bootstrap: how far a mean, or a median, over items could be from where it is, had other items been drawn.

Efron and Tibshirani, "An introduction to the bootstrap", 1993, chapter 13; paired differences between systems: Koehn,
"Statistical significance tests for machine translation evaluation", EMNLP 2004.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distill.statistics.estimates import Estimate

RESAMPLES = 2_000
CONFIDENCE = 0.95
SEED = 0
_CELLS = 200_000
"""Most draws that are held at once: they fit into a core's cache, and memory stays flat in the number of items."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its interval, in the unit of the values."""

    mean: float
    low: float
    high: float
    n: int
    """Values that went into it."""


def mean_interval(
    values: Sequence[float | None], *, resamples: int = RESAMPLES, confidence: float = CONFIDENCE, seed: int = SEED
) -> Interval | None:
    """Return the mean of the values that are there with its percentile bootstrap interval; None where there is none.

    The same seed draws the same items for every column of the same length, so that columns can be compared.
    """
    return mean_intervals([values], resamples=resamples, confidence=confidence, seed=seed)[0]


def mean_intervals(
    columns: Sequence[Sequence[float | None]],
    *,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = SEED,
) -> list[Interval | None]:
    """Return ``mean_interval`` of each column; those of one length share their draws."""
    samples = [np.array([value for value in values if value is not None], dtype=np.float64) for values in columns]
    means = np.empty((len(samples), resamples))
    for n in {len(sample) for sample in samples if len(sample)}:
        alike = [i for i, sample in enumerate(samples) if len(sample) == n]
        generator = np.random.default_rng(seed)
        step = max(1, _CELLS // n)
        taken = np.empty((step, n))
        for start in range(0, resamples, step):
            stop = min(start + step, resamples)
            drawn = generator.integers(0, n, size=(stop - start, n))
            values = taken[: stop - start]
            for i in alike:
                # No draw is out of bounds; "raise" would fill a copy.
                samples[i].take(drawn, out=values, mode="clip")
                means[i, start:stop] = values.mean(axis=1)
    found: list[Interval | None] = []
    for sample, row in zip(samples, means, strict=True):
        if len(sample) == 0:
            found.append(None)
            continue
        low, high = np.quantile(row, [(1 - confidence) / 2, (1 + confidence) / 2])
        found.append(Interval(mean=float(sample.mean()), low=float(low), high=float(high), n=len(sample)))
    return found


def median_interval(
    values: Sequence[float | None], *, resamples: int = RESAMPLES, confidence: float = CONFIDENCE, seed: int = SEED
) -> Estimate | None:
    """Return the median of the values that are there with its percentile bootstrap interval; None where there is
    none."""
    sample = np.array([value for value in values if value is not None], dtype=np.float64)
    n = len(sample)
    if n == 0:
        return None
    generator = np.random.default_rng(seed)
    medians = np.empty(resamples)
    step = max(1, _CELLS // n)
    for start in range(0, resamples, step):
        stop = min(start + step, resamples)
        medians[start:stop] = np.median(sample[generator.integers(0, n, size=(stop - start, n))], axis=1)
    low, high = np.quantile(medians, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value=float(np.median(sample)), low=float(low), high=float(high), n=n)


def paired_interval(
    first: Sequence[float | None],
    second: Sequence[float | None],
    *,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = SEED,
) -> Interval | None:
    """Return the mean of ``first[i] - second[i]`` with its interval, over the items where both are there; None where
    there is none.

    Both systems are resampled by the same items. Raises ValueError where the lengths differ.
    """
    return paired_intervals([(first, second)], resamples=resamples, confidence=confidence, seed=seed)[0]


def paired_intervals(
    pairs: Sequence[tuple[Sequence[float | None], Sequence[float | None]]],
    *,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = SEED,
) -> list[Interval | None]:
    """Return ``paired_interval`` of each pair of columns; ValueError where the lengths of a pair differ."""
    differences = [
        [a - b for a, b in zip(first, second, strict=True) if a is not None and b is not None]
        for first, second in pairs
    ]
    return mean_intervals(differences, resamples=resamples, confidence=confidence, seed=seed)


def area_interval(
    low: Sequence[float],
    high: Sequence[float],
    *,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = SEED,
) -> Interval:
    """Return the area under the ROC curve, the chance that a value of ``low`` is below one of ``high`` (a tie counts
    half), with its percentile bootstrap interval; both groups are resampled.

    Raises ValueError where a group is empty.
    """
    if not low or not high:
        raise ValueError("both groups need a value")
    one, two = np.asarray(low, dtype=np.float64)[:, None], np.asarray(high, dtype=np.float64)[None, :]
    below = (one < two) + 0.5 * (one == two)
    generator = np.random.default_rng(seed)
    means = np.empty(resamples)
    for i in range(resamples):
        rows = generator.integers(0, len(low), size=len(low))
        columns = generator.integers(0, len(high), size=len(high))
        means[i] = below[np.ix_(rows, columns)].mean()
    ends = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(mean=float(below.mean()), low=float(ends[0]), high=float(ends[1]), n=len(low) + len(high))
