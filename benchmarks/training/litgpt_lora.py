"""Contender: litgpt's ``finetune_lora``, on the base in its own format.

Called by its own interpreter as ``python -m benchmarks.training.litgpt_lora JOB OUTCOME``.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import ParamSpec, TypeVar

import torch
from litgpt import Config, Tokenizer  # type: ignore[import-not-found]  # in the peer's environment only
from litgpt.args import EvalArgs, TrainArgs  # type: ignore[import-not-found]  # as above
from litgpt.data import DataModule, SFTDataset, get_sft_collate_fn  # type: ignore[import-not-found]  # as above
from litgpt.finetune import lora  # type: ignore[import-not-found]  # as above
from litgpt.prompts import Default  # type: ignore[import-not-found]  # as above
from litgpt.scripts.convert_hf_checkpoint import copy_weights_hf_llama  # type: ignore[import-not-found]  # as above
from litgpt.scripts.convert_lit_checkpoint import copy_weights_llama  # type: ignore[import-not-found]  # as above
from litgpt.utils import save_config  # type: ignore[import-not-found]  # as above
from safetensors.torch import load_file, save_file
from torch.utils.data import DataLoader, Dataset

from benchmarks.training.clock import Clock
from benchmarks.training.job import ALPHA, CONTEXT, RANK, Job, Outcome, Pair, read_job, read_pairs, same_tokens

P = ParamSpec("P")
R = TypeVar("R")
_PRECISION = {"fp32": "32-true", "bf16": "bf16-true"}


class Examples(Dataset[dict[str, torch.Tensor]]):
    """What was made of the pairs, in memory."""

    def __init__(self, rows: list[dict[str, torch.Tensor]]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return self.rows[index]


class Pairs(DataModule):  # type: ignore[misc]  # as above
    """The pairs in tokens, in the order in which transformers' Trainer goes through them with this seed."""

    def __init__(self, pairs: list[Pair], seed: int) -> None:
        super().__init__()
        self.pairs, self.seed, self.prompt_style = pairs, seed, Default()

    def connect(self, tokenizer: Tokenizer, batch_size: int, max_seq_length: int | None = None) -> None:
        """Make examples of the pairs, so that tokenising is over before training begins."""
        del max_seq_length
        rows = [{"instruction": pair.prompt, "output": pair.completion} for pair in self.pairs]
        found = SFTDataset(rows, tokenizer, self.prompt_style, CONTEXT, mask_prompt=True)
        order = torch.randperm(len(found), generator=torch.Generator().manual_seed(self.seed))
        self.examples = Examples([found[i] for i in order.tolist()])
        self.train_dataset = self.test_dataset = found  # where it looks for a prompt to try in the end
        self.batch_size = batch_size

    def setup(self, stage: str = "") -> None:
        """Do nothing: all is done in ``connect``."""

    def train_dataloader(self) -> DataLoader[dict[str, torch.Tensor]]:
        """Return the batches."""
        collate = get_sft_collate_fn(max_seq_length=CONTEXT, ignore_index=-100)
        return DataLoader(self.examples, self.batch_size, shuffle=False, collate_fn=collate)

    def val_dataloader(self) -> DataLoader[dict[str, torch.Tensor]]:
        """Return a batch for the look at its settings that litgpt takes before training, which the clock leaves out."""
        return DataLoader(Examples(self.examples.rows[:1]), 1, collate_fn=get_sft_collate_fn(max_seq_length=CONTEXT))


