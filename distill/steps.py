"""What an optimiser step takes: so many passes, over packed rows so long, that it has the recipe's number of examples
on any number of devices."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass

from distill.datasets import Fitted
from distill.device import world_size
from distill.student import Recipe

_AT_ONCE = 1000
"""Examples that TRL packs together."""
_NEAR = 0.1
"""A step that has so much more or less than the recipe's examples, as a share, is as near as packing comes."""


@dataclass(frozen=True, slots=True)
class Step:
    """One optimiser step."""

    passes: int
    """Forward passes in each process."""
    row: int
    """Tokens that a row has at most."""
    examples: float
    """Over all processes; on average where they are packed."""


def step_of(recipe: Recipe, fitted: Fitted, held_out: Fitted, max_length: int, *, packing: bool) -> Step:
    """Return the step that comes nearest to the examples that the recipe says.

    Each process takes whole passes, and packed ones whole rows. Where rows of ``max_length`` tokens hold too many for
    that, they are shorter, but never than an example: TRL would cut it.
    """
    ranks = world_size()
    if not packing:
        each = max(1, math.ceil(recipe.accumulation / ranks))
        return Step(each, max_length, _unpacked(recipe))
    lengths = [len(tokens.input_ids) for tokens in fitted.kept]
    longest = max(len(tokens.input_ids) for tokens in (*fitted.kept, *held_out.kept))
    wanted = recipe.batch_size * recipe.accumulation

    def with_rows(row: int) -> Step:
        a_pass = ranks * len(lengths) / packed_rows(lengths, row)
        each = max(1, round(wanted / a_pass))
        return Step(each, row, each * a_pass)

    whole = with_rows(max_length)
    if is_near(whole.examples, wanted):
        return whole
    # With one pass more than is wanted of whole rows, shorter ones can come down to what is.
    a_pass = whole.examples / whole.passes
    a_row = wanted / math.ceil(wanted / a_pass) / ranks
    over = bisect_left(range(longest, max_length + 1), a_row, key=lambda row: len(lengths) / packed_rows(lengths, row))
    shorter = [with_rows(row) for row in (longest + over, longest + over - 1) if longest <= row <= max_length]
    return min((whole, *shorter), key=lambda step: abs(step.examples - wanted))


def is_near(examples: float, wanted: int) -> bool:
    """Return whether a step has about as many examples as the recipe says."""
    return abs(examples - wanted) <= _NEAR * wanted


def packed_rows(lengths: Sequence[int], row: int) -> int:
    """Return how many rows TRL packs examples into: longest first, each into the fullest row that it fits."""
    count = 0
    for start in range(0, len(lengths), _AT_ONCE):
        spaces: list[int] = []
        for length in sorted(lengths[start : start + _AT_ONCE], reverse=True):
            at = bisect_left(spaces, length)
            fresh = at == len(spaces)
            count += fresh
            if (space := (row if fresh else spaces.pop(at)) - length) > 0:
                insort(spaces, space)
    return count


def unlike_the_recipe(step: Step, recipe: Recipe, *, packing: bool) -> str | None:
    """Return a line that says how many examples a step takes, where those are not about the recipe's; else None."""
    wanted = recipe.batch_size * recipe.accumulation
    if is_near(step.examples, wanted):
        return None
    who = f"each of {world_size()} processes" if world_size() > 1 else "it"
    line = f"a step takes {shown(step.examples)} examples, not the recipe's {wanted}: {who}"
    if not packing:
        return f"{line} takes whole passes of {recipe.batch_size}"
    line += f" takes whole rows, and none is shorter than the longest example ({step.row:,} tokens)"
    apart = _unpacked(recipe)
    nearer = abs(apart - wanted) < abs(step.examples - wanted)
    return f"{line}; --no-packing takes {apart:,}" if nearer else line


def _unpacked(recipe: Recipe) -> int:
    """Return the examples of a step that takes each in a row of its own."""
    ranks = world_size()
    return recipe.batch_size * max(1, math.ceil(recipe.accumulation / ranks)) * ranks


def shown(examples: float) -> str:
    """Return a number of examples for people."""
    return f"{round(examples, 1):,g}"
