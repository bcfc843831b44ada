"""The fused adapters beside PEFT's own."""

from __future__ import annotations

import pytest
import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import Linear
from transformers import LlamaConfig, LlamaForCausalLM

from distill.fused import FusedLinear, fuse_adapters


def adapted(rank: int = 4, dropout: float = 0.0, dora: bool = False, bias: bool = False) -> torch.nn.Module:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4
    )
    config.attention_bias = True
    lora = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        target_modules="all-linear",
        init_lora_weights=False,
        lora_dropout=dropout,
        use_dora=dora,
        lora_bias=bias,
    )
    return get_peft_model(LlamaForCausalLM(config), lora)


def losses_and_gradients(model: torch.nn.Module) -> tuple[float, dict[str, torch.Tensor]]:
    ids = torch.arange(40).view(2, 20) % 64
    torch.manual_seed(1)
    loss = model(input_ids=ids, labels=ids).loss
    loss.backward()
    return loss.item(), {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("rank", [1, 4, 24])
def test_loss_and_gradients_are_those_of_peft(rank: int) -> None:
    plain, fused = adapted(rank), adapted(rank)
    assert fuse_adapters(fused) == 14
    fused.load_state_dict(plain.state_dict())
    expected, wanted = losses_and_gradients(plain)
    loss, gradients = losses_and_gradients(fused)
    assert loss == pytest.approx(expected, rel=1e-6)
    assert gradients.keys() == wanted.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-4, atol=1e-6)


def halved(model: torch.nn.Module) -> torch.nn.Module:
    """Return the model with its base in bfloat16, adapters as they are, as a GPU trains it."""
    for parameter in model.parameters():
        if not parameter.requires_grad:
            parameter.data = parameter.data.bfloat16()
    return model


def lone_layer(rank: int, adapter: float, seed: int) -> torch.nn.Module:
    """Return a linear layer of 256 to 320 with an adapter as large as its weight, times ``adapter``."""
    torch.manual_seed(seed)
    lora = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=["0"], init_lora_weights=False)
    model = get_peft_model(torch.nn.Sequential(torch.nn.Linear(256, 320)), lora)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data *= adapter
    return halved(model)


def passes(model: torch.nn.Module, x: torch.Tensor, grad: torch.Tensor, autocast: bool) -> list[torch.Tensor]:
    """Return the output and the gradients of input, A and B."""
    x = x.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        out = model(x)
    out.backward(grad.to(out.dtype))
    assert x.grad is not None
    return [out.detach(), x.grad, *(p.grad for p in model.parameters() if p.grad is not None)]


@pytest.mark.parametrize("adapter", [1.0, 0.01])
@pytest.mark.parametrize("rank", [1, 16])
def test_in_bfloat16_it_is_as_near_the_truth_as_peft_however_small_the_adapter(rank: int, adapter: float) -> None:
    errors = torch.zeros(2, 4)
    for seed in range(3):
        plain, fused, exact = (lone_layer(rank, adapter, seed) for _ in range(3))
        assert fuse_adapters(fused) == 1
        x, grad = torch.randn(200, 256).bfloat16(), torch.randn(200, 320).bfloat16()
        truth = passes(exact.double(), x.double(), grad.double(), autocast=False)
        for row, model in enumerate((plain, fused)):
            found = passes(model, x, grad, autocast=True)
            assert [each.dtype for each in found] == 2 * [torch.bfloat16] + 2 * [torch.float32]
            pairs = zip(found, truth, strict=True)
            errors[row] += torch.tensor([float((one - due).norm() / due.norm()) for one, due in pairs])
    assert (errors[1] <= 1.01 * errors[0]).all()


def test_in_bfloat16_a_small_adapter_is_not_rounded_into_its_weight() -> None:
    """What an adapter of a hundredth of its weight does on average over many rows, where the rounding of outputs evens
    out and that of weights does not: 0.07 off beside the weight, 0.14 within it."""
    model = lone_layer(rank=16, adapter=0.1, seed=0)
    fuse_adapters(model)
    exact = lone_layer(rank=16, adapter=0.1, seed=0).double()
    x = torch.randn(2000, 256).bfloat16()

    def effect(network: torch.nn.Module, rows: torch.Tensor, autocast: bool) -> torch.Tensor:
        """Return how input and output go together, (256, 320)."""
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            out = network(rows)
        return torch.mm(x.double().t(), out.detach().double())

    due = effect(exact, x.double(), autocast=False)
    for part in (p for name, p in exact.named_parameters() if "lora_B" in name):
        part.data.zero_()
    without = effect(exact, x.double(), autocast=False)
    off = effect(model, x, autocast=True) - due
    assert float(off.norm() / (due - without).norm()) < 0.1


def test_in_bfloat16_the_fused_layer_is_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    fused = halved(adapted())
    fuse_adapters(fused)
    monkeypatch.setattr(Linear, "forward", None)
    with torch.autocast("cpu", torch.bfloat16):
        _, gradients = losses_and_gradients(fused)
    assert len(gradients) == 28


@pytest.mark.parametrize("asked", [torch.float32, torch.bfloat16])
def test_a_base_in_another_precision_than_autocast_is_left_to_peft(asked: torch.dtype) -> None:
    plain, fused = adapted(), adapted()
    if asked == torch.bfloat16:
        halved(plain), halved(fused)
    fuse_adapters(fused)
    fused.load_state_dict(plain.state_dict())
    enabled = asked == torch.float32
    with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
        expected, wanted = losses_and_gradients(plain)
        loss, gradients = losses_and_gradients(fused)
    assert loss == expected
    assert all(torch.equal(gradient, wanted[name]) for name, gradient in gradients.items())


@pytest.mark.parametrize(("dropout", "dora", "bias"), [(0.5, False, False), (0.0, True, False), (0.0, False, True)])
def test_what_is_no_plain_adapter_is_left_to_peft(dropout: float, dora: bool, bias: bool) -> None:
    plain, fused = (adapted(dropout=dropout, dora=dora, bias=bias) for _ in range(2))
    fuse_adapters(fused)
    fused.load_state_dict(plain.state_dict())
    expected, wanted = losses_and_gradients(plain)
    loss, gradients = losses_and_gradients(fused)
    assert loss == expected
    assert gradients.keys() == wanted.keys()
    assert all(torch.equal(gradient, wanted[name]) for name, gradient in gradients.items())


def test_the_fused_layer_is_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    fused = adapted()
    fuse_adapters(fused)
    monkeypatch.setattr(Linear, "forward", None)
    losses_and_gradients(fused)
    with torch.no_grad(), pytest.raises(TypeError):
        fused(input_ids=torch.zeros(1, 2, dtype=torch.long))


def test_the_weights_are_merged_and_written_as_peft_does() -> None:
    plain, fused = adapted(), adapted()
    fuse_adapters(fused)
    fused.load_state_dict(plain.state_dict())
    ids = torch.arange(12).view(1, 12)
    before = fused.eval()(input_ids=ids).logits
    after = fused.merge_and_unload()(input_ids=ids).logits  # type: ignore[operator]
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-5)
    assert not any(isinstance(module, FusedLinear) for module in fused.modules())
