"""Many processes give what one gives, to the last bit, and hold no more than they need."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.scoring import METRICS, made
from distill import floors
from distill.benchmarks.held_out import HeldOut
from distill.metrics.divisions import MISSING
from distill.parallel import LEAST, PART, open_workers, score_systems
from distill.records import BenchmarkItem, Prediction, Score
from distill.results import Results, SystemPrediction, SystemScore
from distill.score_table import ScoreTable
from distill.scoring import score_system, summarise, write
from distill.spool import Spool
from distill.workers import Workers
from synth.errors import UserError

COUNT = 40


@pytest.fixture(scope="module")
def written() -> tuple[Spool[BenchmarkItem], Spool[Prediction]]:
    return made(COUNT)


def by_one(
    metrics: Sequence[str], items: Sequence[BenchmarkItem], predictions: Sequence[Prediction]
) -> list[dict[str, float | None]]:
    """Return the values as each metric gives them for all at once."""
    from distill.catalog import load_metric

    rows: list[dict[str, float | None]] = [{} for _ in items]
    for name in metrics:
        for row, score in zip(rows, load_metric(name)(list(items), list(predictions)), strict=True):
            row.update(score.values)
    return rows


def test_parts_and_processes_change_no_bit(
    written: tuple[Spool[BenchmarkItem], Spool[Prediction]], monkeypatch: pytest.MonkeyPatch
) -> None:
    items, predictions = written
    assert COUNT > PART
    names = (*METRICS, "facts", "length")
    systems = {"written": predictions, "copy": floors.copy(items)}
    expected = {name: by_one(names, items, of_system) for name, of_system in systems.items()}
    alone = score_systems(names, items, systems, workers=1)
    monkeypatch.setattr("distill.parallel.LEAST", 1)
    together = score_systems(names, items, systems, workers=2)
    for name, rows in expected.items():
        assert [score.values for score in alone[name]] == rows
        assert [score.values for score in together[name]] == rows
        assert [score.id for score in together[name]] == [item.id for item in items]
    assert summarise({"x": (predictions, together["written"])}) == summarise({"x": (predictions, alone["written"])})


def test_a_report_that_processes_draw_up_is_the_same(
    written: tuple[Spool[BenchmarkItem], Spool[Prediction]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distill.report import write_report

    items, predictions = written[0][:6], written[1][:6]
    monkeypatch.setattr("distill.parallel.LEAST", 1)
    with open_workers(METRICS, None, 6, 2) as opened:
        assert opened is not None
        table = score_systems(METRICS, items, {"x": predictions}, opened=opened)["x"]
        assert list(table) == list(score_systems(METRICS, items, {"x": predictions}, workers=1)["x"])
        scored = {"x": (predictions, table)}
        results = Results(
            benchmark="held-out",
            split="test",
            items=6,
            systems=summarise(scored),
            notes=(),
            settings={},
            versions={},
        )
        write(tmp_path, results, scored)
        write_report(tmp_path / "report.html", results, items, scored, HeldOut.metadata)
        write_report(tmp_path / "other.html", results, items, scored, HeldOut.metadata, opened)
    assert (tmp_path / "other.html").read_bytes() == (tmp_path / "report.html").read_bytes()
    assert (tmp_path / "report.html").read_text("utf-8").count('<details class="item"') == 6
    lines = (tmp_path / "predictions.jsonl").read_text("utf-8").splitlines()
    assert lines == [SystemPrediction(system="x", **dict(one)).model_dump_json() for one in predictions]
    lines = (tmp_path / "scores.jsonl").read_text("utf-8").splitlines()
    assert lines == [SystemScore(system="x", **dict(one)).model_dump_json() for one in table]


def test_a_process_that_is_ended_from_outside_is_one_line() -> None:
    with Workers(1, _ready) as workers, pytest.raises(UserError, match="ended from outside"):
        list(workers.in_order(_end, [1, 2]))


def _ready() -> None:
    pass


def _end(code: int) -> None:
    os._exit(code)


def test_a_division_that_only_another_part_has_counts_as_missing() -> None:
    items = [
        BenchmarkItem(id=str(i), source="", reference="tired\nEXAM: fine", target=None, scenario=None)
        for i in range(PART + 1)
    ]
    texts = ["tired"] * PART + ["tired\nEXAM: fine"]
    predictions = [
        Prediction(id=str(i), raw=text, text=text, target=None, finish="given") for i, text in enumerate(texts)
    ]
    found = score_system(["rouge"], items, predictions)
    assert [score.values for score in found] == by_one(["rouge"], items, predictions)
    assert MISSING.strip("#").lower() == "empty"


def test_a_metric_that_sees_all_at_once_goes_with_the_others(
    written: tuple[Spool[BenchmarkItem], Spool[Prediction]], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Order:
        columns = ("rank",)

        def __call__(self, items: Sequence[BenchmarkItem], predictions: Sequence[Prediction]) -> list[Score]:
            assert len(items) == len(predictions) == COUNT
            return [Score(id=item.id, values={"rank": float(i)}) for i, item in enumerate(items)]

    from distill import parallel
    from distill.catalog import load_metric as load

    monkeypatch.setattr(parallel, "load_metric", lambda name, s: Order() if name == "order" else load(name, s))
    items, predictions = written
    table = score_systems(["length", "order"], items, {"x": predictions}, workers=1)["x"]
    assert table.column("rank") == [float(i) for i in range(COUNT)]
    assert table.names[-1] == "rank"


def test_predictions_of_other_items_are_a_mistake_of_the_caller(
    written: tuple[Spool[BenchmarkItem], Spool[Prediction]],
) -> None:
    items, predictions = written
    with pytest.raises(ValueError, match="not those of the items"):
        score_systems(["length"], items, {"x": predictions[:-1]})
    with pytest.raises(ValueError, match="not those of the items"):
        score_systems(["length"], items[:2], {"x": [predictions[1], predictions[0]]})
    with pytest.raises(UserError, match="did you mean rouge"):
        score_systems(["rogue"], items, {"x": predictions})


def test_nothing_to_score_is_no_error() -> None:
    assert list(score_systems(["length"], [], {"x": []})["x"]) == []
    assert LEAST > PART


def test_a_spool_is_a_sequence(written: tuple[Spool[BenchmarkItem], Spool[Prediction]]) -> None:
    items, _ = written
    whole = list(items)
    assert len(items) == len(whole) == COUNT
    assert items[3] == whole[3]
    assert items[-1] == whole[-1]
    assert list(items[5:9]) == whole[5:9]
    assert items[:] is items
    pairs = zip(items, items, strict=True)
    assert [one.id for pair in pairs for one in pair] == [i.id for i in whole for _ in "ab"]
    with pytest.raises(IndexError):
        items[COUNT]


def test_memory_does_not_grow_with_the_number_of_predictions() -> None:
    peaks = []
    # Two parts are in memory at a time.
    for count in (3 * PART, 8 * PART):
        items, predictions = made(count)
        score_systems(["validity", "length"], items[:8], {"x": predictions[:8]}, workers=1)
        tracemalloc.start()
        score_systems(["validity", "length"], items, {"x": predictions}, workers=1)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_a_table_keeps_what_it_was_given() -> None:
    rows: list[dict[str, float | None]] = [{"a": 1.0, "b": None}, {"a": 0.1 + 0.2, "b": 2.0}]
    table = ScoreTable()
    for i, row in enumerate(rows):
        table.append(Score(id=str(i), values=dict(row)))
    assert [score.values for score in table] == rows
    assert table.column("b") == [None, 2.0]
    assert table[-1].values == rows[1]
    assert [score.id for score in table[0:2]] == ["0", "1"]
    with pytest.raises(ValueError, match="not a number"):
        table.append(Score(id="2", values={"a": float("nan"), "b": 1.0}))
    with pytest.raises(ValueError, match="columns"):
        table.append(Score(id="2", values={"a": 1.0}))
    with pytest.raises(ValueError, match="2 items"):
        table.add("c", [1.0])
