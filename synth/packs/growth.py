"""Weight and height of children, from the 2000 CDC growth charts (Kuczmarski RJ et al., Vital Health Stat 11(246),
2002), read from ``growth.yaml``."""

from __future__ import annotations

import math
from bisect import bisect_left
from functools import cache
from pathlib import Path
from typing import Literal

from synth.assets import load_yaml
from synth.records import Record, Sex

_FILE = Path(__file__).resolve().parent / "growth.yaml"
Row = tuple[float, float, float, float]
"""Age in months, L, M, S."""


class GrowthCharts(Record):
    """Weight for age in kilograms, length or stature for age in centimeters."""

    weight: dict[Sex, tuple[Row, ...]]
    height: dict[Sex, tuple[Row, ...]]

    def value(self, kind: Literal["weight", "height"], sex: Sex, months: float, z: float) -> float:
        """Return weight in kg or height in cm at an age and a z-score; ages outside of 0 to 240 months are those at
        the end. LMS method (Cole TJ. Eur J Clin Nutr 1990;44:45-60)."""
        rows = (self.weight if kind == "weight" else self.height)[sex]
        l, m, s = _between(rows, months)  # noqa: E741  the method's own letters
        return m * (1 + l * s * z) ** (1 / l) if abs(l) > 1e-6 else m * math.exp(s * z)


def _between(rows: tuple[Row, ...], months: float) -> tuple[float, float, float]:
    ages = [row[0] for row in rows]
    at = min(max(bisect_left(ages, months), 1), len(rows) - 1)
    (a, *low), (b, *high) = rows[at - 1], rows[at]
    share = min(max((months - a) / (b - a), 0.0), 1.0)
    first, second, third = (x + (y - x) * share for x, y in zip(low, high, strict=True))
    return first, second, third


@cache
def growth_charts() -> GrowthCharts:
    """Return the charts."""
    return GrowthCharts.model_validate(load_yaml(_FILE))
