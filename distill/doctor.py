"""``distill doctor`` and ``distill students``: what can be trained, where, and what has to be fetched first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from distill.machine import Machine, probe
from distill.memory import memory_need
from distill.shapes import with_shape
from distill.student import Method, Student, base_folder, find_student, how_to_get, student_names
from synth.errors import UserError

_IN_WORDS = {"bf16": "bfloat16", "fp32": "float32"}
METHODS: tuple[Method, ...] = ("lora", "qlora", "full")
_SPARE_SHARE, _SPARE_BYTES = 0.1, 1e9
"""What has to be free beyond the need: the allocator's holes, and CUDA's context or the libraries themselves."""
_STORED_EXPERT = 4.25 / 8
"""Bytes of a weight in MXFP4: 4 bits, and 8 for each block of 32 (OCP Microscaling Formats, version 1.0, 2023)."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one student trains by one method here."""

    gigabytes: float | None
    """The need; None where it is not known, or where the method cannot be had."""
    fits: bool | None
    why: str = ""
    """Why the method cannot be had with this student."""


def verdict(student: Student, method: Method, machine: Machine, length: int | None = None) -> Verdict:
    """Return whether a student fits with one example of ``length`` tokens a pass."""
    if method == "qlora" and not student.quantisations:
        return Verdict(None, None, "its experts are no linear layers, which is all that bitsandbytes quantises")
    cuda = machine.trains_on == "cuda"
    quantisation = student.quantisations[0] if student.quantisations else "nf4"
    narrow = precision_of(student, machine) == "bf16"
    need = memory_need(student, method, quantisation=quantisation, length=length, cuda=cuda, narrow=narrow)
    if need is None:
        return Verdict(None, None)
    wanted = need.gigabytes * 1e9 * (1 + _SPARE_SHARE) + _SPARE_BYTES
    return Verdict(need.gigabytes, wanted <= machine.room)


def precision_of(student: Student, machine: Machine) -> Literal["bf16", "fp32"]:
    """Return what a student trains in here: what its recipe says, else what the machine has."""
    own = student.recipe.precision
    return machine.precision if own == "auto" else own


def download_bytes(student: Student) -> float | None:
    """Return what a base from the hub takes on disk; None where the shape is not known."""
    shape = student.shape
    if shape is None:
        return None
    experts = 3 * shape.layers * shape.experts * shape.hidden * shape.intermediate
    stored = _STORED_EXPERT if student.quantisation == "mxfp4" else 2
    return experts * stored + (shape.parameters - experts) * 2


def base_here(student: Student) -> Path | None:
    """Return the folder of a base that lies on this machine with all its weights, else None."""
    try:
        folder = base_folder(student)
    except (UserError, ImportError):
        return None
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        shards: dict[str, str] = json.loads(index.read_text("utf-8")).get("weight_map", {})
        return folder if all((folder / shard).is_file() for shard in set(shards.values())) else None
    return folder if any(folder.glob("*.safetensors")) else None


def report_lines(
    *, length: int | None = None, student: str | None = None, machine: Machine | None = None
) -> Iterator[str]:
    """Yield the report: the machine, a row for each student, then what is missing and the command that gets it."""
    here = machine or probe()
    chosen = [find_student(name) for name in ([student] if student else student_names())]
    yield from _machine_lines(here)
    yield ""
    width = max(len(one.name) for one in chosen)
    yield f"{'student':{width}}  {'length':>7}  {'lora':>14}  {'qlora':>14}  {'full':>14}  base"
    notes: list[str] = []
    fetch: list[Student] = []
    too_big: list[str] = []
    for named in sorted(chosen, key=lambda each: each.shape.parameters if each.shape else 0):
        folder = base_here(named)
        one = named if folder is None else with_shape(named, folder)
        found = [verdict(one, method, here, length) for method in METHODS]
        tokens = length or one.max_length
        notes += [f"{one.name} {method}: {v.why}" for method, v in zip(METHODS, found, strict=True) if v.why]
        if (precision := precision_of(one, here)) != here.precision:
            notes.append(f"{one.name}: trains in {_IN_WORDS[precision]}, as its own recipe has it")
        if one.context is not None and tokens > one.context:
            notes.append(f"{one.name}: {tokens:,} tokens are more than it can read ({one.context:,})")
        if folder is None and (student or any(v.fits is not False and not v.why for v in found)):
            fetch.append(one)
        elif folder is None:
            too_big.append(one.name)
        base = "here" if folder else "missing, gated" if one.gated else "missing"
        yield f"{one.name:{width}}  {tokens:>7,}  {'  '.join(f'{_cell(v):>14}' for v in found)}  {base}"
    yield ""
    yield (
        f"yes or no: one example a pass, with a tenth and 1 GB to spare, in the {here.room / 1e9:.1f} GB that are free "
        f"{'on the GPU' if here.gpus else 'in memory'}"
    )
    if not here.gpus:
        yield "on a CPU that says nothing of time: beyond some 500M parameters it is hours"
    yield from notes
    missing = list(_missing_lines(here, fetch))
    if missing:
        yield ""
        yield "what is missing, and how to get it:"
        yield from (f"  {line}" for line in missing)
    if too_big:
        yield f"missing, too, but too big for this machine at this length: {', '.join(too_big)}"


