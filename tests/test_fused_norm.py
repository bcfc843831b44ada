"""Norms in one kernel beside the models' own."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.gemma3.modeling_gemma3 import Gemma3RMSNorm
from transformers.models.gpt_oss.modeling_gpt_oss import GptOssRMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm
from transformers.models.phi3.modeling_phi3 import Phi3RMSNorm
from transformers.models.qwen3.modeling_qwen3 import Qwen3RMSNorm

from distill.fused_norm import fuse_norms

KNOWN = [GptOssRMSNorm, LlamaRMSNorm, Phi3RMSNorm, Qwen3RMSNorm]


def norm_of(kind: type[torch.nn.Module], dtype: torch.dtype, fused: bool = False) -> torch.nn.Module:
    """Return a model of one norm over 96, its weight all but 1."""
    torch.manual_seed(0)
    norm = kind(96, eps=1e-5)
    for weight in norm.parameters():
        weight.data = (1 + 0.3 * torch.randn(96)).to(dtype)
    model = torch.nn.Sequential(norm)
    assert fuse_norms(model) == 1 if fused else True
    return model


def passes(model: torch.nn.Module, x: torch.Tensor, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the output under autocast, and the input's gradient."""
    x = x.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        out = model(x)
    out.backward(grad.to(out.dtype))
    assert x.grad is not None
    return out.detach(), x.grad


@pytest.mark.parametrize("kind", KNOWN)
def test_in_bfloat16_it_is_as_near_the_truth_as_the_models_own(kind: type[torch.nn.Module]) -> None:
    torch.manual_seed(1)
    x, grad = (5 * torch.randn(2, 300, 96)).bfloat16(), torch.randn(2, 300, 96).bfloat16()
    weight = next(norm_of(kind, torch.bfloat16).parameters()).double()
    exact = x.double().requires_grad_()
    due = exact * (exact.pow(2).mean(-1, keepdim=True) + 1e-5).rsqrt() * weight
    torch.autograd.backward(due, grad.double())
    assert exact.grad is not None

    def errors(fused: bool) -> tuple[float, float]:
        out, back = passes(norm_of(kind, torch.bfloat16, fused), x, grad)
        assert out.dtype == back.dtype == torch.bfloat16
        assert exact.grad is not None
        return float((out - due.detach()).norm() / due.norm()), float((back - exact.grad).norm() / exact.grad.norm())

    own, ours = errors(fused=False), errors(fused=True)
    assert ours[0] <= 1.001 * own[0]
    assert ours[1] <= 1.001 * own[1]


def test_torch_computes_it_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    model = norm_of(LlamaRMSNorm, torch.bfloat16, fused=True)
    monkeypatch.setattr(LlamaRMSNorm, "forward", None)
    x = torch.ones(1, 96)
    passes(model, x.bfloat16(), x.bfloat16())
    with pytest.raises(TypeError):
        model(x)


@pytest.mark.parametrize("weight", [torch.float32, torch.bfloat16])
def test_float32_anywhere_is_left_to_the_model(weight: torch.dtype) -> None:
    x, grad = torch.randn(4, 96), torch.randn(4, 96)
    if weight == torch.float32:
        x = x.bfloat16()
    own = passes(norm_of(LlamaRMSNorm, weight), x, grad)
    fused = passes(norm_of(LlamaRMSNorm, weight, fused=True), x, grad)
    assert all(torch.equal(one, other) for one, other in zip(own, fused, strict=True))


def test_every_norm_of_a_model_is_found_and_gemmas_are_left() -> None:
    size = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "head_dim": 8}
    config = AutoConfig.for_model("qwen3", num_attention_heads=4, num_key_value_heads=2, **size)
    model = AutoModelForCausalLM.from_config(config)
    named = {name for name, _ in model.named_parameters()}
    # Before attention and MLP, of queries and of keys, in two layers; and the last.
    assert fuse_norms(model) == 9
    assert fuse_norms(model) == 0
    assert {name for name, _ in model.named_parameters()} == named
    assert fuse_norms(torch.nn.Sequential(Gemma3RMSNorm(8))) == 0
