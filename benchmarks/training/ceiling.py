"""Count what a training pass asks of a GPU, without one, and print the share of its arithmetic that this leaves.

    python -m benchmarks.training.ceiling [--students llama-3.2-1b llama-3.2-3b] [--lengths 2048 4096]

A pass of a catalogue's Llama under LoRA, forward and backward in bfloat16 autocast, runs on tensors without contents;
each kernel that it would start is counted with its operations and the bytes that it reads and writes. No kernel is
quicker than its operations at the matrix rate or its bytes at the memory's, so that the sum is a time that no run of
these kernels goes below (the roofline of Williams et al., CACM 2009): what a GPU measures (``benchmarks.training.gpu``)
lies under the share printed here, and a share below an aim says that other kernels are needed, not a better GPU.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from unittest.mock import patch

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.function import FunctionCtx
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry
from transformers import LlamaForCausalLM

from benchmarks.training.adapted import OURS, PLAIN, adapted
from benchmarks.training.gpu import llama_config, operations
from benchmarks.training.job import RANK
from distill.student import Shape, find_student

MATRIX_RATE, MEMORY_RATE = 790e12, 4.8e12
"""Operations and bytes a second of an H200: its bfloat16 matrix products as they come (989e12 is the data sheet's),
and its memory as the data sheet has it. A share of the matrix rate hangs on how the two compare alone."""
_NO_KERNEL = frozenset(
    {"view", "_unsafe_view", "t", "transpose", "permute", "expand", "unsqueeze", "squeeze", "slice", "select"}
    | {"alias", "detach", "as_strided", "split", "split_with_sizes"}
)
_PRODUCTS, _ATTENTION, _ELEMENTWISE = "products", "attention", "elementwise"


class Ledger(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch types none of it
    """Counts the kernels that run under it, and their least seconds by kind."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kernels: Counter[str] = Counter()
        self.operations: Counter[str] = Counter()
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def add(self, kind: str, operations: int, moved: int) -> None:
        """Enter a kernel of so many operations that moves so many bytes."""
        self.kernels[kind] += 1
        self.operations[kind] += operations
        self.seconds[kind] += max(operations / MATRIX_RATE, moved / MEMORY_RATE)

    def __torch_dispatch__(
        self,
        func: torch._ops.OpOverload[..., object],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        """Run an operation, and enter it where it starts a kernel."""
        del types
        given = dict(kwargs or {})
        result = func(*args, **given)
        packet = func._overloadpacket
        name = packet.__name__
        if func.namespace != "aten" or name in _NO_KERNEL or name.startswith("empty"):
            return result
        written = 0 if name.endswith("_") else _bytes(result)
        # What is done in place costs what it costs elsewhere, and is not listed.
        count: Callable[..., int] | None = flop_registry.get(getattr(torch.ops.aten, name.rstrip("_"), packet))
        self.add(
            _PRODUCTS if count else _ELEMENTWISE,
            count(*args, **given, out_val=result) if count else 0,
            _bytes([*args, *given.values()]) + written,
        )
        return result


class _Attention(torch.autograd.Function):
    """Attention as a fused kernel has it, without contents: two products forward, five backward, of the square of a
    length under a mask and of half of it where it is known to be causal (Dao et al., FlashAttention, 2022)."""

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        causal: bool,
        enter: Callable[[str, int, int], None],
    ) -> torch.Tensor:
        ctx.save_for_backward(q, k, v)
        product = 2 * q.numel() * q.shape[2] // (2 if causal else 1)
        ctx.enter, ctx.product = enter, product  # type: ignore[attr-defined]  # the context is there to be written on
        enter(_ATTENTION, 2 * product, 2 * _bytes([q, k]))
        return torch.empty_like(q)

    @staticmethod
    def backward(ctx: FunctionCtx, _: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        q, k, v = ctx.saved_tensors  # type: ignore[attr-defined]
        ctx.enter(_ATTENTION, 5 * ctx.product, 4 * _bytes([q, k]))  # type: ignore[attr-defined]
        return torch.empty_like(q), torch.empty_like(k), torch.empty_like(v), None, None


class _Norm(torch.autograd.Function):
    """A norm in one kernel each way, as CUDA has it and a CPU has not; without contents."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: torch.Tensor, enter: Callable[[str, int, int], None]) -> torch.Tensor:
        ctx.save_for_backward(x)
        ctx.enter = enter  # type: ignore[attr-defined]
        enter(_ELEMENTWISE, 0, 2 * _bytes(x))
        return torch.empty_like(x)

    @staticmethod
    def backward(ctx: FunctionCtx, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (x,) = ctx.saved_tensors  # type: ignore[attr-defined]
        ctx.enter(_ELEMENTWISE, 0, 2 * _bytes(x) + _bytes(grad))  # type: ignore[attr-defined]
        return torch.empty_like(x), None


def _bytes(values: object) -> int:
    """Return the bytes of all tensors in a value, lists included."""
    if isinstance(values, torch.Tensor):
        return values.numel() * values.element_size()
    return sum(map(_bytes, values)) if isinstance(values, Iterable) and not isinstance(values, str) else 0


def count_pass(shape: Shape, lengths: Sequence[int], scored: float, *, ours: bool) -> Ledger:
    """Return the kernels of a forward and a backward pass over one row of examples of some ``lengths``, a share
    ``scored`` of the tokens with loss; with what ``distill train`` makes of adapters, norms and attention, or with
    PEFT's adapters and the model's own norms and mask."""
    ledger = Ledger()
    length = sum(lengths)

    def attend(
        q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, *, is_causal: bool = False, **_: object
    ) -> torch.Tensor:
        found: torch.Tensor = _Attention.apply(q, k, v, is_causal, ledger.add)  # type: ignore[no-untyped-call]
        return found

    def normalise(x: torch.Tensor, *_: object, **__: object) -> torch.Tensor:
        out: torch.Tensor = _Norm.apply(x, ledger.add)  # type: ignore[no-untyped-call]
        return out

    with torch.device("meta"):
        base = LlamaForCausalLM(llama_config(shape))
        base.bfloat16()
        model = adapted(base, RANK, length, ours=ours)
    with (
        FakeTensorMode(allow_non_fake_inputs=True),
        patch("torch.nn.functional.scaled_dot_product_attention", attend),
        patch("torch.nn.functional.rms_norm", normalise),
    ):
        _make_fake(model)
        tokens = torch.zeros(1, length, dtype=torch.long)
        said = {"example_lengths": list(lengths)} if ours else {}
        mask = torch.ones(1, 1, length, length, dtype=torch.bool)
        with ledger:
            with torch.autocast("cpu", torch.bfloat16):
                hidden = base.model(tokens, attention_mask=mask, use_cache=False, **said).last_hidden_state
                logits = base.lm_head(hidden[:, : round(scored * length)])
                rows = logits.float().view(-1, shape.vocabulary)
                loss = torch.nn.functional.cross_entropy(rows, tokens[0, : len(rows)])
            loss.backward()  # type: ignore[no-untyped-call]
    return ledger


def _make_fake(model: torch.nn.Module) -> None:
    """Give each tensor of a model a place, still without contents."""
    for module in model.modules():
        for name, weights in module.named_parameters(recurse=False):
            fake = torch.empty(weights.shape, dtype=weights.dtype, device="cpu")
            module.register_parameter(name, torch.nn.Parameter(fake, requires_grad=weights.requires_grad))
        for name, values in module.named_buffers(recurse=False):
            module.register_buffer(name, torch.empty(values.shape, dtype=values.dtype, device="cpu"))


def main() -> None:
    """Read the command line, count, and print the table."""
    parser = argparse.ArgumentParser(description="Count what a training pass asks of a GPU, without one.")
    parser.add_argument("--students", nargs="+", default=["llama-3.2-1b", "llama-3.2-3b"])
    parser.add_argument("--lengths", type=int, nargs="+", default=[2048, 4096])
    parser.add_argument("--example", type=int, default=1500, help="tokens of an example, of which a row has several")
    parser.add_argument("--scored", type=float, default=1 / 3, help="share of the tokens that carry loss")
    asked = parser.parse_args()
    print(f"{MATRIX_RATE / 1e12:,.0f} TFLOP/s in bfloat16, {MEMORY_RATE / 1e12:.1f} TB/s\n")
    print("| student | length | adapters, norms, attention | kernels | share at most | products, attention, rest |")
    print("|---|---|---|---|---|---|")
    for student in asked.students:
        shape = find_student(student).shape
        assert shape is not None, "a student of the catalogue has a shape"
        for length in asked.lengths:
            whole, rest = divmod(length, asked.example)
            lengths = [asked.example] * whole + [rest] * (rest > 0)
            needed = sum(part * operations(shape, part, asked.scored) for part in lengths)
            for ours in (False, True):
                ledger = count_pass(shape, lengths, asked.scored, ours=ours)
                spent = ledger.seconds
                parts = " + ".join(f"{1e3 * spent[kind]:.1f}" for kind in (_PRODUCTS, _ATTENTION, _ELEMENTWISE))
                share = needed / MATRIX_RATE / sum(spent.values())
                whose = OURS if ours else PLAIN
                print(
                    f"| {student} | {length:,} | {whose} | {ledger.kernels.total():,} | {share:.0%} | {parts} ms |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
