"""What this machine has for training: devices, memory, disk, packages. Nothing is loaded onto a device, no network."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from distill.device import bf16_is_real
from distill.hub import quiet_hub

TRAINING = ("torch", "transformers", "peft", "trl", "datasets")
"""Packages without which nothing trains."""
_CGROUPS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


@dataclass(frozen=True, slots=True)
class Gpu:
    """A CUDA device; memory in bytes."""

    name: str
    free: int
    total: int
    bfloat16: bool


@dataclass(frozen=True, slots=True)
class Machine:
    """What there is; memory and disk in bytes."""

    cores: int
    """That this process may use."""
    memory: int
    memory_free: int
    disk_free: int
    """Where bases from the hub go."""
    cache: str
    gpus: tuple[Gpu, ...]
    cuda: str | None
    """Version that torch was built for."""
    packages: dict[str, str | None]
    """Version by name; None where it is not installed."""
    bfloat16: bool = False
    """The processor multiplies bfloat16 in hardware."""

    @property
    def trains_on(self) -> str:
        """``cuda`` or ``cpu``."""
        return "cuda" if self.gpus else "cpu"

    @property
    def precision(self) -> Literal["bf16", "fp32"]:
        """What training takes here where neither student nor command says: bf16 where it is real."""
        real = all(gpu.bfloat16 for gpu in self.gpus) if self.gpus else self.bfloat16
        return "bf16" if real else "fp32"

    @property
    def room(self) -> int:
        """Bytes that are free on the device that trains: the emptiest GPU, else main memory."""
        return max(gpu.free for gpu in self.gpus) if self.gpus else self.memory_free

    @property
    def lacks(self) -> tuple[str, ...]:
        """The packages that training needs and that are not here."""
        return tuple(name for name in TRAINING if self.packages.get(name) is None)


def probe() -> Machine:
    """Return what this machine has."""
    packages = {name: _version(name) for name in (*TRAINING, "accelerate", "bitsandbytes")}
    gpus, cuda = _gpus() if packages["torch"] else ((), None)
    total, free = _memory()
    cache = _cache()
    return Machine(
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory=total,
        memory_free=free,
        disk_free=shutil.disk_usage(next(path for path in (cache, *cache.parents) if path.exists())).free,
        cache=str(cache),
        gpus=gpus,
        cuda=cuda,
        packages=packages,
        bfloat16=bf16_is_real("cpu"),
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _gpus() -> tuple[tuple[Gpu, ...], str | None]:
    """Return the CUDA devices, and the CUDA version of torch."""
    quiet_hub()
    import torch

    built: str | None = torch.version.cuda
    if not torch.cuda.is_available():
        return (), built
    found = []
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        # Ampere (8.0) is the first with bfloat16 in its matrix units.
        bfloat16 = torch.cuda.get_device_capability(index) >= (8, 0)
        found.append(Gpu(torch.cuda.get_device_name(index), free, total, bfloat16))
    return tuple(found), built


def _cache() -> Path:
    """Return the folder of the hub's cache."""
    if find_spec("huggingface_hub") is None:
        return Path.home() / ".cache" / "huggingface" / "hub"
    quiet_hub()
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _memory() -> tuple[int, int]:
    """Return main memory and what of it is free, in bytes; a container's limit counts where it is lower."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    free = total
    facts = Path("/proc/meminfo")
    if facts.is_file():
        lines = dict(line.split(":", 1) for line in facts.read_text("utf-8").splitlines() if ":" in line)
        free = int(lines["MemAvailable"].split()[0]) * 1024
    for path in _CGROUPS:
        limit = path.read_text("utf-8").strip() if path.is_file() else "max"
        if limit.isdigit() and int(limit) < total:
            total, free = int(limit), min(free, int(limit))
    return total, free
