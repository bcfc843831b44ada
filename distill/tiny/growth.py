"""Makes a model deeper without changing what it does.

A new layer adds nothing at first, as the projections by which it writes are zero, and further training takes it up:
what the shallow model has learnt stays (block expansion, Wu et al., "LLaMA Pro", 2024, arXiv 2401.02415).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaDecoderLayer

from distill.tiny.circuit import REST


def grow(model: LlamaForCausalLM, after: Sequence[int], seed: int) -> None:
    """Put a new layer after each of the layers numbered ``after``, in place."""
    generator = torch.Generator().manual_seed(seed)
    layers: list[torch.nn.Module] = []
    for number, layer in enumerate(model.model.layers):
        layers.append(layer)
        if number in after:
            layers.append(_idle(model, generator))
    for number, layer in enumerate(layers):
        assert isinstance(layer, LlamaDecoderLayer)
        layer.self_attn.layer_idx = number
    model.model.layers = torch.nn.ModuleList(layers)
    model.config.num_hidden_layers = len(layers)


def _idle(model: LlamaForCausalLM, generator: torch.Generator) -> LlamaDecoderLayer:
    layer = LlamaDecoderLayer(model.config, 0)
    with torch.no_grad():
        for weights in layer.parameters():
            if weights.ndim == 2:
                torch.nn.init.normal_(weights, std=REST / weights.shape[1] ** 0.5, generator=generator)
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()
    return layer
