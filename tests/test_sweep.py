"""A sweep of small trainings: what is trained once stays, what was interrupted goes on, what fails is a row."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from distill.cli import distill
from distill.device import reset_peak_memory
from distill.evaluate import evaluate
from distill.progress import TrainingProgress
from distill.sweep import Combination, combinations, sweep
from distill.sweep_records import Sweep
from synth.errors import UserError
from tests.students import write_base, write_run

COUNTS = ("predictions", "unparseable", "empty", "truncated", "too_long", "filtered", "failed")
NAMES = ["base-lora-2", "base-lora-4", "base-full-2", "base-full-4"]


class Stop(Exception):
    """Somebody pulls the plug."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    write_run(folder / "run", {"train": range(4), "validation": range(8, 9), "test": range(10, 12)})
    write_base(folder / "base")
    return folder


def swept(place: Path, out: str, heard: list[str], **said: object) -> Sweep:
    return sweep(
        place / "run",
        str(place / "base"),
        place / out,
        **{"pairs": (4, 2), "methods": ("full", "lora"), "steps": 2, "max_new_tokens": 16} | said,  # type: ignore[arg-type]
        device="cpu",
        quiet=True,
        say=heard.append,
        progress=lambda system, done, items: heard.append(f"{system}: {done} of {items}"),
    )


@pytest.fixture(scope="module")
def resumed(place: Path) -> tuple[Sweep, list[str], list[str], float]:
    """Return a sweep that was stopped in its third training, what was heard before and after, and when the first
    student had been written."""
    before: list[str] = []
    after: list[str] = []
    with pytest.MonkeyPatch.context() as patch:

        def interrupt(_self: TrainingProgress, _args: object, state: object, _control: object, **_: object) -> None:
            if before[-1].startswith("base-lora-4 (") and getattr(state, "global_step", 0) == 2:
                raise Stop

        patch.setattr(TrainingProgress, "on_log", interrupt)
        with pytest.raises(Stop):
            swept(place, "out", before)
    first = (place / "out" / "base-lora-2" / "student.json").stat().st_mtime_ns
    return swept(place, "out", after), before, after, first


def test_combinations_are_ordered_and_named_so_that_more_can_follow() -> None:
    assert [one.name for one in combinations("tiny", (300, 100, 100), ("full", "lora"), (0, 2))] == [
        "tiny-lora-100",
        "tiny-lora-100-seed2",
        "tiny-full-100",
        "tiny-full-100-seed2",
        "tiny-lora-300",
        "tiny-lora-300-seed2",
        "tiny-full-300",
        "tiny-full-300-seed2",
    ]
    assert Combination("org/Name@main", "lora", 5, 0).name == "org-Name-main-lora-5"


@pytest.mark.slow
def test_every_combination_is_a_row_with_what_it_took_and_what_it_is_worth(
    place: Path, resumed: tuple[Sweep, list[str], list[str], float]
) -> None:
    found = resumed[0]
    assert [row.name for row in found.rows] == NAMES
    assert Sweep.model_validate_json((place / "out" / "sweep.json").read_text("utf-8")) == found
    for row in found.rows:
        assert row.reason is None
        assert row.steps == 2
        assert row.examples == row.pairs
        assert row.validation_loss is not None
        assert row.validation_loss > 0
        assert row.result is not None
        assert row.result.predictions == found.items == 2
        assert set(row.result.differences) == {"base (base)", "copy", "retrieval"}
        metrics = json.loads((place / "out" / row.name / "metrics.json").read_text("utf-8"))
        assert (metrics["taken"], metrics["train_pairs"]) == (row.pairs, 4)
        assert metrics["tokens"] == row.tokens
    lora, full = found.rows[1], found.rows[3]
    assert lora.trained_parameters is not None
    assert full.trained_parameters is not None
    assert lora.trained_parameters < full.trained_parameters
    assert list(found.beside) == ["base (base)", "copy", "retrieval"]


