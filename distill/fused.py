"""LoRA's linear layers without what PEFT passes over besides the matrix products.

In float32 the adapted weight ``W + s·B·A`` is made anew in each pass: ``s`` is the scaling, ``B·A`` costs as much as a
few rows of a batch. What PEFT adds up over all rows, it adds up over the weight: one matrix product forward and two
back, for three and six.

A bfloat16 weight has little room for a small ``s·B·A``: it would round it, the same way in every pass. There the
adapter stays beside the weight, and its products add to those of the weight in place, where PEFT makes the input
float32, takes it back, and scales and adds whole outputs.

The gradients of ``A`` and ``B`` are those of Hu et al., "LoRA: low-rank adaptation of large language models",
ICLR 2022.
"""

from __future__ import annotations

import torch
from peft.tuners.lora import Linear
from torch.autograd.function import FunctionCtx, once_differentiable

HALF = frozenset({torch.bfloat16, torch.float16})
"""The precisions in which a weight cannot take up a small change."""


class _Adapted(torch.autograd.Function):
    """``x`` (…, in) by an adapted weight, to (…, out)."""

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        a: torch.Tensor,
        b: torch.Tensor,
        scaling: float,
    ) -> torch.Tensor:
        ctx.save_for_backward(x, weight, a, b)
        ctx.scaling = scaling  # type: ignore[attr-defined]  # the context is there to be written on
        return torch.nn.functional.linear(x, torch.addmm(weight, b, a, alpha=scaling), bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, a, b = ctx.saved_tensors  # type: ignore[attr-defined]
        scaling: float = ctx.scaling  # type: ignore[attr-defined]
        rows, inputs = grad.reshape(-1, grad.shape[-1]), x.reshape(-1, x.shape[-1])
        below = None
        if ctx.needs_input_grad[0]:  # type: ignore[attr-defined]
            below = (rows @ torch.addmm(weight, b, a, alpha=scaling)).view_as(x)
        if weight.numel() <= 2 * sum(weight.shape) * len(a):
            # The rank is high for so small a weight: its own gradient is the shorter way to those of A and B.
            whole = (rows.t() @ inputs).mul_(scaling)
            for_a, for_b = b.t() @ whole, whole @ a.t()
        else:
            for_a = ((rows @ b).t() @ inputs).mul_(scaling)
            for_b = (rows.t() @ (inputs @ a.t())).mul_(scaling)
        return below, None, None, for_a, for_b, None


class _Beside(torch.autograd.Function):
    """``x`` (…, in) by a weight in half precision and by an adapter in float32, to (…, out) in half precision."""

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        a: torch.Tensor,
        b: torch.Tensor,
        scaling: float,
    ) -> torch.Tensor:
        rows = x.reshape(-1, x.shape[-1]).to(weight.dtype)
        narrow_a, narrow_b = a.to(weight.dtype), b.to(weight.dtype)
        inner = rows @ narrow_a.t()
        out = torch.nn.functional.linear(rows, weight, bias).addmm_(inner, narrow_b.t(), alpha=scaling)
        ctx.save_for_backward(rows, weight, narrow_a, narrow_b, inner)
        ctx.scaling, ctx.x = scaling, (x.shape, x.dtype)  # type: ignore[attr-defined]
        return out.view(*x.shape[:-1], len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        rows, weight, narrow_a, narrow_b, inner = ctx.saved_tensors  # type: ignore[attr-defined]
        shape, dtype = ctx.x  # type: ignore[attr-defined]
        above = grad.reshape(-1, grad.shape[-1]).to(weight.dtype)
        scaling: float = ctx.scaling  # type: ignore[attr-defined]
        below_b = above @ narrow_b
        below = None
        if ctx.needs_input_grad[0]:  # type: ignore[attr-defined]
            below = (above @ weight).addmm_(below_b, narrow_a, alpha=scaling).view(shape).to(dtype)
        # Of its first matrix a product with beta 0 has the shape alone.
        for_a = torch.addmm(narrow_a, below_b.t(), rows, beta=0, alpha=scaling).float()
        for_b = torch.addmm(narrow_b, above.t(), inner, beta=0, alpha=scaling).float()
        return below, None, None, for_a, for_b, None


class FusedLinear(Linear):
    """A linear layer with an adapter that is PEFT's own wherever more than one plain adapter is asked of it."""

    def forward(self, x: torch.Tensor, *args: object, **kwargs: object) -> torch.Tensor:
        """Return the layer's output, (…, in) to (…, out)."""
        adapter = self._lone_adapter(x)
        if args or kwargs or adapter is None:
            plain: torch.Tensor = super().forward(x, *args, **kwargs)
            return plain
        base = self.get_base_layer()
        a, b = self.lora_A[adapter].weight, self.lora_B[adapter].weight
        way = _Beside if base.weight.dtype in HALF else _Adapted
        fused: torch.Tensor = way.apply(  # type: ignore[no-untyped-call]  # torch types none of it
            x, base.weight, base.bias, a, b, self.scaling[adapter]
        )
        return fused

    def _lone_adapter(self, x: torch.Tensor) -> str | None:
        """Return the adapter that is all there is beside a frozen base, in precisions that the fused passes have; None
        where there is more."""
        if self.disable_adapters or self.merged or not torch.is_grad_enabled() or len(self.active_adapters) != 1:
            return None
        name: str = self.active_adapters[0]
        if name not in self.lora_A or name in self.lora_variant or self.lora_bias.get(name, False):
            return None
        dropout, base = self.lora_dropout[name], self.get_base_layer()
        silent = isinstance(dropout, torch.nn.Identity) or not self.training
        frozen = not base.weight.requires_grad and (base.bias is None or not base.bias.requires_grad)
        weights = [layer.weight.dtype for layer in (base, self.lora_A[name], self.lora_B[name])]
        return name if silent and frozen and _arithmetic(x, *weights) else None


def _arithmetic(x: torch.Tensor, weight: object, a: object, b: object) -> bool:
    """Return whether the fused passes compute in what PEFT would, by the precisions of input and weights: all of it in
    one full precision, or float32 adapters of a base in the half precision of autocast."""
    device = x.device.type
    if not torch.is_autocast_enabled(device):
        return weight not in HALF and x.dtype == weight == a == b
    return weight in HALF and weight == torch.get_autocast_dtype(device) and a == b == torch.float32


def fuse_adapters(model: torch.nn.Module) -> int:
    """Make the adapted linear layers of a model ``FusedLinear``, in place; return how many there are.

    Quantised layers and adapted parameters that are no linear layers stay as they are.
    """
    layers = [module for module in model.modules() if type(module) is Linear and not module.fan_in_fan_out]
    for layer in layers:
        if type(layer.get_base_layer()) is torch.nn.Linear:
            layer.__class__ = FusedLinear
    return sum(type(layer) is FusedLinear for layer in layers)
