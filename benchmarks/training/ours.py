"""Contender: `distill train`, as the command runs it. Called as ``python -m benchmarks.training.ours JOB OUTCOME``."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.training.clock import Clock
from benchmarks.training.job import Job, Outcome, read_job


def run(job: Job) -> Outcome:
    """Train, and return what it took."""
    from distill.hub import quiet_hub

    quiet_hub()
    import torch
    from transformers.trainer_utils import TrainOutput

    import distill.objectives
    from distill.settings import settings_of
    from distill.sft import CompletionTrainer
    from distill.train import train

    clock = Clock()

    class Timed(CompletionTrainer):
        """The trainer with a clock that stands still while it evaluates and while it reads and writes checkpoints."""

        def train(
            self,
            resume_from_checkpoint: str | bool | None = None,
            trial: object = None,
            ignore_keys_for_eval: list[str] | None = None,
        ) -> TrainOutput:
            del trial
            with clock.running():
                return super().train(resume_from_checkpoint, ignore_keys_for_eval=ignore_keys_for_eval)

        def evaluate(
            self, eval_dataset: object = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
        ) -> dict[str, float]:
            del eval_dataset
            with clock.pause():
                metrics: dict[str, float] = super().evaluate(
                    ignore_keys=ignore_keys, metric_key_prefix=metric_key_prefix
                )
            return metrics

        def _save_checkpoint(self, model: torch.nn.Module, trial: object) -> None:
            with clock.pause():
                super()._save_checkpoint(model, trial)  # type: ignore[no-untyped-call]  # trl types none of it

        def _load_best_model(self) -> None:
            with clock.pause():
                super()._load_best_model()

    vars(distill.objectives)["CompletionTrainer"] = Timed
    settings = settings_of(
        epochs=1,
        precision=job.precision,
        learning_rate=job.learning_rate,
        batch_size=job.batch,
        accumulation=job.examples_a_step // job.batch,
        packing=job.packing,
        checkpointing=job.checkpointing,
        max_length=job.max_length,
        seed=job.seed,
    )
    result = train(Path(job.run), job.base, Path(job.out), settings, device=job.device, quiet=True)
    metrics = result.metrics
    if clock.cpu == 0:
        raise RuntimeError("the clock never ran: training does not go through the trainer that was put in place")
    peak = torch.cuda.max_memory_allocated() if job.device.startswith("cuda") else 0
    return Outcome(metrics.tokens, clock.cpu, clock.wall, str(result.adapter), dict(metrics.versions), peak)


if __name__ == "__main__":
    run(read_job(Path(sys.argv[1]))).write(Path(sys.argv[2]))
