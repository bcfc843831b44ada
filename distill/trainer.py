"""The trainer as a student's recipe and the settings have it."""

from __future__ import annotations

from collections.abc import Sized
from pathlib import Path
from typing import TYPE_CHECKING

from transformers import EarlyStoppingCallback, PrinterCallback, TrainerCallback, TrainerControl, TrainerState

from distill.approaches import APPROACHES
from distill.checkpoints import CHECKPOINTS
from distill.datasets import Fitted
from distill.device import rank, world_size
from distill.dropout import add_dropout
from distill.fused import fuse_adapters
from distill.fused_norm import fuse_norms
from distill.last_layer import narrow_last_layer
from distill.memory import CHECKPOINTED_FROM
from distill.methods import adapter_config, train_in_float32
from distill.objectives import Parts, Setting, Trainer, parts_for
from distill.packed import keep_apart
from distill.settings import TrainSettings
from distill.steps import step_of, unlike_the_recipe
from distill.student import Student
from synth.console import say
from synth.errors import UserError

if TYPE_CHECKING:
    from datasets import Dataset  # type: ignore[import-untyped]  # datasets ships no types
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainingArguments
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.sft_config import SFTConfig


class LastEvaluation(TrainerCallback):
    """Evaluates the last step too, where it is none of those that are counted off."""

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> TrainerControl:
        """Ask for an evaluation at the end."""
        if args.eval_strategy == "steps" and state.global_step >= state.max_steps:
            control.should_evaluate = True
        return control


def make_trainer(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    student: Student,
    settings: TrainSettings,
    fitted: Fitted,
    held_out: Fitted,
    out: Path,
    *,
    device: str,
    precision: str,
    callbacks: list[TrainerCallback],
) -> Trainer:
    """Return the trainer; UserError where training is to stop early and there is nothing to validate on, or the teacher
    is missing or has other tokens."""
    if settings.patience is not None:
        if not held_out.kept:
            raise UserError("--patience needs a validation split; generate more encounters, or train without it")
        callbacks = [*callbacks, EarlyStoppingCallback(early_stopping_patience=settings.patience)]
    packing = packs(settings, device)
    step = step_of(student.recipe, fitted, held_out, student.max_length, packing=packing)
    if rank() == 0 and (unlike := unlike_the_recipe(step, student.recipe, packing=packing)):
        say(unlike)
    if packing:
        keep_apart(model, student.max_length)
    parts = parts_for(Setting(model, tokenizer, student, settings, fitted, device, packing, step.row))
    args = training_arguments(
        student,
        settings,
        out,
        device=device,
        precision=precision,
        passes=step.passes,
        evaluate=bool(held_out.kept),
        parts=parts,
    )
    trainer = parts.trainer(
        model=model,
        args=args,
        train_dataset=as_dataset(fitted, parts),
        eval_dataset=as_dataset(held_out, parts) if held_out.kept else None,
        processing_class=tokenizer,
        peft_config=adapter_config(student, settings.method),
        callbacks=[*callbacks, LastEvaluation()],
        **parts.given,
    )
    trainer.remove_callback(PrinterCallback)
    assert trainer.model is not None
    train_in_float32(trainer.model)
    if not APPROACHES[settings.method].whole and student.lora.target_parameters:
        add_dropout(trainer.model, student.lora.dropout)
    if not trainer.is_fsdp_enabled:
        fuse_adapters(trainer.model)
        fuse_norms(trainer.model)
        if device == "cpu":
            narrow_last_layer(trainer.model)
    return trainer


def training_arguments(
    student: Student,
    settings: TrainSettings,
    out: Path,
    *,
    device: str,
    precision: str,
    passes: int,
    evaluate: bool,
    parts: Parts,
) -> SFTConfig | DPOConfig:
    """Return the settings of TRL; ``passes`` are those of an optimiser step in each process."""
    recipe = student.recipe
    on_cpu = device == "cpu"
    packing = packs(settings, device)
    large = student.shape is None or student.shape.parameters > CHECKPOINTED_FROM
    moments = "epoch" if settings.eval_every is None else "steps"
    args = parts.config(
        output_dir=str(out / CHECKPOINTS),
        num_train_epochs=recipe.epochs,
        max_steps=settings.steps if settings.steps is not None else -1,
        per_device_train_batch_size=1 if packing else recipe.batch_size,
        per_device_eval_batch_size=1 if packing else recipe.batch_size,
        gradient_accumulation_steps=passes,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=recipe.schedule,
        warmup_steps=recipe.warmup,
        weight_decay=recipe.weight_decay,
        max_grad_norm=1.0,
        optim="adamw_torch_fused",
        seed=settings.seed,
        data_seed=settings.seed,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy=moments,
        save_steps=settings.eval_every or 500,
        save_total_limit=1,
        eval_strategy=moments if evaluate else "no",
        eval_steps=settings.eval_every,
        load_best_model_at_end=evaluate,
        metric_for_best_model="eval_loss" if evaluate else None,
        greater_is_better=False if evaluate else None,
        restore_callback_states_from_checkpoint=True,
        prediction_loss_only=True,
        gradient_checkpointing=settings.checkpointing if settings.checkpointing is not None else not on_cpu and large,
        use_cpu=on_cpu,
        bf16=precision == "bf16",
        ddp_backend="gloo" if on_cpu and world_size() > 1 else None,
        ddp_find_unused_parameters=None if APPROACHES[settings.method].whole else False,
        dataloader_num_workers=0,
        dataloader_pin_memory=not on_cpu,
        disable_tqdm=True,
        report_to="none",
        **parts.said,
    )
    if args.n_gpu > 1:
        # One process trains on one GPU; more of them want a launcher (examples/launch).
        args._n_gpu = 1
    return args


def packs(settings: TrainSettings, device: str) -> bool:
    """Return whether examples are packed: by default on a GPU, not on a CPU, where one example a pass is quicker
    (docs/PERFORMANCE.md); never but for targets alone, which no other of TRL's trainers packs."""
    if APPROACHES[settings.method].objective != "sft":
        return False
    return settings.packing if settings.packing is not None else device != "cpu"


def examples_a_step(trainer: Trainer, fitted: Fitted) -> float:
    """Return how many examples an optimiser step takes over all processes, on average where they are packed."""
    args = trainer.args
    rows = args.per_device_train_batch_size * args.gradient_accumulation_steps * world_size()
    assert isinstance(trainer.train_dataset, Sized)
    return round(rows * len(fitted.kept) / len(trainer.train_dataset), 2)


def as_dataset(fitted: Fitted, parts: Parts) -> Dataset:
    """Return examples as the trainer reads them."""
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    return Dataset.from_list([parts.row(tokens) for tokens in fitted.kept])
