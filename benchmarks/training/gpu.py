"""Train the catalogue's Llamas, with random weights, and print tokens a second, share of the GPU's arithmetic, memory.

    python -m benchmarks.training.gpu [--students llama-3.2-1b llama-3.2-3b] [--lengths 2048 4096 16384]
        [--examples 512]

LoRA in bfloat16 through `distill train`: packed with activations kept, packed with checkpointing, and padded. Nothing
is downloaded: sizes come from the catalogue, the tokenizer from the simulator's encounters. The ceiling is the rate of
bfloat16 matrix products, measured in the same run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.machine import machine
from benchmarks.training.job import RANK, Job, Outcome, write_llama, write_run
from distill.shapes import count_adapter
from distill.student import LoraSettings, Shape, find_student

if TYPE_CHECKING:
    from transformers import LlamaConfig

_SIZE = 8192
"""Rows and columns of the matrices whose product is the ceiling."""
FORMULA = (
    "operations a token = 4 x weights of the linear layers (forward, and the gradient of what goes in: they are frozen)"
    " + 6 x weights of the adapter + 4 x weights of the head x share of the tokens that carry loss"
    " + 6 x layers x heads x head width x length of a row (attention, causal: forward once, backward twice);"
    " what checkpointing computes again does not count"
)


@dataclass(frozen=True, slots=True)
class Way:
    """How the examples are laid out, and what is kept of them."""

    name: str
    packing: bool
    checkpointing: bool
    batch: int


WAYS = (
    Way("packed", packing=True, checkpointing=False, batch=1),
    Way("packed, checkpointing", packing=True, checkpointing=True, batch=1),
    Way("padded, 4 a pass", packing=False, checkpointing=False, batch=4),
)


def operations(shape: Shape, length: float, scored: float) -> float:
    """Return the floating-point operations of a training step for one token (``FORMULA``): rows of ``length`` tokens,
    a share ``scored`` of them with loss."""
    head = shape.vocabulary * shape.hidden
    embeddings = head if shape.tied else 2 * head
    linear = shape.parameters - embeddings
    adapter = count_adapter(shape, LoraSettings(rank=RANK, alpha=2 * RANK, dropout=0.0))
    attention = 6 * shape.layers * shape.heads * shape.head_dim * length
    return 4 * linear + 6 * adapter + 4 * head * scored + attention


def matrix_rate(device: str, size: int = _SIZE, rounds: int = 20) -> float:
    """Return the operations a second of bfloat16 matrix products, the median of some rounds."""
    import torch

    one, two = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))

    def wait() -> None:
        if device.startswith("cuda"):
            torch.cuda.synchronize()

    taken = []
    for number in range(rounds + 3):
        wait()
        start = time.perf_counter()
        _ = one @ two
        wait()
        if number >= 3:
            taken.append(time.perf_counter() - start)
    return 2 * size**3 / median(taken)


def llama_config(shape: Shape) -> LlamaConfig:
    """Return the configuration of a Llama of a shape."""
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_dim,
        max_position_embeddings=16384,
        tie_word_embeddings=shape.tied,
    )


def write_student(folder: Path, shape: Shape, texts: list[str]) -> Path:
    """Write a base of a shape with random weights in bfloat16."""
    import torch

    return write_llama(folder, texts, llama_config(shape), torch.bfloat16)


def trained(job: Job, folder: Path) -> Outcome:
    """Train in a process of its own; RuntimeError with its last line where it fails."""
    folder.mkdir(parents=True)
    said, outcome = job.write(folder / "job.json"), folder / "outcome.json"
    command = [sys.executable, "-m", "benchmarks.training.ours", str(said), str(outcome)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["it said nothing"])[-1])
    return Outcome(**json.loads(outcome.read_text("utf-8")))


def line(name: str, length: int, way: Way, outcome: Outcome, needed: float, ceiling: float) -> str:
    """Return a row of the table."""
    rate = outcome.tokens / outcome.wall
    share = rate * needed / ceiling
    memory = f"{outcome.peak / 1e9:.1f} GB" if outcome.peak else "-"
    return f"| {name} | {length:,} | {way.name} | {rate:,.0f} | {needed / 1e9:.2f} | {share:.1%} | {memory} |"


def scored_share(run: Path, base: Path) -> tuple[float, float]:
    """Return the share of the train split's tokens that carry loss, and the mean length of an example."""
    import pyarrow.parquet as pq
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    rows = pq.read_table(run / "dataset" / "train.parquet", columns=["source", "target"]).to_pylist()
    targets = sum(len(tokenizer(row["target"])["input_ids"]) + 1 for row in rows)
    sources = sum(len(tokenizer(row["source"])["input_ids"]) for row in rows)
    return targets / (targets + sources), (targets + sources) / len(rows)


def main() -> None:
    """Read the command line, train, and print the table; exit status 1 where a training failed."""
    parser = argparse.ArgumentParser(description="Train Llamas of random weights on a GPU.")
    parser.add_argument("--students", nargs="+", default=["llama-3.2-1b", "llama-3.2-3b"])
    parser.add_argument("--lengths", type=int, nargs="+", default=[2048, 4096, 16384])
    parser.add_argument("--examples", type=int, default=512)
    parser.add_argument("--device", default="cuda")
    arguments = parser.parse_args()
    import torch

    if arguments.device.startswith("cuda") and not torch.cuda.is_available():
        sys.exit("there is no GPU; --device cpu shows that the benchmark runs, and nothing about speed")
    named = torch.cuda.get_device_name() if arguments.device.startswith("cuda") else arguments.device
    small = not arguments.device.startswith("cuda")
    ceiling = matrix_rate(arguments.device, size=512 if small else _SIZE)
    print(f"{machine()}; {named}; bfloat16 matrix products {ceiling / 1e12:,.1f} TFLOP/s\n\n{FORMULA}\n")
    print("| student | length | rows | tokens/s | GFLOP a token | share of the matrix rate | peak memory |")
    print("|---|---|---|---|---|---|---|")
    well = True
    for student in arguments.students:
        shape = find_student(student).shape
        assert shape is not None, "a student of the catalogue has a shape"
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            run = folder / "run"
            texts = write_run(run, arguments.examples, 4)
            base = write_student(folder / "base", shape, texts)
            scored, mean = scored_share(run, base)
            for length in arguments.lengths:
                for way in WAYS:
                    job = Job(
                        str(base),
                        str(run),
                        str(folder / f"{length}-{way.name}"),
                        device=arguments.device,
                        precision="bf16",
                        batch=way.batch,
                        max_length=length,
                        packing=way.packing,
                        checkpointing=way.checkpointing,
                        learning_rate=2e-4,
                    )
                    try:
                        outcome = trained(job, folder / f"{length}-{way.name}-log")
                    except RuntimeError as error:
                        print(f"| {student} | {length:,} | {way.name} | {error} | | | |", flush=True)
                        well = False
                        continue
                    # Examples in one row do not see each other, so attention goes by the length of an example.
                    needed = operations(shape, mean, scored)
                    print(line(student, length, way, outcome, needed, ceiling), flush=True)
    sys.exit(not well)


if __name__ == "__main__":
    main()
