"""A student learns from a run directory with TRL: from its targets, from a teacher, or from preferences."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from distill.approaches import APPROACHES
from distill.card import TrainMetrics
from distill.checkpoints import CHECKPOINTS, Request, open_checkpoints, remove_checkpoints
from distill.datasets import Example, Fitted, fit, tokenize
from distill.device import peak_memory, place, rank, resolve_precision, world_size
from distill.documents import CURVE, METRICS, write_documents
from distill.generation import stop_tokens
from distill.hub import quiet_hub
from distill.leftovers import check_out, remove_leftovers, replaced_line
from distill.lineage import FILE as LINEAGE_FILE
from distill.lineage import trace_all
from distill.memorisation.canaries import Canaries, make_canaries, plant, write_canaries
from distill.methods import check_asked, check_length, load_for_training, quantised_to, save_student
from distill.mixture import by_task, chosen, gathered, validated
from distill.preferences import FOLDER as PREFERENCES
from distill.recipes import FILE as RECIPE_FILE
from distill.recipes import as_recipe
from distill.settings import TrainSettings, adjusted, settings_for
from distill.student import ADAPTER_WEIGHTS, Student, base_sha256, load_tokenizer, pinned
from distill.trained import STUDENT_FILE, TrainedStudent, find_start
from synth.assets import sha256
from synth.console import say
from synth.errors import UserError
from synth.records import Split
from synth.runs import read_manifest

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from distill.objectives import Trainer
    from distill.tracking import Log

__all__ = ["CHECKPOINTS", "CURVE", "TrainResult", "train"]

_PACKAGES = ("torch", "transformers", "peft", "trl", "datasets")


@dataclass(frozen=True, slots=True)
class TrainResult:
    """Where the student is, and how training went."""

    adapter: Path
    metrics: TrainMetrics
    writes: bool
    """Whether this process is the one that wrote it down, as only the first of several does."""


def train(
    run: Path | Sequence[Path],
    student: str | Student,
    out: Path,
    settings: TrainSettings | None = None,
    *,
    task: str | None = None,
    resume: bool = False,
    device: str | None = None,
    log: Log | None = None,
    quiet: bool = False,
) -> TrainResult:
    """Train a student on the train split of a run, or of several, and write weights, tokenizer, metrics, loss curve,
    card and report to ``out``.

    ``student`` is a name, the folder of a trained student to go on from, or a student with a recipe's settings; without
    ``settings`` they are the recipe's. The student with the lowest validation loss is kept. ``resume`` goes on from the
    last checkpoint in ``out``, bit for bit. A student that an earlier training left in ``out`` is replaced at the end.
    Canaries are planted where the settings say so and there is room for them, and written to ``out``.
    Under ``torchrun`` or ``accelerate launch`` the ranks train together, and the first of them writes. ``log`` says
    where the curve goes besides; None is TensorBoard where it is installed.

    Raises UserError where the run, the student or its base is missing, a run is of another ``task``, shares are asked
    for that cannot be had, examples may be longer than the base reads, too many of them or all canaries do not fit, or
    ``out`` holds what training reads or did not write.
    """
    base = student if isinstance(student, Student) else find_start(student)
    settings = settings or settings_for(base)
    record = adjusted(base, settings)
    check_asked(record, settings)
    runs = [run] if isinstance(run, Path) else list(run)
    check_out(out, record, settings, runs)
    check_length(record)
    manifests = [read_manifest(one) for one in runs]
    read = APPROACHES[settings.method].read
    whole = gathered(runs, "train", settings.form, read, task)
    rows = chosen(whole, settings.mix, settings.examples, settings.seed, runs)
    planted = make_canaries(rows, settings.canaries, settings.seed) if settings.canaries else None
    lineage = trace_all(runs, manifests)
    first = rank() == 0
    quiet_hub()
    from distill.tracking import TENSORBOARD, remove_log, trackers

    logs = trackers(log, out, quiet=quiet) if first else []
    where = place(device)
    precision = resolve_precision(settings.precision, where)
    tokenizer = load_tokenizer(record)
    model = load_for_training(record, settings, where, precision)
    record = pinned(record)
    stops = stop_tokens(model, tokenizer)
    if planted is not None:
        planted = _fitting(planted, rows, tokenizer, stops, record.max_length)
        rows = plant(rows, planted)
    fitted = fit(rows, tokenizer, stops, record.max_length)
    beside = validated(gathered(runs, "validation", settings.form, read), settings.mix, settings.seed)
    held_out = fit(beside, tokenizer, stops, record.max_length)
    weights = base_sha256(record)
    request = Request(
        student=record.name,
        revision=record.revision,
        base_weights=weights,
        starting_adapter=None if record.start is None else _sha256(Path(record.start.folder) / ADAPTER_WEIGHTS),
        data=" + ".join(manifest.fingerprint for manifest in manifests),
        train_split=_split_sha256(runs, "train", settings),
        validation_split=_split_sha256(runs, "validation", settings),
        max_length=record.max_length,
        recipe=record.recipe,
        lora=record.lora,
        settings=settings,
    )
    checkpoint = open_checkpoints(out, request, resume=resume, write=first)
    if first and checkpoint is None:
        remove_log(out / TENSORBOARD)
    if first and not quiet and (line := replaced_line(out)):
        say(line)

    from transformers import set_seed

    from distill.progress import TrainingProgress
    from distill.trainer import make_trainer

    set_seed(settings.seed)
    started = time.monotonic()
    report = TrainingProgress(quiet=quiet or not first, device=where)
    trainer = make_trainer(
        model,
        tokenizer,
        record,
        settings,
        fitted,
        held_out,
        out,
        device=where,
        precision=precision,
        callbacks=[report, *logs],
    )
    report.attach(trainer)
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    finally:
        report.close()
    seconds = time.monotonic() - started
    state = trainer.accelerator.get_state_dict(trainer.model) if trainer.is_fsdp_enabled else None
    tokens = _over_ranks(trainer, trainer.tokens_seen)
    metrics = _metrics(
        trainer,
        record,
        settings,
        fitted,
        held_out,
        pairs=len(whole),
        tasks=by_task(rows, fitted.refused),
        canaries=0 if planted is None else len(planted.planted),
        tokens=tokens,
        seconds=seconds,
        device=where,
        resumed=checkpoint is not None,
    )
    if first:
        assert trainer.model is not None
        remove_leftovers(out)
        save_student(trainer.model, tokenizer, record, out, state)
        trained = TrainedStudent(
            student=record.model_copy(update={"start": None}),
            method=settings.method,
            quantisation=quantised_to(record, settings),
            base_sha256=None if APPROACHES[settings.method].whole else weights,
            format=settings.form,
            tasks=tuple(by_task(rows)),
            longest_completion=max(tokens.completion_length for tokens in fitted.kept),
            # Pairs for preference tuning are others than those of the split.
            examples=settings.examples if APPROACHES[settings.method].objective != "dpo" else None,
            runs=len(runs),
        )
        if planted is not None:
            write_canaries(out, planted)
        (out / STUDENT_FILE).write_text(trained.model_dump_json(indent=2) + "\n", "utf-8")
        (out / METRICS).write_text(metrics.model_dump_json(indent=2) + "\n", "utf-8")
        (out / CURVE).write_text("".join(json.dumps(row) + "\n" for row in trainer.state.log_history), "utf-8")
        (out / RECIPE_FILE).write_text(as_recipe(record, out.name), "utf-8")
        (out / LINEAGE_FILE).write_text(lineage.model_dump_json(indent=2) + "\n", "utf-8")
        write_documents(out)
        remove_checkpoints(out)
    trainer.accelerator.wait_for_everyone()
    return TrainResult(out, metrics, writes=first)


def _fitting(
    canaries: Canaries,
    rows: Sequence[Example],
    tokenizer: PreTrainedTokenizerBase,
    stops: frozenset[int],
    max_length: int,
) -> Canaries:
    """Return the canaries with which an example still fits in; the examples of the others are learned from as they are.

    Raises UserError where there is none.
    """
    hosts = {canary.id for canary in canaries.planted}
    copies = plant([row for row in rows if row.id in hosts], canaries)
    # The copies of a canary are all the same.
    first = {copy.id.rpartition("#")[0]: copy for copy in copies}
    kept = tuple(
        canary
        for canary in canaries.planted
        if len(tokenize(first[canary.id], tokenizer, stops).input_ids) <= max_length
    )
    if not kept:
        raise UserError(f"no example fits into {max_length:,} tokens with a canary in it; raise --max-length")
    return canaries.model_copy(update={"planted": kept})


def _split_sha256(runs: Sequence[Path], split: Split, settings: TrainSettings) -> str:
    """Return the SHA-256 of what is read of a split, for each run."""
    folder = PREFERENCES if APPROACHES[settings.method].objective == "dpo" else "dataset"
    return " + ".join(_sha256(run / folder / f"{split}.parquet") for run in runs)


def _sha256(path: Path) -> str:
    return sha256(path.read_bytes()) if path.is_file() else "none"


def _over_ranks(trainer: Trainer, value: int) -> int:
    """Return the sum over all processes."""
    import torch

    mine = torch.tensor(value, device=trainer.accelerator.device)
    return int(trainer.accelerator.reduce(mine, reduction="sum"))


def _metrics(
    trainer: Trainer,
    record: Student,
    settings: TrainSettings,
    fitted: Fitted,
    held_out: Fitted,
    *,
    pairs: int,
    tasks: dict[str, int],
    canaries: int,
    tokens: int,
    seconds: float,
    device: str,
    resumed: bool,
) -> TrainMetrics:
    """Return what ``metrics.json`` says."""
    import torch

    from distill.trainer import examples_a_step, packs

    state, args = trainer.state, trainer.args
    losses = [float(row["loss"]) for row in state.log_history if "loss" in row]
    assert trainer.model is not None
    return TrainMetrics(
        student=record.name,
        method=settings.method,
        quantisation=quantised_to(record, settings),
        started_from=Path(record.start.folder).name if record.start is not None else None,
        teacher=Path(settings.teacher).name if settings.teacher is not None else None,
        precision="bf16" if args.bf16 else "fp32",
        packing=packs(settings, device),
        step_examples=examples_a_step(trainer, fitted),
        format=settings.form,
        seed=settings.seed,
        steps=state.global_step,
        best_step=state.best_global_step,
        epochs=round(state.epoch or 0.0, 3),
        train_loss=round(sum(losses[-20:]) / max(len(losses[-20:]), 1), 4),
        validation_loss=None if state.best_metric is None else round(state.best_metric, 4),
        tasks=tasks,
        mix=settings.mix,
        train_pairs=pairs,
        taken=settings.examples,
        examples=len(fitted.kept),
        refused=fitted.refused,
        validation_examples=len(held_out.kept),
        validation_refused=held_out.refused,
        completion_tokens=sum(tokens.completion_length for tokens in fitted.kept),
        epoch_tokens=sum(len(tokens.input_ids) for tokens in fitted.kept),
        canaries=canaries,
        trained_parameters=sum(weights.numel() for weights in trainer.model.parameters() if weights.requires_grad),
        tokens=tokens,
        tokens_per_second=round(tokens / seconds, 1),
        seconds=round(seconds, 1),
        resumed=resumed,
        peak_memory=peak_memory(device),
        device=device,
        processes=world_size(),
        threads=torch.get_num_threads(),
        versions={name: version(name) for name in _PACKAGES},
    )
