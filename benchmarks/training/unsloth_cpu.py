"""Contender: unsloth's CPU backend, which puts a chunked head of its own under TRL's SFTTrainer.

Called by its own interpreter as ``python -m benchmarks.training.unsloth_cpu JOB OUTCOME``.
"""

from __future__ import annotations

import unsloth  # type: ignore[import-not-found]  # isort: skip  # in the peer's environment only; wants to be first

import sys
from importlib.metadata import version
from pathlib import Path

import torch
from datasets import Dataset  # type: ignore[import-untyped]  # datasets ships no types
from transformers import set_seed
from trl import SFTConfig, SFTTrainer  # type: ignore[attr-defined]  # what unsloth has put there

from benchmarks.training.clock import Clock
from benchmarks.training.job import ALPHA, CONTEXT, LINEAR, RANK, Job, Outcome, read_job, read_pairs, same_tokens


def run(job: Job) -> Outcome:
    """Train, and return what it took.

    As its notebooks have it, but for what the other contenders do not have either: activations are kept, not computed
    again, and weights are not quantised. Its dtype on a processor without bfloat16 is float32 of itself.
    """
    pairs = read_pairs(Path(job.pairs))
    set_seed(job.seed)
    narrow = job.precision == "bf16"
    model, tokenizer = unsloth.FastLanguageModel.from_pretrained(
        model_name=job.base,
        max_seq_length=CONTEXT,
        dtype=torch.bfloat16 if narrow else torch.float32,
        load_in_4bit=False,
        use_gradient_checkpointing=job.defaults,
        local_files_only=True,
    )
    model = unsloth.FastLanguageModel.get_peft_model(
        model,
        r=RANK,
        lora_alpha=ALPHA,
        lora_dropout=0,
        target_modules=list(LINEAR),
        use_gradient_checkpointing=job.defaults,
        random_state=job.seed,
    )
    args = SFTConfig(
        output_dir=job.out,
        max_length=CONTEXT,
        num_train_epochs=1,
        per_device_train_batch_size=job.batch,
        gradient_accumulation_steps=job.examples_a_step // job.batch,
        learning_rate=job.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=job.warmup,
        seed=job.seed,
        data_seed=job.seed,
        bf16=narrow,
        completion_only_loss=True,
        report_to="none",
        disable_tqdm=True,
        gradient_checkpointing=job.defaults,
        save_strategy="no",
    )
    rows = [
        {
            "input_ids": pair.input_ids,
            "completion_mask": [int(i >= pair.completion_start) for i in range(len(pair.input_ids))],
        }
        for pair in pairs
    ]
    trainer = SFTTrainer(model=model, args=args, train_dataset=Dataset.from_list(rows), processing_class=tokenizer)
    assert isinstance(trainer.train_dataset, Dataset)
    seen = []
    for row in trainer.train_dataset:
        batch = trainer.data_collator([row])
        seen.append((batch["input_ids"][0].tolist(), batch["labels"][0].tolist()))
    tokens = same_tokens(seen, pairs)
    clock = Clock()
    with clock.running():
        trainer.train()
    student = Path(job.out) / "student"
    trainer.save_model(str(student))
    packages = ("unsloth", "unsloth_zoo", "torch", "transformers", "peft", "trl")
    return Outcome(tokens, clock.cpu, clock.wall, str(student), {name: version(name) for name in packages})


if __name__ == "__main__":
    run(read_job(Path(sys.argv[1]))).write(Path(sys.argv[2]))
