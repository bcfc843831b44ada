"""What takes the place of a found span: a tag, a surrogate, or a mask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from synth.identities import tag_for
from synth.privacy.documents import Found, Value
from synth.privacy.scanning import ScanSettings, find_values
from synth.privacy.surrogates import surrogate

Manner = Literal["tag", "surrogate", "mask"]
MASK = "█"
_ROUNDS = 5
"""Most times that a text is scanned again after its spans were replaced: what is left may read differently."""


@dataclass(frozen=True, slots=True)
class Replacing:
    """How spans are replaced."""

    manner: Manner
    secret: str
    """What surrogates are drawn from, besides document and text."""


def replace_values(
    replacing: Replacing, settings: ScanSettings, document_id: str, values: Sequence[Value], found: tuple[Found, ...]
) -> tuple[dict[int, str], tuple[Found, ...]]:
    """Return the new text of each value in which something was found, and the findings, by first reading.

    Under ``tag`` and ``mask`` a replaced text is scanned again, until nothing more is found. A piece's new text covers
    the piece alone, and begins after what the piece before has replaced.
    """
    changes: dict[int, str] = {}
    current = list(values)
    round_found = found
    every = list(found)
    for _ in range(_ROUNDS):
        for i in sorted({one.value for one in round_found}):
            spans = [one for one in round_found if one.value == i]
            text = "".join(_pieces(current[i], spans, replacing, document_id))
            changes[i] = text
            before = "" if spans[0].start < 0 else current[i].before
            after = "" if max(one.end for one in spans) > len(current[i].text) else current[i].after
            current[i] = replace(current[i], text=text, before=before, after=after)
        if replacing.manner == "surrogate":
            break
        round_found = find_values(settings, [current[i] for i in changes])
        order = list(changes)
        round_found = tuple(one._replace(value=order[one.value]) for one in round_found)
        if not round_found:
            break
        every.extend(round_found)
    return changes, tuple(every)


def _pieces(value: Value, spans: list[Found], replacing: Replacing, document_id: str) -> Iterator[str]:
    whole = value.text + value.after
    position = 0
    for start, end, entity_type in _merged(spans):
        if start >= 0:  # else the piece before has written what stands for it
            yield whole[position:start]
            yield _written(whole[start:end], entity_type, value, replacing, document_id)
        position = end
    yield whole[position : len(value.text)]


def _merged(spans: list[Found]) -> Iterator[tuple[int, int, str]]:
    """Yield the spans in order, those that overlap as one, of the type of its longest."""
    group: list[Found] = []
    for one in sorted(spans, key=lambda f: (f.start, -f.end)):
        if group and one.start >= max(f.end for f in group):
            yield _as_one(group)
            group = []
        group.append(one)
    if group:
        yield _as_one(group)


def _as_one(group: list[Found]) -> tuple[int, int, str]:
    longest = max(group, key=lambda f: (f.end - f.start, f.score))
    return group[0].start, max(f.end for f in group), longest.entity_type


def _written(text: str, entity_type: str, value: Value, replacing: Replacing, document_id: str) -> str:
    if replacing.manner == "surrogate":
        return surrogate(text, entity_type, f"{replacing.secret}\x00{document_id}", numeric=value.kind == "number")
    if replacing.manner == "mask":
        return MASK * len(text)
    return tag_for(entity_type)
