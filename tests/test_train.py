"""Training for a few steps on a dozen encounters: what carries loss, what is written, what resumes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from distill.lineage import read_lineage, trace
from distill.predict import load_student, predict
from distill.settings import TrainSettings, settings_of
from distill.train import CHECKPOINTS, TrainResult, train
from distill.trained import read_trained
from synth.errors import UserError
from synth.runs import read_manifest
from tests.running import here
from tests.students import write_base, write_run


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("train")
    write_run(folder / "run")
    write_base(folder / "base")
    return folder


@pytest.fixture(scope="module")
def trained(place: Path) -> TrainResult:
    settings = TrainSettings(steps=4, max_length=4096, accumulation=1)
    return train(place / "run", str(place / "base"), place / "out", settings, quiet=True)


def test_the_adapter_is_there_and_nothing_that_is_pickled(trained: TrainResult) -> None:
    files = {path.name for path in trained.adapter.iterdir()}
    assert {"adapter_model.safetensors", "adapter_config.json", "student.json", "metrics.json", "README.md"} <= files
    assert {"tokenizer.json", "tokenizer_config.json"} <= files
    assert not [path for path in trained.adapter.rglob("*") if path.suffix in {".bin", ".pt", ".pth", ".pkl"}]


def test_metrics_say_what_happened(trained: TrainResult) -> None:
    metrics = json.loads((trained.adapter / "metrics.json").read_text("utf-8"))
    assert metrics["steps"] == 4
    assert metrics["refused"] == []
    assert metrics["examples"] == 8
    assert 0 < metrics["train_loss"] < 10
    assert 0 < metrics["validation_loss"] < 10
    assert metrics["tokens"] > metrics["completion_tokens"] / 8 * 4
    assert metrics["seconds"] > 0
    assert set(metrics["versions"]) == {"torch", "transformers", "peft", "trl", "datasets"}


def test_the_adapter_names_its_base_without_a_path(trained: TrainResult) -> None:
    config = json.loads((trained.adapter / "adapter_config.json").read_text("utf-8"))
    assert config["base_model_name_or_path"] == "base"


def test_the_card_says_what_it_is_and_what_it_is_not(trained: TrainResult, place: Path) -> None:
    card = (trained.adapter / "README.md").read_text("utf-8")
    manifest = json.loads((place / "run" / "manifest.json").read_text("utf-8"))
    assert manifest["fingerprint"] in card
    assert "nothing about clinical quality" in card
    assert f"| steps | {trained.metrics.steps} " in card


def test_the_report_plots_the_training_and_asks_no_network(trained: TrainResult, place: Path) -> None:
    text = (trained.adapter / "report.html").read_text("utf-8")
    assert text.count("<svg viewBox") == 3
    assert f"kept: {trained.metrics.validation_loss:.4f} at step {trained.metrics.best_step}" in text
    assert trained.metrics.peak_memory is not None
    for needs in ("<script", "src=", "href=", "http"):
        assert needs not in text
    lineage = read_lineage(trained.adapter)
    assert lineage == trace(place / "run", read_manifest(place / "run"))
    assert lineage.fingerprint in text


def test_a_student_that_is_trained_anew_has_no_measurement_of_the_earlier_one(place: Path) -> None:
    out = place / "twice"
    out.mkdir()
    (out / "memorisation.json").write_text("{}", "utf-8")
    settings = TrainSettings(steps=1, max_length=4096, accumulation=1)
    train(place / "run", str(place / "base"), out, settings, quiet=True, log="none")
    assert not (out / "memorisation.json").exists()
    assert not (out / "tensorboard").exists()


def test_training_resumes_to_the_same_bytes(place: Path) -> None:
    run, base = place / "run", str(place / "base")
    settings = TrainSettings(epochs=2, max_length=4096, accumulation=2)
    once = train(run, base, place / "once", settings, quiet=True)

    class Stop(Exception):
        pass

    halves = place / "halves"
    with pytest.MonkeyPatch.context() as patch:
        from distill.progress import TrainingProgress

        def interrupt(_self: TrainingProgress, _args: object, state: object, _control: object, **_: object) -> None:
            if getattr(state, "global_step", 0) == 6:
                raise Stop

        patch.setattr(TrainingProgress, "on_log", interrupt)
        with pytest.raises(Stop):
            train(run, base, halves, settings, quiet=True)
    with pytest.raises(UserError, match="--resume"):
        train(run, base, halves, settings, quiet=True)
    train(run, base, halves, settings, quiet=True, resume=True)
    weights = "adapter_model.safetensors"
    assert (halves / weights).read_bytes() == (once.adapter / weights).read_bytes()
    assert not (halves / CHECKPOINTS).exists()


def test_nothing_to_resume_is_one_line(place: Path) -> None:
    with pytest.raises(UserError, match="no checkpoint"):
        train(
            place / "run",
            str(place / "base"),
            place / "fresh",
            TrainSettings(max_length=4096),
            resume=True,
            quiet=True,
        )


def test_too_long_examples_stop_training(place: Path) -> None:
    with pytest.raises(UserError, match="longer than 100 tokens"):
        train(place / "run", str(place / "base"), place / "short", TrainSettings(max_length=100), quiet=True)


@pytest.mark.parametrize(
    ("student", "length", "line"),
    [
        ("base", 5000, r"5,000 tokens .* are more than base can read \(4,096\); take --max-length 4096, or a student"),
        ("smollm2-135m", 16384, r"16,384 tokens .* more than smollm2-135m can read \(8,192\); take --max-length 8192,"),
    ],
)
def test_examples_beyond_what_the_base_reads_are_one_line(place: Path, student: str, length: int, line: str) -> None:
    name = str(place / student) if (place / student).is_dir() else student
    with pytest.raises(UserError, match=line) as caught:
        train(place / "run", name, place / "beyond", TrainSettings(max_length=length), quiet=True)
    assert "\n" not in str(caught.value)
    assert not (place / "beyond").exists()


def said_of(result: TrainResult, monkeypatch: pytest.MonkeyPatch, place: Path, *flags: str) -> str:
    """Return what the command says of a training that came to this."""
    monkeypatch.setattr("distill.train.train", lambda *_args, **_said: result)
    words = ("--student", str(place / "base"), "--data", str(place / "run"), "--out", str(place / "out"), *flags)
    return here("train", *words, program="distill").stdout


def test_refused_examples_are_said_in_one_line(
    trained: TrainResult, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "left out" not in said_of(trained, monkeypatch, place)
    short = trained.metrics.model_copy(update={"refused": ("a", "b"), "validation_refused": ("c",)})
    lines = said_of(replace(trained, metrics=short), monkeypatch, place, "--max-length", "3000").splitlines()
    said = (
        "left out, longer than 3,000 tokens: 2 of 10 examples, 1 of 3 of the validation split; metrics.json names them"
    )
    assert lines.count(said) == 1


def test_canaries_that_were_not_planted_are_said_in_one_line(
    trained: TrainResult, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fewer = replace(trained, metrics=trained.metrics.model_copy(update={"canaries": 3}))
    said = "2 of 5 canaries were not planted: there is no room for them in 4,096 tokens"
    assert said in said_of(fewer, monkeypatch, place, "--canaries", "5").splitlines()
    assert "not planted" not in said_of(fewer, monkeypatch, place, "--canaries", "3")


def test_a_value_that_makes_no_sense_is_one_line() -> None:
    with pytest.raises(UserError, match=r"learning rate has to be above 0, not -1\.0"):
        settings_of(learning_rate=-1.0)
    with pytest.raises(UserError, match=r"method: .*'lora'.*not 'dora'"):
        settings_of(method="dora")


def test_a_folder_that_is_no_run_is_one_line(place: Path) -> None:
    with pytest.raises(UserError, match="not a run directory"):
        train(place, str(place / "base"), place / "bad", quiet=True)


def test_the_trained_student_loads_and_writes(trained: TrainResult, place: Path) -> None:
    from distill.datasets import held_out_items

    said = read_trained(trained.adapter)
    assert said.format == "json"
    assert said.tasks == ("note",)
    loaded = load_student(trained.adapter, base=str(place / "base"))
    written = predict(loaded, held_out_items(place / "run", "test")[:1], max_new_tokens=5)
    assert written[0].finish == "length"


def test_the_first_pairs_of_the_split_are_learned_from_and_it_is_said(place: Path) -> None:
    out = place / "few"
    settings = TrainSettings(steps=1, max_length=4096, accumulation=1, examples=3)
    metrics = train(place / "run", str(place / "base"), out, settings, quiet=True, log="none").metrics
    assert (metrics.examples, metrics.taken, metrics.train_pairs) == (3, 3, 8)
    assert read_trained(out).examples == 3
    assert read_lineage(out) == trace(place / "run", read_manifest(place / "run")), "the lineage is the run's"
    assert "examples" not in (out / "recipe.yaml").read_text("utf-8")
    for name in ("README.md", "report.html"):
        assert "the first 3 of 8 pairs of the train split" in (out / name).read_text("utf-8")
    assert "--data RUN --examples 3`" in (out / "README.md").read_text("utf-8")
    from distill.memorisation.measuring import measure

    measured = measure(out, place / "run", base=str(place / "base"), progress=lambda _line: None)
    assert measured.items == 3, "what was never learned from is not among what was"


def test_more_pairs_than_there_are_is_one_line(place: Path) -> None:
    with pytest.raises(UserError, match="holds 8 pairs in its train split, not 9"):
        train(place / "run", str(place / "base"), place / "many", TrainSettings(examples=9), quiet=True)
    assert not (place / "many").exists()
