"""What training and writing find on this machine: ranks that a launcher started, and arithmetic that is real."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import Literal

from distill.settings import Precision
from distill.student import pick_device
from synth.errors import UserError

_BF16_FLAGS = frozenset({"amx_bf16", "avx512_bf16", "bf16"})
"""In ``/proc/cpuinfo``: what multiplies bfloat16 in hardware on x86 and, the last, on ARM."""


def rank() -> int:
    """Return which of the processes of ``torchrun`` or ``accelerate launch`` this is; 0 without a launcher."""
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """Return how many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def place(device: str | None) -> str:
    """Return the device of this process: each rank of a node has its own GPU."""
    chosen = device or pick_device()
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if chosen == "cuda" else chosen


def bf16_is_real(device: str) -> bool:
    """Return whether the device multiplies bfloat16 in hardware.

    A CPU without it emulates: sixteen times slower than float32 on one with AVX2 alone (docs/PERFORMANCE.md).
    """
    if device.startswith("cuda"):
        import torch

        real: bool = torch.cuda.is_bf16_supported(including_emulation=False)
        return real
    return not _BF16_FLAGS.isdisjoint(_cpu_flags())


def resolve_precision(asked: Precision, device: str) -> Literal["bf16", "fp32"]:
    """Return the precision to train in; ``auto`` is bf16 where it is real.

    Raises UserError where bf16 is asked of a GPU that has none.
    """
    if asked == "auto":
        return "bf16" if bf16_is_real(device) else "fp32"
    if asked == "bf16" and device.startswith("cuda") and not bf16_is_real(device):
        raise UserError("this GPU has no bfloat16; train with --precision fp32")
    return asked


def peak_memory(device: str) -> int | None:
    """Return the most bytes that tensors took on a GPU, or this process in main memory, so far; None where the system
    does not tell."""
    if device.startswith("cuda"):
        import torch

        taken: int = torch.cuda.max_memory_allocated(device)
        return taken
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # getrusage(2): kilobytes on Linux, bytes on macOS.
    return peak if sys.platform == "darwin" else peak * 1024


def reset_peak_memory(device: str) -> bool:
    """Return whether ``peak_memory`` counts anew from here; where the system does not allow that, it goes on."""
    if device.startswith("cuda"):
        import torch

        # Before anything was put on a GPU there is no peak, and no allocator yet that could be told to forget it.
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # torch types none of it
            torch.cuda.reset_peak_memory_stats(device)
        return True
    try:
        # proc_pid_clear_refs(5): 5 resets the peak resident set, on Linux.
        Path("/proc/self/clear_refs").write_text("5", "utf-8")
    except OSError:
        return False
    return True


def free_memory() -> None:
    """Give back what models held that nobody refers to any more: the next one needs the room."""
    gc.collect()
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _cpu_flags() -> frozenset[str]:
    """Return what the first processor says that it can do; nothing where the system does not tell."""
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return frozenset()
    for line in path.read_text("utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower() in {"flags", "features"}:
            return frozenset(value.split())
    return frozenset()
