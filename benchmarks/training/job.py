"""What every contender trains: a Llama of random weights, a run directory of the simulator's encounters, one recipe."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from transformers import LlamaConfig

LAYERS, HIDDEN, INTERMEDIATE, HEADS, CONTEXT = 6, 256, 688, 4, 4096
"""6.8M parameters with a vocabulary of 8,192, 13.1M with one of 32,768; the head is the embeddings' transpose."""
RANK, ALPHA = 16, 32
LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""All linear layers of a Llama but the head, as PEFT's ``all-linear`` has them."""


@dataclass(frozen=True, slots=True)
class Job:
    """One training, as JSON between the benchmark and a contender's own interpreter."""

    base: str
    """Folder with configuration, weights and tokenizer."""
    run: str
    """Run directory; its train split is gone through once."""
    out: str
    """Folder of its own, where its student is to be found in the end."""
    pairs: str = ""
    """The train split as JSON lines (``Pair``), for a peer whose interpreter has none of this project's libraries."""
    device: str = "cpu"
    precision: str = "fp32"
    examples_a_step: int = 8
    batch: int = 1
    """Examples a forward pass."""
    max_length: int = CONTEXT
    """Tokens of the longest example, and of a packed row."""
    packing: bool = False
    """Several examples a row; of `distill train` alone."""
    checkpointing: bool = False
    """Whether activations are computed again instead of kept; of `distill train` alone."""
    defaults: bool = False
    """Whether the peer's own defaults stand, where the best of its settings would take their place."""
    learning_rate: float = 2e-3
    warmup: float = 0.05
    seed: int = 0

    def write(self, path: Path) -> Path:
        """Write the job down, and return where."""
        path.write_text(json.dumps(asdict(self)), "utf-8")
        return path


def read_job(path: Path) -> Job:
    """Return a job that was written down."""
    return Job(**json.loads(path.read_text("utf-8")))


@dataclass(frozen=True, slots=True)
class Pair:
    """An example as text, and as the tokens that every contender is to make of it."""

    prompt: str
    """As the chat template writes it, up to where the answer begins."""
    completion: str
    """Without the token that ends the turn."""
    end: str
    """That token."""
    input_ids: list[int]
    """Of both, with the token that ends the turn."""
    completion_start: int


def write_pairs(path: Path, pairs: Sequence[Pair]) -> Path:
    """Write pairs as JSON lines, and return where."""
    path.write_text("".join(json.dumps(asdict(pair)) + "\n" for pair in pairs), "utf-8")
    return path


def read_pairs(path: Path) -> list[Pair]:
    """Return pairs that were written down."""
    with path.open(encoding="utf-8") as lines:
        return [Pair(**json.loads(line)) for line in lines]


def same_tokens(seen: Sequence[tuple[list[int], list[int]]], pairs: Sequence[Pair]) -> int:
    """Return the number of tokens of examples as a contender has them (tokens, labels), in any order; RuntimeError
    where they are not those of the pairs, or other tokens carry loss."""
    own = sorted((list(ids), list(labels)) for ids, labels in seen)
    due = sorted((p.input_ids, [-100] * p.completion_start + p.input_ids[p.completion_start :]) for p in pairs)
    if own != due:
        raise RuntimeError("the examples have other tokens, or other labels, than those of the other contenders")
    return sum(len(ids) for ids, _ in own)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a contender measured of itself. Imports, loading, tokenising, evaluation and checkpoints do not
    count, anywhere."""

    tokens: int
    """Gone through in training, without padding."""
    cpu: float
    """Seconds of processor time, over all threads."""
    wall: float
    student: str
    """Folder with the adapter for the base, or with the whole model, after the last step."""
    versions: dict[str, str]
    peak: int = 0
    """Bytes that tensors took on a GPU at most, where one was used and its peak was read."""

    def write(self, path: Path) -> None:
        """Write the outcome down."""
        path.write_text(json.dumps(asdict(self)), "utf-8")


def write_base(folder: Path, texts: Sequence[str], vocabulary: int) -> Path:
    """Write the base. The tokenizer learns what merges the texts give; the embeddings have the whole vocabulary, which
    is what a head costs by."""
    from transformers import LlamaConfig

    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=HIDDEN,
        intermediate_size=INTERMEDIATE,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
    )
    return write_llama(folder, texts, config)


def write_llama(folder: Path, texts: Sequence[str], config: LlamaConfig, dtype: torch.dtype | None = None) -> Path:
    """Write a Llama of random weights (float32 unless said otherwise) and a tokenizer for the texts, and return the
    folder."""
    import torch
    from transformers import LlamaForCausalLM

    from distill.tiny.tokenizer import END, PAD, SPECIAL, train_tokenizer

    tokenizer = train_tokenizer(texts, vocabulary=min(config.vocab_size, 8192), context=config.max_position_embeddings)
    config.bos_token_id, config.pad_token_id, config.eos_token_id = None, SPECIAL.index(PAD), SPECIAL.index(END)
    torch.manual_seed(0)
    model = LlamaForCausalLM(config)
    for weights in model.parameters():
        weights.data = weights.data.to(dtype or torch.float32)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder, save_jinja_files=False)
    return folder


def write_run(folder: Path, train: int, validation: int) -> list[str]:
    """Write a run directory of the simulator's encounters, and return texts of more of them for the tokenizer."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from synth.assets import canonical_json, render_prompt, sha256
    from synth.catalog import load_task
    from synth.packs import load_pack
    from synth.records import Counts, Manifest
    from synth.scenarios import sample_scenario
    from synth.teachers.simulator import Simulator

    pack, task = load_pack("endocrinology"), load_task("note")
    teacher = Simulator(pack, task)
    found = [teacher.encounter(sample_scenario(pack, 0, index)) for index in range(train + validation + 200)]
    (folder / "dataset").mkdir(parents=True)
    chosen = {"train": found[:train], "validation": found[train : train + validation]}
    for split, encounters in chosen.items():
        rows = [
            {
                "id": each.id,
                "task": each.task,
                "source": each.source.text,
                "target": canonical_json(each.target),
                "text": render_prompt(task.renderer, target=each.target),
                "scenario": each.scenario.model_dump_json(),
            }
            for each in encounters
        ]
        pq.write_table(pa.Table.from_pylist(rows), folder / "dataset" / f"{split}.parquet")
    number = train + validation
    manifest = Manifest(
        status="complete",
        fingerprint=sha256(f"{train} {validation}"),
        versions={},
        assets={},
        teacher=found[0].teacher,
        seed=0,
        target_accepted=number,
        counts=Counts(
            candidates=number,
            accepted=number,
            rejected=0,
            reasons={},
            splits={"train": train, "validation": validation},
        ),
    )
    (folder / "manifest.json").write_text(manifest.model_dump_json(), "utf-8")
    return [text for each in found for text in (each.source.text, canonical_json(each.target))]
