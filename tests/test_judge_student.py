"""A student that judges: its agreement with known severities; and the floors and answers of every kind of task."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from distill import floors
from distill.columns.records import JudgeColumns
from distill.columns.table import column_lines
from distill.evaluate import Examination
from distill.inference.base import Decoding
from distill.metrics.letters import answer
from distill.predict import as_prediction
from distill.records import BenchmarkItem, Prediction
from distill.scoring import score_system
from distill.tasks import asked_as, kind_of, metrics_of, of_one_task, stamped
from synth.assets import ASSETS
from synth.catalog import load_task
from synth.errors import UserError

SCORES = (5, 4.5, 4, 3, 2.5, 2, 1.5, 1)
TASKS = {"grading": "{kind: score, key: grade}", "exam": "{kind: letters, key: chosen}"}


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that judges, and one that asks questions, in a folder of their own."""
    for folder in ("tasks", "schemas", "prompts"):
        (tmp_path / "own" / folder).mkdir(parents=True)
    for name, kind in TASKS.items():
        own = tmp_path / "own"
        (own / "tasks" / f"{name}.yaml").write_text(
            f"name: {name}\ndescription: case → answer\nschema_name: {name}\nprompts: {name}\n"
            f"renderer: {name}/answer.txt.j2\nsource_kind: documents\ndocuments: [Case]\nnouns: [case, answer]\n"
            f"answer: {kind}\n"
        )
        (own / "schemas" / f"{name}.schema.json").write_text(json.dumps({"type": "object"}))
        (own / "prompts" / name).mkdir()
        (own / "prompts" / name / "answer.txt.j2").write_text("{{ target | tojson }}")
    monkeypatch.setenv(ASSETS, str(tmp_path / "own"))


def item(number: int, task: str, right: str, target: dict[str, object]) -> BenchmarkItem:
    return BenchmarkItem.model_validate(
        {
            "id": str(number),
            "source": f"# Case\nNumber {number}.",
            "reference": json.dumps(target),
            "target": target,
            "scenario": None,
            "task": task,
            "answer": right,
        }
    )


def judged() -> list[BenchmarkItem]:
    return [item(i, "grading", f"{score:g}", {"grade": score}) for i, score in enumerate(SCORES)]


def said(items: list[BenchmarkItem], key: str, *values: object) -> list[Prediction]:
    return [
        as_prediction(one.id, value if isinstance(value, str) else json.dumps({key: value}), "stop", one.task or "")
        for one, value in zip(items, values, strict=True)
    ]


def examined(items: list[BenchmarkItem]) -> Examination:
    from distill.benchmarks.held_out import HeldOut

    metadata, chosen, task = of_one_task(HeldOut.metadata, items, None, "here")
    return Examination(
        metadata=metadata,
        split="test",
        items=chosen,
        train=None,
        metrics=metadata.metrics,
        metric_settings=None,
        described={},
        notes=(),
        files={},
        simulated=True,
        task=task,
        workers=1,
    )


def test_a_judge_s_agreement_with_known_severities(tmp_path: Path) -> None:
    items = judged()
    asked = examined(items)
    assert asked.metadata.task == "judge"
    near = [max(1, score - 0.5) for score in SCORES]
    predictions = {
        "exact": said(items, "grade", *SCORES),
        "near": said(items, "grade", *near),
        "mute": said(items, "grade", *(["no idea"] * 7), 1),
        **asked.floors(),
    }
    assert {"constant 4.5", "best constant"} <= predictions.keys()
    scored, _ = asked.scored(predictions)
    results = asked.write(tmp_path / "out", scored, compared=(), max_new_tokens=8)
    found = results.columns
    assert isinstance(found, JudgeColumns)
    assert list(found.models) == ["exact", "near", "mute"]
    exact, near_by = found.models["exact"].mean, found.models["near"].mean
    assert exact.weighted_kappa is not None
    assert exact.icc_average is not None
    assert exact.mean_absolute_error is not None
    assert exact.mean_absolute_error.value == 0
    assert exact.weighted_kappa.value == pytest.approx(1)
    assert exact.icc_average.value == pytest.approx(1)
    assert near_by.within_half == 1
    assert near_by.mean_absolute_error is not None
    assert near_by.mean_absolute_error.value == pytest.approx(7 * 0.5 / 8)
    assert found.models["mute"].mean.unparseable == 7
    assert results.systems["near"].metrics["within_half"].mean == 1
    assert results.systems["constant 4.5"].metrics["within_half"].mean == pytest.approx(3 / 8)
    lines = column_lines(results)
    assert "weighted kappa" in lines[0]
    assert "weighted kappa" in (tmp_path / "out" / "report.html").read_text()


def test_runs_of_a_judge_are_one_judge(tmp_path: Path) -> None:
    items = judged()
    asked = examined(items)
    scored, _ = asked.scored({f"j run {k}": said(items, "grade", *SCORES) for k in (1, 2)})
    results = asked.write(
        tmp_path / "out", scored, compared=(), max_new_tokens=8, decoding=Decoding(temperature=1.0, runs=2)
    )
    assert isinstance(results.columns, JudgeColumns)
    assert results.columns.models["j"].columns == ("j run 1", "j run 2")


def test_letters_are_looked_for_where_the_task_writes_them() -> None:
    items = [item(0, "exam", "BD", {"chosen": ["B", "D"]}), item(1, "exam", "A", {"chosen": ["A"]})]
    written = said(items, "chosen", ["D", "B"], ["A", "C"])
    assert [answer(one, prediction) for one, prediction in zip(items, written, strict=True)] == ["D, B", "A, C"]
    scores = score_system(metrics_of(load_task("exam"))[1:2], items, written)
    assert [score.values["letters_exact"] for score in scores] == [1, 0]
    assert [prediction.text for prediction in floors.of_task("mcq", items, None)["majority class"]] == ["BD", "BD"]
    nearest = floors.of_task("mcq", items, items)["retrieval"]
    assert [prediction.target for prediction in nearest] == [one.target for one in items]


def test_a_benchmark_is_asked_as_the_task_that_is_of_its_kind() -> None:
    known = ("note", "grading", "exam")
    assert asked_as("mcq", None, known) == "exam"
    assert asked_as("judge", None, known) == "grading"
    assert asked_as("section", None, ("exam", "note")) == "note"
    assert asked_as("diagnosis", None, ("exam", "note")) == "exam", "the first, where none is of the kind"
    assert asked_as("judge", "note", known) == "note"
    with pytest.raises(UserError, match=r"unknown task 'exm' \(did you mean exam\?\)"):
        asked_as("mcq", "exm", known)
    brought = [one.model_copy(update={"task": None, "answer": None, "reference": "BD"}) for one in judged()]
    assert {one.task for one in stamped(brought, "mcq", "exam")} == {"exam"}
    assert {one.task for one in stamped(brought, "judge", "exam")} == {None}


def test_a_split_of_several_tasks_asks_which() -> None:
    from distill.benchmarks.held_out import HeldOut

    items = [*judged(), item(9, "exam", "A", {"chosen": ["A"]})]
    with pytest.raises(UserError, match="here holds exam and grading; say which with --task"):
        of_one_task(HeldOut.metadata, items, None, "here")
    metadata, chosen, name = of_one_task(HeldOut.metadata, items, "exam", "here")
    assert (metadata.task, len(chosen), name) == ("mcq", 1, "exam")
    assert kind_of(load_task("note")) == "note"
    with pytest.raises(UserError, match="here holds exam and grading, not note"):
        of_one_task(HeldOut.metadata, items, "note", "here")
