"""What a model's labels mean to the PHI check (``models.yaml``), and which of the spans it labels are identifiers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from synth.assets import load_yaml
from synth.checks.phi.reading import PLACEHOLDER
from synth.errors import UserError
from synth.records import Record

Span = tuple[int, int, str, float]
"""Start, end, label or entity type, score."""

_PREFIX = re.compile(r"[BILUES]-(?=.)")
_SIGNS = re.compile(r"\W+")
_WORD_REACH = 40
"""How far a span that ends inside a word is widened to its end."""
_EDGES = " \t\r\n\f\v.,;:!?()[]{}<>\"'’“”*|"


class _Rule(Record):
    entity: str
    labels: tuple[str, ...]
    ask: tuple[str, ...] = ()
    keep: str = ""
    drop: str = ""


class _Table(Record):
    rules: tuple[_Rule, ...]
    ignored: tuple[str, ...]


@cache
def _table() -> _Table:
    return _Table.model_validate(load_yaml(Path(__file__).resolve().parent / "models.yaml"))


@cache
def _rules() -> dict[str, _Rule | None]:
    rules: dict[str, _Rule | None] = dict.fromkeys(_table().ignored)
    for rule in _table().rules:
        rules.update({_canonical(label): rule for label in (*rule.labels, *rule.ask)})
    return rules


def _canonical(label: str) -> str:
    return _SIGNS.sub("_", label).upper()


def _rule(label: str) -> _Rule | None:
    """Return the rule of a label, None for one that is ignored; KeyError for an unknown one."""
    known = _rules()
    whole = _canonical(label)
    return known[whole] if whole in known else known[_canonical(_PREFIX.sub("", label, count=1))]


def asked() -> list[str]:
    """Return the labels that a model without labels of its own is asked for."""
    return [label for rule in _table().rules for label in rule.ask]


def entity_types() -> frozenset[str]:
    """Return the entity types that a model's findings can have."""
    return frozenset(rule.entity for rule in _table().rules)


def check_labels(written: str, labels: Iterable[str]) -> None:
    """Raise UserError where a label is unknown, or none is one of an identifier."""
    unknown, useful = [], False
    for label in labels:
        try:
            useful |= _rule(label) is not None
        except KeyError:
            unknown.append(label)
    if unknown:
        raise UserError(
            f"{written}: unknown labels {', '.join(sorted(unknown))}; "
            "give a model whose labels synth/checks/phi/models.yaml maps or ignores, or add them there"
        )
    if not useful:
        raise UserError(f"{written}: no label of it is that of an identifier; give a named-entity model")


def identifiers(text: str, spans: Iterable[Span]) -> list[Span]:
    """Return the identifiers among the spans that a model labelled, by entity type instead of label.

    Spans of one type that touch become one, cut where a placeholder stands, widened to whole words. KeyError for a
    label that ``models.yaml`` does not know.
    """
    by_rule: dict[int, list[Span]] = {}
    for start, end, label, score in spans:
        rule = _rule(label)
        if rule is not None and start < end:
            by_rule.setdefault(_table().rules.index(rule), []).append((start, end, rule.entity, score))
    placeholders = [hit.span() for hit in PLACEHOLDER.finditer(text)]
    results: list[Span] = []
    for index, labelled in by_rule.items():
        whole = _joined([_whole_words(text, span) for span in _joined(labelled, text)], text)
        for start, end, entity, score in _without(whole, placeholders):
            start, end = _trimmed(text, start, end)
            if _is_identifier(_table().rules[index], text[start:end]):
                results.append((start, end, entity, score))
    return results


def _joined(spans: list[Span], text: str) -> list[Span]:
    """Return spans of one type with those that overlap, or that only blanks of one line part, made one."""
    joined: list[Span] = []
    for start, end, entity, score in sorted(spans):
        if joined:
            first, last, _, best = joined[-1]
            gap = text[last:start]
            if start <= last or (not gap.strip() and "\n" not in gap):
                joined[-1] = (first, max(last, end), entity, max(best, score))
                continue
        joined.append((start, end, entity, score))
    return joined


def _whole_words(text: str, span: Span) -> Span:
    start, end, entity, score = span
    first = start
    while first and start - first < _WORD_REACH and text[first].isalnum() and text[first - 1].isalnum():
        first -= 1
    last = end
    while last < len(text) and last - end < _WORD_REACH and text[last - 1].isalnum() and text[last].isalnum():
        last += 1
    return first, last, entity, score


def _without(spans: list[Span], holes: list[tuple[int, int]]) -> list[Span]:
    """Return spans cut at holes; both are in order and disjoint."""
    cut: list[Span] = []
    at = 0
    for start, end, entity, score in spans:
        while at < len(holes) and holes[at][1] <= start:
            at += 1
        for low, high in holes[at:]:
            if low >= end:
                break
            if start < low:
                cut.append((start, low, entity, score))
            start = high
        if start < end:
            cut.append((start, end, entity, score))
    return cut


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start] in _EDGES:
        start += 1
    while start < end and text[end - 1] in _EDGES:
        end -= 1
    return start, end


def _is_identifier(rule: _Rule, text: str) -> bool:
    if not any(c.isalnum() for c in text) or (rule.drop and re.fullmatch(rule.drop, text, re.IGNORECASE)):
        return False
    return not rule.keep or re.search(rule.keep, text, re.IGNORECASE) is not None