@pytest.mark.slow
def test_what_is_done_is_not_done_again_and_base_and_floors_write_once(
    place: Path, resumed: tuple[Sweep, list[str], list[str], float]
) -> None:
    found, before, after, first = resumed
    assert before.count("base (base): 0 of 2") == 1
    assert not [line for line in after if line.startswith(("base (base)", "base-lora-2:", "base-full-2:"))]
    assert (place / "out" / "base-lora-2" / "student.json").stat().st_mtime_ns == first
    assert [row.resumed for row in found.rows] == [False, True, False, False]
    heard: list[str] = []
    again = swept(place, "out", heard, pairs=(4,), methods=("lora",))
    assert heard == ["base-lora-4 (1 of 1)"]
    assert again == found, "rows of earlier calls stay"


@pytest.mark.slow
def test_an_interrupted_training_ends_where_an_uninterrupted_one_does(
    place: Path, resumed: tuple[Sweep, list[str], list[str], float]
) -> None:
    once = swept(place, "once", [], pairs=(4,), methods=("lora",))
    weights = "base-lora-4/adapter_model.safetensors"
    assert (place / "once" / weights).read_bytes() == (place / "out" / weights).read_bytes()
    row = next(row for row in resumed[0].rows if row.name == "base-lora-4")
    assert row.result == once.rows[0].result
    assert row.validation_loss == once.rows[0].validation_loss


@pytest.mark.slow
def test_a_row_is_what_distill_eval_finds(place: Path) -> None:
    row = swept(place, "counted", [], pairs=(2,), methods=("lora",), steps=1).rows[0]
    assert row.result is not None
    student, base = place / "counted" / row.name, str(place / "base")
    found = evaluate("held-out", place / "run", student, place / "eval", base=base, max_new_tokens=16, workers=1)
    written = json.loads((student / "eval-held-out" / "results.json").read_text("utf-8"))
    assert written["settings"] == found.settings
    assert row.result.metrics == found.systems["base"].metrics
    for name, same in ((row.name, "base"), ("base (base)", "base (base)"), ("copy", "copy")):
        counts = {key: written["systems"][name][key] for key in COUNTS}
        assert counts == {key: getattr(found.systems[same], key) for key in COUNTS}
    assert written["systems"][row.name]["unparseable"] == 2
    assert any(note.startswith(f"{row.name}: of 2 outputs 2 unparseable") for note in written["notes"])


@pytest.mark.slow
@pytest.mark.usefixtures("resumed")
def test_the_report_is_one_page_with_a_line_a_method(place: Path) -> None:
    text = (place / "out" / "report.html").read_text("utf-8")
    for needs in ("<script", "src=", "href=", "http", "url("):
        assert needs not in text
    assert text.count("<svg viewBox") >= 2
    assert text.count('<g class="first">') >= 2
    assert text.count('<g class="third">') >= 2
    assert "pairs trained on, log scale" in text
    assert "written by the simulator" in text
    assert all(f">{name}<" in text for name in (*NAMES, "base (base)", "retrieval"))


