"""The table and the curves of a sweep, word for word (``golden/sweep_report.html``, ``golden/sweep.txt``)."""

from __future__ import annotations

import math
import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.datasets import Example, first_of
from distill.plots import Level, Series, line_plot
from distill.results import Cell, SystemResults
from distill.student import Method
from distill.sweep_records import Shared, Sweep, SweepRow
from distill.sweep_report import plots, table_lines, text_lines, write_sweep_report
from synth.errors import UserError

GOLDEN = Path(__file__).parent / "golden"
RUN = Path("outputs/endo")


def result(valid: float, facts: float, invented: float | None) -> SystemResults:
    def cell(mean: float | None) -> Cell:
        if mean is None:
            return Cell(mean=None, low=None, high=None, n=0, percent=None)
        return Cell(mean=mean, low=0.9 * mean, high=min(1.0, 1.1 * mean), n=40, percent=round(100 * mean, 2))

    values = {"schema_valid": valid, "fact_recall": facts, "facts_in_field": 0.9 * facts, "invented": invented}
    metrics = {name: cell(value) for name, value in values.items()}
    return SystemResults(predictions=40, empty=0, truncated=1, metrics=metrics, differences={})


def row(method: Method, pairs: int, loss: float, *, seed: int = 0, resumed: bool = False) -> SweepRow:
    return SweepRow(
        name=f"tiny-{method}-{pairs}" + (f"-seed{seed}" if seed else ""),
        method=method,
        pairs=pairs,
        seed=seed,
        trained_parameters=1_700_000 if method == "full" else 600_000,
        steps=pairs // 2,
        best_step=pairs // 2,
        epochs=4.0,
        examples=pairs,
        tokens=pairs * 3_000,
        seconds=pairs * 1.5,
        tokens_per_second=2_000.4,
        resumed=resumed,
        peak_memory=900_000_000,
        device="cpu",
        validation_loss=loss,
        result=result(1 - loss, 0.9 - loss, loss / 2),
    )


ROWS = (
    row("lora", 100, 0.5),
    row("lora", 100, 0.54, seed=1),
    row("lora", 1000, 0.2, resumed=True),
    SweepRow(name="tiny-qlora-100", method="qlora", pairs=100, seed=0, reason="needs <bitsandbytes>; install it"),
    row("full", 100, 0.6),
    row("full", 1000, 0.3),
)
SWEEP = Sweep(
    run="endo",
    train_pairs=1_531,
    shared=Shared(
        student="tiny",
        data="f" * 64,
        train_sha256="a" * 64,
        steps=None,
        epochs=4.0,
        precision=None,
        limit=None,
        max_new_tokens=None,
    ),
    rows=ROWS,
    beside={
        "tiny (base)": result(0.0, 0.05, None),
        "copy": result(0.0, 0.15, None),
        "retrieval": result(1.0, 0.4, 0.55),
    },
    base="tiny (base)",
    split="test",
    items=40,
    simulated=True,
    versions={"notewright": "0"},
)


def golden(name: str, text: str) -> None:
    """NOTEWRIGHT_UPDATE_GOLDEN=1 writes it anew."""
    path = GOLDEN / name
    if os.environ.get("NOTEWRIGHT_UPDATE_GOLDEN"):
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8")


def test_the_report_is_the_golden_one(tmp_path: Path) -> None:
    write_sweep_report(tmp_path / "report.html", SWEEP)
    text = (tmp_path / "report.html").read_text("utf-8")
    golden("sweep_report.html", text)
    for needs in ("<script", "src=", "href=", "http", "url(", "<bitsandbytes>"):
        assert needs not in text


def test_the_printed_table_is_the_golden_one() -> None:
    golden("sweep.txt", "\n".join(text_lines(SWEEP)) + "\n")


