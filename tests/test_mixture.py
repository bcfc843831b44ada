"""One student of several tasks: shares of the examples, what is said of them, and each item asked as its own task."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.datasets import Example, examples, held_out_items, student_prompt
from distill.evaluate import evaluate
from distill.mixture import apportion, by_task, chosen, gathered, mixed, parse_mix, validated
from distill.predict import load_student, predict
from distill.settings import TrainSettings
from distill.train import train
from distill.trained import STUDENT_FILE, TrainedStudent, read_trained
from synth.assets import ASSETS
from synth.errors import UserError
from tests.students import write_base, write_run

OWN = Path(__file__).parent / "assets" / "own"


def rows(**counts: int) -> list[Example]:
    return [Example(f"{task}-{i}", task, [], []) for task, count in counts.items() for i in range(count)]


def test_shares_are_read_and_made_whole() -> None:
    assert parse_mix("note=0.6, diagnosis=0.4") == {"note": 0.6, "diagnosis": 0.4}
    assert parse_mix("a=0.333,b=0.333,c=0.333")["a"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("note", "'note' is no share"),
        ("note=x", "'note=x' is no share"),
        ("note=nan", "is no share"),
        ("note=0,b=1", "'note=0' is no share"),
        ("=1", "'=1' is no share"),
        ("note=0.5,note=0.5", "note stands twice"),
        ("note=0.5,b=0.4", r"add up to 0\.9, not to 1"),
    ],
)
def test_what_is_no_share_is_one_line(said: str, why: str) -> None:
    with pytest.raises(UserError, match=why):
        parse_mix(said)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=5), st.integers(0, 5_000))
def test_counts_add_up_and_miss_no_share_by_more_than_one(weights: list[int], total: int) -> None:
    shares = {f"task {i}": weight / sum(weights) for i, weight in enumerate(weights)}
    counts = apportion(shares, total)
    assert sum(counts.values()) == total
    assert all(abs(counts[name] - share * total) < 1 + 1e-6 for name, share in shares.items())


def test_as_many_as_there_can_be_are_drawn_and_none_twice() -> None:
    found = rows(note=60, diagnosis=100)
    drawn = mixed(found, {"note": 0.6, "diagnosis": 0.4}, None, 0)
    assert by_task(drawn) == {"diagnosis": 40, "note": 60}
    assert len({row.id for row in drawn}) == 100
    assert drawn == [row for row in found if row in drawn], "in their order"
    assert mixed(found, {"note": 0.6, "diagnosis": 0.4}, None, 0) == drawn
    assert mixed(found, {"note": 0.6, "diagnosis": 0.4}, None, 1) != drawn
    assert by_task(mixed(found, {"note": 0.6, "diagnosis": 0.4}, 10, 0)) == {"diagnosis": 4, "note": 6}


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 9))
def test_a_mixture_never_takes_what_is_not_there(notes: int, letters: int, tenths: int) -> None:
    shares = {"note": tenths / 10, "letter": 1 - tenths / 10}
    total = min(int(notes / shares["note"] + 1e-9), int(letters / shares["letter"] + 1e-9))
    if min(apportion(shares, total).values()) == 0:
        with pytest.raises(UserError, match="is none of"):
            mixed(rows(note=notes, letter=letters), shares, None, 0)
        return
    drawn = by_task(mixed(rows(note=notes, letter=letters), shares, None, 0))
    assert drawn["note"] <= notes
    assert drawn["letter"] <= letters
    assert total - 1 <= sum(drawn.values()) <= total


def test_what_cannot_be_mixed_is_one_line() -> None:
    found = rows(note=10, diagnosis=10)
    with pytest.raises(UserError, match=r"no run holds 'diagnosi' \(did you mean diagnosis\?\)"):
        mixed(found, {"note": 0.5, "diagnosi": 0.5}, None, 0)
    with pytest.raises(UserError, match="says nothing of diagnosis"):
        mixed(found, {"note": 1.0}, None, 0)
    with pytest.raises(UserError, match="20 of 40 examples would be of note, and there are 10"):
        mixed(found, {"note": 0.5, "diagnosis": 0.5}, 40, 0)
    with pytest.raises(UserError, match="is none of note"):
        mixed(found, {"note": 0.01, "diagnosis": 0.99}, None, 0)
    with pytest.raises(UserError, match="takes the first of one run"):
        chosen(found, {}, 5, 0, [Path("a"), Path("b")])


def test_validation_keeps_what_a_share_would_drop() -> None:
    assert by_task(validated(rows(note=4, letter=2), {"note": 0.5, "letter": 0.5}, 0)) == {"letter": 2, "note": 2}
    assert by_task(validated(rows(note=4), {"note": 0.5, "letter": 0.5}, 0)) == {"note": 4}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a run of notes, one of handovers, a base, and a student of both."""
    folder = tmp_path_factory.mktemp("mixture")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ASSETS, str(OWN))
        write_run(folder / "notes")
        write_run(folder / "handovers", task="handover")
        settings = TrainSettings(
            steps=1, max_length=4096, accumulation=1, mix={"note": 0.25, "handover": 0.75}, examples=8, seed=2
        )
        runs = [folder / "notes", folder / "handovers"]
        train(runs, str(write_base(folder / "base")), folder / "both", settings, quiet=True, log="none", device="cpu")
    return folder


