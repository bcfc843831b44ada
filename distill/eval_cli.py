"""``distill eval``, ``distill score``, ``distill compare``: what systems write on a benchmark, and what that is
worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from distill.judge_cli import judge

if TYPE_CHECKING:
    from distill.inference.served import Served
    from distill.metrics.base import MetricSettings

_FOLDER = click.Path(path_type=Path, file_okay=False)
_EXISTING = click.Path(path_type=Path, file_okay=False, exists=True)


@dataclass(frozen=True, slots=True)
class Marking:
    """How predictions are scored, as the flags say it."""

    metrics: Sequence[str] | None
    """None for the benchmark's own."""
    settings: MetricSettings
    workers: int | None
    """Processes that score; None leaves their number to the machine."""


def _metric_options(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command with the flags of what is scored and with what; it takes them as one ``marking``."""

    @wraps(command)
    def marked(
        *,
        metrics: str | None,
        bertscore_model: str | None,
        bertscore_layer: int | None,
        bleurt_model: str | None,
        quickumls: Path | None,
        by_division: bool,
        workers: int | None,
        **others: object,
    ) -> None:
        from distill.metrics.base import BERTSCORE_MODEL, BLEURT_MODEL, MetricSettings

        settings = MetricSettings(
            bertscore_model=bertscore_model or BERTSCORE_MODEL,
            bertscore_layer=bertscore_layer,
            bleurt_model=bleurt_model or BLEURT_MODEL,
            quickumls=quickumls,
            by_division=by_division,
        )
        names = None if metrics is None else [name.strip() for name in metrics.split(",") if name.strip()]
        command(marking=Marking(names, settings, workers), **others)

    for option in reversed(
        (
            click.option("--metrics", help="Names with commas, such as rouge,bertscore [the benchmark's own]."),
            click.option("--bertscore-model", help="Name or folder of an encoder [microsoft/deberta-xlarge-mnli]."),
            click.option("--bertscore-layer", type=click.IntRange(min=1), help="Its layer [the one bert-score tuned]."),
            click.option("--bleurt-model", help="Name or folder of a BLEURT-20 checkpoint [lucadiliello/BLEURT-20]."),
            click.option("--quickumls", type=_EXISTING, help="What QuickUMLS's installer wrote, for MEDCON."),
            click.option("--by-division", is_flag=True, help="BERTScore, BLEURT and MEDCON for each division too."),
            click.option("--workers", type=click.IntRange(min=1), help="Processes that score [one a core, at most 8]."),
        )
    ):
        marked = option(marked)
    return marked


@click.command(name="eval")
@click.option("--student", "adapter", type=_EXISTING, help="Folder that 'distill train' wrote.")
@click.option(
    "--endpoint",
    "endpoints",
    multiple=True,
    metavar="URL",
    help="Base URL of an OpenAI-compatible server, in a student's place; may be given several times. "
    "A key is read from NOTEWRIGHT_API_KEY.",
)
@click.option("--model", help="What the servers at --endpoint call the model.")
@click.option("--serve", metavar="NAME|FOLDER", help="A model that vLLM is started for, in a student's place.")
@click.option(
    "--ask",
    type=click.Choice(["contract", "student"]),
    default="contract",
    show_default=True,
    help="What a served model is asked: rules and schema of the task, or the short instruction of students.",
)
@click.option(
    "--data", type=_EXISTING, required=True, help="The run directory, or the folder with the benchmark's files."
)
@click.option(
    "--benchmark",
    default="held-out",
    show_default=True,
    help="A name ('distill benchmarks' lists them), with :SPLIT for a split.",
)
@click.option("--task", help="What items are asked as [the run's task; of a benchmark what the student learned].")
@click.option("--out", type=_FOLDER, help="Where results go [STUDENT/eval-BENCHMARK; needed for a served model].")
@click.option("--base", help="Where the student's base is, if not where its name leads.")
@click.option("--limit", type=click.IntRange(min=1), help="Take the first so many items.")
@click.option("--constrained", is_flag=True, help="Let models write nothing but what holds under the task's schema.")
@click.option(
    "--temperature",
    type=click.FloatRange(0, 2),
    default=0.0,
    show_default=True,
    help="0 is greedy; else it is sampled.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the samples.")
@click.option(
    "--runs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Write each item so often, as 'NAME run K'.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=16,
    show_default=True,
    help="Items that a local model writes at once; halved where a GPU's memory does not hold them.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    default=32,
    show_default=True,
    help="Requests in flight at one server.",
)
@click.option(
    "--max-new-tokens",
    type=click.IntRange(min=1),
    help="Of one prediction [a quarter above training's longest; 4096 of a served model].",
)
@click.option("--fresh", is_flag=True, help="Drop what an earlier, unfinished run left in OUT.")
@_metric_options
def evaluate(
    adapter: Path | None,
    endpoints: tuple[str, ...],
    model: str | None,
    serve: str | None,
    ask: Literal["contract", "student"],
    data: Path,
    benchmark: str,
    task: str | None,
    out: Path | None,
    base: str | None,
    limit: int | None,
    constrained: bool,
    temperature: float,
    seed: int,
    runs: int,
    batch_size: int,
    concurrency: int,
    max_new_tokens: int | None,
    fresh: bool,
    marking: Marking,
) -> None:
    """Evaluate a student beside its base, or a model behind a server, with the floors of its task.

    The same command goes on where it was killed.

    \b
    distill eval --student outputs/endo-tiny --data outputs/endo
    distill eval --student outputs/endo-tiny --benchmark aci-bench:test1 --data DIR
    distill eval --endpoint http://127.0.0.1:8000/v1 --model NAME --data outputs/endo --out outputs/eval-NAME
    """
    from distill.columns.table import column_lines
    from distill.evaluate import evaluate as evaluate_system
    from distill.inference.base import Decoding
    from distill.report import table_lines
    from distill.telling import say_written
    from synth.console import say

    system = _system(adapter, endpoints, model, serve, ask, concurrency, out)
    folder = out or (adapter or Path()) / f"eval-{benchmark.replace(':', '-')}"
    results = evaluate_system(
        benchmark,
        data,
        system,
        folder,
        base=base,
        limit=limit,
        batch_size=batch_size,
        max_new_tokens=max_new_tokens,
        metrics=marking.metrics,
        metric_settings=marking.settings,
        workers=marking.workers,
        task=task,
        decoding=Decoding(temperature=temperature, seed=seed, constrained=constrained, runs=runs),
        fresh=fresh,
        progress=say_written(),
        notify=say,
    )
    for line in (*table_lines(results), *column_lines(results), *results.notes):
        click.echo(line)
    click.echo(
        f"{folder / 'report.html'}: the report, every item in it; results.json and the JSONL files lie beside it"
    )


def _system(
    adapter: Path | None,
    endpoints: tuple[str, ...],
    model: str | None,
    serve: str | None,
    ask: Literal["contract", "student"],
    concurrency: int,
    out: Path | None,
) -> Path | Served:
    """Return what the flags say is evaluated; UserError where they name nothing, or too much."""
    from distill.inference.served import Served
    from synth.errors import UserError

    if (adapter is not None) + bool(endpoints) + (serve is not None) != 1:
        raise UserError("give one of --student DIR, --endpoint URL with --model NAME, and --serve NAME|FOLDER")
    if adapter is not None:
        return adapter
    if endpoints and model is None:
        raise UserError("--endpoint needs --model NAME, what the server calls the model")
    if out is None:
        raise UserError("a served model has no folder of its own; say where results go with --out DIR")
    return Served(serve or model or "", endpoints, ask=ask, concurrency=concurrency, log=out / "vllm.log")


@click.command()
@click.option("--benchmark", required=True, help="Such as aci-bench:test1.")
@click.option(
    "--predictions",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="CSV or JSONL with one prediction an item.",
)
@click.option(
    "--columns",
    multiple=True,
    metavar="[NAME=]A,B,C",
    help="Columns of the benchmark's own data file, as runs of one model; once for each model.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True),
    required=True,
    help="Folder with the benchmark's files, or the file.",
)
@click.option("--out", type=_FOLDER, required=True, help="Where the results and report.html go.")
@click.option(
    "--floors/--no-floors", default=True, help="Score copy and retrieval beside it, which takes as long [they are]."
)
@_metric_options
def score(
    benchmark: str,
    predictions: Path | None,
    columns: tuple[str, ...],
    data: Path,
    out: Path,
    floors: bool,
    marking: Marking,
) -> None:
    """Score anybody's predictions on a benchmark, with its official settings, or the columns of its own data file.

    \b
    distill score --benchmark aci-bench:test1 --predictions gpt4.csv --data DIR --out outputs/gpt4
    distill score … --metrics rouge,bertscore,bleurt,medcon --quickumls DIR
    distill score --benchmark eurorad --columns "gpt-5.1-M1,gpt-5.1-M2,gpt-5.1-M3" --data DIR --out outputs/eurorad
    """
    from synth.errors import UserError

    if (predictions is None) == (not columns):
        raise UserError("give one of --predictions FILE and --columns 'A,B,C'")
    if predictions is None:
        from distill.columns.score import score_columns
        from distill.columns.table import column_lines

        results = score_columns(benchmark, columns, data, out)
        for line in (*column_lines(results), *results.notes):
            click.echo(line)
        click.echo(f"{out / 'results.json'}: every number, by run and group too")
        return
    from distill.report import table_lines
    from distill.scoring import score_predictions

    results = score_predictions(
        benchmark,
        predictions,
        data,
        out,
        metrics=marking.metrics,
        metric_settings=marking.settings,
        with_floors=floors,
        workers=marking.workers,
    )
    for line in (*table_lines(results), *results.notes):
        click.echo(line)
    click.echo(f"{out / 'report.html'}: the report, every item in it; results.json has every cell, by division too")


@click.command()
@click.option("--data", type=_FOLDER, help="Folder with benchmarks' files, or a run directory.")
@click.option("--get", metavar="NAME", help="Fetch this benchmark into DATA/NAME, if it may be passed on.")
@click.option("--from", "address", metavar="URL", help="With --get: where its files lie [where they are published].")
def benchmarks(data: Path | None, get: str | None, address: str | None) -> None:
    """List the benchmarks, what of them lies in a folder, and how to get the rest.

    \b
    distill benchmarks --data DIR
    distill benchmarks --get aci-bench --data DIR
    """
    from distill.download import fetch
    from distill.listing import listing_lines
    from synth.console import say
    from synth.errors import UserError

    if get is None:
        if address is not None:
            raise UserError("--from says where --get fetches from; give --get NAME, too")
        for line in listing_lines(data):
            click.echo(line)
        return
    if data is None:
        raise UserError("--get needs --data DIR, the folder that the files go to")
    from distill.catalog import load_benchmark

    benchmark, split = load_benchmark(get)
    fetch(benchmark, data, address=address, say=say)
    click.echo(f"{data / benchmark.metadata.name}: {benchmark.metadata.licence}; cite {benchmark.metadata.citation}")
    click.echo(f"distill eval --student DIR --benchmark {benchmark.metadata.name}:{split} --data {data}")


@click.command()
@click.argument("runs", nargs=-1, required=True, type=_EXISTING)
@click.option("--out", type=_FOLDER, required=True, help="Where compare.json and report.html go.")
@click.option("--against", help="The system that the others are compared with [the first of the first run].")
@click.option(
    "--top", type=click.IntRange(min=1), default=5, show_default=True, help="Items that are named for each metric."
)
def compare(runs: tuple[Path, ...], out: Path, against: str | None, top: int) -> None:
    """Compare several folders that 'distill score' or 'distill eval' wrote, on the same items.

    One table, differences with paired intervals, and the items in which the systems differ most.

    \b
    distill compare outputs/gpt4 outputs/bart --out outputs/gpt4-bart
    """
    from distill.compare import apart_lines, difference_lines
    from distill.compare import compare as compare_runs
    from distill.report import table_lines

    found = compare_runs(runs, out, against=against, top=top)
    for line in (*table_lines(found), "", *difference_lines(found), "", *apart_lines(found), *found.notes):
        click.echo(line)
    click.echo(f"{out / 'report.html'}: the report, with the items that differ most; compare.json has every cell")


COMMANDS = (evaluate, score, compare, benchmarks, judge)