def write_base(folder: Path, base: Path) -> Path:
    """Write the base in litgpt's format, and return the folder."""
    folder.mkdir(parents=True)
    said = json.loads((base / "config.json").read_text("utf-8"))
    config = Config(
        name="base",
        block_size=said["max_position_embeddings"],
        vocab_size=said["vocab_size"],
        padded_vocab_size=said["vocab_size"],
        n_layer=said["num_hidden_layers"],
        n_head=said["num_attention_heads"],
        n_query_groups=said["num_key_value_heads"],
        n_embd=said["hidden_size"],
        intermediate_size=said["intermediate_size"],
        rotary_percentage=1.0,
        rope_base=int(said["rope_parameters"]["rope_theta"]),
        parallel_residual=False,
        bias=False,
        norm_class_name="RMSNorm",
        norm_eps=said["rms_norm_eps"],
        mlp_class_name="LLaMAMLP",
    )
    save_config(config, folder)
    weights: dict[str, torch.Tensor] = {}
    copy_weights_hf_llama(config, {}, weights, load_file(base / "model.safetensors"))
    torch.save(weights, folder / "lit_model.pth")
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json", "config.json"):
        shutil.copy(base / name, folder / name)
    return folder


def write_student(folder: Path, trained: Path) -> Path:
    """Write the merged model in the format of the base, and return the folder."""
    folder.mkdir(parents=True)
    weights: dict[str, torch.Tensor] = {}
    merged = torch.load(trained / "lit_model.pth", weights_only=True)
    copy_weights_llama(Config.from_file(trained / "model_config.yaml"), weights, merged.get("model", merged))
    del weights["lm_head.weight"]  # the embeddings' transpose
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, folder / "model.safetensors")
    shutil.copy(trained / "config.json", folder / "config.json")
    return folder


def _paused(clock: Clock, function: Callable[P, R]) -> Callable[P, R]:
    def call(*given: P.args, **named: P.kwargs) -> R:
        with clock.pause():
            return function(*given, **named)

    return call


def run(job: Job) -> Outcome:
    """Train, and return what it took.

    It does not clip gradients, takes the mean of a batch's mean losses where the others take the mean over a step's
    tokens, and draws its adapters in another order.
    """
    pairs, clock = read_pairs(Path(job.pairs)), Clock()
    data = Pairs(pairs, job.seed)
    out = Path(job.out)
    base = write_base(out / "base", Path(job.base))
    steps = len(pairs) // job.examples_a_step
    fit = lora.fit

    def timed(**named: object) -> object:
        with clock.running():
            return fit(**named)

    lora.fit = timed
    lora.validate, lora.generate_example = _paused(clock, lora.validate), _paused(clock, lora.generate_example)
    shape = {
        "lora_r": RANK,
        "lora_alpha": ALPHA,
        "lora_dropout": 0.0,
        "lora_query": True,
        "lora_key": True,
        "lora_value": True,
        "lora_projection": True,
        "lora_mlp": True,
        "lora_head": False,
    }
    # What it writes down of itself, and merges by, it reads from the command line.
    sys.argv = ["litgpt", str(base), *(f"--{name}={json.dumps(value)}" for name, value in shape.items())]
    lora.setup(
        checkpoint_dir=base,
        out_dir=out / "lora",
        precision=_PRECISION[job.precision],
        devices=1,
        **shape,
        data=data,
        train=TrainArgs(
            save_interval=None,
            global_batch_size=job.examples_a_step,
            micro_batch_size=job.batch,
            lr_warmup_steps=math.ceil(job.warmup * steps),
            epochs=1,
            max_seq_length=CONTEXT,
        ),
        eval=EvalArgs(interval=10**9, max_new_tokens=1, max_iters=1, final_validation=False),
        optimizer={
            "class_path": "torch.optim.AdamW",
            "init_args": {"lr": job.learning_rate, "weight_decay": 0.0, "betas": (0.9, 0.999)},
        },
        seed=job.seed,
    )
    tokens = same_tokens([(each["input_ids"].tolist(), each["labels"].tolist()) for each in data.examples.rows], pairs)
    student = write_student(out / "student", out / "lora" / "final")
    packages = ("litgpt", "lightning", "torch")
    return Outcome(tokens, clock.cpu, clock.wall, str(student), {name: version(name) for name in packages})


if __name__ == "__main__":
    asked, outcome = Path(sys.argv[1]), Path(sys.argv[2])
    run(read_job(asked)).write(outcome)
