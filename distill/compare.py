"""Several runs of ``distill score`` or ``distill eval`` on the same items, side by side: ``compare.json`` and
``report.html``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from distill.comparison import ComparedRun, Comparison, ItemDifference, ItemTexts, write_comparison_report
from distill.merged import Systems, choose, merge, unlike
from distill.records import BenchmarkItem, Prediction
from distill.report import compared_columns, overview_columns, shown
from distill.results import FLOORS, TEST, Difference
from distill.scored import Scored, read_items, read_scored, read_texts, same_items
from distill.scoring import differences_of, make_folder, tested, versions
from distill.statistics import CONFIDENCE, PERMUTATIONS, RESAMPLES, SEED
from distill.text_tables import aligned
from synth.errors import UserError

TOP = 5


def compare(folders: Sequence[Path], out: Path, *, against: str | None = None, top: int = TOP) -> Comparison:
    """Compare runs and write ``compare.json`` and ``report.html`` to ``out``.

    The systems of all runs stand in one table, the floors once. Differences are from ``against``, the first system of
    the first run unless named, with paired bootstrap intervals over all items; ``top`` items are named a metric.
    Raises UserError for a folder that is no run, for runs of other items, and for an unknown name.
    """
    if len(folders) < 2:
        raise UserError("comparing needs two runs or more")
    if twice := [str(f) for f, count in Counter(folder.resolve() for folder in folders).items() if count > 1]:
        raise UserError(f"{twice[0]} is named twice")
    make_folder(out)
    runs = [read_scored(folder) for folder in folders]
    for run in runs[1:]:
        same_items(runs[0], run)
    systems = merge(runs)
    base = choose(systems, against)
    rows = tested(
        {
            name: row.model_copy(
                update={"differences": {base: _differences(systems, name, base)} if name != base else {}}
            )
            for name, row in systems.rows.items()
        },
        systems.columns,
    )
    first = runs[0].results
    comparison = Comparison(
        benchmark=first.benchmark,
        split=first.split,
        items=len(runs[0].ids),
        simulated=any(run.results.simulated for run in runs),
        against=base,
        runs=tuple(_run(run, systems) for run in runs),
        systems=rows,
        most_different={},
        texts={},
        notes=(*systems.notes, *unlike(runs)),
        settings={
            "interval": "paired percentile bootstrap over items",
            "confidence": CONFIDENCE,
            "resamples": RESAMPLES,
            "seed": SEED,
            "test": TEST,
            "permutations": PERMUTATIONS,
            "top": top,
        },
        versions=versions(),
    )
    apart = _most_different(runs[0].ids, systems, base, compared_columns(comparison), top)
    wanted = _in_turn(apart)
    items, written = _texts(runs, systems, wanted)
    comparison = comparison.model_copy(
        update={
            "most_different": apart,
            "texts": {
                name: ItemTexts(
                    source=items[name].source if name in items else None,
                    reference=(items[name].reference or None) if name in items else None,
                    predictions={system: one.text for system, one in written[name].items()},
                )
                for name in wanted
            },
        }
    )
    try:
        (out / "compare.json").write_text(comparison.model_dump_json(indent=2) + "\n", "utf-8")
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror}") from error
    write_comparison_report(out / "report.html", comparison, runs[0].ids, systems, wanted, items, written)
    return comparison


def _differences(systems: Systems, name: str, base: str) -> dict[str, Difference]:
    """Return metric → the system minus the base, over the items that both have."""
    return differences_of(systems.columns[name], systems.columns[base])


def _run(run: Scored, systems: Systems) -> ComparedRun:
    return ComparedRun(
        folder=str(run.folder),
        systems={new: own for new, (origin, own) in systems.origin.items() if origin is run},
        notes=run.results.notes,
        settings=run.results.settings,
        versions=run.results.versions,
    )


def _most_different(
    ids: Sequence[str], systems: Systems, base: str, columns: Iterable[str], top: int
) -> dict[str, tuple[ItemDifference, ...]]:
    """Return for each metric the items in which any system that is no floor is farthest from the base; the floors,
    where there is nothing else."""
    others = [name for name in systems.origin if name != base and name not in FLOORS]
    others = others or [name for name in systems.origin if name != base]
    found: dict[str, tuple[ItemDifference, ...]] = {}
    for column in columns:
        theirs = systems.columns[base].get(column)
        if theirs is None:
            continue
        farthest: list[tuple[float, int, ItemDifference]] = []
        for i, name in enumerate(ids):
            best: ItemDifference | None = None
            other = theirs[i]
            for system in others:
                value = systems.columns[system].get(column, theirs)[i]
                if value is None or other is None or value == other:
                    continue
                if best is None or abs(value - other) > abs(best.difference):
                    best = ItemDifference(id=name, system=system, value=value, against=other, difference=value - other)
            if best is not None:
                farthest.append((-abs(best.difference), i, best))
        farthest.sort(key=lambda entry: entry[:2])
        if farthest:
            found[column] = tuple(one for _, _, one in farthest[:top])
    return found


def _in_turn(apart: Mapping[str, Sequence[ItemDifference]]) -> list[str]:
    """Return the items, the farthest of each metric first."""
    longest = max(map(len, apart.values()), default=0)
    return list(dict.fromkeys(rows[i].id for i in range(longest) for rows in apart.values() if i < len(rows)))


def _texts(
    runs: Sequence[Scored], systems: Systems, wanted: Sequence[str]
) -> tuple[dict[str, BenchmarkItem], dict[str, dict[str, Prediction]]]:
    """Return the items and, for each, what the systems wrote, reading each file once."""
    chosen = frozenset(wanted)
    items: dict[str, BenchmarkItem] = {}
    written: dict[str, dict[str, Prediction]] = {}
    for run in runs:
        items = items or read_items(run.folder, chosen)
        texts = read_texts(run.folder, chosen)
        for new, (origin, own) in systems.origin.items():
            if origin is run:
                written[new] = texts.get(own, {})
    by_item: dict[str, dict[str, Prediction]] = {
        name: {system: written[system][name] for system in systems.origin if name in written[system]} for name in wanted
    }
    for name in wanted:
        if name not in items and "copy" in by_item[name]:
            # A run of an earlier version keeps no items, but its copy floor is the source.
            source = by_item[name]["copy"].text
            items[name] = BenchmarkItem(id=name, source=source, reference="", target=None, scenario=None)
    return items, by_item


def difference_lines(comparison: Comparison) -> list[str]:
    """Return the differences from the system that others are compared with as lines of text, each with its interval;
    ``*`` where that leaves out 0."""
    columns = overview_columns(comparison)
    rows = [["minus " + comparison.against, *columns]]
    for name, row in comparison.systems.items():
        if name == comparison.against:
            continue
        found = row.differences.get(comparison.against, {})
        cells = [shown(found.get(column), measure) for column, measure in columns.items()]
        rows.append(
            [
                name,
                *(
                    f"{c.mean:+.2f} [{c.low:+.1f}, {c.high:+.1f}]{'*' if c.apart else ' '}" if c else "- "
                    for c in cells
                ),
            ]
        )
    return [*aligned(rows), "* the 95 % interval leaves out 0"]


def apart_lines(comparison: Comparison) -> list[str]:
    """Return for each metric the item that differs most, one line each."""
    columns = compared_columns(comparison)
    found = ((column, columns[column], rows[0]) for column, rows in comparison.most_different.items())
    return [
        f"{column}: most apart in {row.id}, {row.system} {scale * row.value:.1f}, "
        f"{comparison.against} {scale * row.against:.1f}"
        for column, measure, row in found
        for scale in (100 if measure.unit == "percent" else 1,)
    ]
