"""The systems of several runs under names of their own, with their values in one order of items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from distill.results import FLOORS, SystemResults
from distill.scored import Column, Scored
from synth.catalog import suggest
from synth.errors import UserError


@dataclass(slots=True)
class Systems:
    """The systems of all runs under names of their own."""

    rows: dict[str, SystemResults] = field(default_factory=dict)
    columns: dict[str, dict[str, Column]] = field(default_factory=dict)
    origin: dict[str, tuple[Scored, str]] = field(default_factory=dict)
    """Name → run, and name in it."""
    notes: list[str] = field(default_factory=list)


def merge(runs: Sequence[Scored]) -> Systems:
    """Return the systems of all runs, with their values in the order of the first run's items."""
    merged = Systems()
    count = Counter(name for run in runs for name in run.results.systems if name not in FLOORS)
    labels = _labels([run.folder for run in runs])
    floors: dict[str, tuple[Scored, str]] = {}
    for run, label in zip(runs, labels, strict=True):
        for name in run.results.systems:
            if name not in FLOORS:
                new = name if count[name] == 1 else f"{name} ({label})"
                while new in merged.origin:
                    new += "'"
                merged.origin[new] = (run, name)
            elif name not in floors:
                floors[name] = (run, name)
            elif _differ(floors[name][0], run, name):
                merged.notes.append(
                    f"the {name} floor of {run.folder} differs from that of {floors[name][0].folder}, which is shown"
                )
    merged.origin |= floors
    order = runs[0].ids
    for new, (run, name) in merged.origin.items():
        place = {one: i for i, one in enumerate(run.ids)}
        merged.rows[new] = run.results.systems[name]
        merged.columns[new] = {
            column: values if run.ids == order else [values[place[one]] for one in order]
            for column, values in run.columns[name].items()
        }
    return merged


def _differ(one: Scored, other: Scored, name: str) -> bool:
    """Return whether the means of a system differ in a metric that both runs have."""
    mine, theirs = one.results.systems[name].metrics, other.results.systems[name].metrics
    return any(
        abs((mine[column].mean or 0.0) - (theirs[column].mean or 0.0)) > 1e-9 for column in mine if column in theirs
    )


def _labels(folders: Sequence[Path]) -> list[str]:
    """Return as many of each folder's last parts as tell them apart."""
    parts = [folder.resolve().parts for folder in folders]
    longest = max(map(len, parts))
    for take in range(1, longest + 1):
        labels = ["/".join(part[-take:]) for part in parts]
        if len(set(labels)) == len(labels):
            return labels
    return [str(folder) for folder in folders]


def choose(systems: Systems, name: str | None) -> str:
    """Return the system that the others are compared with, by its name here or in its run."""
    if name is None:
        return next(iter(systems.origin))
    if name in systems.origin:
        return name
    found = [new for new, (_, own) in systems.origin.items() if own == name]
    if not found:
        names = ", ".join(systems.origin)
        raise UserError(f"no system {name!r}{suggest(name, systems.origin)}; the runs have {names}")
    raise UserError(f"several runs have a system {name!r}; name one of {', '.join(found)}")


def unlike(runs: Sequence[Scored]) -> Iterator[str]:
    """Yield the settings and versions in which runs differ, and what their own reports warn of."""
    for what in ("settings", "versions"):
        tables: list[Mapping[str, object]] = [getattr(run.results, what) for run in runs]
        for key in dict.fromkeys(key for table in tables for key in table):
            values = [table.get(key, "not given") for table in tables]
            if len(set(map(str, values))) > 1:
                yield f"the runs differ in {key}: {', '.join(map(str, values))}"
    for run in runs:
        yield from (f"{run.folder}: {note}" for note in run.results.notes)
