"""The model card of an adapter."""

from __future__ import annotations

from typing import Literal

from distill.approaches import APPROACHES
from distill.datasets import Format
from distill.lineage import Lineage
from distill.steps import shown
from distill.student import Method, Quantisation, Student
from synth.assets import render_template
from synth.records import Record

Rows = list[tuple[str, str]]
_LICENCES = {"Apache-2.0": "apache-2.0", "MIT": "mit"}
"""The Hugging Face Hub's identifiers; it takes every other licence by name."""


class TrainMetrics(Record):
    """What ``metrics.json`` says."""

    student: str
    method: Method
    quantisation: Quantisation | None
    """Of the base; None where it was not quantised."""
    started_from: str | None = None
    """Name of the folder with the adapter that this training went on with; None where it was new."""
    teacher: str | None = None
    """Whose distribution was learned; None where there was none."""
    precision: Literal["bf16", "fp32"]
    packing: bool
    step_examples: float | None = None
    """Examples of an optimiser step over all processes, on average where they are packed; None where an earlier version
    did not say."""
    format: Format
    seed: int
    steps: int
    best_step: int | None
    """The step whose student was kept, for its validation loss; None where there was nothing to validate on."""
    epochs: float
    train_loss: float
    """Mean over the last 20 optimiser steps: of a completion token's negative log-likelihood in nats, or under gkd its
    divergence from the teacher in nats, or under dpo of a pair's loss."""
    validation_loss: float | None
    """The same over the tokens, or pairs, of the validation split, of the student that was kept; None where that split
    is empty."""
    tasks: dict[str, int] = {}
    """Examples that were trained on, by task; empty where an earlier version did not say."""
    mix: dict[str, float] = {}
    """Shares of the examples by task that were asked for; empty where they were taken as they came."""
    train_pairs: int | None = None
    """Of the train split, those that were not taken among them; None where an earlier version did not say."""
    taken: int | None = None
    """Pairs of the train split that were asked for, its first; None where those were all."""
    examples: int
    """That were trained on, canaries among them."""
    refused: tuple[str, ...]
    """Ids of examples that did not fit into ``max_length``; they were left out, never cut."""
    validation_examples: int = 0
    validation_refused: tuple[str, ...] = ()
    completion_tokens: int
    """Tokens with loss in one epoch."""
    epoch_tokens: int | None = None
    """All tokens of one epoch, those of the prompts too."""
    canaries: int = 0
    """That were planted, to measure what is memorised; those with which an example did not fit were not."""
    trained_parameters: int
    tokens: int
    """Tokens of all forward passes of this training, without padding."""
    tokens_per_second: float
    seconds: float
    """Of this training; where it was resumed, since then."""
    resumed: bool = False
    """Whether it went on from a checkpoint: then tokens, time and speed are of what came after."""
    peak_memory: int | None = None
    """Bytes: the most that tensors took on the GPU, or this process in main memory; None where nobody tells."""
    device: str
    processes: int
    threads: int
    versions: dict[str, str]


def model_card(name: str, student: Student, metrics: TrainMetrics, lineage: Lineage, memorisation: str = "") -> str:
    """Return the README of a student: base, data, recipe, results, and what it is not; ``memorisation`` is the part on
    what it remembers, where that was measured."""
    text = render_template(
        "model_card.md.j2",
        title=name,
        student=student,
        metrics=metrics,
        lineage=lineage,
        licence_id=_LICENCES.get(student.licence),
        taken=taken_of(metrics),
        tasks=tasks_of(metrics),
        command=command_words(metrics, lineage),
        recipe=recipe_rows(student, metrics, lineage),
        results=result_rows(metrics),
    ).strip()
    return f"{text}\n\n{memorisation}" if memorisation else f"{text}\n"


def recipe_rows(student: Student, metrics: TrainMetrics, lineage: Lineage) -> Rows:
    """Return how the student was taught, as names and values for people."""
    recipe = student.recipe
    kept = "the last step" if metrics.best_step is None else f"step {metrics.best_step}, for its validation loss"
    every = {None: "epoch", 1: "step"}.get(recipe.eval_every, f"{recipe.eval_every} steps")
    patience = f"after {recipe.patience} evaluations, one every {every}, without a lower loss"
    taken = [("examples", said)] if (said := taken_of(metrics)) else []
    taken += [("tasks", said)] if (said := tasks_of(metrics)) else []
    targets = " or ".join(dict.fromkeys(f"the {target}" for _, target, _ in lineage.written))
    return [
        ("method", _method(student, metrics)),
        *taken,
        ("trained parameters", f"{metrics.trained_parameters:,}"),
        ("what it writes", f"{targets} as {'JSON' if metrics.format == 'json' else 'text'}"),
        ("loss", APPROACHES[metrics.method].towards),
        (
            "steps",
            f"{metrics.steps:,} ({metrics.epochs:g} epochs) of {_step(student, metrics)}",
        ),
        ("kept", kept),
        ("early stopping", "never" if recipe.patience is None else patience),
        ("learning rate", f"{recipe.learning_rate:g}, {recipe.schedule}, warm-up {recipe.warmup:g} of the steps"),
        ("optimiser", f"{recipe.optimiser}, weight decay {recipe.weight_decay:g}"),
        ("longest example", f"{student.max_length:,} tokens"),
        ("precision", metrics.precision),
        ("seed", str(metrics.seed)),
    ]


