"""``synth``: make a data set."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click
from pydantic import JsonValue

from synth import __version__


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
@click.option("--task", help="What is written [note].")
@click.option("--seed", type=click.IntRange(min=0), help="Fixes the scenarios, whatever the concurrency [0].")
@click.option("--teacher", help="auto, simulator, or the id of a model for vLLM to serve here [auto].")
@click.option("--endpoint", metavar="URL", help="An OpenAI-compatible server to write with; needs --model.")
@click.option("--model", metavar="NAME", help="The model as the server at --endpoint calls it.")
@click.option("--temperature", type=click.FloatRange(0.0, 2.0), help="Of the teacher's sampling [0.8].")
@click.option("--max-tokens", type=click.IntRange(min=16), help="Of one response of the teacher [4096].")
@click.option("--attempts", type=click.IntRange(min=1), help="Per stage of a candidate before it is rejected [3].")
@click.option(
    "--concurrency", type=click.IntRange(min=1), default=32, show_default=True, help="Candidates under way at once."
)
@click.option("--max-candidates", type=click.IntRange(min=1), help="Stop after so many candidates [10 times n].")
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
    seed: int | None,
    teacher: str | None,
    endpoint: str | None,
    model: str | None,
    temperature: float | None,
    max_tokens: int | None,
    attempts: int | None,
    concurrency: int,
    max_candidates: int | None,
    config: Path | None,
) -> None:
    """Generate N accepted encounters; run again with the same words to resume.

    \b
    synth generate --specialty endocrinology -n 1500
    synth generate --specialty endocrinology -n 1500 --teacher openai/gpt-oss-20b
    synth generate --specialty endocrinology -n 1500 --endpoint http://127.0.0.1:8000 --model my-model
    """
    from synth.config import read_settings, resolve_config
    from synth.console import say
    from synth.pipeline import Execution, generate
    from synth.progress import RunProgress
    from synth.teachers.select import choose_teacher

    settings = read_settings(config)
    settings |= _given(specialty=specialty, n=n, task=task, seed=seed)
    chosen = choose_teacher(settings.get("teacher"), teacher, endpoint, model)
    settings["teacher"] = chosen.settings | _given(temperature=temperature, max_tokens=max_tokens, attempts=attempts)
    run = resolve_config(settings)
    folder = out or Path("outputs") / f"{run.specialty}-{run.task}-{run.seed}"
    with RunProgress(run.n) as progress:
        execution = Execution(
            out=folder,
            announcement=chosen.reason,
            endpoint=endpoint,
            serve=chosen.serve,
            concurrency=concurrency,
            max_candidates=max_candidates or 10 * run.n,
            notify=say,
            decided=progress.decided,
        )
        try:
            position = generate(run, execution)
        except (KeyboardInterrupt, OSError) as error:
            stopped = "stopped" if isinstance(error, KeyboardInterrupt) else f"stopped: {error.strerror}"
            say(f"{stopped}; everything accepted so far is kept. To go on: {shlex.join(['synth', *sys.argv[1:]])}")
            sys.exit(130 if isinstance(error, KeyboardInterrupt) else 1)
    say(f"accepted {position.accepted:,} of {position.next_index:,} candidates; rejected {position.rejected:,}")
    click.echo(f"{folder}: dataset/, README.md (card), report.html")


def _given(**flags: JsonValue) -> dict[str, JsonValue]:
    """Return the flags that were given."""
    return {name: value for name, value in flags.items() if value is not None}


@synth.command()
def specialties() -> None:
    """List the specialty packs with their conditions."""
    from synth.packs import load_pack, pack_names

    for name in pack_names():
        pack = load_pack(name)
        click.echo(f"{name}: {len(pack.conditions)} conditions")
        for condition_id, condition in pack.conditions.items():
            first = pack.citations[condition.sources[0]]
            click.echo(f"  {condition_id}  ({first.publisher} {first.year})")


def main() -> None:
    """Entry point of the ``synth`` command."""
    from synth.console import run_command

    run_command(synth, "synth")
