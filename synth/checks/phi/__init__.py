"""The PHI check: an encounter in which anything looks like a Safe Harbor identifier is rejected.

Presidio runs hand-written recognisers (``recognizers.yaml``, ``words.yaml``) without a model and without a network. It
is a first filter: it knows cues and formats, not meaning, so what it passes is not proven to be free of PHI.
``SAFE_HARBOR`` says class by class what it looks for. Of a target it reads keys and strings, not numbers: the contract
bounds those.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import version

from pydantic import JsonValue

from synth.assets import load_schema
from synth.catalog import Task
from synth.checks.base import reject
from synth.checks.phi.finders import find
from synth.checks.phi.safe_harbor import SAFE_HARBOR, SafeHarborClass
from synth.records import Encounter, JsonObject, Part, PhiFinding, Rejection

__all__ = ["SAFE_HARBOR", "PhiCheck", "SafeHarborClass", "engine_versions", "scan_fields", "scan_text"]

_PLACEHOLDER = re.compile(r"\{\{[a-z_]{1,40}(?:_\d{1,2})?\}\}")
_SEPARATOR = "\n\x00\n"
"""Between fields that are scanned together: no pattern crosses a NUL."""


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


class PhiCheck:
    """Rejects (``identifier_found``) an encounter in whose transcript or note anything looks like an identifier."""

    name = "phi"

    def __init__(self, task: Task) -> None:
        self._known = property_names(task.schema_name)

    def __call__(self, encounter: Encounter) -> Encounter | Rejection:
        """Return the encounter unchanged, or its rejection with the spans but none of the text."""
        findings = scan_fields({"source": encounter.source.text, **dict(strings(encounter.target, self._known))})
        if not findings:
            return encounter
        counts = Counter(finding.entity_type for finding in findings)
        detail = ", ".join(f"{entity_type} {count}" for entity_type, count in sorted(counts.items()))
        part: Part = "source" if findings[0].field == "source" else "target"
        return reject(encounter, self.name, "identifier_found", detail, findings, part=part)


@cache
def property_names(schema_name: str) -> frozenset[str]:
    """Return every property name that a contract defines."""
    names: set[str] = set()
    waiting: list[JsonValue] = [load_schema(schema_name)]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            properties = value.get("properties")
            names.update(properties if isinstance(properties, dict) else ())
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return frozenset(names)


def strings(target: JsonObject, known: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield JSON pointer and text of every string in a target, in order.

    A key that the contract does not define may itself be an identifier: it is yielded as a text, and stands in pointers
    as ``?`` and its position.
    """
    waiting: list[tuple[str, JsonValue]] = [("", target)]
    while waiting:
        where, value = waiting.pop()
        if isinstance(value, str):
            yield where, value
        elif isinstance(value, list):
            waiting.extend((f"{where}/{i}", item) for i, item in reversed(list(enumerate(value))))
        elif isinstance(value, dict):
            below: list[tuple[str, JsonValue]] = []
            for i, (key, item) in enumerate(value.items()):
                step = f"{where}/{key}" if key in known else f"{where}/?{i}"
                if key not in known:
                    yield f"{step} (key)", key
                below.append((step, item))
            waiting.extend(reversed(below))
