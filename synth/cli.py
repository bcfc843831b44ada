"""``synth``: make a data set."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from synth import __version__
from synth.privacy_cli import COMMANDS
from synth.tasks_cli import COMMANDS as TASKS

if TYPE_CHECKING:
    from pydantic import JsonValue

    from synth.clock import Traffic
    from synth.config import RunConfig
    from synth.ledger import Position
    from synth.pipeline import Execution


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="synth")
def synth() -> None:
    """Make shareable, PHI-free synthetic clinical data sets."""


@synth.command()
@click.option("--specialty", help="Specialty pack, such as endocrinology ('synth specialties' lists them).")
@click.option("-n", "n", type=click.IntRange(min=1), help="How many accepted encounters to end with.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Run directory [outputs/SPECIALTY-TASK-SEED]."
)
@click.option("--task", help="What is written ('synth tasks' lists them) [note].")
@click.option("--style", metavar="FILE|NAME", help="House style: a YAML file, or english, english-brief, german.")
@click.option("--seed", type=click.IntRange(min=0), help="Fixes the scenarios, whatever the concurrency [0].")
@click.option("--teacher", help="auto, simulator, or the id of a model for vLLM to serve here [auto].")
@click.option(
    "--endpoint",
    "endpoints",
    metavar="URL",
    multiple=True,
    help="An OpenAI-compatible server to write with; needs --model; several of the same model are balanced.",
)
@click.option("--model", metavar="NAME", help="The model as the server at --endpoint calls it.")
@click.option("--revision", metavar="COMMIT", help="Of the model: vLLM is asked for it, a server is believed.")
@click.option("--temperature", type=click.FloatRange(0.0, 2.0), help="Of the teacher's sampling [0.8].")
@click.option("--max-tokens", type=click.IntRange(min=16), help="Of one response of the teacher [4096].")
@click.option("--attempts", type=click.IntRange(min=1), help="At source and at target, before a rejection [3].")
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    default=256,
    show_default=True,
    help="Most requests in flight at one endpoint; how many pay off is found out.",
)
@click.option("--workers", type=click.IntRange(min=0), help="Processes for the checks [one a core, at most 8].")
@click.option("--max-candidates", type=click.IntRange(min=1), help="Stop after so many candidates [10 times n].")
@click.option("--timeout", type=click.FloatRange(min=0.1), default=600.0, show_default=True, help="Seconds a request.")
@click.option(
    "--patience",
    type=click.FloatRange(min=0.0),
    default=120.0,
    show_default=True,
    help="Seconds that a server may be away before the run stops.",
)
@click.option(
    "--cache/--no-cache",
    default=True,
    help="Keep a model's replies, so that none is paid for twice, and how much the PHI check was found to find.",
)
@click.option(
    "--identities",
    type=click.Choice(["placeholder", "surrogate", "tag"]),
    help="What is published for a name, a date, a number: the placeholder, an invented one, or [PATIENT] [surrogate].",
)
@click.option(
    "--phi",
    type=click.Choice(["reject", "redact", "surrogate"]),
    help="What becomes of an identifier that the teacher wrote all the same [reject].",
)
@click.option(
    "--duplicates",
    metavar="SHARE|off",
    help="Reject what shares so much of its word 8-grams with facts with an earlier encounter [0.5].",
)
@click.option(
    "--hold-out",
    "hold_out",
    metavar="NAME=PATH",
    multiple=True,
    help="A benchmark that no encounter may overlap with: a folder, or a CSV, JSONL, Parquet or text file.",
)
@click.option(
    "--condition",
    "conditions",
    metavar="NAME",
    multiple=True,
    help="Only patients with this condition of the pack; may be given several times.",
)
@click.option("--age", metavar="YEARS", help="Only patients of these years, such as 40-65 or 65+.")
@click.option("--sex", type=click.Choice(["female", "male"]), help="Only patients of this sex.")
@click.option("--visit", type=click.Choice(["new", "follow-up"]), help="Only first visits, or only follow-ups.")
@click.option(
    "--distribution",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="YAML with target shares by condition, sex, age, visit or length.",
)
@click.option(
    "--language-level", type=click.Choice(["plain", "usual", "educated"]), help="How the patient speaks [usual]."
)
@click.option(
    "--difficulty",
    type=click.Choice(["easy", "usual", "hard"]),
    help="How much there is to carry, and how often somebody corrects or interrupts [usual].",
)
@click.option(
    "--length",
    type=click.Choice(["brief", "usual", "long"]),
    help="How long a dialogue is [30 % brief, 50 % usual, 20 % long].",
)
@click.option(
    "--transcript-style",
    type=click.Choice(["written", "asr"]),
    help="As people write a transcript down, or as speech recognition does: lower case, few marks [written].",
)
@click.option(
    "--judge",
    "judges",
    metavar="URL|teacher",
    multiple=True,
    help="Have a model grade what the checks accept: an OpenAI-compatible server, or the teacher itself [nobody].",
)
@click.option("--judge-model", metavar="NAME", help="The judge's model as the server at --judge calls it.")
@click.option("--judge-repeats", metavar="K", type=click.IntRange(1, 99), help="Judgements of one encounter [3].")
@click.option("--preview", metavar="K", type=click.IntRange(min=1), help="Show K encounters with verdicts; write none.")
@click.option(
    "--config",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="YAML with the same settings; flags win.",
)
def generate(
    specialty: str | None,
    n: int | None,
    out: Path | None,
    task: str | None,
    style: str | None,
    seed: int | None,
    teacher: str | None,
    endpoints: tuple[str, ...],
    model: str | None,
    revision: str | None,
    temperature: float | None,
    max_tokens: int | None,
    attempts: int | None,
    concurrency: int,
    workers: int | None,
    max_candidates: int | None,
    timeout: float,
    patience: float,
    cache: bool,
    identities: str | None,
    phi: str | None,
    duplicates: str | None,
    hold_out: tuple[str, ...],
    conditions: tuple[str, ...],
    age: str | None,
    sex: str | None,
    visit: str | None,
    distribution: Path | None,
    language_level: str | None,
    difficulty: str | None,
    length: str | None,
    transcript_style: str | None,
    judges: tuple[str, ...],
    judge_model: str | None,
    judge_repeats: int | None,
    preview: int | None,
    config: Path | None,
) -> None:
    """Generate N accepted encounters; run again with the same words to resume.

    \b
    synth generate --specialty endocrinology -n 1500
    synth generate --specialty endocrinology -n 1500 --teacher openai/gpt-oss-20b
    synth generate --specialty endocrinology -n 1500 --endpoint http://127.0.0.1:8000 --model my-model
    synth generate --specialty endocrinology --preview 3
    synth generate --specialty endocrinology -n 200 --condition "type 2 diabetes" --age 40-65 --sex female
    synth generate --specialty endocrinology -n 1500 --judge http://127.0.0.1:8001 --judge-model other-model
    synth generate --specialty endocrinology -n 1500 --identities tag    (of a complete run: publishes it anew)
    """
    from synth.processes import default_workers, load_ahead

    if preview is None and workers != 0:
        load_ahead("synth.checks.loaded", specialty or "")  # beside everything that is loaded and read here
    from synth.config import read_settings, read_shares, resolve_config
    from synth.console import say
    from synth.corpora import read_corpora
    from synth.pipeline import Execution
    from synth.serving.cache import default_cache_path, default_kept_path
    from synth.settings import with_duplicates, with_held_out
    from synth.teachers.select import choose_judge, choose_teacher

    settings = read_settings(config)
    settings |= _given(specialty=specialty, n=n, task=task, style=style, seed=seed, identities=identities)
    if phi is not None:
        before = settings.get("phi")
        settings["phi"] = {**(before if isinstance(before, dict) else {}), "policy": phi}
    if duplicates is not None:
        settings |= with_duplicates(settings, duplicates)
    held_out = read_corpora(hold_out)
    if held_out:
        settings |= with_held_out(settings, held_out)
    asked = _given(age=age, sex=sex, visit=visit, length=length, transcript_style=transcript_style)
    asked |= _given(language_level=language_level, difficulty=difficulty)
    asked |= {"condition": list(conditions)} if conditions else {}
    asked |= {"shares": read_shares(distribution)} if distribution is not None else {}
    if asked:
        given = settings.get("control")
        settings["control"] = {**(given if isinstance(given, dict) else {}), **asked}
    if preview is not None:
        settings.setdefault("n", preview)
    chosen = choose_teacher(settings.get("teacher"), teacher, endpoints, model)
    sampling = _given(revision=revision, temperature=temperature, max_tokens=max_tokens, attempts=attempts)
    settings["teacher"] = writer = chosen.settings | sampling
    judging = choose_judge(settings.get("judge"), judges, judge_model, judge_repeats, writer)
    if judging.settings is not None:
        settings["judge"] = judging.settings
    run = resolve_config(settings)
    execution = Execution(
        out=out or Path("outputs") / f"{run.specialty}-{run.task}-{run.seed}",
        max_candidates=max_candidates or 10 * run.n,
        announcement=chosen.reason,
        judging=judging.reason,
        endpoints=endpoints,
        serve=chosen.serve,
        judges=judging.endpoints,
        judge_own=judging.own,
        concurrency=concurrency,
        workers=default_workers() if workers is None else workers,
        timeout=timeout,
        patience=patience,
        cache=default_cache_path() if cache and preview is None else None,
        kept=default_kept_path() if cache else None,
        held_out=held_out,
        notify=say,
    )
    if preview is None:
        _generate(run, execution)
    else:
        _preview(run, execution, preview)


def _generate(run: RunConfig, execution: Execution) -> None:
    """Carry the run out, with progress on standard error."""
    from synth.console import say
    from synth.pipeline import generate
    from synth.progress import RunProgress

    with RunProgress(run.n) as progress:

        def committed(position: Position, traffic: Traffic) -> None:
            progress.in_flight(traffic.in_flight, traffic.limit)
            progress.decided(position)

        try:
            position = generate(run, replace(execution, committed=committed))
        except (KeyboardInterrupt, OSError) as error:
            stopped = "stopped" if isinstance(error, KeyboardInterrupt) else f"stopped: {error.strerror or error}"
            say(f"{stopped}; everything accepted so far is kept. To go on: {shlex.join(['synth', *sys.argv[1:]])}")
            sys.exit(130 if isinstance(error, KeyboardInterrupt) else 1)
    say(f"accepted {position.accepted:,} of {position.next_index:,} candidates; rejected {position.rejected:,}")
    click.echo(f"{execution.out}: dataset/, README.md (card), report.html")


def _preview(run: RunConfig, execution: Execution, count: int) -> None:
    """Print the first encounters of the run and what each check says of them."""
    from synth.assets import render_template
    from synth.catalog import load_task
    from synth.pipeline import preview

    task = load_task(run.task)
    click.echo(render_template("preview.txt.j2", task=task, previews=preview(run, execution, count)), nl=False)


def _given(**flags: JsonValue) -> dict[str, JsonValue]:
    """Return the flags that were given."""
    return {name: value for name, value in flags.items() if value is not None}


@synth.command()
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def status(run: Path, as_json: bool) -> None:
    """Show how far RUN has come, what it has cost, and what took the candidates."""
    from synth.status import read_status, status_text

    found = read_status(run)
    click.echo(found.model_dump_json(indent=2) if as_json else status_text(found))


@synth.command()
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--beside",
    metavar="NAME=PATH",
    multiple=True,
    help="Another corpus to measure, such as aci-bench=DIR; as for 'generate --hold-out'.",
)
@click.option(
    "--sample",
    type=click.IntRange(min=2),
    default=200,
    show_default=True,
    help="Most texts to compare with each other, the same number of every corpus.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the sample.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def report(run: Path, beside: tuple[str, ...], sample: int, seed: int, as_json: bool) -> None:
    """Measure the language of RUN: length, turns, vocabulary, distinct-n, self-BLEU, what encounters have in common.

    \b
    synth report outputs/run --beside aci-bench=DIR --beside primock57=DIR
    """
    from synth.corpora import read_corpora
    from synth.language.report import language_report
    from synth.language.table import table_text

    found = language_report(run, read_corpora(beside), sample, seed)
    click.echo(found.model_dump_json(indent=2) if as_json else table_text(found.corpora, found.nouns))


@synth.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option(
    "--check", is_flag=True, help="Check the packs, as written and as sampled; exit 2 where something is wrong."
)
@click.option(
    "--samples", type=click.IntRange(min=0), default=10_000, show_default=True, help="Scenarios a pack to check."
)
def specialties(names: tuple[str, ...], check: bool, samples: int) -> None:
    """List the specialty packs with their conditions and guidelines, or check them."""
    from synth.packs import load_pack
    from synth.vetting import packs_named, vet

    wrong = 0
    for name in packs_named(names):
        if check:
            problems, notes = vet(name, samples)
            wrong += len(problems)
            for problem in problems:
                click.echo(str(problem))
            for note in notes:
                click.echo(f"note: {note}", err=True)
            click.echo(
                f"{name}: {len(problems) or 'no'} problem{'s' * (len(problems) != 1)}, {samples:,} scenarios sampled"
            )
            continue
        pack = load_pack(name)
        click.echo(f"{name}: {len(pack.conditions)} conditions")
        for condition_id, condition in pack.conditions.items():
            cited = (pack.citations[source] for source in condition.sources)
            click.echo(f"  {condition_id}  ({'; '.join(f'{c.publisher} {c.year}' for c in cited)})")
    if wrong:
        sys.exit(2)


for command in (*TASKS, *COMMANDS):
    synth.add_command(command)


def main() -> None:
    """Entry point of the ``synth`` command."""
    from synth.console import run_command

    run_command(synth, "synth")
