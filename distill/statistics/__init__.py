"""Intervals, tests and agreement: what is in scipy and statsmodels is theirs, behind typed functions that give a
defined value, or None, where theirs give NaN.

scipy and statsmodels load inside the functions that need them; the bootstrap and the permutation test need numpy only.
"""

from distill.statistics.agreement import Icc, fleiss_kappa, icc, spearman, weighted_kappa
from distill.statistics.bootstrap import (
    CONFIDENCE,
    RESAMPLES,
    SEED,
    Interval,
    area_interval,
    mean_interval,
    mean_intervals,
    median_interval,
    paired_interval,
    paired_intervals,
)
from distill.statistics.comparisons import ALPHA, McNemar, Wilcoxon, holm, mcnemar, wilcoxon
from distill.statistics.estimates import Estimate
from distill.statistics.permutation import PERMUTATIONS, permutation_p, permutation_ps
from distill.statistics.proportions import majority, wilson

__all__ = [
    "ALPHA",
    "CONFIDENCE",
    "PERMUTATIONS",
    "RESAMPLES",
    "SEED",
    "Estimate",
    "Icc",
    "Interval",
    "McNemar",
    "Wilcoxon",
    "area_interval",
    "fleiss_kappa",
    "holm",
    "icc",
    "majority",
    "mcnemar",
    "mean_interval",
    "mean_intervals",
    "median_interval",
    "paired_interval",
    "paired_intervals",
    "permutation_p",
    "permutation_ps",
    "spearman",
    "weighted_kappa",
    "wilcoxon",
    "wilson",
]
