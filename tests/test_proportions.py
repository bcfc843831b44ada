"""The Wilson interval, against its definition and its published values."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.proportions import wilson


def test_known_values() -> None:
    # Newcombe RG, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 1998;17:857–872,
    # table I, method 3.
    for found, total, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)):
        assert wilson(found, total) == pytest.approx((low, high), abs=5e-5)
    assert wilson(29, 29) == pytest.approx((0.8830, 1.0), abs=5e-5)


@given(st.integers(1, 5_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_its_bounds_are_where_the_share_is_as_far_off_as_the_confidence_says(counts: tuple[int, int]) -> None:
    found, total = counts
    share, z = found / total, NormalDist().inv_cdf(0.975)
    for bound in wilson(found, total):
        assert 0 <= bound <= 1
        if 0 < bound < 1:
            assert abs(share - bound) == pytest.approx(z * math.sqrt(bound * (1 - bound) / total))


def test_what_is_no_proportion() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    for found, total in ((2, 1), (-1, 3)):
        with pytest.raises(ValueError, match="no proportion"):
            wilson(found, total)
