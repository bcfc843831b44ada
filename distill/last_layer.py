"""The last layer of a model for some positions alone, exactly: no other position of its output reaches the loss.

Keys and values are those of all positions; queries, output projection and MLP are of the positions asked for. What the
layers below do, and every gradient, is the same. Of the architectures that are known here; others stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.models.gemma3.modeling_gemma3 import Gemma3DecoderLayer
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, rotate_half
from transformers.models.qwen2.modeling_qwen2 import Qwen2DecoderLayer
from transformers.models.qwen3.modeling_qwen3 import Qwen3DecoderLayer

if TYPE_CHECKING:
    Rotary = tuple[torch.Tensor, torch.Tensor]
    Layer = LlamaDecoderLayer | Qwen2DecoderLayer | Qwen3DecoderLayer | Gemma3DecoderLayer

_COLUMNS: ContextVar[torch.Tensor | None] = ContextVar("columns", default=None)


@contextmanager
def only(columns: torch.Tensor) -> Iterator[None]:
    """Have last layers that were narrowed work for these positions alone, the same in every row; what they put out for
    others means nothing."""
    token = _COLUMNS.set(columns)
    try:
        yield
    finally:
        _COLUMNS.reset(token)


def narrow_last_layer(model: torch.nn.Module) -> bool:
    """Make a model's last layer one that ``only`` reaches, in place; return whether it is of a kind that is known."""
    stacks = [module for module in model.modules() if isinstance(module, torch.nn.ModuleList) and len(module)]
    known = [stack for stack in stacks if type(stack[-1]) in _NARROW]
    if len(known) != 1:
        return False
    known[0][-1].__class__ = _NARROW[type(known[0][-1])]
    return True


def _applies(layer: Layer, cache: object) -> torch.Tensor | None:
    """Return the positions that a layer is to work for; None where it works for all, as it does where its forward pass
    is to be done again when nobody says which."""
    plain = cache is None and not (layer.training and layer.gradient_checkpointing)
    known = layer.self_attn.config._attn_implementation == "sdpa" and layer.self_attn.is_causal
    return _COLUMNS.get() if plain and known else None


def _attend(
    layer: Layer, hidden: torch.Tensor, columns: torch.Tensor, mask: torch.Tensor | None, rotary: Rotary
) -> torch.Tensor:
    """Return what attention adds at the columns, (rows, columns, width), of normed states at all positions."""
    attention = layer.self_attn
    rows, length = hidden.shape[:2]
    query = attention.q_proj(hidden[:, columns]).view(rows, len(columns), -1, attention.head_dim)
    key = attention.k_proj(hidden).view(rows, length, -1, attention.head_dim)
    value = attention.v_proj(hidden).view(rows, length, -1, attention.head_dim)
    if isinstance(layer, Qwen3DecoderLayer | Gemma3DecoderLayer):
        query, key = layer.self_attn.q_norm(query), layer.self_attn.k_norm(key)
    cos, sin = (table[:, :, None] for table in rotary)
    query = query * cos[:, columns] + rotate_half(query) * sin[:, columns]
    key = key * cos + rotate_half(key) * sin
    if mask is None:
        mask = (columns[:, None] >= torch.arange(length, device=columns.device))[None, None]
    else:
        mask = mask[:, :, columns]
    found, _ = sdpa_attention_forward(
        attention,
        query.transpose(1, 2),
        key.transpose(1, 2),
        value.transpose(1, 2),
        mask,
        dropout=attention.attention_dropout if layer.training else 0.0,
        scaling=attention.scaling,
    )
    out: torch.Tensor = attention.o_proj(found.reshape(rows, len(columns), -1))
    return out


class _Narrow:
    """Before a layer's class: the forward pass for some positions where they are given."""

    def forward(
        self: Layer,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        past_key_values: object = None,
        position_embeddings: Rotary | None = None,
        **kwargs: object,
    ) -> torch.Tensor:
        """Return the layer's output, (rows, positions, width); where positions were given, that of the others is their
        input."""
        columns = _applies(self, past_key_values)
        if columns is None or position_embeddings is None:
            plain: torch.Tensor = super().forward(
                hidden_states,
                attention_mask=attention_mask,
                past_key_values=past_key_values,
                position_embeddings=position_embeddings,
                **kwargs,
            )
            return plain
        normed = self.input_layernorm(hidden_states)
        added = _attend(self, normed, columns, attention_mask, position_embeddings)
        if isinstance(self, Gemma3DecoderLayer):
            kept = hidden_states[:, columns] + self.post_attention_layernorm(added)
            kept = kept + self.post_feedforward_layernorm(self.mlp(self.pre_feedforward_layernorm(kept)))
        else:
            kept = hidden_states[:, columns] + added
            kept = kept + self.mlp(self.post_attention_layernorm(kept))
        return hidden_states.index_copy(1, columns, kept)


class _Llama(_Narrow, LlamaDecoderLayer):
    pass


class _Qwen2(_Narrow, Qwen2DecoderLayer):
    pass


class _Qwen3(_Narrow, Qwen3DecoderLayer):
    pass


class _Gemma3(_Narrow, Gemma3DecoderLayer):
    pass


_NARROW: dict[type[torch.nn.Module], type[torch.nn.Module]] = {
    LlamaDecoderLayer: _Llama,
    Qwen2DecoderLayer: _Qwen2,
    Qwen3DecoderLayer: _Qwen3,
    Gemma3DecoderLayer: _Gemma3,
}
