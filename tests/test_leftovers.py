"""A folder that is trained into twice holds the second student alone, and what nobody here wrote stays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from distill.documents import read_metrics
from distill.leftovers import remove_leftovers
from distill.memorisation.canaries import read_canaries
from distill.predict import load_student
from distill.settings import TrainSettings
from distill.train import train
from distill.trained import read_trained
from synth.errors import UserError
from tests.students import KilledError, kill_before_writing, write_base, write_run

ADAPTER = {"adapter_config.json", "adapter_model.safetensors"}
MODEL = {"config.json", "generation_config.json", "model.safetensors"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("leftovers")
    write_run(folder / "run", {"train": range(8), "validation": range(8, 9), "test": range(10, 11)})
    write_base(folder / "base")
    return folder


def trained(place: Path, out: str, said: Mapping[str, object] | None = None, *, resume: bool = False) -> Path:
    """Train for a step, which is an epoch of the run, with what is said, and return the folder."""
    ask = TrainSettings.model_validate({"epochs": 1, "accumulation": 8, **(said or {})})
    train(place / "run", str(place / "base"), place / out, ask, device="cpu", quiet=True, log="none", resume=resume)
    return place / out


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def same_weights(one: Path, other: Path) -> bool:
    import torch

    left, right = (load_student(out).model.state_dict() for out in (one, other))
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_the_second_student_is_the_one_that_an_empty_folder_gets(place: Path) -> None:
    """An adapter, the whole base, an adapter again, each into the same folder and into one of its own."""
    for number, method in enumerate(("lora", "full", "lora")):
        said = {"method": method, "learning_rate": 1e-2, "seed": number}
        out, alone = trained(place, "twice", said), trained(place, f"alone{number}", said)
        assert names(out) == names(alone)
        assert names(out) & (ADAPTER | MODEL) == (MODEL if method == "full" else ADAPTER)
        assert same_weights(out, alone), method


def test_canaries_of_an_earlier_student_are_not_this_ones(place: Path) -> None:
    out = trained(place, "planted", {"canaries": 3})
    assert read_canaries(out) is not None
    (out / "memorisation.json").write_text("{}", "utf-8")
    trained(place, "planted")
    assert read_canaries(out) is None
    assert not (out / "memorisation.json").exists()


def test_what_is_not_of_a_training_stays(place: Path) -> None:
    out = trained(place, "kept")
    mine = {"notes.txt": "mine", "my_model.safetensors": "mine", "eval-held-out/results.json": "{}"}
    for name, text in mine.items():
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text(text, "utf-8")
    trained(place, "kept", {"method": "full"})
    assert {name: (out / name).read_text("utf-8") for name in mine} == mine
    assert not names(out) & ADAPTER


def test_a_folder_that_holds_no_student_keeps_its_files(tmp_path: Path) -> None:
    for name in MODEL | {"README.md"}:
        (tmp_path / name).write_text("mine", "utf-8")
    remove_leftovers(tmp_path)
    assert names(tmp_path) == MODEL | {"README.md"}


def test_the_earlier_student_is_whole_until_the_new_one_can_be_written(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a training that was killed in the middle of the exchange, which may be in the middle of an epoch, goes on to
    the same student."""
    out = trained(place, "exchange")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    said = {"method": "full", "seed": 3, "steps": 2, "accumulation": 1}

    kill_before_writing(monkeypatch)
    with pytest.raises(KilledError):
        trained(place, "exchange", said)
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before
    with pytest.raises(UserError, match="go on with --resume"):
        trained(place, "exchange", said)
    monkeypatch.undo()
    remove_leftovers(out)
    trained(place, "exchange", said, resume=True)
    assert names(out) == names(trained(place, "exchanged", said))
    assert read_trained(out).method == "full"
    assert read_metrics(out).steps == 2
    assert same_weights(out, place / "exchanged")


def test_it_is_said_that_a_student_is_replaced(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = trained(place, "said")
    (out / "eval-held-out").mkdir()
    capsys.readouterr()
    settings = TrainSettings(steps=1, accumulation=1)
    train(place / "run", str(place / "base"), out, settings, device="cpu", log="none")
    told = capsys.readouterr().err
    assert f"{out} holds a student, which this one replaces when it is trained; evaluations in it stay" in told


def test_nothing_is_trained_over_what_it_learns_from(place: Path) -> None:
    out = trained(place, "source")
    ask = TrainSettings(steps=1)
    with pytest.raises(UserError, match=r"source is the student that it goes on from, which .* choose another --out"):
        train(place / "run", str(out), out, ask, quiet=True)
    with pytest.raises(UserError, match="base is the base, which the training reads"):
        train(place / "run", str(place / "base"), place / "base", ask, quiet=True)
    with pytest.raises(UserError, match="run is the run, which the training reads"):
        train(place / "run", str(place / "base"), place / "run", ask, quiet=True)
    teaching = TrainSettings(method="gkd", teacher=str(out), steps=1)
    with pytest.raises(UserError, match="source is the teacher, which the training reads"):
        train(place / "run", str(place / "base"), out, teaching, quiet=True)


@pytest.mark.parametrize("name", ["config.json", "adapter_config.json", "mine.safetensors"])
def test_nothing_is_trained_among_the_weights_of_others(place: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine", "utf-8")
    with pytest.raises(UserError, match=rf"holds a model \({name}\) without student.json"):
        train(place / "run", str(place / "base"), tmp_path, TrainSettings(steps=1), quiet=True)
    assert names(tmp_path) == {name}


def test_an_adapter_that_is_left_over_beside_a_model_is_not_loaded(place: Path) -> None:
    """As earlier versions left it."""
    out = trained(place, "mixed", {"method": "full"})
    for name in ADAPTER:
        (out / name).write_bytes((trained(place, "other") / name).read_bytes())
    with pytest.raises(UserError, match=r"holds an adapter .* both would be loaded; train again"):
        load_student(out)
