"""``distill judge``: a model grades what systems wrote."""

from __future__ import annotations

from pathlib import Path

import click

_EXISTING = click.Path(path_type=Path, file_okay=False, exists=True)


@click.command()
@click.argument("run", type=_EXISTING)
@click.option(
    "--judge",
    "judges",
    metavar="URL",
    multiple=True,
    required=True,
    help="OpenAI-compatible server, such as http://127.0.0.1:8001/v1; several of one model are balanced. Its key is "
    "NOTEWRIGHT_JUDGE_API_KEY.",
)
@click.option("--judge-model", metavar="NAME", help="The model as the server calls it [its only one].")
@click.option("--judge-revision", metavar="COMMIT", help="Of the model; kept, and told apart.")
@click.option(
    "--rubric",
    default="transcription",
    show_default=True,
    help="transcription, letters, pdsqi9, decision, decision-treatment, or a YAML file.",
)
@click.option("--repeats", metavar="K", type=click.IntRange(1, 99), default=3, show_default=True)
@click.option(
    "--system", "systems", metavar="NAME", multiple=True, help="Judge this one; several times for several [all]."
)
@click.option(
    "--pairwise",
    nargs=2,
    metavar="SYSTEM_A SYSTEM_B",
    help="Which of two is better, asked in both orders, in place of scores.",
)
@click.option(
    "--human",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="CSV with human scores: id, system, a column for each dimension.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True),
    help="The benchmark's files, or the run directory [the items that RUN keeps].",
)
@click.option("--limit", type=click.IntRange(min=1), help="Take the first so many items.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where it goes [RUN/judge-RUBRIC-MODEL, and -A-vs-B].",
)
@click.option(
    "--temperature",
    type=click.FloatRange(0, 2, min_open=True),
    default=1.0,
    show_default=True,
    help="Above 0: repeats without it are copies.",
)
@click.option("--max-tokens", type=click.IntRange(min=16), default=4096, show_default=True, help="Of a reply.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the repeats.")
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    default=64,
    show_default=True,
    help="Most requests in flight at one server.",
)
@click.option("--timeout", type=click.FloatRange(min=0.1), default=600.0, show_default=True, help="Seconds a request.")
@click.option(
    "--patience",
    type=click.FloatRange(min=0.0),
    default=120.0,
    show_default=True,
    help="Seconds that a server may be away before this stops.",
)
def judge(
    run: Path,
    judges: tuple[str, ...],
    judge_model: str | None,
    judge_revision: str | None,
    rubric: str,
    repeats: int,
    systems: tuple[str, ...],
    pairwise: tuple[str, str] | None,
    human: Path | None,
    data: Path | None,
    limit: int | None,
    out: Path | None,
    temperature: float,
    max_tokens: int,
    seed: int,
    concurrency: int,
    timeout: float,
    patience: float,
) -> None:
    """Have a model grade the predictions in RUN, a folder of 'distill eval' or 'distill score'.

    \b
    distill judge outputs/gpt4 --judge http://127.0.0.1:8001/v1
    distill judge outputs/gpt4 --judge URL --pairwise gpt4 copy
    """
    from distill.judging.asking import Asking
    from distill.judging.judge import Request, judge_run
    from distill.judging.table import judge_lines
    from distill.telling import seldom
    from synth.console import say
    from synth.serving.chat import Patience

    due = seldom()

    def progress(done: int, total: int) -> None:
        if due(done, total):
            say(f"{done:,} of {total:,} judged")

    results, used, folder = judge_run(
        Request(
            run=run,
            rubric=rubric,
            data=data,
            systems=systems,
            pair=pairwise,
            human=human,
            limit=limit,
            out=out,
        ),
        Asking(
            endpoints=judges,
            model=judge_model,
            revision=judge_revision,
            repeats=repeats,
            temperature=temperature,
            max_tokens=max_tokens,
            seed=seed,
            concurrency=concurrency,
            timeout=timeout,
            patience=Patience(budget=patience),
        ),
        notify=say,
        progress=progress,
    )
    for line in judge_lines(results, used):
        click.echo(line)
    click.echo(f"{folder / 'judge.json'}: every number; judgements.jsonl has every reply's scores")
