"""What is published in place of placeholders: the placeholders, tags, or one invented identity for each encounter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

from synth.fields import SOURCE, Span, rewritten, spliced
from synth.identities import KNOWN, catalogue, kind_of, mark_of, marks, number_of, tag_of
from synth.recognition import is_recognised, recognised_value
from synth.records import Encounter, Identifier, IdentityMode, JsonObject, Source

MODES: tuple[IdentityMode, ...] = get_args(IdentityMode)


@dataclass(frozen=True, slots=True)
class Filled:
    """An encounter as it is published, and where its identifiers stand."""

    source: Source
    target: JsonObject
    identifiers: tuple[Identifier, ...]
    """By field; offsets are code points in the published text of the field."""


def fill(encounter: Encounter, mode: IdentityMode) -> Filled:
    """Return an encounter with its placeholders as they are (``placeholder``), as tags, or as invented identifiers
    that are the same for the same scenario (``surrogate``).

    Pure. ValueError where the catalogue does not know a placeholder: such an encounter must not be published.
    """
    written = _writer(encounter, mode)
    placeholders = catalogue().placeholders
    identifiers: list[Identifier] = []
    lowered = mode == "surrogate" and is_recognised(encounter.scenario)

    def filled(field: str, text: str, offset: int = 0) -> str:
        found = marks(text)
        if not found:
            return text
        if any(kind_of(mark) is None for mark in found):
            raise ValueError(f"{encounter.id} holds a placeholder that the catalogue does not know")
        hits = list(KNOWN.finditer(text))
        values = [written(hit[1], number_of(hit[0])) for hit in hits]
        if lowered and field == SOURCE:
            values = [recognised_value(value) for value in values]
        spans: list[Span] = [(hit.start(), hit.end(), value) for hit, value in zip(hits, values, strict=True)]
        changed, placed = spliced(text, spans)
        for hit, (start, end) in zip(hits, placed, strict=True):
            identifiers.append(
                Identifier(
                    field=field,
                    placeholder=hit[0].strip("{}"),
                    entity_type=placeholders[hit[1]].entity_type,
                    start=offset + start,
                    end=offset + end,
                )
            )
        return changed

    source, shift = encounter.source, 0
    words: list[str] = []
    for text, (start, _) in zip(source.passages, source.spans, strict=True):
        words.append(filled(SOURCE, text, start + shift))
        shift += len(words[-1]) - len(text)
    target = rewritten(encounter.target, filled)
    return Filled(source.saying(words), target, tuple(identifiers))


def _writer(encounter: Encounter, mode: IdentityMode) -> Callable[[str, int], str]:
    """Return what gives the published text of a placeholder, by name and number."""
    if mode == "surrogate":
        from synth.surrogates import Identity

        return Identity(encounter).value
    return mark_of if mode == "placeholder" else tag_of
