"""What a student learns from where it learns from several runs: their examples, in shares by task."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from distill.datasets import Example, Format, first_of
from synth.assets import sha256
from synth.catalog import load_task, suggest
from synth.errors import UserError
from synth.records import Split

Read = Callable[[Path, Split, Format], list[Example]]
_ROUNDED = 0.01
"""Shares may miss their sum by this much, as those of thirds do that were written down."""


def parse_mix(said: str) -> dict[str, float]:
    """Return the shares of ``note=0.6,diagnosis=0.4``, by task; UserError where they are none."""
    shares: dict[str, float] = {}
    for part in said.split(","):
        name, _, value = (word.strip() for word in part.partition("="))
        try:
            share = float(value)
        except ValueError:
            share = math.nan
        if not name or not 0 < share <= 1:
            raise UserError(f"--mix: {part.strip()!r} is no share; give them as in note=0.6,diagnosis=0.4")
        if name in shares:
            raise UserError(f"--mix: {name} stands twice")
        shares[name] = share
    total = math.fsum(shares.values())
    if abs(total - 1) > _ROUNDED:
        raise UserError(f"--mix: the shares add up to {total:g}, not to 1")
    return {name: share / total for name, share in shares.items()}


def gathered(runs: Sequence[Path], split: Split, form: Format, read: Read, task: str | None = None) -> list[Example]:
    """Return the examples of a split of all runs, in their order. Of several runs an id begins with the run's number,
    because the same scenario may have been written for two tasks.

    UserError where a run is named twice, is of another ``task``, or has nothing to train on.
    """
    if task is not None:
        load_task(task)
    if twice := [name for name, count in Counter(run.resolve() for run in runs).items() if count > 1]:
        raise UserError(f"--data: {twice[0]} is named twice")
    found: list[Example] = []
    for number, run in enumerate(runs, 1):
        rows = read(run, split, form)
        if task is not None and (others := sorted({row.task for row in rows} - {task})):
            raise UserError(f"{run} holds {' and '.join(others)}, not {task}; leave --task out, or take another --data")
        found += rows if len(runs) == 1 else [replace(row, id=f"{number}/{row.id}") for row in rows]
    return found


def chosen(
    found: Sequence[Example], shares: Mapping[str, float], count: int | None, seed: int, runs: Sequence[Path]
) -> list[Example]:
    """Return what of a train split is learned from: all of it or the first so many, or, where there are shares, as many
    of each task, drawn by seed.

    UserError where there is too little, where shares and tasks do not match, and for a number without shares of several
    runs, which would leave some of them out.
    """
    if shares:
        return mixed(found, shares, count, seed)
    if count is not None and len(runs) > 1:
        raise UserError("--examples takes the first of one run; of several, say what of each with --mix")
    return first_of(found, count, runs[0])


def validated(found: Sequence[Example], shares: Mapping[str, float], seed: int) -> list[Example]:
    """Return what of a validation split is validated on: in the same shares where every task has some, else all of
    it."""
    have = Counter(row.task for row in found)
    return mixed(found, shares, None, seed) if shares and all(have[task] for task in shares) else list(found)


def mixed(found: Sequence[Example], shares: Mapping[str, float], count: int | None, seed: int) -> list[Example]:
    """Return so many examples in shares by task, in their order, as many as there can be for None; none comes twice.

    Which ones depends on seed and ids alone. UserError where a task has too few, or shares and tasks do not match.
    """
    have = Counter(row.task for row in found)
    for name in shares:
        if name not in have:
            raise UserError(f"--mix: no run holds {name!r}{suggest(name, have)}; there is {', '.join(sorted(have))}")
    if left := sorted(have.keys() - shares.keys()):
        raise UserError(f"--mix says nothing of {' and '.join(left)}; give it a share, or leave its run out")
    total = min(math.floor(have[name] / share + 1e-9) for name, share in shares.items()) if count is None else count
    wanted = apportion(shares, total)
    while count is None and any(wanted[name] > have[name] for name in shares):  # what rounding up took too much
        total -= 1
        wanted = apportion(shares, total)
    for name, number in wanted.items():
        if number > have[name]:
            raise UserError(
                f"--mix: {number:,} of {total:,} examples would be of {name}, and there are {have[name]:,}; "
                "take fewer (--examples), another share, or generate more encounters"
            )
        if not number:
            raise UserError(f"--mix: {shares[name]:g} of {total:,} examples is none of {name}; take more")
    rows: dict[str, list[Example]] = {}
    for row in found:
        rows.setdefault(row.task, []).append(row)
    drawn = {
        row.id
        for name, number in wanted.items()
        for row in sorted(rows[name], key=lambda row: sha256(f"mix {seed} {row.id}"))[:number]
    }
    return [row for row in found if row.id in drawn]


def apportion(shares: Mapping[str, float], total: int) -> dict[str, int]:
    """Return how many of a total each share is, by the largest remainders (the first of equal ones); the sum is the
    total."""
    counts = {name: math.floor(share * total + 1e-9) for name, share in shares.items()}
    by_remainder = sorted(shares, key=lambda name: counts[name] - shares[name] * total)
    for name in by_remainder[: total - sum(counts.values())]:
        counts[name] += 1
    return counts


def by_task(rows: Sequence[Example], without: Sequence[str] = ()) -> dict[str, int]:
    """Return how many examples there are of each task, those ``without`` by id not counted."""
    left_out = frozenset(without)
    return dict(sorted(Counter(row.task for row in rows if row.id not in left_out).items()))
