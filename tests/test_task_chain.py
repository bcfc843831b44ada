"""Every task of the catalogue goes the whole way: generated, made into examples that fit, read back, and perfect."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from distill.datasets import examples, fit, held_out_items
from distill.inference.asking import messages
from distill.predict import as_prediction
from distill.records import BenchmarkItem
from distill.scoring import score_system, summarise
from distill.student import Student, find_student, load_tokenizer
from distill.tasks import kind_of, metrics_of, of_one_task
from synth.answers import right_answer
from synth.assets import ASSETS, load_schema
from synth.catalog import load_task, task_paths
from synth.config import resolve_config
from synth.pipeline import Execution, generate
from synth.records import Split
from synth.serving.decoding import decoding_schema
from synth.tasks_cli import specialties_of, task_lines

OWN = Path(__file__).parent / "assets" / "own"
N = 8
TASKS = sorted({*task_paths(), "handover"})
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


@pytest.fixture(autouse=True, scope="module")
def _own_assets() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ASSETS, str(OWN))
        yield


@pytest.fixture(scope="module")
def tiny() -> Student:
    return find_student("tiny")


def specialty_for(task: str) -> str:
    """Return one that the task works with; the one that the other tests have read already, where that is one."""
    found = specialties_of(load_task(task))
    return "endocrinology" if "endocrinology" in found else found[0]


@pytest.fixture(scope="module", params=TASKS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Return a task and a run of it."""
    task = str(request.param)
    config = resolve_config(
        {"specialty": specialty_for(task), "task": task, "n": N, "teacher": {"name": "simulator"}, "seed": 8}
    )
    run = tmp_path_factory.mktemp(task) / "run"
    assert generate(config, Execution(out=run, max_candidates=4 * N)).accepted == N
    return task, run


def items_of(run: Path) -> list[BenchmarkItem]:
    return [item for split in SPLITS for item in held_out_items(run, split)]


def test_examples_fit_the_smallest_student(made: tuple[str, Path], tiny: Student) -> None:
    task, run = made
    rows = [row for split in SPLITS for row in examples(run, split, "json")]
    assert len(rows) == N
    assert {row.task for row in rows} == {task}
    tokenizer = load_tokenizer(tiny)
    stop = tokenizer.eos_token_id
    assert isinstance(stop, int)
    assert not fit(rows, tokenizer, frozenset({stop}), tiny.max_length).refused


def test_its_own_target_is_perfect(made: tuple[str, Path]) -> None:
    task, run = made
    items = items_of(run)
    completions = {row.id: row.completion[0]["content"] for split in SPLITS for row in examples(run, split, "json")}
    written = [as_prediction(item.id, completions[item.id], "stop", task) for item in items]
    assert [prediction.text for prediction in written] == [item.reference for item in items]
    assert [prediction.target for prediction in written] == [item.target for item in items]
    scores = score_system(metrics_of(load_task(task)), items, written)
    cells = summarise({task: (written, scores)})[task].metrics
    found = {name: cell.mean for name, cell in cells.items() if cell.mean is not None}
    perfect = {"valid_json", "schema_valid", "rouge1", "rougeLsum", "facts_in_field", "fact_recall"}
    perfect |= {"diagnosis_exact", "diagnosis_normalised", "letters_exact", "letters_jaccard", "within_half"}
    assert {name: found[name] for name in perfect & found.keys() if found[name] < 1} == {}
    flawed = {"facts_contradicted", "unparseable", "absolute_error", "invented"}
    assert {name: found[name] for name in flawed & found.keys() if found[name]} == {}
    assert found.get("facts_carried", 1.0) >= 0.9


def test_the_answer_is_read_from_the_text_alone(made: tuple[str, Path]) -> None:
    """As of a student that was trained with --format text, or of a model that writes no JSON."""
    task = load_task(made[0])
    answer = task.answer
    if answer is None or task.schema_name == "handover":  # whose text has its answer in the middle of a line
        return
    items = items_of(made[1])
    written = [as_prediction(item.id, item.reference, "stop", task.name) for item in items]
    assert all(prediction.target is None for prediction in written)
    scores = score_system(metrics_of(task)[1:2], items, written)
    assert [score.values["unparseable"] for score in scores] == [0.0] * N
    right = {"diagnosis": "diagnosis_normalised", "letters": "letters_exact", "score": "within_half"}[answer.kind]
    assert [score.values[right] for score in scores] == [1.0] * N


def test_an_item_knows_its_task_and_what_is_right(made: tuple[str, Path]) -> None:
    from distill.benchmarks.held_out import HeldOut

    name, run = made
    task, items = load_task(made[0]), items_of(run)
    metadata, same, found = of_one_task(HeldOut.metadata, items, None, "here")
    assert (found, same) == (name, items)
    assert metadata.task == kind_of(task)
    assert metadata.metrics == metrics_of(task)
    for item in items:
        assert (item.answer is None) == (task.answer is None)
        if task.answer is not None and task.answer.kind == "diagnosis":
            assert item.scenario is not None
            assert item.right == right_answer(task.answer, item.scenario)


def test_a_served_model_is_asked_by_the_contract_and_not_told_the_facts(made: tuple[str, Path]) -> None:
    name, run = made
    item = items_of(run)[0]
    system, user = messages("contract", "note", item)
    schema = json.dumps(load_schema(load_task(name).schema_name)["properties"], separators=(",", ":"))
    assert schema[:60] in system["content"]
    assert item.source in user["content"]
    assert decoding_schema(load_schema(load_task(name).schema_name))["type"] == "object"


def test_a_task_is_listed_with_what_it_needs(made: tuple[str, Path]) -> None:
    task = load_task(made[0])
    lines = list(task_lines(task))
    assert lines[0] == f"{task.name}: {task.description}"
    assert lines[-1].startswith("  specialties: ")
    assert not lines[-1].endswith("none")
    assert _told(lines, task.nouns)


def _told(lines: Sequence[str], words: Sequence[str]) -> bool:
    return all(any(word in line for line in lines) for word in words)


def test_card_and_report_speak_of_its_own_words(made: tuple[str, Path]) -> None:
    task, run = load_task(made[0]), made[1]
    source, target = task.nouns
    card, report = (run / "README.md").read_text("utf-8"), (run / "report.html").read_text("utf-8")
    assert f"`source` (the {source})" in card
    assert task.description in card
    assert f"Every {source} and every string of every {target}" in card
    assert (" turns, " in card) == (task.source_kind == "transcript")
    assert ("<th>turns</th>" in report) == (task.source_kind == "transcript")
    assert f"Words, {source}" in report
    if "transcript" not in (source, target):
        assert "transcript" not in card
