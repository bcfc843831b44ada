"""Bootstrap intervals: seeded, right against theory, blind to values that are not there."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.statistics import CONFIDENCE, mean_interval, mean_intervals, paired_interval, paired_intervals

shares = st.lists(st.none() | st.floats(0, 1), max_size=30)


@given(values=shares)
def test_the_interval_lies_around_the_mean_and_within_the_values(values: list[float | None]) -> None:
    there = [value for value in values if value is not None]
    interval = mean_interval(values, resamples=200)
    if not there:
        assert interval is None
        return
    assert interval is not None
    assert interval.n == len(there)
    assert interval.mean == pytest.approx(math.fsum(there) / len(there))
    assert min(there) - 1e-12 <= interval.low <= interval.high <= max(there) + 1e-12


@given(values=shares)
def test_the_same_seed_gives_the_same_interval(values: list[float | None]) -> None:
    assert mean_interval(values, resamples=50) == mean_interval(values, resamples=50)


def test_another_seed_gives_another_interval() -> None:
    values = [0.0, 1.0, 0.3, 0.9, 0.2, 0.7]
    assert mean_interval(values, seed=1) != mean_interval(values, seed=2)


def test_agrees_with_the_normal_approximation() -> None:
    values = np.random.default_rng(5).normal(0.4, 0.1, size=400)
    interval = mean_interval(values.tolist(), resamples=20_000)
    assert interval is not None
    half = 1.959964 * values.std(ddof=0) / math.sqrt(len(values))
    assert interval.low == pytest.approx(values.mean() - half, abs=half * 0.05)
    assert interval.high == pytest.approx(values.mean() + half, abs=half * 0.05)


def test_agrees_with_the_exact_bootstrap_distribution() -> None:
    # The mean of n values of which k are 1 has n × mean binomial with n and k/n.
    n, k = 40, 10
    interval = mean_interval([1.0] * k + [0.0] * (n - k), resamples=20_000)
    assert interval is not None
    mass = [math.comb(n, i) * (k / n) ** i * (1 - k / n) ** (n - i) for i in range(n + 1)]
    ends = [next(i for i in range(n + 1) if sum(mass[: i + 1]) >= share) / n for share in (0.025, 0.975)]
    assert [interval.low, interval.high] == pytest.approx(ends, abs=1e-9)


def test_covers_the_true_mean_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(11)
    intervals = [mean_interval(generator.random(40).tolist(), resamples=400, seed=i) for i in range(300)]
    covered = sum(interval is not None and interval.low <= 0.5 <= interval.high for interval in intervals)
    assert 0.89 <= covered / 300 <= 0.99


def test_many_items_are_drawn_in_parts() -> None:
    values = np.random.default_rng(3).random(50_000).tolist()
    interval = mean_interval(values, resamples=100)
    assert interval is not None
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * math.sqrt(1 / 12 / 50_000), rel=0.35)


@given(columns=st.lists(shares, max_size=5))
def test_columns_that_share_their_draws_have_the_interval_that_each_has_alone(
    columns: list[list[float | None]],
) -> None:
    assert mean_intervals(columns, resamples=50) == [mean_interval(values, resamples=50) for values in columns]


@pytest.mark.parametrize("n", [10_001, 7, 400])
def test_draws_in_parts_are_those_of_one_go(n: int) -> None:
    values = np.random.default_rng(4).random(n)
    means = values[np.random.default_rng(0).integers(0, n, size=(101, n))].mean(axis=1)
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    shared, _ = mean_intervals([values.tolist(), (1 - values).tolist()], resamples=101)
    assert shared is not None
    assert (shared.low, shared.high) == (low, high)


def test_pairing_takes_the_spread_between_items_out() -> None:
    items = np.random.default_rng(2).random(60)
    first, second = (items + 0.1).tolist(), items.tolist()
    paired = paired_interval(first, second)
    alone = mean_interval(first)
    assert paired is not None
    assert alone is not None
    assert (paired.low, paired.high) == pytest.approx((0.1, 0.1))
    assert alone.high - alone.low > 0.05


def test_pairs_with_a_missing_side_are_left_out() -> None:
    paired = paired_interval([0.5, None, 0.9], [0.2, 0.4, None])
    assert paired is not None
    assert paired.n == 1
    assert paired.mean == pytest.approx(0.3)
    assert paired_interval([None], [0.5]) is None
    assert paired_intervals([([None], [0.5]), ([0.5, None, 0.9], [0.2, 0.4, None])]) == [None, paired]
    with pytest.raises(ValueError, match="zip"):
        paired_interval([0.1], [0.1, 0.2])
