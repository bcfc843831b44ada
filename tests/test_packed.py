"""Attention one example at a time beside a mask over the whole row: the same numbers, and no mask."""

from __future__ import annotations

from itertools import accumulate

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from distill.last_layer import narrow_last_layer
from distill.packed import APART, keep_apart
from distill.sft import row_losses
from tests.small_models import Batch, bare, losses_and_gradients

KNOWN = ["llama", "mistral", "phi3", "qwen2", "qwen3"]
LENGTHS = [9, 1, 14]


def packed(lengths: list[int]) -> Batch:
    """Return examples in a row as TRL's collator makes it: positions begin anew, the first of each has no label."""
    bounds = torch.tensor([0, *accumulate(lengths)], dtype=torch.int32)
    ids = (torch.arange(sum(lengths)).view(1, -1) * 7) % 61 + 3
    positions = torch.cat([torch.arange(length) for length in lengths])[None]
    labels = torch.where(positions > torch.tensor(lengths).repeat_interleave(torch.tensor(lengths)) // 2, ids, -100)
    return {"input_ids": ids, "position_ids": positions, "labels": labels, "cu_seq_lens_q": bounds}


@pytest.mark.parametrize("way", ["whole", "last layer narrowed", "checkpointed"])
@pytest.mark.parametrize("architecture", KNOWN)
def test_loss_and_gradients_are_those_under_a_mask(architecture: str, way: str) -> None:
    masked, apart = bare(architecture), bare(architecture)
    assert keep_apart(apart, max(LENGTHS))
    if way == "last layer narrowed" and not narrow_last_layer(apart):
        assert architecture in {"mistral", "phi3"}
    if way == "checkpointed":
        apart.gradient_checkpointing_enable({"use_reentrant": False})
    expected, wanted = losses_and_gradients(masked, packed(LENGTHS))
    losses, gradients = losses_and_gradients(apart, packed(LENGTHS))
    torch.testing.assert_close(losses, expected, rtol=1e-5, atol=1e-5)
    assert gradients.keys() == wanted.keys() == dict(masked.named_parameters()).keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-3, atol=2e-5, msg=name)


@given(st.lists(st.integers(1, 12), min_size=1, max_size=6))
def test_each_example_has_the_logits_that_it_has_alone(lengths: list[int]) -> None:
    model = bare("llama").eval()
    assert keep_apart(model, max(lengths))
    batch = packed(lengths)
    del batch["labels"]
    with torch.no_grad():
        together = torch.split(model(**batch, use_cache=False).logits, lengths, dim=1)
        for ids, logits in zip(torch.split(batch["input_ids"], lengths, dim=1), together, strict=True):
            torch.testing.assert_close(logits, model(input_ids=ids, use_cache=False).logits, rtol=1e-4, atol=1e-5)


def test_no_mask_is_made_for_a_packed_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that is given a mask computes all of the square."""
    seen: list[tuple[int, object, object]] = []
    attention = torch.nn.functional.scaled_dot_product_attention

    def record(query: torch.Tensor, *others: torch.Tensor, **said: object) -> torch.Tensor:
        seen.append((query.shape[2], said["attn_mask"], said["is_causal"]))
        return attention(query, *others, **said)  # type: ignore[arg-type]  # handed on as it came

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", record)
    model = bare("llama")
    keep_apart(model, max(LENGTHS))
    losses_and_gradients(model, packed(LENGTHS))
    assert seen == [(9, None, True), (1, None, False), (14, None, True)] * 2


def test_rows_whose_examples_are_not_said_go_under_their_mask() -> None:
    masked, apart = bare("qwen3"), bare("qwen3")
    keep_apart(apart, 24)
    ids = (torch.arange(48).view(2, 24) * 7) % 61 + 3
    mask = torch.ones(2, 24, dtype=torch.long)
    mask[1, :7] = 0
    batch = {"input_ids": ids * mask, "attention_mask": mask, "labels": torch.where(torch.arange(24) > 15, ids, -100)}
    torch.testing.assert_close(row_losses(apart, batch), row_losses(masked, batch))
    unsaid = {name: value for name, value in packed([10, 14]).items() if name != "cu_seq_lens_q"}
    torch.testing.assert_close(row_losses(apart, unsaid), row_losses(masked, unsaid))


SLIDING = {"sliding_window": 12, "layer_types": ["full_attention", "sliding_attention"]}


@pytest.mark.parametrize(
    ("architecture", "more", "longest", "expected"),
    [
        ("phi3", {"sliding_window": 12}, 12, True),
        ("phi3", {"sliding_window": 12}, 13, False),
        ("qwen3", {"use_sliding_window": True, **SLIDING}, 13, False),
        ("gemma3_text", SLIDING, 13, False),
        ("gemma3_text", SLIDING, 12, False),
        ("gpt2", {}, 12, False),
        ("llama", {"attn_implementation": "eager"}, 12, False),
    ],
)
def test_what_attends_otherwise_stays_as_it_is(
    architecture: str, more: dict[str, object], longest: int, expected: bool
) -> None:
    model = bare(architecture, **more)
    before = model.config._attn_implementation
    assert keep_apart(model, longest) is expected
    assert model.config._attn_implementation == (APART if expected else before)
