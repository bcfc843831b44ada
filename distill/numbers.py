"""A number with its interval, as files of results hold it."""

from __future__ import annotations

from distill.statistics import Estimate, Interval
from synth.records import Record


class Number(Record):
    """An estimate with its 95 % interval; the ends are None where nothing is known of it."""

    value: float
    low: float | None
    high: float | None
    n: int
    """Items that went into it."""


def number(found: Interval | Estimate | None) -> Number | None:
    """Return an interval or an estimate as a record."""
    if found is None:
        return None
    value = found.mean if isinstance(found, Interval) else found.value
    return Number(value=value, low=found.low, high=found.high, n=found.n)
