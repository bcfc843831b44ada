"""Lines of ``judgements.jsonl`` → what they say together: means, spread, stability, differences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from statistics import fmean

from distill.judging.records import Graded, JudgedDifference, JudgedDimension, JudgedSystem
from distill.judging.rubric import COMPOSITE, Dimension, Rubric
from distill.numbers import Number, number
from distill.statistics import (
    Icc,
    holm,
    icc,
    mean_interval,
    paired_interval,
    permutation_ps,
    wilson,
)

Values = Mapping[tuple[str, str], Sequence[float | None]]
"""(System, item) → what each repeat says; None where a reply could not be read, or the dimension does not apply."""
Consensus = Mapping[str, Sequence[float | None]]
"""System → the mean of the repeats for each item."""


def values_of(
    rubric: Rubric, lines: Iterable[Graded], repeats: int
) -> dict[str, dict[tuple[str, str], list[float | None]]]:
    """Return the values of every dimension, and of the composite: the mean of its dimensions in one repeat."""
    found: dict[str, dict[tuple[str, str], list[float | None]]] = {column.name: {} for column in rubric.columns}
    for line in lines:
        for column in rubric.columns:
            row = found[column.name].setdefault((line.system, line.id), [None] * repeats)
            if line.scores is None:
                continue
            if column.name == COMPOSITE:
                parts = [line.scores[name] for name in rubric.composite]
                row[line.repeat] = fmean(part for part in parts if part is not None) if None not in parts else None
            else:
                row[line.repeat] = line.scores[column.name]
    return found


def consensus(values: Values, systems: Sequence[str], items: Sequence[str]) -> dict[str, list[float | None]]:
    """Return for each item of each system the mean of the repeats that say something, not rounded."""
    return {system: [mean_of(values[system, item]) for item in items] for system in systems}


def mean_of(said: Sequence[float | None]) -> float | None:
    """Return the mean of what is there; None where nothing is."""
    there = [value for value in said if value is not None]
    return fmean(there) if there else None


def judged_systems(
    rubric: Rubric,
    lines: Sequence[Graded],
    values: Mapping[str, Values],
    systems: Sequence[str],
    items: Sequence[str],
) -> dict[str, JudgedSystem]:
    """Return the row of every system."""
    rows = {}
    for system in systems:
        own = [line for line in lines if line.system == system]
        read = Counter(line.id for line in own if line.scores is not None)
        asked = Counter(line.id for line in own)
        rows[system] = JudgedSystem(
            items=len(items),
            unread=dict(sorted(Counter(reason for line in own for reason in line.unread).items())),
            without=tuple(item for item in items if not read[item]),
            fewer=sum(0 < read[item] < asked[item] for item in items),
            dimensions={
                column.name: _dimension(
                    column, [values[column.name][system, item] for item in items], [read[item] > 0 for item in items]
                )
                for column in rubric.columns
            },
        )
    return rows


def _dimension(column: Dimension, rows: Sequence[Sequence[float | None]], read: Sequence[bool]) -> JudgedDimension:
    whole = [[value for value in row if value is not None] for row in rows if row and None not in row]
    found = icc(whole)
    means = [mean_of(row) for row in rows]
    return JudgedDimension(
        mean=number(mean_interval(means)),
        any=_any(rows) if column.kind == "count" else None,
        icc_single=number(found.single),
        icc_average=number(found.average),
        unanimous=_unanimous(whole, found),
        not_applicable=sum(there and mean is None for there, mean in zip(read, means, strict=True)),
    )


def _unanimous(whole: Sequence[Sequence[float]], found: Icc) -> float | None:
    return fmean(len(set(row)) == 1 for row in whole) if whole and found.raters > 1 else None


def _any(rows: Sequence[Sequence[float | None]]) -> Number | None:
    votes = [[value > 0 for value in row if value is not None] for row in rows]
    counted = [vote for vote in votes if vote]
    return number(wilson(sum(2 * sum(vote) > len(vote) for vote in counted), len(counted)))


def differences(
    rubric: Rubric, values: Mapping[str, Values], systems: Sequence[str], items: Sequence[str]
) -> dict[str, dict[str, dict[str, JudgedDifference]]]:
    """Return the paired difference of each two systems in every dimension, the earlier one less the later."""
    pairs = list(combinations(systems, 2))
    found: dict[str, dict[str, dict[str, JudgedDifference]]] = {}
    for column in rubric.columns:
        means = consensus(values[column.name], systems, items)
        ps = permutation_ps([(means[one], means[other]) for one, other in pairs])
        for (one, other), p, adjusted in zip(pairs, ps, holm(ps), strict=True):
            mean = number(paired_interval(means[one], means[other]))
            cell = JudgedDifference(mean=mean, p=p, p_holm=adjusted)
            found.setdefault(one, {}).setdefault(other, {})[column.name] = cell
    return found