def _machine_lines(machine: Machine) -> Iterator[str]:
    """Yield what the machine has."""
    yield f"cores         {machine.cores}"
    yield f"memory        {machine.memory / 1e9:.1f} GB, {machine.memory_free / 1e9:.1f} GB free"
    yield f"disk          {machine.disk_free / 1e9:.1f} GB free where bases go ({_short(machine.cache)})"
    for gpu in machine.gpus:
        half = "bfloat16" if gpu.bfloat16 else "no bfloat16 (older than Ampere): training runs in float32"
        yield f"GPU           {gpu.name}: {gpu.total / 1e9:.1f} GB, {gpu.free / 1e9:.1f} GB free, {half}"
    if not machine.gpus:
        width = "bfloat16, which it multiplies in hardware" if machine.bfloat16 else "float32"
        yield f"GPU           none that torch can use: training runs on the CPU, in {width}"
    build = f"CUDA {machine.cuda}" if machine.cuda else "without CUDA"
    for name, number in machine.packages.items():
        said = f"{number}, {build}" if name == "torch" and number else number
        yield f"{name:13} {said or 'not installed'}"


def _missing_lines(machine: Machine, fetch: list[Student]) -> Iterator[str]:
    """Yield what is missing, a line each with the command that gets it."""
    if machine.lacks:
        yield f"{', '.join(machine.lacks)} (without them nothing trains): pip install 'notewright[train]'"
    if machine.packages.get("bitsandbytes") is None:
        yield "bitsandbytes (for qlora): pip install bitsandbytes"
    for student in fetch:
        size = download_bytes(student)
        says = "size not known" if size is None else f"{size / 1e9:.1f} GB"
        if size is not None and size > machine.disk_free:
            says += ", more than the disk has"
        yield f"{student.name} ({says}): {how_to_get(student)}"


def _cell(found: Verdict) -> str:
    if found.gigabytes is None:
        return "–" if found.why else "not known"
    return f"{found.gigabytes:.1f} GB {'yes' if found.fits else ' no'}"


def _short(path: str) -> str:
    home = str(Path.home())
    return f"~{path.removeprefix(home)}" if path.startswith(home) else path


def catalogue_lines() -> Iterator[str]:
    """Yield the catalogue: base, size, context, licence, and the memory that each method takes on a GPU."""
    yield (f"{'student':13} {'base':36} {'params':>8} {'context':>8} {'lora':>8} {'qlora':>8} {'full':>8}  licence")
    students = [find_student(name) for name in student_names()]
    for student in sorted(students, key=lambda one: one.shape.parameters if one.shape else 0):
        cells = []
        for method in METHODS:
            need = memory_need(student, method) if method != "qlora" or student.quantisations else None
            cells.append(f"{need.gigabytes:.1f} GB" if need else "–")
        count = student.shape.parameters if student.shape else 0
        size = f"{count / 1e9:.2f}B" if count >= 1e8 else f"{count / 1e6:.1f}M"
        yield (
            f"{student.name:13} {student.repository or 'shipped':36} {size:>8} {student.context or 0:>8,} "
            f"{cells[0]:>8} {cells[1]:>8} {cells[2]:>8}  {student.licence}{' (gated)' if student.gated else ''}"
        )
    yield ""
    yield "memory: on a GPU, one example of 4,096 tokens (tiny: 3,072) a pass; 'distill doctor' says what fits here"
