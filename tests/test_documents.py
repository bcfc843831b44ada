"""Model card and report say what is known, word for word (``golden/model_card.md``, ``golden/train_report.html``), and
are written again from the student's folder alone."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest

from distill.card import TrainMetrics, duration, model_card, recipe_rows, result_rows
from distill.documents import CARD, REPORT, write_documents
from distill.lineage import SAFE_HARBOR, Lineage, blocks, read_lineage, trace
from distill.memorisation.card import add_to_card
from distill.memorisation.measuring import FILE as MEMORISATION
from distill.memorisation.measuring import Memorisation, Runs, SystemMemory
from distill.student import Student, find_student
from distill.train_report import plots, train_report
from distill.trained import STUDENT_FILE, TrainedStudent
from synth.errors import UserError
from synth.records import Counts, TeacherIdentity
from synth.runs import read_manifest
from tests.running import here
from tests.students import write_run

GOLDEN = Path(__file__).parent / "golden"
SECTION = (GOLDEN / "dataset_card.md").read_text("utf-8").partition(SAFE_HARBOR)[2].partition("\n## ")[0]

METRICS = TrainMetrics(
    student="llama-3.2-1b",
    method="qlora",
    quantisation="nf4",
    precision="bf16",
    packing=True,
    format="json",
    seed=3,
    steps=120,
    best_step=90,
    epochs=3.0,
    train_loss=0.1234,
    validation_loss=0.2,
    examples=318,
    refused=("endocrinology-3-000017", "endocrinology-3-000041"),
    validation_examples=39,
    validation_refused=("endocrinology-3-000100",),
    completion_tokens=181_260,
    epoch_tokens=524_000,
    trained_parameters=11_272_192,
    tokens=1_572_000,
    tokens_per_second=4_210.4,
    seconds=373.4,
    peak_memory=6_123_456_789,
    device="cuda:0",
    processes=1,
    threads=8,
    versions={"torch": "0", "trl": "0"},
)
LINEAGE = Lineage(
    run="endo",
    fingerprint="f" * 64,
    train_sha256="a" * 64,
    teacher=TeacherIdentity(name="server", model="some/teacher", revision="abc"),
    judge="some/judge",
    task="note",
    seed=3,
    identities="surrogate",
    specialties={"endocrinology": 320},
    conditions={"hypothyroidism": 120, "type 2 diabetes": 200},
    counts=Counts(
        candidates=430,
        accepted=400,
        rejected=30,
        reasons={"faithfulness/invented": 21, "phi/identifier_found": 9},
        splits={"train": 320, "validation": 40, "test": 40},
    ),
    versions={"notewright": "0"},
    safe_harbor=SECTION.partition("\n")[2].strip(),
)
CURVE = [
    {
        "step": float(step),
        "loss": 3.2 * math.exp(-step / 25) + 0.1 + 0.02 * (step % 3),
        "learning_rate": 2e-4 * step / 120,
        "grad_norm": 1 + 1 / step,
    }
    for step in range(1, 121)
] + [{"step": step, "eval_loss": loss} for step, loss in ((30.0, 1.1), (60.0, 0.4), (90.0, 0.2), (120.0, 0.21))]


@pytest.fixture(scope="module")
def student() -> Student:
    return find_student("llama-3.2-1b")


def golden(name: str, text: str) -> None:
    """NOTEWRIGHT_UPDATE_GOLDEN=1 writes it anew."""
    path = GOLDEN / name
    if os.environ.get("NOTEWRIGHT_UPDATE_GOLDEN"):
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8")


def test_the_card_is_the_golden_one(student: Student) -> None:
    golden("model_card.md", model_card("endo-1b", student, METRICS, LINEAGE))


def test_the_report_is_the_golden_one(student: Student) -> None:
    golden("train_report.html", train_report("endo-1b", student, METRICS, LINEAGE, CURVE))


def test_the_report_asks_nothing_of_a_network_and_escapes_what_it_shows(student: Student) -> None:
    lineage = LINEAGE.model_copy(
        update={"run": "<script>alert(1)</script>", "safe_harbor": "a\n\n| <b> |\n|---|\n| <i> |"}
    )
    text = train_report("<x>", student, METRICS, lineage, CURVE)
    for needs in ("<script", "src=", "href=", "http", "url(", "<b>", "<i>", "<x>"):
        assert needs not in text
    assert text.count("<svg viewBox") == 3
    assert "kept: 0.2000 at step 90" in text
    assert "endocrinology-3-000017\nendocrinology-3-000041\nendocrinology-3-000100" in text


def test_the_simulators_student_and_canaries_are_warned_of(student: Student) -> None:
    simulated = LINEAGE.model_copy(update={"teacher": TeacherIdentity(name="simulator", model=None, revision=None)})
    planted = METRICS.model_copy(update={"canaries": 12})
    for text in (
        model_card("a", student, planted, simulated),
        train_report("a", student, planted, simulated, CURVE),
    ):
        assert "not fit for any use with patients" in text
        assert "rained with 12 canaries" in text
        assert "--data RUN --canaries 12" in text, "it was run so"
    assert "canaries" not in model_card("a", student, METRICS, LINEAGE)


def test_what_is_not_known_is_said(student: Student) -> None:
    lineage = LINEAGE.model_copy(update={"counts": None, "safe_harbor": None})
    metrics = METRICS.model_copy(
        update={"validation_loss": None, "best_step": None, "peak_memory": None, "refused": ()}
    )
    card = model_card("a", student, metrics, lineage)
    assert "| validation loss, nats a completion token | not measured (no validation split) |" in card
    assert "nothing is known of the identifiers" in card
    assert "was not complete" in card
    assert "| kept | the last step |" in card
    assert "peak memory" not in card
    assert "nothing is known of the identifiers" in train_report("a", student, metrics, lineage, [])
    assert "no step was logged" in train_report("a", student, metrics, lineage, [])


def test_the_loss_plot_marks_the_student_that_was_kept() -> None:
    loss, rate, _ = plots(METRICS, CURVE)
    assert [curve.name for curve in loss.curves] == ["train, each step", "train, mean of 3 steps", "validation"]
    assert loss.mark is not None
    assert (loss.mark.x, loss.mark.y) == loss.curves[2].dots[2]
    assert rate.y_ticks[0].label == "0"
    few, *_ = plots(METRICS, CURVE[:3])
    assert [(curve.name, curve.style) for curve in few.curves] == [("train, each step", "line")]
    assert few.mark is None


@pytest.mark.parametrize(
    ("method", "unit"),
    [
        ("lora", "nats a completion token"),
        ("full", "nats a completion token"),
        ("gkd", "nats of divergence a token"),
        ("dpo", "DPO loss a pair"),
    ],
)
def test_the_axis_of_the_loss_has_the_unit_of_the_results(student: Student, method: str, unit: str) -> None:
    metrics = METRICS.model_copy(update={"method": method})
    text = train_report("a", student, metrics, LINEAGE, CURVE)
    assert f">{unit}, log scale</text>" in text
    assert any(label.startswith(f"validation loss, {unit}") for label, _ in result_rows(metrics))


def test_licences_of_the_base_are_named_as_the_hub_wants_them(student: Student) -> None:
    assert "license: other\nlicense_name: llama-3.2-community-license\n" in model_card("a", student, METRICS, LINEAGE)
    apache = model_card("a", find_student("qwen3-0.6b"), METRICS, LINEAGE)
    assert "license: apache-2.0\nbase_model: Qwen/" in apache


def test_rows_name_what_was_done(student: Student) -> None:
    rows = dict(recipe_rows(student, METRICS, LINEAGE))
    assert rows["method"] == "LoRA: rank 16, alpha 32, dropout 0, on all-linear; base in nf4"
    assert rows["steps"] == "120 (3 epochs) of 1 x 8 examples, packed"
    for took, packing, said in (
        (None, False, "1 x 8 examples"),
        (8.0, False, "1 x 8 examples"),
        (9.0, False, "9 examples (the recipe says 1 x 8)"),
        (10.67, True, "10.7 examples on average, packed (the recipe says 1 x 8)"),
    ):
        metrics = METRICS.model_copy(update={"step_examples": took, "packing": packing})
        assert dict(recipe_rows(student, metrics, LINEAGE))["steps"] == f"120 (3 epochs) of {said}"
    assert dict(result_rows(METRICS))["peak memory"] == "6.12 GB, of tensors on the GPU"
    assert [duration(seconds) for seconds in (4.6, 750, 10_921)] == ["0:05", "12:30", "3:02:01"]


def test_lineage_is_what_the_run_directory_says(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    lineage = trace(run, read_manifest(run))
    assert lineage.task == "note"
    assert lineage.specialties == {"endocrinology": 8}
    assert sum(lineage.conditions.values()) == 8
    assert lineage.safe_harbor is None
    assert lineage.simulated
    (run / "README.md").write_text((GOLDEN / "dataset_card.md").read_text("utf-8"), "utf-8")
    section = trace(run, read_manifest(run)).safe_harbor
    assert section is not None
    assert section.startswith("Every transcript")
    table = next(block for block in blocks(section) if len(block) > 1)
    assert table[0][:2] == ["class", "identifier"]
    assert [row[0] for row in table[1:]] == [chr(65 + i) for i in range(18)], "the 18 classes of the rule"
    assert all(len(row) == len(table[0]) for row in table)
    with pytest.raises(UserError, match=r"lineage\.json is missing"):
        read_lineage(tmp_path)


def _folder(path: Path, student: Student) -> Path:
    path.mkdir()
    trained = TrainedStudent(student=student, base_sha256=None, format="json", tasks=("note",), longest_completion=9)
    (path / STUDENT_FILE).write_text(trained.model_dump_json(), "utf-8")
    (path / "metrics.json").write_text(METRICS.model_dump_json(), "utf-8")
    (path / "lineage.json").write_text(LINEAGE.model_dump_json(), "utf-8")
    (path / "curve.jsonl").write_text("".join(json.dumps(row) + "\n" for row in CURVE), "utf-8")
    return path


def test_what_is_remembered_survives_a_card_that_is_written_again(tmp_path: Path, student: Student) -> None:
    folder = _folder(tmp_path / "endo-1b", student)
    write_documents(folder)
    assert "## Memorisation" not in (folder / CARD).read_text("utf-8")
    runs = Runs(median=4, p95=9.5, longest=12)
    system = SystemMemory(system="s", membership=(0.5, 0.4, 0.6), trained=runs, held_out=runs, exposures=())
    measured = Memorisation(items=20, highest_exposure=10, seed=0, systems=(system, system))
    (folder / MEMORISATION).write_text(measured.model_dump_json(), "utf-8")
    add_to_card(folder, measured)
    added = (folder / CARD).read_text("utf-8")
    assert added.count("## Memorisation") == 1
    write_documents(folder)
    assert (folder / CARD).read_text("utf-8") == added


def test_the_command_writes_both_again(tmp_path: Path, student: Student) -> None:
    folder = _folder(tmp_path / "endo-1b", student)
    assert here("report", "--student", str(folder), program="distill").returncode == 0
    assert (folder / REPORT).read_text("utf-8").startswith("<!doctype html>")
    (folder / "curve.jsonl").write_text("[1]\n", "utf-8")
    failed = here("report", "--student", str(folder), program="distill")
    assert failed.returncode == 2
    assert "is not a loss curve" in failed.stderr