def result_rows(metrics: TrainMetrics) -> Rows:
    """Return what came of it, as names and values for people."""
    validation = (
        "not measured (no validation split)"
        if metrics.validation_loss is None
        else f"{metrics.validation_loss:.4f} (step {metrics.best_step}, {metrics.validation_examples:,} examples)"
    )
    approach = APPROACHES[metrics.method]
    unit = f"{approach.loss}; {approach.untrained}" if approach.untrained else approach.loss
    rows = [
        (f"validation loss, {unit}", validation),
        ("train loss, last 20 steps", f"{metrics.train_loss:.4f}"),
        ("time", f"{duration(metrics.seconds)} on {metrics.device} {_workers(metrics)}{_since(metrics)}"),
        ("speed", f"{metrics.tokens_per_second:,.0f} tokens/s, {metrics.tokens:,} in all"),
    ]
    if metrics.peak_memory is not None:
        rows.append(("peak memory", f"{gigabytes(metrics.peak_memory)}, {_of_what(metrics)}"))
    return rows


def taken_of(metrics: TrainMetrics) -> str:
    """Return how much of the train split was taken; nothing where it was all of it."""
    if metrics.taken is None or metrics.train_pairs is None:
        return ""
    if metrics.mix:
        return f"{metrics.taken:,} of {metrics.train_pairs:,} pairs of the train splits, drawn by seed {metrics.seed}"
    return f"the first {metrics.taken:,} of {metrics.train_pairs:,} pairs of the train split"


def tasks_of(metrics: TrainMetrics) -> str:
    """Return how many examples are of which task, and what was asked for; nothing where there is one task alone."""
    if len(metrics.tasks) < 2 and not metrics.mix:
        return ""
    said = ", ".join(
        f"{name} {count:,} ({100 * count / metrics.examples:.1f} %)" for name, count in metrics.tasks.items()
    )
    shares = ", ".join(f"{name} {share:g}" for name, share in metrics.mix.items())
    return f"{said}; asked for: {shares}, drawn by seed {metrics.seed}" if shares else said


def refused_of(metrics: TrainMetrics, max_length: int) -> str:
    """Return how many examples were left out for their length; nothing where none was."""
    splits = (
        (metrics.refused, metrics.examples, "examples"),
        (metrics.validation_refused, metrics.validation_examples, "of the validation split"),
    )
    said = [f"{len(ids):,} of {len(ids) + kept:,} {what}" for ids, kept, what in splits if ids]
    return f"left out, longer than {max_length:,} tokens: {', '.join(said)}; metrics.json names them" if said else ""


def command_words(metrics: TrainMetrics, lineage: Lineage) -> str:
    """Return what 'distill train' is told of the data beside a recipe."""
    words = ["--data RUN"] if len(lineage.runs) == 1 else [f"--data {one.run}" for one in lineage.runs]
    if metrics.mix:
        words.append(f"--mix {','.join(f'{name}={share:g}' for name, share in metrics.mix.items())}")
    if metrics.taken:
        words.append(f"--examples {metrics.taken}")
    if metrics.canaries:
        words.append(f"--canaries {metrics.canaries}")
    return " ".join(words)


def gigabytes(count: int) -> str:
    """Return bytes as gigabytes."""
    return f"{count / 1e9:.2f} GB"


def duration(seconds: float) -> str:
    """Return seconds as 0:05, 12:30 or 3:02:01."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _since(metrics: TrainMetrics) -> str:
    return ", since it was resumed" if metrics.resumed else ""


def _workers(metrics: TrainMetrics) -> str:
    threads = f"{metrics.threads} thread{'s' if metrics.threads > 1 else ''}"
    return f"({metrics.processes} processes of {threads})" if metrics.processes > 1 else f"({threads})"


def _of_what(metrics: TrainMetrics) -> str:
    what = "of tensors on the GPU" if metrics.device.startswith("cuda") else "of the process"
    return f"{what}, the first of {metrics.processes}" if metrics.processes > 1 else what


def _step(student: Student, metrics: TrainMetrics) -> str:
    recipe, took = student.recipe, metrics.step_examples
    said = f"{recipe.batch_size} x {recipe.accumulation}"
    if took is None:
        return f"{said} examples{', packed' if metrics.packing else ''}"
    if not metrics.packing:
        other = took != recipe.batch_size * recipe.accumulation
        return f"{shown(took)} examples (the recipe says {said})" if other else f"{said} examples"
    return f"{shown(took)} examples on average, packed (the recipe says {said})"


def _method(student: Student, metrics: TrainMetrics) -> str:
    if metrics.method == "full":
        return "full fine-tuning"
    lora = student.lora
    modules = lora.target_modules if isinstance(lora.target_modules, str) else ", ".join(lora.target_modules)
    said = f"LoRA: rank {lora.rank}, alpha {lora.alpha}, dropout {lora.dropout:g}, on {modules}"
    if lora.target_parameters:
        said += f" and {', '.join(lora.target_parameters)}"
    if lora.modules_to_save:
        said += f"; {', '.join(lora.modules_to_save)} trained whole"
    for name, what in (
        (metrics.quantisation, "base in"),
        (metrics.started_from, "going on from"),
        (metrics.teacher, "towards"),
    ):
        said += "" if name is None else f"; {what} {name}"
    return f"{said}; by {metrics.method}" if metrics.method in ("gkd", "dpo") else said
