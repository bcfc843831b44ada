"""Contender: TRL's own SFTTrainer on the same prompts and completions, with its defaults or with the best of them.

Called as ``python -m benchmarks.training.plain_trl JOB OUTCOME``. Two of TRL's defaults cannot stand in either: its
``max_length`` of 1,024 would cut completions, and on a CPU without bfloat16 its bf16 takes many times as long.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from pathlib import Path

from benchmarks.training.clock import Clock
from benchmarks.training.job import ALPHA, RANK, Job, Outcome, read_job


def run(job: Job) -> Outcome:
    """Train, and return what it took."""
    os.environ |= {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1"}
    import torch
    from datasets import Dataset  # type: ignore[import-untyped]  # datasets ships no types
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    from distill.datasets import examples

    narrow = job.precision == "bf16"
    model = AutoModelForCausalLM.from_pretrained(
        job.base, dtype=torch.bfloat16 if narrow else torch.float32, local_files_only=True
    )
    torch.nn.Module.to(model, job.device)
    tokenizer = AutoTokenizer.from_pretrained(job.base, local_files_only=True)
    rows = examples(Path(job.run), "train", "json")
    args = SFTConfig(
        output_dir=job.out,
        max_length=4096,
        num_train_epochs=1,
        per_device_train_batch_size=job.batch,
        gradient_accumulation_steps=job.examples_a_step // job.batch,
        learning_rate=job.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=job.warmup,
        seed=job.seed,
        data_seed=job.seed,
        use_cpu=job.device == "cpu",
        bf16=narrow,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        gradient_checkpointing=job.defaults,
    )
    trainer = SFTTrainer(
        model=model,
        args=args,
        train_dataset=Dataset.from_list([{"prompt": row.prompt, "completion": row.completion} for row in rows]),
        processing_class=tokenizer,
        peft_config=LoraConfig(task_type="CAUSAL_LM", r=RANK, lora_alpha=ALPHA, target_modules="all-linear"),
    )
    dataset = trainer.train_dataset
    assert isinstance(dataset, Dataset)
    tokens = sum(len(ids) for ids in dataset["input_ids"])
    clock = Clock()
    with clock.running():
        trainer.train()
    student = Path(job.out) / "student"
    trainer.save_model(str(student))
    packages = ("torch", "transformers", "peft", "trl", "datasets")
    return Outcome(tokens, clock.cpu, clock.wall, str(student), {name: version(name) for name in packages})


if __name__ == "__main__":
    run(read_job(Path(sys.argv[1]))).write(Path(sys.argv[2]))
