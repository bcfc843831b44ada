"""``distill``: train a student, evaluate it, score predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from distill.eval_cli import COMMANDS as EVALUATION
from distill.sweep_cli import COMMANDS as SWEEP
from synth import __version__

_FOLDER = click.Path(path_type=Path, file_okay=False)
_EXISTING = click.Path(path_type=Path, file_okay=False, exists=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="distill")
def distill() -> None:
    """Distil data sets into small models, and judge them."""


for _command in (*SWEEP, *EVALUATION):
    distill.add_command(_command)


@distill.command()
@click.option(
    "--student",
    help="A student's name ('distill students' lists them), a folder with a base or of a trained student, or a hub id "
    "[the recipe's].",
)
@click.option("--recipe", help="A recipe's name ('distill recipes' lists them), or a YAML file; flags go before it.")
@click.option(
    "--data",
    "runs",
    type=_EXISTING,
    required=True,
    multiple=True,
    help="Run directory of 'synth generate'; several for a student of them all.",
)
@click.option("--task", help="Refuse a run of another task [whatever the runs are of].")
@click.option(
    "--mix",
    metavar="TASK=SHARE,…",
    help="Shares of the examples by task, such as note=0.6,diagnosis=0.4 [as they come].",
)
@click.option("--out", type=_FOLDER, help="Where adapter, metrics and card go [RUN-RECIPE-STUDENT].")
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "text"]),
    help="What the student writes [the recipe's, or json].",
)
@click.option(
    "--method",
    type=click.Choice(["lora", "qlora", "full", "gkd", "dpo"]),
    help="An adapter, one on a quantised base, or the whole base, on the targets; an adapter towards a teacher's "
    "distribution, or on rejected against accepted targets [the recipe's, or lora].",
)
@click.option("--teacher", help="Under --method gkd: a name, folder or hub id as for --student; same tokenizer.")
@click.option(
    "--on-policy",
    type=click.FloatRange(0, 1),
    help="Under --method gkd: share of the batches that the student writes itself [the recipe's, or 0.5].",
)
@click.option(
    "--beta",
    type=click.FloatRange(min=0),
    help="Under gkd from forward (0) to reverse (1) KL [0.5]; under dpo the hold of the old student [0.1].",
)
@click.option(
    "--quantisation",
    type=click.Choice(["nf4", "int8"]),
    help="Of the base under --method qlora [the recipe's, or nf4].",
)
@click.option(
    "--precision",
    type=click.Choice(["auto", "bf16", "fp32"]),
    help="Of the arithmetic; auto is bf16 where the hardware has it [the recipe's, or auto].",
)
@click.option(
    "--packing/--no-packing", default=None, help="Several examples a row, apart from each other [on a GPU only]."
)
@click.option(
    "--checkpointing/--no-checkpointing",
    default=None,
    help="Compute activations twice, to save memory [on a GPU, above 0.5B parameters].",
)
@click.option(
    "--examples",
    type=click.IntRange(min=1),
    help="Learn from the first so many pairs of the run, or from so many under --mix [all].",
)
@click.option(
    "--epochs", type=click.FloatRange(min=0, min_open=True), help="Passes over the train split [the student's]."
)
@click.option("--steps", type=click.IntRange(min=1), help="Optimiser steps, instead of epochs.")
@click.option(
    "--learning-rate", type=click.FloatRange(min=0, min_open=True), help="Peak learning rate [the student's]."
)
@click.option("--batch-size", type=click.IntRange(min=1), help="Examples a forward pass [the student's].")
@click.option("--accumulation", type=click.IntRange(min=1), help="Forward passes an optimiser step [the student's].")
@click.option("--rank", type=click.IntRange(min=1), help="Rank of the adapter [the student's].")
@click.option(
    "--max-length", type=click.IntRange(min=8), help="Tokens of prompt and completion together [the student's]."
)
@click.option(
    "--eval-every", type=click.IntRange(min=1), help="Steps between two evaluations and checkpoints [an epoch]."
)
@click.option(
    "--patience", type=click.IntRange(min=1), help="Stop after so many evaluations without a lower validation loss."
)
@click.option("--seed", type=click.IntRange(min=0), help="Of everything that is random [the recipe's, or 0].")
@click.option(
    "--canaries",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Plant so many, to measure what is memorised; such a student is not for use.",
)
@click.option(
    "--log",
    type=click.Choice(["tensorboard", "wandb", "none"]),
    help="Where the curve goes besides curve.jsonl and report.html; wandb sends it away [tensorboard, if installed].",
)
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint in --out.")
def train(
    student: str | None,
    recipe: str | None,
    runs: tuple[Path, ...],
    task: str | None,
    mix: str | None,
    out: Path | None,
    form: Literal["json", "text"] | None,
    method: Literal["lora", "qlora", "full", "gkd", "dpo"] | None,
    teacher: str | None,
    on_policy: float | None,
    beta: float | None,
    quantisation: Literal["nf4", "int8"] | None,
    precision: Literal["auto", "bf16", "fp32"] | None,
    packing: bool | None,
    checkpointing: bool | None,
    examples: int | None,
    epochs: float | None,
    steps: int | None,
    learning_rate: float | None,
    batch_size: int | None,
    accumulation: int | None,
    rank: int | None,
    max_length: int | None,
    eval_every: int | None,
    patience: int | None,
    seed: int | None,
    canaries: int,
    log: Literal["tensorboard", "wandb", "none"] | None,
    resume: bool,
) -> None:
    """Train a student on a run, or on several, with loss on what it is to write only.

    The student with the lowest validation loss is kept. Several GPUs: torchrun --nproc-per-node 4 -m distill train ...

    \b
    distill train --student tiny --data outputs/endo
    distill train --student llama-3.2-1b --data outputs/endo --out outputs/endo-1b
    distill train --student llama-3.1-8b --data outputs/endo --method qlora --patience 3 --eval-every 100
    distill train --recipe radonc-letters-8b --data outputs/letters
    distill train --student llama-3.2-1b --data outputs/notes --data outputs/cases --mix note=0.6,diagnosis=0.4
    distill train --student llama-3.2-1b --data outputs/endo --method gkd --teacher outputs/endo-8b
    distill train --student outputs/endo-1b --data outputs/endo --method dpo --out outputs/endo-1b-dpo
    """
    from distill.card import refused_of
    from distill.mixture import parse_mix
    from distill.recipes import load_recipe, resolve
    from distill.settings import settings_for
    from distill.trained import find_start
    from synth.console import say
    from synth.errors import UserError

    if recipe is not None:
        resolved = resolve(load_recipe(recipe), student)
        for note in resolved.notes:
            say(note)
        chosen = resolved.student
    elif student is not None:
        chosen = find_start(student)
    else:
        raise UserError("say what is trained: --student NAME, or --recipe NAME")
    from distill.train import train as train_student

    names = [Path(name).name.removesuffix(".yaml") for name in (recipe, student) if name is not None]
    folder = out or runs[0].with_name("-".join((*(run.name for run in runs), *names)))
    settings = settings_for(
        chosen,
        form=form,
        method=method,
        teacher=teacher,
        on_policy=on_policy,
        beta=beta,
        quantisation=quantisation,
        precision=precision,
        packing=packing,
        checkpointing=checkpointing,
        examples=examples,
        epochs=epochs,
        steps=steps,
        learning_rate=learning_rate,
        batch_size=batch_size,
        accumulation=accumulation,
        rank=rank,
        max_length=max_length,
        eval_every=eval_every,
        patience=patience,
        seed=seed,
        canaries=canaries,
        mix=None if mix is None else parse_mix(mix),
    )
    result = train_student(runs, chosen, folder, settings, task=task, resume=resume, log=log)
    if not result.writes:
        return
    metrics = result.metrics
    loss = (
        f"validation loss {metrics.validation_loss:.4f} (step {metrics.best_step})"
        if metrics.validation_loss is not None
        else "no validation split"
    )
    click.echo(
        f"{metrics.steps} steps, {metrics.tokens_per_second:,.0f} tokens/s, train loss {metrics.train_loss:.4f}, {loss}"
    )
    length = settings.max_length or chosen.max_length
    if refused := refused_of(metrics, length):
        click.echo(refused)
    if metrics.canaries < canaries:
        without = canaries - metrics.canaries
        click.echo(f"{without} of {canaries} canaries were not planted: there is no room for them in {length:,} tokens")
    what = "model" if metrics.method == "full" else "adapter"
    click.echo(f"{result.adapter}: {what}, metrics.json, curve.jsonl, README.md (card), recipe.yaml")
    click.echo(f"{result.adapter / 'report.html'}: curves, results, recipe, and where the data comes from")


@distill.command()
@click.option("--student", "adapter", type=_EXISTING, required=True, help="Folder that 'distill train' wrote.")
@click.option("--data", type=_EXISTING, required=True, help="The run directory that it was trained on.")
@click.option("--base", help="Where the student's base is, if not where its name leads.")
@click.option(
    "--limit", type=click.IntRange(min=2), default=200, show_default=True, help="Targets of each group, at most."
)
@click.option(
    "--alternatives",
    type=click.IntRange(min=1),
    default=1023,
    show_default=True,
    help="Suffixes that each canary is ranked among.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the choice of targets.")
def memorisation(adapter: Path, data: Path, base: str | None, limit: int, alternatives: int, seed: int) -> None:
    """Measure what a student gives back of its training encounters, beside its base.

    \b
    distill train --student tiny --data outputs/endo --canaries 12 --out outputs/endo-canaries
    distill memorisation --student outputs/endo-canaries --data outputs/endo
    """
    from distill.memorisation.card import add_to_card
    from distill.memorisation.measuring import FILE, measure
    from synth.console import say

    measured = measure(adapter, data, base=base, limit=limit, alternatives=alternatives, seed=seed, progress=say)
    add_to_card(adapter, measured)
    for each in measured.systems:
        area, low, high = each.membership
        click.echo(
            f"{each.system}: membership area {area:.3f} [{low:.3f}, {high:.3f}]; longest run without the source: "
            f"{each.trained.longest} tokens of what was trained on, {each.held_out.longest} of what was not"
        )
        for group in each.exposures:
            click.echo(
                f"  {group.canaries} canaries planted {group.repeats} times: mean exposure {group.mean:.2f} bits, "
                f"highest {group.highest:.2f} (1.44 is nothing, {measured.highest_exposure:g} is all)"
            )
    click.echo(f"{adapter / FILE}; the card has it, too")


@distill.command()
@click.option("--student", "adapter", type=_EXISTING, required=True, help="Folder that 'distill train' wrote.")
def report(adapter: Path) -> None:
    """Write a student's card and report anew, from what its folder holds.

    What was written into the card by hand is lost.

    \b
    distill report --student outputs/endo-tiny
    """
    from distill.documents import CARD, REPORT, write_documents

    write_documents(adapter)
    click.echo(f"{adapter / REPORT}, {adapter / CARD}")


@distill.command()
def students() -> None:
    """List the students with their base, licence and memory need."""
    from distill.doctor import catalogue_lines

    for line in catalogue_lines():
        click.echo(line)


@distill.command()
def recipes() -> None:
    """List the recipes with the line that runs each."""
    from distill.recipes import launch_line, load_recipe, recipe_names

    for name in recipe_names():
        recipe = load_recipe(name)
        click.echo(f"{name:24} {recipe.student or 'any student':14} {recipe.source or ''}")
        click.echo(f"    {launch_line(name)}")


@distill.command()
@click.option("--length", type=click.IntRange(min=8), help="Tokens of prompt and completion together [each student's].")
@click.option("--student", help="This one alone: a name, a folder with a base, or a hub id.")
def doctor(length: int | None, student: str | None) -> None:
    """Say what this machine can train, and how to get what is missing; asks no network.

    \b
    distill doctor
    distill doctor --student qwen3-8b --length 8192
    """
    from distill.doctor import report_lines

    for line in report_lines(length=length, student=student):
        click.echo(line)


def main() -> None:
    """Entry point of the ``distill`` command."""
    from distill.lacking import lacking
    from synth.console import run_command

    run_command(distill, "distill", lacking)
