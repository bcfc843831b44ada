"""The PHI check of an encounter: what the scanner finds in its transcript and in every string of its note."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache

from pydantic import JsonValue

from synth.assets import load_schema
from synth.catalog import Task
from synth.checks.base import reject
from synth.checks.phi.scanner import scan_fields
from synth.records import Encounter, JsonObject, Part, Rejection


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
