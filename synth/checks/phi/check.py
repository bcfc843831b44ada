"""The PHI check of an encounter: what the scanner finds in its transcript and in every string of its note, and what
becomes of that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache

from pydantic import JsonValue

from synth.assets import load_schema
from synth.catalog import Task
from synth.checks.base import reject
from synth.checks.identities import strays
from synth.checks.phi.scanner import scanner
from synth.checks.schema import first_violation
from synth.config import PhiConfig, RunConfig
from synth.fields import SOURCE, Span, spliced, with_strings
from synth.identities import MOST, catalogue, kind_of, mark_of, marks, number_of, stand_in, tag_for
from synth.ledger import QUARANTINED
from synth.records import Encounter, HandledFinding, JsonObject, Part, PhiFinding, Rejection


class PhiCheck:
    """Rejects, redacts or replaces what looks like an identifier, as the run's ``phi`` settings say.

    Reasons of a rejection: ``identifier_found`` under the policy ``reject``, or where what was found cannot be taken
    out alone; ``quarantined`` where a person has to look; ``broken_by_redaction`` where the target does not hold under
    its contract any more; ``unknown_placeholder``.
    """

    name = "phi"

    def __init__(self, task: Task, config: RunConfig | None = None) -> None:
        settings = PhiConfig() if config is None else config.phi
        self._schema_name = task.schema_name
        self._known = property_names(task.schema_name)
        self._policy = settings.policy
        self._quarantine = frozenset(settings.quarantine)
        self._scanner = scanner(tuple(sorted(settings.thresholds.items())), settings.model)

    def __call__(self, encounter: Encounter) -> Encounter | Rejection:
        """Return the encounter, with what was found taken out where the policy says so, or its rejection with the
        spans but none of the text."""
        texts = dict(strings(encounter.target, self._known))
        if (stray := strays(encounter, texts, self.name)) is not None:
            return stray
        texts = {SOURCE: encounter.source.text, **texts}
        findings = self._scanner.fields(texts)
        if not findings:
            return encounter
        part: Part = SOURCE if findings[0].field == SOURCE else "target"
        if any(finding.entity_type in self._quarantine for finding in findings):
            return reject(encounter, self.name, QUARANTINED, _counted(findings), findings, part=part)
        cleaned = None if self._policy == "reject" else self._cleaned(encounter, texts, findings)
        if cleaned is None:
            return reject(encounter, self.name, "identifier_found", _counted(findings), findings, part=part)
        violation = first_violation(self._schema_name, cleaned.target)
        if violation is not None:
            detail = f"{violation} after taking out {_counted(findings)}"
            return reject(encounter, self.name, "broken_by_redaction", detail, findings, part="target")
        return cleaned

    def _cleaned(self, encounter: Encounter, texts: dict[str, str], findings: Sequence[PhiFinding]) -> Encounter | None:
        """Return the encounter without what was found; None where that is a key, a speaker tag, several lines, or no
        identifier but a text that could not be read."""
        lines = encounter.source.spans
        in_lines: list[list[Span]] = [[] for _ in lines]
        in_strings: dict[str, list[Span]] = {}
        handled: list[HandledFinding] = []
        numbers = _Numbers(texts)
        for finding in findings:
            start, end = finding.start, finding.end
            if self._policy == "redact":
                replacement: str | None = tag_for(finding.entity_type)
            else:
                replacement = numbers.placeholder(finding.entity_type, texts[finding.field][start:end])
            line = next((i for i, (first, last) in enumerate(lines) if first <= start and end <= last), None)
            in_key, in_no_turn = "/?" in finding.field, finding.field == SOURCE and line is None
            if replacement is None or in_key or in_no_turn or finding.entity_type not in catalogue().found:
                return None
            if line is not None and finding.field == SOURCE:
                in_lines[line].append((start - lines[line][0], end - lines[line][0], replacement))
            else:
                in_strings.setdefault(finding.field, []).append((start, end, replacement))
            action = "redacted" if self._policy == "redact" else "replaced"
            handled.append(
                HandledFinding.model_validate(finding.model_dump() | {"action": action, "replacement": replacement})
            )
        passages = encounter.source.passages
        words = [spliced(text, spans)[0] for text, spans in zip(passages, in_lines, strict=True)]
        changed = {field: spliced(texts[field], spans)[0] for field, spans in in_strings.items()}
        return encounter.model_copy(
            update={
                "source": encounter.source.saying(words),
                "target": with_strings(encounter.target, changed),
                "findings": tuple(handled),
            }
        )


class _Numbers:
    """Gives what was found in one encounter placeholders of its own: the same for the same text, whatever its case."""

    def __init__(self, texts: dict[str, str]) -> None:
        self._taken = {(kind_of(mark), number_of(mark)) for text in texts.values() for mark in marks(text)}
        self._given: dict[str, str] = {}

    def placeholder(self, entity_type: str, text: str) -> str | None:
        """Return the placeholder for a text; None where all numbers are taken."""
        key = " ".join(text.casefold().split())
        if key not in self._given:
            name = stand_in(entity_type, text)
            number = next((i for i in range(1, MOST + 1) if (name, i) not in self._taken), None)
            if number is None:
                return None
            self._taken.add((name, number))
            self._given[key] = mark_of(name, number)
        return self._given[key]


def _counted(findings: Sequence[PhiFinding]) -> str:
    """Return how many were found of each type, as one line."""
    counts = Counter(finding.entity_type for finding in findings)
    return ", ".join(f"{entity_type} {count}" for entity_type, count in sorted(counts.items()))


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
