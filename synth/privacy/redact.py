"""``synth redact``: a file → the same file with every found span replaced."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from synth.errors import UserError
from synth.privacy.documents import BadRecord
from synth.privacy.files import STDIN, find_inputs, opened, refuse_input, written_whole
from synth.privacy.formats import format_named
from synth.privacy.pool import Job, outcomes
from synth.privacy.replacing import Manner, Replacing
from synth.privacy.scan import Fields, events_in, load_model
from synth.privacy.scanning import EVERYTHING, ScanSettings
from synth.privacy.summary import Reporter, Summary


@dataclass(frozen=True, slots=True)
class RedactRequest:
    """What ``synth redact`` is asked."""

    path: str
    out: Path
    manner: Manner = "tag"
    seed: int | None = None
    force: bool = False
    format: str = "auto"
    fields: tuple[str, ...] = ()
    settings: ScanSettings = EVERYTHING
    workers: int = 1


def redact(request: RedactRequest, notify: Callable[[str], None]) -> Summary:
    """Write a file anew with every found span replaced, and return the counts of what was replaced.

    A record that cannot be read is left out and counted. Raises UserError for a wrong request, and where the output is
    there already or is the input.
    """
    if request.path != STDIN and Path(request.path).is_dir():
        raise UserError(f"{request.path} is a folder; redact takes one file at a time")
    inputs = find_inputs((request.path,), request.format)
    refuse_input(request.out, inputs)
    if request.out.exists() and not request.force:
        raise UserError(f"{request.out} is there already; --force replaces it")
    load_model(request.settings)
    secret = secrets.token_hex(16) if request.seed is None else str(request.seed)
    job = Job(request.settings, Replacing(request.manner, secret))
    summary = Summary(files=1)
    reporter = Reporter(summary, notify)
    fields = Fields(request.fields)
    file = inputs.files[0]
    # Surrogates depend on a document's id, and a text's is its name: the same text has the same ones wherever it lies.
    with opened(replace(file, name="")) as source, written_whole(request.out) as out:
        writer = format_named(file.format).writer(source, out)
        for name, event, outcome in outcomes(events_in(file, source, fields), job, request.workers):
            if isinstance(event, BadRecord):
                reporter.tell(name, event)
                continue
            assert outcome is not None
            if event.payload is not None:
                summary.add(event, tuple(found for found in outcome.findings if found.start >= 0), outcome.words)
                writer.write(event, outcome.changes)
        writer.finish()
        fields.check()
    return summary