@pytest.fixture(autouse=True)
def _own_assets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ASSETS, str(OWN))


def test_counts_and_shares_stand_in_metrics_and_card(place: Path) -> None:
    metrics = json.loads((place / "both" / "metrics.json").read_text())
    assert metrics["tasks"] == {"handover": 6, "note": 2}
    assert metrics["mix"] == {"note": 0.25, "handover": 0.75}
    card = (place / "both" / "README.md").read_text()
    said = "handover 6 (75.0 %), note 2 (25.0 %); asked for: note 0.25, handover 0.75, drawn by seed 2"
    assert f"By task: {said}." in card
    assert "writes a note (JSON) from a transcript, or a handover (JSON) from a chart" in card
    assert "| run | `notes`" in card
    assert "| run | `handovers`" in card
    assert "Chart of one patient → handover in two lines." in card
    assert "--data notes --data handovers --mix note=0.25,handover=0.75 --examples 8" in card
    report = (place / "both" / "report.html").read_text()
    assert said in report
    assert "run handovers" not in report.partition("<h2>")[0].replace("runs notes, handovers", "")
    trained = read_trained(place / "both")
    assert (trained.tasks, trained.runs) == (("handover", "note"), 2)


def test_ids_of_several_runs_are_not_mixed_up(place: Path) -> None:
    found = gathered([place / "notes", place / "handovers"], "train", "json", examples)
    assert len({row.id for row in found}) == len(found) == 16
    assert Counter(row.task for row in found) == {"note": 8, "handover": 8}


def test_a_run_of_another_task_is_one_line(place: Path) -> None:
    with pytest.raises(UserError, match="handovers holds handover, not note; leave --task out"):
        gathered([place / "handovers"], "train", "json", examples, "note")
    with pytest.raises(UserError, match=r"unknown task 'notes' \(did you mean note\?\)"):
        gathered([place / "handovers"], "train", "json", examples, "notes")
    with pytest.raises(UserError, match="is named twice"):
        gathered([place / "notes", place / "notes"], "train", "json", examples)


def test_a_student_of_several_tasks_is_asked_for_that_of_the_item(place: Path) -> None:
    loaded = load_student(place / "both", base=str(place / "base"))
    items = [held_out_items(place / run, "test")[0] for run in ("notes", "handovers")]
    seen: list[str] = []

    def heard(task: str, text: str) -> list[dict[str, str]]:
        seen.append(task)
        return student_prompt(task, text)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("distill.predict.student_prompt", heard)
        predict(loaded, items, max_new_tokens=2)
    assert seen == ["note", "handover"]


def test_one_of_its_runs_is_evaluated_by_that_task(place: Path) -> None:
    results = evaluate(
        "held-out", place / "handovers", place / "both", place / "eval", base=str(place / "base"), max_new_tokens=4
    )
    assert "diagnosis_normalised" in results.systems["base"].metrics
    assert "facts_in_field" not in results.systems["base"].metrics
    assert list(results.systems) == ["base", "base (base)", "retrieval", "majority class"]
    item = json.loads((place / "eval" / "items.jsonl").read_text().splitlines()[0])
    assert item["task"] == "handover"
    assert item["answer"] == item["target"]["problem"]
    assert item["reference"].startswith(item["target"]["who"])


def test_a_student_is_not_asked_for_what_it_never_learned_unless_told_to(place: Path) -> None:
    other = place / "of notes"
    other.mkdir()
    for name in ("adapter_model.safetensors", "adapter_config.json", "tokenizer.json", "tokenizer_config.json"):
        (other / name).write_bytes((place / "both" / name).read_bytes())
    notes = read_trained(place / "both").model_copy(update={"tasks": ("note",)})
    (other / STUDENT_FILE).write_text(notes.model_dump_json(), "utf-8")
    with pytest.raises(UserError, match=r"was trained on note, and .* holds handover; .* --task handover"):
        evaluate("held-out", place / "handovers", other, place / "no", base=str(place / "base"))
    with pytest.raises(UserError, match="holds handover, not note; leave --task out"):
        evaluate("held-out", place / "handovers", other, place / "no", base=str(place / "base"), task="note")


def test_memorisation_is_of_one_run(place: Path) -> None:
    from distill.memorisation.measuring import measure

    with pytest.raises(UserError, match="learned from 2 runs"):
        measure(place / "both", place / "notes", base=str(place / "base"), progress=lambda _line: None)


def test_what_an_earlier_version_wrote_is_read(place: Path) -> None:
    data = read_trained(place / "both").model_dump(exclude={"tasks", "runs"}) | {"task": "note"}
    assert TrainedStudent.model_validate(data).tasks == ("note",)
