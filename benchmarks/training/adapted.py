"""A Llama with LoRA as ``distill train`` trains it, or as PEFT and transformers have it, for benchmarks of the two."""

from __future__ import annotations

from peft import LoraConfig, PeftModel, get_peft_model
from transformers import LlamaForCausalLM

from distill.fused import fuse_adapters
from distill.fused_norm import fuse_norms
from distill.packed import keep_apart

PLAIN, OURS = "PEFT's and the model's", "distill's"
"""Whose adapters, norms and attention, for people."""


def adapted(base: LlamaForCausalLM, rank: int, longest: int, *, ours: bool) -> PeftModel:
    """Return a base with adapters on its linear layers, to be trained on examples of at most ``longest`` tokens."""
    lora = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(base, lora)
    assert isinstance(model, PeftModel)
    if ours:
        keep_apart(model, longest)
        fuse_adapters(model)
        fuse_norms(model)
    model.train()
    return model