def test_the_table_has_a_line_for_each_row_and_system_and_a_cell_for_each_column() -> None:
    columns, lines = table_lines(SWEEP)
    assert [line.name for line in lines] == [one.name for one in ROWS] + ["tiny (base)", "copy", "retrieval"]
    assert {len(line.cells) for line in lines} == {len(columns)}
    assert "seed" in columns
    one_seed = SWEEP.model_copy(update={"rows": ROWS[2:]})
    assert "seed" not in table_lines(one_seed)[0]
    resumed = next(line for line in lines if line.name == "tiny-lora-1000")
    assert resumed.cells[list(columns).index("time")] == "25:00*"


def test_there_is_a_curve_a_method_and_a_level_for_base_and_floor() -> None:
    drawn = plots(SWEEP)
    names = [[curve.name for curve in plot.curves] for plot in drawn]
    assert names == [
        ["lora", "full"],
        ["lora", "full", "tiny (base)", "retrieval"],
        ["lora", "full", "tiny (base)", "retrieval"],
        ["lora", "full", "retrieval"],
    ]
    assert [curve.style for curve in drawn[1].curves] == ["first", "third", "dashed", "dotted"]
    assert all([tick.label for tick in plot.x_ticks] == ["100", "1,000"] for plot in drawn)


def test_the_line_is_the_mean_over_the_seeds() -> None:
    def height(rows: tuple[SweepRow, ...]) -> float:
        return plots(SWEEP.model_copy(update={"rows": rows}))[0].curves[0].dots[0][1]

    meant = row("lora", 100, 0.52)
    assert height(ROWS) == height((meant, *ROWS[2:]))
    assert height(ROWS) != height((ROWS[0], *ROWS[2:]))


def test_one_size_alone_is_drawn_too() -> None:
    drawn = plots(SWEEP.model_copy(update={"rows": (ROWS[0], ROWS[4])}))
    assert [len(plot.curves) for plot in drawn] == [2, 4, 4, 3]


def test_nothing_trained_is_a_page_too(tmp_path: Path) -> None:
    write_sweep_report(tmp_path / "report.html", SWEEP.model_copy(update={"rows": ROWS[3:4], "beside": {}}))
    assert "nothing was trained yet" in (tmp_path / "report.html").read_text("utf-8")


@given(sizes=st.lists(st.integers(1, 100_000), min_size=1, max_size=12, unique=True).map(sorted))
def test_on_a_logarithmic_x_axis_equal_ratios_are_equally_far_apart(sizes: list[int]) -> None:
    points = [(float(size), 0.5) for size in sizes]
    plot = line_plot("t", "pairs", "%", [Series("a", points, "first")], levels=[Level("b", 0.9)], x_values=sizes)
    assert plot is not None
    line, level = plot.curves
    assert len(line.dots) == len(sizes)
    assert all(plot.left - 1 <= x <= plot.right + 1 for x, _ in line.dots)
    assert all(plot.top <= y <= plot.bottom for _, y in line.dots)
    assert level.path.startswith(f"M{plot.left},")
    if len(sizes) > 2:
        first, middle, last = (line.dots[i][0] for i in (0, 1, -1))
        share = math.log(sizes[1] / sizes[0]) / math.log(sizes[-1] / sizes[0])
        assert (middle - first) / (last - first) == pytest.approx(share, abs=1e-3)
    places = [tick.at for tick in plot.x_ticks]
    assert places == sorted(places)
    assert all(b - a > 8 for a, b in pairwise(places)), "labels do not touch"


@given(total=st.integers(1, 40), data=st.data())
def test_a_number_of_pairs_is_the_first_of_the_split_in_its_order(total: int, data: st.DataObject) -> None:
    rows = [Example(id=str(i), task="note", prompt=[], completion=[]) for i in range(total)]
    count = data.draw(st.integers(1, total))
    more = data.draw(st.integers(count, total))
    assert first_of(rows, count, RUN) == rows[:count]
    assert first_of(first_of(rows, more, RUN), count, RUN) == first_of(rows, count, RUN), "few are among more"
    assert first_of(rows, None, RUN) == rows
    with pytest.raises(UserError, match=f"holds {total} pairs in its train split, not {total + 1}"):
        first_of(rows, total + 1, RUN)
