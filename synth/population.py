"""Who a run is about: a control laid over a pack becomes the chance of every kind of patient.

Patients fall into cells: presentation, sex and age. A cell's chance is the pack's own, cut to what is asked for, and
then raked: scaled to each given share in turn until all of them hold (iterative proportional fitting; Deming WE,
Stephan FF. Ann Math Stat 1940;11:427-444), which changes the pack's other proportions the least. An index has its
cell whatever runs beside it.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Literal

from synth.catalog import suggest
from synth.control import Control, Shares, read_ages
from synth.draws import Draws
from synth.errors import UserError
from synth.packs import Age, Pack
from synth.records import Sex, Visit

Dimension = Literal["condition", "sex", "age", "visit"]
_GOLDEN = (math.sqrt(5) - 1) / 2
_ROUNDS = 500
_EXACT = 1e-9
_OFF = 0.005
"""Share by which a target may be missed before it is refused."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Patients of one presentation, sex and age."""

    condition: str
    presentation: str
    visit: Visit
    sex: Sex
    drawn: int
    """Age in the unit of the presentation."""
    years: int


class Population:
    """The patients of a pack that a control asks for. UserError, in one line, where there are none."""

    def __init__(self, pack: Pack, control: Control) -> None:
        self.control = control
        self._pack = pack
        for name in (*control.condition, *control.shares.condition):
            if name not in pack.conditions:
                hint = suggest(name, pack.conditions)
                known = ", ".join(pack.conditions)
                raise UserError(f"unknown condition {name!r} of {pack.specialty}{hint}; known: {known}")
        found = [(cell, weight) for cell, weight in _cells(pack) if _wanted(cell, control)]
        if not found:
            raise UserError(_nobody(pack, control))
        cells = [cell for cell, _ in found]
        raked = zip(cells, _raked(cells, [weight for _, weight in found], control.shares), strict=True)
        kept = [(cell, chance) for cell, chance in raked if chance > 0]
        self._cells = [cell for cell, _ in kept]
        self._chances = [chance for _, chance in kept]

    @cached_property
    def _heights(self) -> list[float]:
        return list(accumulate(self._chances))

    def pick(self, seed: int, index: int) -> Cell:
        """Return the cell of an index. The indices of a seed are spread evenly over the cells, so that a short run
        keeps the shares as well as a long one does (the sequence of Weyl with the golden ratio; Kuipers L,
        Niederreiter H. Uniform Distribution of Sequences, 1974)."""
        start = Draws("population", self._pack.specialty, seed).point()
        at = bisect_right(self._heights, (start + index * _GOLDEN) % 1.0 * self._heights[-1])
        return self._cells[min(at, len(self._cells) - 1)]

    def expected(self, dimension: Dimension) -> dict[str, float]:
        """Return the share of each value: of ages, by the ranges asked for, or by tens of years."""
        label = _labels(dimension, self.control.shares)
        shares: dict[str, float] = {}
        for cell, chance in zip(self._cells, self._chances, strict=True):
            if (name := label(cell)) is not None:
                shares[name] = shares.get(name, 0.0) + chance
        return {name: shares[name] for name in sorted(shares, key=_order)}


def age_label(years: int, shares: Shares) -> str | None:
    """Return the range that an age falls into; None outside of those that are asked for."""
    if not shares.age:
        return f"{years // 10 * 10}-{years // 10 * 10 + 9}"
    for label in shares.age:
        first, last = read_ages(label)
        if first <= years <= last:
            return label
    return None


def _order(label: str) -> tuple[int, str]:
    digits = label.partition("-")[0].rstrip("+")
    return (int(digits) if digits.isdigit() else 0, label)


def _labels(dimension: Dimension, shares: Shares) -> Callable[[Cell], str | None]:
    by: dict[Dimension, Callable[[Cell], str | None]] = {
        "condition": lambda cell: cell.condition,
        "sex": lambda cell: cell.sex,
        "age": lambda cell: age_label(cell.years, shares),
        "visit": lambda cell: cell.visit,
    }
    return by[dimension]


