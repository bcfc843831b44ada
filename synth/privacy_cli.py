"""``synth scan``, ``synth redact``, ``synth phi-eval``: the privacy tools on the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import click

if TYPE_CHECKING:
    from synth.privacy.scanning import ScanSettings
    from synth.privacy.summary import Summary

Command = TypeVar("Command", bound=Callable[..., object])
FOUND, UNREAD = 1, 3
"""Exit codes: something was found; nothing was, but not everything could be read as it should be."""

_FORMAT = click.option(
    "--format",
    "format_name",
    type=click.Choice(["auto", "text", "jsonl", "json", "csv", "parquet"]),
    default="auto",
    show_default=True,
    help="Of the files; auto goes by their endings.",
)
_FIELD = click.option(
    "--field",
    "fields",
    metavar="NAME",
    multiple=True,
    help="Only this column or JSON pointer and what is below it [all].",
)
_THRESHOLD = click.option(
    "--threshold", "thresholds", metavar="TYPE=SCORE", multiple=True, help="Least score of an entity type's findings."
)
_MODEL = click.option(
    "--model", metavar="NAME", help="A model on this machine that runs besides: spacy:…, hf:… or gliner:…"
)
_WORKERS = click.option(
    "--workers", type=click.IntRange(min=1), help="Processes [one a core, at most 8; small inputs need none]."
)


def _scanning(command: Command) -> Command:
    for option in (_WORKERS, _MODEL, _THRESHOLD, _FIELD, _FORMAT):
        command = option(command)
    return command


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the findings here, one JSON a line."
)
@click.option("--show", is_flag=True, help="Put the found texts into --out: THE FILE THEN HOLDS PHI (mode 0600).")
@_scanning
def scan(
    paths: tuple[str, ...],
    out: Path | None,
    show: bool,
    format_name: str,
    fields: tuple[str, ...],
    thresholds: tuple[str, ...],
    model: str | None,
    workers: int | None,
) -> None:
    """Find what looks like an identifier in files, folders or '-' (standard input, text unless --format says more).

    Prints counts by Safe Harbor class. Exit 0: nothing found. 1: something was. 2: the request is wrong. 3: nothing was
    found, but some records could not be read as they should be (told on standard error). A clean scan is no proof: see
    docs/PHI.md.

    \b
    synth scan notes/ --out findings.jsonl
    synth scan visits.parquet --field text
    zcat dump.jsonl.gz | synth scan - --format jsonl
    """
    from synth.console import say
    from synth.privacy.scan import ScanRequest
    from synth.privacy.scan import scan as scan_files

    request = ScanRequest(paths, out, show, format_name, fields, _settings(thresholds, model), _workers(workers))
    with _user_errors():
        summary = scan_files(request, say)
    _tell(summary, "found")
    if out is not None:
        click.echo(f"{out}: one finding a line" + ("; it holds the found texts: PHI" if show else ""))
    sys.exit(FOUND if summary.found else UNREAD if summary.bad else 0)


@click.command()
@click.argument("source", metavar="IN")
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--as",
    "manner",
    type=click.Choice(["tag", "surrogate", "mask"]),
    default="tag",
    show_default=True,
    help="[NAME], made-up values, or one block a character.",
)
@click.option("--seed", type=click.IntRange(min=0), help="Makes surrogates repeatable; keep it as secret as IN.")
@click.option("--force", is_flag=True, help="Replace OUT where it is there already.")
@_scanning
def redact(
    source: str,
    out: Path,
    manner: Literal["tag", "surrogate", "mask"],
    seed: int | None,
    force: bool,
    format_name: str,
    fields: tuple[str, ...],
    thresholds: tuple[str, ...],
    model: str | None,
    workers: int | None,
) -> None:
    """Write the file IN to OUT in the same format with every found span replaced; OUT appears whole or not at all.

    Numbers become 0 and dates of Parquet columns become null, so that types stay. Records that cannot be read are left
    out, told, and make the exit code 3. A redacted file is not proven to be free of identifiers.

    \b
    synth redact notes.jsonl notes-redacted.jsonl
    synth redact visits.csv visits-made-up.csv --as surrogate
    """
    from synth.console import say
    from synth.errors import UserError
    from synth.privacy.redact import RedactRequest
    from synth.privacy.redact import redact as redact_file

    if seed is not None and manner != "surrogate":
        raise UserError(f"--seed has no use with --as {manner}; it is for --as surrogate")
    settings = _settings(thresholds, model)
    request = RedactRequest(source, out, manner, seed, force, format_name, fields, settings, _workers(workers))
    with _user_errors():
        summary = redact_file(request, say)
    _tell(summary, "replaced")
    click.echo(f"{out}: NOT proven to be free of identifiers; have somebody read it before it is shared")
    sys.exit(UNREAD if summary.bad else 0)


@click.command("phi-eval")
@click.option(
    "--labelled",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="JSONL of id, text, spans (start, end, class): recall by class and false alarms [the bundled held-out set].",
)
@click.option(
    "--clean",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Dialogues or notes without labels (ACI-Bench, MTS-Dialog, PriMock57, text): findings per 1,000 words.",
)
@click.option(
    "--aci-bench",
    type=click.Path(path_type=Path, file_okay=False),
    help="ACI-Bench's CSV files: recall on the names that its metadata knows.",
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write results.json here.")
@click.option(
    "--misses",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the missed spans here, WITH TEXT (mode 0600).",
)
@_THRESHOLD
@_MODEL
@_WORKERS
def phi_eval(
    labelled: tuple[Path, ...],
    clean: tuple[Path, ...],
    aci_bench: Path | None,
    out: Path | None,
    misses: Path | None,
    thresholds: tuple[str, ...],
    model: str | None,
    workers: int | None,
) -> None:
    """Measure the filter: recall on labelled identifiers, and what it flags where there are none.

    \b
    synth phi-eval
    synth phi-eval --labelled mine.jsonl --clean aci-bench/train.csv --out results.json
    """
    from synth.console import say
    from synth.privacy.phi_eval import EvalRequest, evaluate, report

    settings = _settings(thresholds, model)
    request = EvalRequest(labelled, clean, aci_bench, settings, _workers(workers), out, misses)
    with _user_errors():
        results = evaluate(request, say)
    for line in report(results):
        click.echo(line)


def _settings(thresholds: tuple[str, ...], model: str | None) -> ScanSettings:
    from synth.privacy.scanning import ScanSettings, parse_thresholds

    return ScanSettings(parse_thresholds(thresholds), model)


@contextmanager
def _user_errors() -> Iterator[None]:
    """Make what the machine refuses a user's error, because exit code 1 says that something was found."""
    from synth.errors import UserError

    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise UserError(f"{where}{error.strerror or error}") from error
    except MemoryError:
        raise UserError("out of memory; use fewer --workers, or split the file") from None


def _workers(asked: int | None) -> int:
    from synth.processes import default_workers

    return default_workers() if asked is None else asked


def _tell(summary: Summary, verb: str) -> None:
    click.echo("\n".join(summary.lines(verb)))


COMMANDS = (scan, redact, phi_eval)
"""For the group of ``synth/cli.py``."""
