"""The first part of the tiny base's training: to copy, on random tokens alone.

Every row is a span of random tokens, repeated: what comes next can only be known by finding the last time that it came.
A student from random weights that is trained on notes alone learns their form and never learns to copy facts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch.nn.functional import cross_entropy
from transformers import LlamaForCausalLM

Report = Callable[[str, int, int, float], None]
"""Hears stage, step, last step and loss."""


@dataclass(frozen=True, slots=True)
class CopyStage:
    """Spans of ``shortest`` to ``longest`` tokens, repeated to rows of ``width`` tokens."""

    shortest: int
    longest: int
    width: int
    rows: int
    learning_rate: float
    steps: int
    """At most."""
    until: float
    """Mean loss of the last 20 steps, in nats a token, at which the stage ends."""


STAGES = (
    CopyStage(shortest=4, longest=48, width=128, rows=24, learning_rate=1e-3, steps=150, until=0.25),
    CopyStage(shortest=32, longest=256, width=512, rows=6, learning_rate=1e-3, steps=120, until=0.25),
    CopyStage(shortest=100, longest=600, width=1280, rows=2, learning_rate=1e-3, steps=60, until=0.25),
)


def copy_rows(stage: CopyStage, vocabulary: int, first: int, generator: torch.Generator) -> tuple[torch.Tensor, int]:
    """Return rows of repeated spans, shape (rows, width), and the length of the span; tokens below ``first`` never
    occur."""
    span = int(torch.randint(stage.shortest, stage.longest + 1, (1,), generator=generator))
    offset = int(torch.randint(0, span, (1,), generator=generator))
    tokens = torch.randint(first, vocabulary, (stage.rows, span), generator=generator)
    return tokens.repeat(1, stage.width // span + 2)[:, offset : offset + stage.width], span


def copy_curriculum(model: LlamaForCausalLM, *, first: int, seed: int, report: Report) -> None:
    """Train a model in place through all stages; ``first`` is the first token that is not special."""
    generator = torch.Generator().manual_seed(seed)
    for number, stage in enumerate(STAGES, 1):
        optimiser = torch.optim.AdamW(model.parameters(), stage.learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
        for step, loss in _steps(model, optimiser, stage, first, generator):
            report(f"copy {number}", step, stage.steps, loss)
            if loss < stage.until:
                break


def _steps(
    model: LlamaForCausalLM,
    optimiser: torch.optim.Optimizer,
    stage: CopyStage,
    first: int,
    generator: torch.Generator,
) -> Iterator[tuple[int, float]]:
    """Yield step and mean loss of the last 20 steps, one optimiser step at a time."""
    vocabulary = model.config.vocab_size
    recent: list[float] = []
    for step in range(1, stage.steps + 1):
        rows, span = copy_rows(stage, vocabulary, first, generator)
        for group in optimiser.param_groups:
            group["lr"] = stage.learning_rate * min(1.0, step / 20)
        keep = stage.width - span
        logits = model(rows, logits_to_keep=keep + 1, use_cache=False).logits[:, :-1]
        loss = cross_entropy(logits.reshape(-1, vocabulary), rows[:, -keep:].reshape(-1))
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        recent = [*recent[-19:], loss.item()]
        yield step, sum(recent) / len(recent)