def _cells(pack: Pack) -> Iterator[tuple[Cell, float]]:
    """Yield every cell of a pack with its chance, as ``sample_scenario`` draws it without a control."""
    conditions = sum(condition.weight for condition in pack.conditions.values())
    sexes: tuple[Sex, Sex] = ("female", "male")
    for name, condition in pack.conditions.items():
        for sex in sexes:
            share = condition.female if sex == "female" else 1 - condition.female
            fitting = {label: p for label, p in condition.presentations.items() if p.sex in (None, sex)}
            total = sum(p.weight for p in fitting.values())
            if share <= 0 or total <= 0:
                continue
            for label, p in fitting.items():
                ages = p.age or condition.age
                chance = condition.weight / conditions * share * p.weight / total
                for drawn, part in _ages(ages):
                    years = drawn // 12 if ages.unit == "months" else drawn
                    yield Cell(name, label, p.visit, sex, drawn, years), chance * part


def _ages(ages: Age) -> Iterator[tuple[int, float]]:
    """Yield each age of a cut normal distribution, rounded, with its chance."""

    def below(value: float) -> float:
        return 0.5 * math.erfc((ages.mean - min(max(value, ages.min), ages.max)) / (ages.sd * math.sqrt(2)))

    whole = below(ages.max) - below(ages.min)
    for age in range(round(ages.min), round(ages.max) + 1):
        yield age, (below(age + 0.5) - below(age - 0.5)) / whole


def _wanted(cell: Cell, control: Control) -> bool:
    first, last = read_ages(control.age) if control.age is not None else (0, cell.years)
    return (
        (not control.condition or cell.condition in control.condition)
        and control.sex in (None, cell.sex)
        and control.visit in (None, cell.visit)
        and first <= cell.years <= last
    )


def _nobody(pack: Pack, control: Control) -> str:
    """Return one line that says which wish has to go."""
    asked = [("--condition", " or ".join(control.condition)), ("--sex", control.sex or "")]
    asked += [("--age", control.age or ""), ("--visit", control.visit or "")]
    given = [f"{flag} {value}" for flag, value in asked if value]
    freed: Mapping[str, object] = {"condition": (), "sex": None, "age": None, "visit": None}
    helps = []
    for (flag, value), (name, free) in zip(asked, freed.items(), strict=True):
        looser = control.model_copy(update={name: free})
        if value and any(_wanted(cell, looser) for cell, _ in _cells(pack)):
            helps.append(flag)
    change = f"change {' or '.join(helps)}" if helps else "change two of them"
    return f"the {pack.specialty} pack has no patient with {', '.join(given)}; {change}"


def _raked(cells: list[Cell], weights: list[float], shares: Shares) -> list[float]:
    """Return the chances of cells, with the given shares; UserError where they cannot hold."""
    total = sum(weights)
    chances = [weight / total for weight in weights]
    targets: list[tuple[Dimension, dict[str, float]]] = [
        ("condition", shares.condition),
        ("sex", {str(name): share for name, share in shares.sex.items()}),
        ("age", shares.age),
        ("visit", {str(name): share for name, share in shares.visit.items()}),
    ]
    groups = []
    for dimension, target in targets:
        if not target:
            continue
        label = _labels(dimension, shares)
        at: dict[str, list[int]] = {name: [] for name in target}
        for i, cell in enumerate(cells):
            name = label(cell)
            if name in at:
                at[str(name)].append(i)
            else:
                chances[i] = 0.0
        groups.append((dimension, target, at))
    for _ in range(_ROUNDS if groups else 0):
        worst = 0.0
        for dimension, target, at in groups:
            for name, share in target.items():
                there = sum(chances[i] for i in at[name])
                if share > 0 and there <= 0:
                    raise UserError(
                        f"{dimension} {name} is to have {share:.0%}, but no patient is left for it; leave it out"
                    )
                worst = max(worst, abs(there - share))
                for i in at[name]:
                    chances[i] *= share / there if there > 0 else 0.0
        if worst < _EXACT:
            break
    for dimension, target, at in groups:
        for name, share in target.items():
            there = sum(chances[i] for i in at[name]) / (sum(chances) or 1.0)
            if abs(there - share) > _OFF:
                raise UserError(
                    f"the shares contradict each other: {dimension} {name} would have {there:.0%} instead of "
                    f"{share:.0%}; change them"
                )
    return chances
