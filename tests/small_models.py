"""Models of a few thousand random weights, and what a batch costs them."""

from __future__ import annotations

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from distill.sft import row_losses

Batch = dict[str, torch.Tensor]
SIZES: dict[str, object] = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def bare(architecture: str, **more: object) -> PreTrainedModel:
    """Return a small model of random weights, the same every time."""
    torch.manual_seed(0)
    config = AutoConfig.for_model(architecture, **{**SIZES, **more})
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config)
    model.train()
    return model


def losses_and_gradients(model: torch.nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Return the losses and counts of a batch's rows, and the gradients of what is trained."""
    losses = row_losses(model, batch)
    torch.autograd.backward(losses[:, 0].sum())
    return losses.detach(), {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
