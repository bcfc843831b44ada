"""What each ``--method`` is: which weights it trains, from which examples, and towards what."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from distill.datasets import Example, Format, examples
from distill.preferences import preferences
from distill.student import Method, Recipe
from synth.records import Split

Objective = Literal["sft", "gkd", "dpo"]
FULL_RATE = 0.1
"""A full fine-tuning learns at this share of the adapter's rate ("LoRA without regret", Thinking Machines, 2025)."""
_DPO_RATE = 0.025
"""Preference tuning at this one: 5e-6 after 2e-4, as Zephyr 7B learned with QLoRA (Hugging Face's Alignment Handbook,
recipes/zephyr-7b-beta), whose single epoch it takes, too."""


@dataclass(frozen=True, slots=True)
class Approach:
    """One way to train."""

    objective: Objective = "sft"
    whole: bool = False
    """Every weight of the base, instead of an adapter."""
    quantised: bool = False
    """The adapter is on a quantised base."""
    read: Callable[[Path, Split, Format], list[Example]] = examples
    rate: float = 1.0
    """Learning rate, as a share of that of an adapter."""
    epochs: float | None = None
    """Where nobody says how many; None leaves them to the student."""
    beta: float | None = None
    """Where nobody says; None where there is none."""
    lowest_beta: float = 0.0
    highest_beta: float = float("inf")
    needs_teacher: bool = False
    needs_trained: bool = False
    """It starts from a student that is trained already."""
    loss: str = "nats a completion token"
    """What the loss is counted in."""
    untrained: str = ""
    """What it is before training, where that is the same for every student."""
    towards: str = "on the completion only"
    """What the loss is of."""


APPROACHES: Mapping[Method, Approach] = {
    "lora": Approach(),
    "qlora": Approach(quantised=True),
    "full": Approach(whole=True, rate=FULL_RATE),
    "gkd": Approach(
        objective="gkd",
        needs_teacher=True,
        beta=0.5,
        highest_beta=1.0,
        loss="nats of divergence a token",
        towards="divergence from the teacher, on the completion only",
    ),
    "dpo": Approach(
        objective="dpo",
        read=preferences,
        needs_trained=True,
        rate=_DPO_RATE,
        epochs=1.0,
        beta=0.1,
        lowest_beta=sys.float_info.min,
        loss="DPO loss a pair",
        untrained="0.6931 at the start",
        towards="preference of the accepted over the rejected target, on the completion only",
    ),
}
"""By name. The betas are TRL's and the papers' own (arXiv 2306.13649, 2305.18290)."""


def rate_under(recipe: Recipe, method: Method) -> float:
    """Return what a recipe's learning rate is under a method: its own as it is, and under another as many times larger
    or smaller as the two methods' scales are apart."""
    scale, own = APPROACHES[method].rate, APPROACHES[recipe.method].rate
    # Rounded, for a recipe is written down: 1e-6, not 1.0000000000000002e-06.
    return recipe.learning_rate if scale == own else float(f"{recipe.learning_rate * scale / own:.12g}")


def as_long(one: Method, other: Method) -> bool:
    """Return whether two methods learn equally long, so that what a recipe says of its length for the one holds for the
    other."""
    return APPROACHES[one].epochs == APPROACHES[other].epochs
