"""``synth scan``: files → findings."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from synth.errors import UserError
from synth.privacy.documents import BadRecord, Document, Event, Found, Value
from synth.privacy.files import Input, Inputs, find_inputs, opened, refuse_input, written_whole
from synth.privacy.formats import format_named
from synth.privacy.formats.base import Source
from synth.privacy.pool import Job, outcomes
from synth.privacy.scanning import EVERYTHING, ScanSettings, find_values
from synth.privacy.summary import Reporter, Summary


@dataclass(frozen=True, slots=True)
class ScanRequest:
    """What ``synth scan`` is asked."""

    paths: tuple[str, ...]
    out: Path | None = None
    show: bool = False
    format: str = "auto"
    fields: tuple[str, ...] = ()
    settings: ScanSettings = EVERYTHING
    workers: int = 1


def scan(request: ScanRequest, notify: Callable[[str], None]) -> Summary:
    """Scan files, write the findings where an output is asked for, and return the counts.

    ``notify`` is told of every bad record, one line each. Raises UserError for a wrong request.
    """
    if request.show and request.out is None:
        raise UserError("--show writes the found texts into the file of --out; give that too")
    inputs = find_inputs(request.paths, request.format, request.out)
    if request.out is not None:
        refuse_input(request.out, inputs)
    load_model(request.settings)
    summary = Summary(files=len(inputs.files), skipped=inputs.skipped)
    reporter = Reporter(summary, notify)
    fields = Fields(request.fields)
    several = len(inputs.files) > 1 or Path(request.paths[0]).is_dir()
    with ExitStack() as stack:
        out = stack.enter_context(written_whole(request.out, private=request.show)) if request.out else None
        for name, event, outcome in outcomes(events_of(inputs, fields), Job(request.settings), request.workers):
            if isinstance(event, BadRecord):
                reporter.tell(name, event)
                continue
            assert outcome is not None
            findings = tuple(found for found in outcome.findings if found.start >= 0)
            summary.add(event, findings, outcome.words)
            if out is not None and findings:
                _write(out, event, findings, name if several else None, request.show)
        fields.check()
    return summary


class Fields:
    """The fields that are scanned: all, or those that were named with what lies below them."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = tuple(name.removeprefix("/") for name in names)
        self._unseen = set(self._names)

    def of(self, document: Document) -> Document:
        """Return a document in which the values of other fields are empty; they keep their places."""
        if not self._names:
            return document
        values = (value if self._holds(value.field) else replace(value, text="") for value in document.values)
        return replace(document, values=tuple(values))

    def check(self) -> None:
        """Raise UserError where a field was named that no document has."""
        if self._unseen:
            raise UserError(f"--field {', '.join(sorted(self._unseen))}: no document has such a field with text in it")

    def _holds(self, field: str) -> bool:
        plain = field.removeprefix("/")
        for name in self._names:
            if plain == name or plain.startswith(f"{name}/"):
                self._unseen.discard(name)
                return True
        return False


def events_of(inputs: Inputs, fields: Fields) -> Iterator[tuple[str, Event]]:
    """Yield what the readers give for each input, with its name, opening one file at a time."""
    for file in inputs.files:
        with opened(file) as source:
            yield from events_in(file, source, fields)


def events_in(file: Input, source: Source, fields: Fields) -> Iterator[tuple[str, Event]]:
    """Yield what the reader gives for one open input, with its name."""
    for event in format_named(file.format).read(source):
        yield file.name, fields.of(event) if isinstance(event, Document) else event


def load_model(settings: ScanSettings) -> None:
    """Raise UserError here, and not in a worker process, where a threshold is wrong or a model cannot be loaded."""
    if settings != EVERYTHING:
        find_values(settings, (Value("text", "", "Dr. Okonkwo"),))


def _write(out: BinaryIO, document: Document, findings: tuple[Found, ...], file: str | None, show: bool) -> None:
    for found in findings:
        value = document.values[found.value]
        row: dict[str, object] = {"file": file} if file is not None else {}
        row |= {
            "id": document.id,
            "field": value.field,
            "entity_type": found.entity_type,
            "start": value.offset + found.start,
            "end": value.offset + found.end,
            "score": round(found.score, 4),
            "recognizer": found.recognizer,
        }
        if show:
            row["text"] = (value.text + value.after)[found.start : found.end]
        out.write(json.dumps(row).encode() + b"\n")
