"""Attention of packed rows, one example at a time.

Transformers keeps the examples of a row apart by a mask, and under a mask all of the row's square is computed, by
kernels that are slow. Without one each example has its own causal attention: the triangle of its own length, by the
kernel that knows it (Dao et al., "FlashAttention", 2022).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

if TYPE_CHECKING:
    from peft import PeftModel

APART = "apart"
"""The attention's name in a model's configuration."""
_CAUSAL = frozenset({"llama", "mistral", "phi3", "qwen2", "qwen3"})
"""Architectures of which every layer attends to all that came before, if need be within a window."""


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    dropout: float = 0.0,
    scaling: float | None = None,
    example_lengths: list[int] | None = None,
    **_: object,
) -> tuple[torch.Tensor, None]:
    """Return what attention finds, (rows, length, heads, width), of (rows, heads, length, width); each example of a
    row by itself where their lengths are said, else under the mask."""
    if example_lengths is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling)
    parts = zip(*(torch.split(states, example_lengths, dim=2) for states in (query, key, value)), strict=True)
    found = [sdpa_attention_forward(module, q, k, v, None, dropout, scaling)[0] for q, k, v in parts]
    return (found[0] if len(found) == 1 else torch.cat(found, dim=1)), None


def keep_apart(model: PreTrainedModel | PeftModel, longest: int) -> bool:
    """Have a model attend to packed examples of at most ``longest`` tokens one at a time, in place; return whether its
    layers do no more than that."""
    config = model.config.get_text_config()
    window: int | None = getattr(config, "sliding_window", None)
    if config.model_type not in _CAUSAL or config._attn_implementation != "sdpa" or (window or longest) < longest:
        return False
    AttentionInterface.register(APART, attend)
    AttentionMaskInterface.register(APART, sdpa_mask)
    model.set_attn_implementation(APART)
    model.get_decoder().register_forward_pre_hook(_say_lengths, with_kwargs=True)
    return True


def _say_lengths(
    decoder: torch.nn.Module, given: tuple[object, ...], said: dict[str, object]
) -> tuple[tuple[object, ...], dict[str, object]]:
    """Turn the bounds of a row's examples into lengths, once for all layers."""
    del decoder
    bounds = said.get("cu_seq_lens_q")
    if not isinstance(bounds, torch.Tensor):
        return given, said
    # A mask of four dimensions is taken as it is, so that none is made.
    unread = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=bounds.device)
    return given, {**said, "attention_mask": unread, "example_lengths": bounds.diff().tolist()}