@pytest.mark.slow
def test_a_combination_that_fails_is_a_row_and_the_others_go_on(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distill.methods.find_spec", lambda _name: None)
    heard: list[str] = []
    found = swept(place, "failing", heard, pairs=(2, 900), methods=("lora", "qlora"), steps=1)
    reasons = {row.name: row.reason for row in found.rows}
    assert reasons["base-lora-2"] is None
    assert "bitsandbytes" in str(reasons["base-qlora-2"])
    assert "holds 4 pairs in its train split, not 900" in str(reasons["base-lora-900"])
    assert f"base-qlora-2: {reasons['base-qlora-2']}" in heard
    assert str(reasons["base-lora-900"]).split(";")[0] in (place / "failing" / "report.html").read_text("utf-8")


def test_another_sweep_in_the_same_folder_is_refused(place: Path) -> None:
    out = place / "twice"
    with pytest.raises(UserError, match="no student"):
        run_cli(place, out, "--examples", "90", "--steps", "1")
    assert json.loads((out / "sweep.json").read_text("utf-8"))["rows"][0]["steps"] is None
    with pytest.raises(UserError, match="holds a sweep with steps 1, not 3; say the same"):
        run_cli(place, out, "--examples", "90", "--steps", "3")
    with pytest.raises(UserError, match="with steps 1, not none"):
        run_cli(place, out, "--examples", "90", "--epochs", "3")


def other_weights(base: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = base / "model.safetensors"
    save_file({name: values + 1e-3 for name, values in load_file(weights).items()}, weights, {"format": "pt"})


def test_a_base_that_was_made_anew_takes_another_folder(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the first training is held to the base, too, before there is a row."""
    base, out = write_base(place / "rebuilt"), place / "rebuilt-sweep"

    def again() -> None:
        sweep(place / "run", str(base), out, pairs=(2,), steps=1, device="cpu", quiet=True)

    def pulled(*_args: object, **_said: object) -> None:
        raise Stop

    monkeypatch.setattr("distill.train.train", pulled)
    for _ in range(2):
        with pytest.raises(Stop):
            again()
    assert json.loads((out / "sweep.json").read_text("utf-8"))["rows"] == []
    other_weights(base)
    with pytest.raises(UserError, match="holds a sweep of other weights of rebuilt than those here") as caught:
        again()
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_student_of_another_base_is_not_taken_into_a_table(place: Path) -> None:
    """Where sweep.json was lost, the student's own word counts."""
    base, out = write_base(place / "lost"), place / "lost-sweep"
    said = {"pairs": (2,), "steps": 1, "max_new_tokens": 16, "device": "cpu", "quiet": True}
    sweep(place / "run", str(base), out, **said)  # type: ignore[arg-type]
    (out / "sweep.json").unlink()
    other_weights(base)
    found = sweep(place / "run", str(base), out, **said)  # type: ignore[arg-type]
    assert "holds a student that was trained otherwise" in str(found.rows[0].reason)


def test_a_gpu_that_nothing_was_put_on_has_no_peak_to_forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """As before the first training of a sweep; torch asks for the allocator, which is not there yet."""
    told: list[str] = []
    monkeypatch.setattr("torch.cuda.reset_peak_memory_stats", told.append)
    monkeypatch.setattr("torch.cuda.is_initialized", lambda: False)
    assert reset_peak_memory("cuda:0")
    assert told == []
    monkeypatch.setattr("torch.cuda.is_initialized", lambda: True)
    assert reset_peak_memory("cuda:0")
    assert told == ["cuda:0"]


def run_cli(place: Path, out: Path, *said: str) -> str:
    words = ["sweep", "--data", str(place / "run"), "--student", str(place / "base"), "--out", str(out), *said]
    result = CliRunner().invoke(distill, words)
    if isinstance(result.exception, UserError):
        raise result.exception
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.output


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (("--examples", "100,many"), "'100,many' is not a list of numbers such as 100,300,1000"),
        (("--examples", "0"), "0 is below 1"),
        (("--seeds", "-1"), "-1 is below 0"),
        (("--method", "lora,dora"), "'dora' is none of lora, qlora, full"),
    ],
)
def test_a_list_that_makes_no_sense_is_one_line(place: Path, said: tuple[str, ...], line: str) -> None:
    assert line in run_cli(place, place / "never", *said)
    assert not (place / "never").exists()


def test_a_launcher_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="leave the launcher out"):
        swept(place, "never", [])


def test_memory_that_the_device_does_not_have_is_a_row(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def too_much(*_args: object, **_said: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("distill.train.train", too_much)
    found = swept(place, "small", [], pairs=(2,))
    assert [row.reason for row in found.rows] == [
        "the device has too little memory; 'distill doctor' says what each method needs"
    ] * 2
