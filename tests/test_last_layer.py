"""The last layer for some positions beside the whole one: loss and gradients are the same numbers."""

from __future__ import annotations

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import PreTrainedModel

from distill.fused import fuse_adapters
from distill.last_layer import narrow_last_layer, only
from distill.sft import row_losses
from tests.small_models import Batch, bare, losses_and_gradients

SLIDING = {"sliding_window": 6, "layer_types": ["full_attention", "sliding_attention"]}
KNOWN: dict[str, tuple[str, dict[str, object]]] = {
    "llama": ("llama", {"attention_bias": True}),
    "qwen2": ("qwen2", {}),
    "qwen3": ("qwen3", {}),
    "qwen3, sliding": ("qwen3", {"use_sliding_window": True, **SLIDING}),
    "gemma3": ("gemma3_text", {}),
    "gemma3, sliding": ("gemma3_text", SLIDING),
}


def one_example() -> Batch:
    ids = torch.arange(3, 27).view(1, 24)
    return {"input_ids": ids, "labels": torch.where(torch.arange(24) >= 15, ids, -100)}


def padded() -> Batch:
    ids = (torch.arange(48).view(2, 24) * 7) % 61 + 3
    mask = torch.ones(2, 24, dtype=torch.long)
    mask[1, 17:] = 0
    labels = torch.where(torch.arange(24) >= torch.tensor([[14], [9]]), ids, -100)
    return {"input_ids": ids * mask, "attention_mask": mask, "labels": labels.masked_fill(mask == 0, -100)}


def packed() -> Batch:
    """Return two examples in a row, as the collator makes it: positions begin anew, the first of each has no label."""
    ids = (torch.arange(24).view(1, 24) * 5) % 61 + 3
    positions = torch.cat([torch.arange(10), torch.arange(14)])[None]
    return {"input_ids": ids, "position_ids": positions, "labels": torch.where((positions >= 6), ids, -100)}


BATCHES = {"one example": one_example, "padded": padded, "packed": packed}


def adapted(kind: str) -> PreTrainedModel:
    """Return a model with adapters on all linear layers, none of them zero."""
    architecture, more = KNOWN[kind]
    model = bare(architecture, **more)
    get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False))
    return model


def count_rows(model: torch.nn.Module, name: str) -> list[int]:
    """Return a list that fills with how many positions each layer's module of a name is given."""
    seen: list[int] = []
    for path, module in model.named_modules():
        if path.endswith(name):
            module.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0].shape[1]))
    return seen


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("fused", [False, True], ids=["peft", "fused"])
@pytest.mark.parametrize("kind", KNOWN)
def test_loss_and_gradients_are_those_of_the_whole_layer(kind: str, fused: bool, batch: str) -> None:
    plain, narrow = adapted(kind), adapted(kind)
    if fused:
        fuse_adapters(narrow)
    assert narrow_last_layer(narrow)
    inputs = BATCHES[batch]()
    columns = int((inputs["labels"][:, 1:] != -100).any(dim=0).sum())
    seen = count_rows(narrow, "mlp")
    expected, wanted = losses_and_gradients(plain, inputs)
    losses, gradients = losses_and_gradients(narrow, inputs)
    assert columns < 24
    assert seen == [24, columns]
    torch.testing.assert_close(losses, expected, rtol=1e-5, atol=1e-5)
    assert gradients.keys() == wanted.keys()
    assert len(gradients) == 28
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-3, atol=2e-5, msg=name)


def test_every_weight_has_its_gradient_where_the_whole_model_is_trained() -> None:
    plain, narrow = bare("qwen3"), bare("qwen3")
    assert narrow_last_layer(narrow)
    _, wanted = losses_and_gradients(plain, one_example())
    _, gradients = losses_and_gradients(narrow, one_example())
    assert gradients.keys() == wanted.keys() == dict(plain.named_parameters()).keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-3, atol=2e-5, msg=name)


def test_nothing_changes_where_no_positions_are_named() -> None:
    plain, narrow = adapted("llama"), adapted("llama")
    plain.eval()
    narrow.eval()
    narrow_last_layer(narrow)
    ids = one_example()["input_ids"]
    with torch.no_grad():
        torch.testing.assert_close(narrow(ids).logits, plain(ids).logits, rtol=0, atol=0)
        with only(torch.tensor([23])):
            torch.testing.assert_close(narrow(ids).logits[:, 23], plain(ids).logits[:, 23])
            cached = narrow(ids, use_cache=True).logits
        torch.testing.assert_close(cached, plain(ids, use_cache=True).logits, rtol=0, atol=0)


def test_a_layer_that_is_done_again_for_its_gradients_works_for_all_positions() -> None:
    plain, narrow = adapted("llama"), adapted("llama")
    narrow_last_layer(narrow)
    narrow.gradient_checkpointing_enable({"use_reentrant": False})
    seen = count_rows(narrow, "mlp")
    expected, wanted = losses_and_gradients(plain, one_example())
    losses, gradients = losses_and_gradients(narrow, one_example())
    assert set(seen) == {24}
    torch.testing.assert_close(losses, expected)
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-3, atol=2e-5, msg=name)


def test_another_attention_is_left_alone() -> None:
    model = adapted("llama")
    narrow_last_layer(model)
    model.set_attn_implementation("eager")
    seen = count_rows(model, "mlp")
    row_losses(model, one_example())
    assert seen == [24, 24]


def test_an_architecture_that_is_not_known_stays_as_it_is() -> None:
    model = bare("phi3")
    layers = [type(module) for module in model.modules()]
    assert not narrow_last_layer(model)
    assert [type(module) for module in model.modules()] == layers
