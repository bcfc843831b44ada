"""Contender: LLaMA-Factory's supervised fine-tuning, from the arguments that its command line takes.

Called by its own interpreter as ``python -m benchmarks.training.llama_factory JOB OUTCOME``.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

from benchmarks.training.clock import Clock
from benchmarks.training.job import ALPHA, CONTEXT, RANK, Job, Outcome, Pair, read_job, read_pairs, same_tokens


def write_data(folder: Path, pairs: list[Pair]) -> Path:
    """Write the pairs as a data set that it knows by name, and return the folder."""
    folder.mkdir(parents=True)
    rows = [{"instruction": pair.prompt, "input": "", "output": pair.completion + pair.end} for pair in pairs]
    (folder / "pairs.json").write_text(json.dumps(rows), "utf-8")
    (folder / "dataset_info.json").write_text(json.dumps({"pairs": {"file_name": "pairs.json"}}), "utf-8")
    return folder


def run(job: Job) -> Outcome:
    """Train, and return what it took.

    Its template ``empty`` writes prompt and completion as they are. By default it computes activations again in the
    backward pass.
    """
    import peft  # noqa: F401  # has looked for torchaudio before a stand-in is there

    # It imports torchaudio to read sound, which it is given none of; the registry's build of it wants CUDA's libraries.
    sys.modules["torchaudio"] = ModuleType("torchaudio")
    from llamafactory.train.sft import workflow  # type: ignore[import-not-found]  # in the peer's environment only
    from llamafactory.train.tuner import run_exp  # type: ignore[import-not-found]  # as above

    del sys.modules["torchaudio"]
    pairs = read_pairs(Path(job.pairs))
    clock, tokens = Clock(), [0]

    class Timed(workflow.CustomSeq2SeqTrainer):  # type: ignore[misc]  # as above
        """The trainer with a clock, and a look at what it trains on."""

        def train(self, *given: object, **named: object) -> object:
            tokens[0] = same_tokens([(row["input_ids"], row["labels"]) for row in self.train_dataset], pairs)
            with clock.running():
                return super().train(*given, **named)

    workflow.CustomSeq2SeqTrainer = Timed
    student = Path(job.out) / "student"
    run_exp(
        {
            "model_name_or_path": job.base,
            "stage": "sft",
            "do_train": True,
            "finetuning_type": "lora",
            "lora_target": "all",
            "lora_rank": RANK,
            "lora_alpha": ALPHA,
            "lora_dropout": 0.0,
            "dataset": "pairs",
            "dataset_dir": str(write_data(Path(job.out) / "data", pairs)),
            "template": "empty",
            "cutoff_len": CONTEXT,
            "output_dir": str(student),
            "num_train_epochs": 1,
            "per_device_train_batch_size": job.batch,
            "gradient_accumulation_steps": job.examples_a_step // job.batch,
            "learning_rate": job.learning_rate,
            "lr_scheduler_type": "cosine",
            "warmup_steps": job.warmup,
            "seed": job.seed,
            "data_seed": job.seed,
            "use_cpu": job.device == "cpu",
            "bf16": job.precision == "bf16",
            "disable_gradient_checkpointing": not job.defaults,
            "report_to": "none",
            "disable_tqdm": True,
            "save_strategy": "no",
        }
    )
    packages = ("llamafactory", "torch", "transformers", "peft")
    return Outcome(tokens[0], clock.cpu, clock.wall, str(student), {name: version(name) for name in packages})


if __name__ == "__main__":
    run(read_job(Path(sys.argv[1]))).write(Path(sys.argv[2]))
