"""``distill sweep``: how many pairs, and which method."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import click

_FOLDER = click.Path(path_type=Path, file_okay=False)
_EXISTING = click.Path(path_type=Path, file_okay=False, exists=True)
_METHODS = ("lora", "qlora", "full")


def _listed(least: int) -> Callable[[click.Context, click.Parameter, str], tuple[int, ...]]:
    """Return what reads numbers with commas between them."""

    def read(_context: click.Context, _option: click.Parameter, value: str) -> tuple[int, ...]:
        try:
            found = tuple(int(word.replace("_", "")) for word in value.split(","))
        except ValueError as error:
            raise click.BadParameter(f"{value!r} is not a list of numbers such as 100,300,1000") from error
        if low := [number for number in found if number < least]:
            raise click.BadParameter(f"{low[0]} is below {least}")
        return found

    return read


def _methods(_context: click.Context, _option: click.Parameter, value: str) -> tuple[str, ...]:
    found = tuple(word.strip() for word in value.split(","))
    if unknown := [name for name in found if name not in _METHODS]:
        raise click.BadParameter(f"{unknown[0]!r} is none of {', '.join(_METHODS)}")
    return found


@click.command()
@click.option("--data", "run", type=_EXISTING, required=True, help="Run directory of 'synth generate'.")
@click.option("--out", type=_FOLDER, required=True, help="Where a folder each, sweep.json and report.html go.")
@click.option("--student", default="tiny", show_default=True, help="A name, a folder with a base, or a hub id.")
@click.option(
    "--examples",
    "pairs",
    default="100,300,1000,1500",
    show_default=True,
    callback=_listed(1),
    help="Pairs of the train split, its first.",
)
@click.option(
    "--method",
    "methods",
    default="lora",
    show_default=True,
    callback=_methods,
    help="Of lora, qlora and full, with commas.",
)
@click.option("--seeds", default="0", show_default=True, callback=_listed(0), help="Each combination once for each.")
@click.option("--epochs", type=click.FloatRange(min=0, min_open=True), help="Passes over the pairs [the student's].")
@click.option("--steps", type=click.IntRange(min=1), help="Optimiser steps, the same for all, instead of epochs.")
@click.option("--precision", type=click.Choice(["auto", "bf16", "fp32"]), help="Of the arithmetic [the student's].")
@click.option("--limit", type=click.IntRange(min=1), help="Evaluate on the first so many held-out encounters [all].")
@click.option(
    "--batch-size", type=click.IntRange(min=1), default=16, show_default=True, help="Notes that are written at once."
)
@click.option("--max-new-tokens", type=click.IntRange(min=1), help="Of a note [a quarter above the run's longest].")
def sweep(
    run: Path,
    out: Path,
    student: str,
    pairs: tuple[int, ...],
    methods: tuple[Literal["lora", "qlora", "full"], ...],
    seeds: tuple[int, ...],
    epochs: float | None,
    steps: int | None,
    precision: Literal["auto", "bf16", "fp32"] | None,
    limit: int | None,
    batch_size: int,
    max_new_tokens: int | None,
) -> None:
    """Train a student on more and more pairs, by one method or several, and evaluate each on the held-out split.

    The same command goes on where it was stopped; more sizes, methods and seeds can follow later.

    \b
    distill sweep --data outputs/endo --out outputs/endo-pairs
    distill sweep --data outputs/endo --examples 1500 --method lora,qlora,full --out outputs/endo-methods
    """
    from distill.sweep import sweep as run_sweep
    from distill.sweep_report import text_lines
    from distill.telling import say_written
    from synth.console import say
    from synth.errors import UserError

    found = run_sweep(
        run,
        student,
        out,
        pairs=pairs,
        methods=methods,
        seeds=seeds,
        steps=steps,
        epochs=epochs,
        precision=precision,
        limit=limit,
        batch_size=batch_size,
        max_new_tokens=max_new_tokens,
        say=say,
        progress=say_written(),
    )
    for line in (*text_lines(found), *found.notes):
        click.echo(line)
    asked = [row for row in found.rows if row.pairs in pairs and row.method in methods and row.seed in seeds]
    if all(row.result is None for row in asked):
        raise UserError(f"no student came to its end; {out / 'sweep.json'} says why for each")
    click.echo(f"{out / 'report.html'}: curves and table; sweep.json has every number, a folder each the students")


COMMANDS = (sweep,)
