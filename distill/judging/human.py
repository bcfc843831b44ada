"""A judge against people: does it rank, and grade, as they do, and better than one and the same score throughout?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from distill.benchmarks.base import listing, read_csv
from distill.judging.aggregate import mean_of
from distill.judging.records import Agreement
from distill.judging.rubric import COMPOSITE, Dimension, Rubric
from distill.numbers import number
from distill.statistics import icc, mean_interval, permutation_p, spearman, weighted_kappa
from synth.catalog import suggest
from synth.errors import UserError

Human = Mapping[str, Mapping[tuple[str, str], float]]
"""Dimension → (system, item) → score; the mean where several people scored."""
_IDS = ("id", "item", "item_id", "encounter_id")
_EMPTY = {"", "na", "n/a", "nan", "null", "none"}
_OTHER = {"system", "rater", "comment"}


def read_human(
    path: Path, rubric: Rubric, systems: Sequence[str], items: Sequence[str]
) -> dict[str, dict[tuple[str, str], float]]:
    """Return the human scores of a CSV file: ``id``, ``system`` where several are judged, and a column a dimension.

    Several rows of one output are several people, whose mean counts; an empty cell is no score. Items that are not
    judged are passed over. Raises UserError for a file that cannot be read, columns that are none of the rubric's, and
    scores off the scale.
    """
    rows = read_csv(path)
    if not rows:
        raise UserError(f"{path}: no scores in it")
    header = list(rows[0])
    key = next((name for name in _IDS if name in header), None)
    if key is None:
        raise UserError(f"{path}: no column with ids; it has {listing(header)}, and needs one of {', '.join(_IDS)}")
    names = {dimension.name: dimension for dimension in rubric.dimensions}
    for name in header:
        if name not in names and name != key and name not in _OTHER:
            raise UserError(
                f"{path}: {name!r} is no dimension of {rubric.name}{suggest(name, names)}; it has: {', '.join(names)}"
            )
    if not names.keys() & set(header):
        raise UserError(f"{path}: no scores; {rubric.name} has the dimensions {', '.join(names)}")
    if "system" not in header and len(systems) > 1:
        raise UserError(f"{path}: {len(systems)} systems are judged, so a column 'system' has to say whose each row is")
    found: dict[str, dict[tuple[str, str], list[float]]] = {}
    wanted = set(items)
    seen: set[str] = set()
    for place, row in enumerate(rows, 1):
        system, item = row.get("system", systems[0]).strip(), row[key].strip()
        seen.add(item)
        if system not in systems or item not in wanted:
            continue
        for name in names.keys() & set(header):
            if row[name].strip().lower() not in _EMPTY:
                score = _score(path, place, names[name], row[name])
                found.setdefault(name, {}).setdefault((system, item), []).append(score)
    if not found:
        raise UserError(
            f"{path}: no score of what is judged; its ids are {listing(sorted(seen))}, here {listing(list(items))}"
        )
    return {
        dimension.name: {output: fmean(scores) for output, scores in found[dimension.name].items()}
        for dimension in rubric.dimensions
        if dimension.name in found
    }


def _score(path: Path, place: int, dimension: Dimension, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError as error:
        raise UserError(f"{path}: row {place}: {dimension.name} {cell!r} is no number") from error
    if not (math.isfinite(value) and dimension.low <= value <= dimension.high):
        raise UserError(
            f"{path}: row {place}: {dimension.name} {cell} is not from {dimension.low:g} to {dimension.high:g}"
        )
    return value


def agreements(
    rubric: Rubric, values: Mapping[str, Mapping[tuple[str, str], Sequence[float | None]]], human: Human
) -> dict[str, Agreement]:
    """Return the agreement of the judge's means with people in every dimension that they scored; of the composite
    where they scored all of its dimensions."""
    everything = dict(human)
    if rubric.composite and all(name in human for name in rubric.composite):
        parts = [human[name] for name in rubric.composite]
        whole = set.intersection(*(set(part) for part in parts))
        everything[COMPOSITE] = {key: fmean(part[key] for part in parts) for key in sorted(whole)}
    found = {}
    for column in rubric.columns:
        scored = everything.get(column.name, {})
        said = {key: mean_of(values[column.name].get(key, ())) for key in scored}
        both = [(judge, scored[key]) for key, judge in said.items() if judge is not None]
        if both:
            found[column.name] = _agreement(column, both)
    return found


def _agreement(column: Dimension, both: Sequence[tuple[float, float]]) -> Agreement:
    judge, people = [one for one, _ in both], [one for _, one in both]
    # The lower of equally good ones.
    constant = min(column.grid, key=lambda value: math.fsum(abs(score - value) for score in people))
    errors = [abs(one - other) for one, other in both]
    floor = [abs(constant - score) for score in people]
    found = icc(both)
    kappa = weighted_kappa(
        [column.nearest(one) for one in judge], [column.nearest(one) for one in people], column.grid, "linear"
    )
    return Agreement(
        n=len(both),
        spearman=spearman(judge, people),
        weighted_kappa=number(kappa),
        icc_single=number(found.single),
        icc_average=number(found.average),
        mean_absolute_error=number(mean_interval(errors)),
        bias=fmean(one - other for one, other in both),
        constant=constant,
        constant_error=number(mean_interval(floor)),
        p_constant=permutation_p(errors, floor),
    )
