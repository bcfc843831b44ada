"""The last layer of a model for some positions alone, exactly: no other position of its output reaches the loss.

Keys and values are those of all positions; queries, output projection and MLP are of the positions asked for. What the
layers below do, and every gradient, is the same. Of the architectures that are known here; others stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING

import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.models.gemma3.modeling_gemma3 import Gemma3DecoderLayer
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, rotate_half
from transformers.models.qwen2.modeling_qwen2 import Qwen2DecoderLayer
from transformers.models.qwen3.modeling_qwen3 import Qwen3DecoderLayer

from distill.packed import APART

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


def _columns_for(layer: Layer, cache: object) -> torch.Tensor | None:
    """Return the positions that a layer is to work for; None where it works for all, as it does where its forward pass
    is to be done again when nobody says which."""
    plain = cache is None and not (layer.training and layer.gradient_checkpointing)
    known = layer.self_attn.config._attn_implementation in {"sdpa", APART} and layer.self_attn.is_causal
    return _COLUMNS.get() if plain and known else None


def _attend(
    layer: Layer,
    hidden: torch.Tensor,
    columns: torch.Tensor,
    mask: torch.Tensor | None,
    rotary: Rotary,
    lengths: list[int] | None,
) -> torch.Tensor:
    """Return what attention adds at the columns, (rows, columns, width), of normed states at all positions; each
    example of a packed row by itself where their lengths are said."""
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
    counts, lengths, seen = _by_example(columns, length, mask, lengths)
    queries = torch.split(query.transpose(1, 2), counts, dim=2)
    keys, values = (torch.split(states.transpose(1, 2), lengths, dim=2) for states in (key, value))
    dropout = float(attention.attention_dropout or 0.0) if layer.training else 0.0
    found = [
        sdpa_attention_forward(attention, *part, dropout=dropout, scaling=attention.scaling)[0]
        for part in zip(queries, keys, values, seen, strict=True)
    ]
    out: torch.Tensor = attention.o_proj(torch.cat(found, dim=1).reshape(rows, len(columns), -1))
    return out


def _by_example(
    columns: torch.Tensor, length: int, mask: torch.Tensor | None, lengths: list[int] | None
) -> tuple[list[int], list[int], list[torch.Tensor]]:
    """Return how many of the columns lie in each example of a row, how long it is, and what they may see of it; a row
    whose examples are not said is one."""
    places = torch.arange(length, device=columns.device)
    if lengths is None:
        seen = (columns[:, None] >= places)[None, None] if mask is None else mask[:, :, columns]
        return [len(columns)], [length], [seen]
    ends = torch.tensor(lengths, device=columns.device).cumsum(0)
    counts: list[int] = torch.searchsorted(columns, ends).diff(prepend=ends.new_zeros(1)).tolist()
    pieces = zip(torch.split(columns, counts), torch.split(places, lengths), strict=True)
    return counts, lengths, [(some[:, None] >= reached)[None, None] for some, reached in pieces]


def _narrowed(kind: type[torch.nn.Module]) -> Callable[..., torch.Tensor]:
    """Return a layer's forward pass for some positions where they are given, and its own where they are not."""
    whole: Callable[..., torch.Tensor] = kind.forward

    @wraps(whole)
    def forward(
        layer: Layer,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_embeddings: Rotary | None = None,
        past_key_values: object = None,
        example_lengths: list[int] | None = None,
        **kwargs: object,
    ) -> torch.Tensor:
        columns = _columns_for(layer, past_key_values)
        if columns is None or position_embeddings is None:
            return whole(
                layer,
                hidden_states,
                attention_mask=attention_mask,
                position_embeddings=position_embeddings,
                past_key_values=past_key_values,
                example_lengths=example_lengths,
                **kwargs,
            )
        normed = layer.input_layernorm(hidden_states)
        added = _attend(layer, normed, columns, attention_mask, position_embeddings, example_lengths)
        if isinstance(layer, Gemma3DecoderLayer):
            kept = hidden_states[:, columns] + layer.post_attention_layernorm(added)
            kept = kept + layer.post_feedforward_layernorm(layer.mlp(layer.pre_feedforward_layernorm(kept)))
        else:
            kept = hidden_states[:, columns] + added
            kept = kept + layer.mlp(layer.post_attention_layernorm(kept))
        # As many positions as before, so that nothing above has to know.
        return hidden_states.index_copy(1, columns, kept)

    return forward


_NARROW: dict[type[torch.nn.Module], type[torch.nn.Module]] = {
    kind: type(f"Narrow{kind.__name__}", (kind,), {"forward": _narrowed(kind)})
    for kind in (LlamaDecoderLayer, Qwen2DecoderLayer, Qwen3DecoderLayer, Gemma3DecoderLayer)
}
