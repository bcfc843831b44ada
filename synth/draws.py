"""Seeded draws that stay the same whatever the Python version."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")


class Draws:
    """A stream of draws named by a key.

    Everything is derived from ``random.Random.random()``, the one method whose sequence the Python documentation
    promises to
    keep for a given seed ("Notes on Reproducibility"); ``choice`` and ``shuffle`` are not promised.
    """

    __slots__ = ("_random",)

    def __init__(self, *key: str | int) -> None:
        self._random = random.Random("\x1f".join(map(str, key))).random

    def chance(self, probability: float) -> bool:
        """Return True with the given probability."""
        return self._random() < probability

    def point(self) -> float:
        """Return a number from 0 up to, and without, 1."""
        return self._random()

    def below(self, n: int) -> int:
        """Return an integer from 0 to n - 1, uniformly."""
        return int(self._random() * n)

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options, uniformly."""
        return options[int(self._random() * len(options))]

    def weighted(self, weights: Mapping[T, float]) -> T | None:
        """Return a key with its weight as probability; None for what the weights leave of 1. Weights above 1 in sum
        are shares."""
        total = sum(weights.values())
        point = self._random() * max(total, 1.0)
        for key, weight in weights.items():
            point -= weight
            if point < 0:
                return key
        return None

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return the items in a random order (Fisher and Yates)."""
        result = list(items)
        for i in range(len(result) - 1, 0, -1):
            j = int(self._random() * (i + 1))
            result[i], result[j] = result[j], result[i]
        return result

    def formed(self, form: str) -> str:
        """Return a form with a digit for each ``#``, a digit from 2 to 9 for each ``%``, and all else as it is."""
        return "".join(
            str(self.below(10)) if mark == "#" else str(2 + self.below(8)) if mark == "%" else mark for mark in form
        )

    def normal(self) -> float:
        """Return a draw from the standard normal distribution (Box and Muller 1958)."""
        return math.sqrt(-2.0 * math.log(1.0 - self._random())) * math.cos(2.0 * math.pi * self._random())
