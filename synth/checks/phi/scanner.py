"""Scanning: texts → findings, by this project's recognisers under Presidio, and by a model where the user names one."""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version

from synth.checks.phi.finders import find
from synth.records import PhiFinding

_PLACEHOLDER = re.compile(r"\{\{[a-z_]{1,40}(?:_\d{1,2})?\}\}")
_SEPARATOR = "\n\x00\n"
"""Between fields that are scanned together: no pattern crosses a NUL."""


class Scanner:
    """Finds what looks like an identifier. Pure; ``scanner`` gives the one of this process."""

    def __init__(self, thresholds: Mapping[str, float] | None = None, model: str | None = None) -> None:
        """``thresholds``: the least score of a finding by entity type, in place of the recognisers' own.

        ``model``: a named-entity model that runs besides, such as ``spacy:en_core_web_lg``.
        """
        self._thresholds = dict(thresholds or {})
        self._model = model

    def text(self, text: str, field: str = "source") -> tuple[PhiFinding, ...]:
        """Return what looks like an identifier in a text, as ``scan_text`` does."""
        return self.fields({field: text})

    def fields(self, fields: Mapping[str, str]) -> tuple[PhiFinding, ...]:
        """Return the findings in several texts, in order: those of ``text`` on each, at a fraction of the time."""
        return scan_fields(fields)


@cache
def scanner(thresholds: tuple[tuple[str, float], ...] = (), model: str | None = None) -> Scanner:
    """Return this process's scanner of these settings."""
    return Scanner(dict(thresholds), model)


def scan_text(text: str, field: str = "source", *, prefilter: bool = True) -> tuple[PhiFinding, ...]:
    """Return what looks like an identifier in a text, by position; offsets are code points, ``text[start:end]``.

    A finding holds no text. Of findings that lie within one another only the widest is kept. Placeholders such as
    ``{{patient_name}}`` are no findings. Pure, and linear in the length of the text. Without the prefilter every
    pattern reads the whole text: the findings are the same, and the time is many times that.
    """
    return scan_fields({field: text}, prefilter=prefilter)


def scan_fields(fields: Mapping[str, str], *, prefilter: bool = True) -> tuple[PhiFinding, ...]:
    """Return the findings in several texts, in order: those of ``scan_text`` on each, at a fraction of the time."""
    names = list(fields)
    starts: list[int] = []
    position = 0
    for text in fields.values():
        starts.append(position)
        position += len(text) + len(_SEPARATOR)
    joined = _SEPARATOR.join(fields.values())
    placeholders = [hit.span() for hit in _PLACEHOLDER.finditer(joined)]
    hits = find(joined, prefilter).values()
    if all(_within(placeholders, start, end) for found in hits for start, end, _ in found):
        return ()  # Presidio would have no result to weigh, and most texts need not even load it
    # Presidio takes a GPU that torch sees; beside a teacher it must not.
    os.environ.setdefault("PRESIDIO_DEVICE", "cpu")
    from synth.checks.phi.engine import engine

    results = engine(prefilter).analyze(joined, "en")
    findings: list[PhiFinding] = []
    reach = 0
    for result in sorted(results, key=lambda r: (r.start, -r.end, -r.score, r.entity_type)):
        if result.end <= reach or _within(placeholders, result.start, result.end):
            continue
        reach = result.end
        at = bisect_right(starts, result.start) - 1
        findings.append(
            PhiFinding(
                field=names[at],
                entity_type=result.entity_type,
                start=result.start - starts[at],
                end=result.end - starts[at],
                score=result.score,
                recognizer=result.recognition_metadata["recognizer_name"],
            )
        )
    return tuple(findings)


def _within(spans: list[tuple[int, int]], start: int, end: int) -> bool:
    at = bisect_right(spans, (start, end + 1)) - 1
    return at >= 0 and end <= spans[at][1]


def engine_versions() -> dict[str, str]:
    """Return the versions of the packages whose change may change a finding."""
    return {name: version(name) for name in ("presidio-analyzer", "regex")}
