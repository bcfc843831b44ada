"""Values → findings, by the scanner of ``synth.checks.phi`` and by what names say of their values. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from synth.checks.phi import WEAK, Scanner, scanner
from synth.errors import UserError
from synth.privacy.cues import RECOGNIZER, SCORE, claimed, speaks
from synth.privacy.documents import Found, Value

PIECE = 1 << 16
"""Most code points of a text file that are held at once; a longer one is read in pieces."""
CONTEXT = 2_100
"""Code points that a piece sees of its neighbours, more than any pattern matches; a finding belongs to the piece in
which it begins."""
_LEAST = 4
"""Letters and digits of a labelled value about which a guess counts."""
_LABEL = 80
"""Longest value before which the name of its column is read as a label."""


@dataclass(frozen=True, slots=True)
class ScanSettings:
    """What a scan is told; hashable and small, so that it can go to a worker process."""

    thresholds: tuple[tuple[str, float], ...] = ()
    model: str | None = None

    @property
    def scanner(self) -> Scanner:
        """The scanner of this process with these settings."""
        return scanner(self.thresholds, self.model)


EVERYTHING = ScanSettings()
"""The recognisers' own thresholds, and no model."""


def parse_thresholds(written: Iterable[str]) -> tuple[tuple[str, float], ...]:
    """Return ``TYPE=SCORE`` as pairs; UserError for what is not written so. The scanner checks type and score."""
    thresholds: dict[str, float] = {}
    for text in written:
        name, _, score = text.partition("=")
        try:
            thresholds[name.strip().upper()] = float(score)
        except ValueError:
            raise UserError(f"--threshold {text}: write it as TYPE=SCORE, such as PERSON=0.7") from None
    return tuple(sorted(thresholds.items()))


class _Text(NamedTuple):
    """A text for the scanner: a value with what is read before it."""

    text: str
    lead: int
    """Code points before the value: its label, or what stands before a piece."""


def find_values(settings: ScanSettings, values: Sequence[Value]) -> tuple[Found, ...]:
    """Return what looks like an identifier in the values of one document, by value and position.

    Of findings that lie within one another only the widest is kept. A finding that begins before a piece and reaches
    into it has a negative start, and belongs to the piece before.
    """
    thresholds = dict(settings.thresholds)
    found: list[Found] = []
    texts = [_text(value) for value in values]
    for i, value in enumerate(values):
        entity = None if value.offset else claimed(value.name, value.text)
        if entity is not None and thresholds.get(entity, 0.0) <= SCORE:
            begin = len(value.text) - len(value.text.lstrip())
            found.append(Found(i, entity, begin, begin + len(value.text.strip()), SCORE, RECOGNIZER))
    for hit in settings.scanner.fields({str(i): text.text for i, text in enumerate(texts)}):
        i = int(hit.field)
        value, lead = values[i], texts[i].lead
        if hit.score < WEAK and lead and not value.before and sum(c.isalnum() for c in value.text) < _LEAST:
            continue  # such as a count under a name
        start, end = hit.start - lead, hit.end - lead
        if not value.before:
            start = max(0, start)  # a label was taken for a part of it
        if start < len(value.text) and end > max(0, start):
            found.append(Found(i, hit.entity_type, start, end, hit.score, hit.recognizer))
    return tuple(_widest(found))


def _text(value: Value) -> _Text:
    if value.before or value.after:
        return _Text(value.before + value.text + value.after, len(value.before))
    if len(value.text) <= _LABEL and speaks(value.name) and "\n" not in value.text:
        return _Text(f"{value.name}: {value.text}", len(value.name) + 2)
    return _Text(value.text, 0)


def cut(text: str, begin: int, most: int) -> int:
    """Return where to end a piece that begins at ``begin`` and ends at ``most`` at the latest: after an empty line,
    else a line, else a blank, in its second half; else at ``most``."""
    if len(text) <= most:
        return len(text)
    for mark in ("\n\n", "\n", " "):
        at = text.rfind(mark, (begin + most) // 2, most)
        if at >= 0:
            return at + len(mark)
    return most


def _widest(found: list[Found]) -> Iterator[Found]:
    value, reach = -1, 0
    for one in sorted(found, key=lambda f: (f.value, f.start, -f.end, -f.score, f.entity_type)):
        if one.value != value:
            value, reach = one.value, 0
        if one.end > reach:
            reach = one.end
            yield one
