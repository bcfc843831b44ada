"""A distillation that was stopped goes on to what it would have been: its losses, and the student that is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from distill.dpo import PreferenceTrainer
from distill.progress import TrainingProgress
from distill.settings import TrainSettings
from distill.student import Student
from distill.train import CHECKPOINTS, CURVE, train
from distill.trained import find_start
from tests.students import write_base, write_run
from tests.test_distillation import SFT, write_pairs

if TYPE_CHECKING:
    import torch

WEIGHTS = "adapter_model.safetensors"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("resumed")
    write_pairs(write_run(folder / "run"))
    write_base(folder / "base")
    train(folder / "run", str(folder / "base"), folder / "sft", SFT, device="cpu", quiet=True)
    return folder


class Stop(Exception):
    """The training is killed."""


def stop_and_go_on(place: Path, student: str, out: Path, settings: TrainSettings, *, stop: int) -> None:
    """Train a student, killed as a step is over, and go on."""

    def interrupt(_self: TrainingProgress, _args: object, state: object, _control: object, **_: object) -> None:
        if getattr(state, "global_step", 0) == stop:
            raise Stop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingProgress, "on_log", interrupt)
        with pytest.raises(Stop):
            train(place / "run", student, out, settings, device="cpu", quiet=True)
    assert train(place / "run", student, out, settings, device="cpu", quiet=True, resume=True).metrics.resumed


def curve(out: Path) -> list[tuple[int, str, float]]:
    """Return every loss and norm of a training, by its step."""
    rows = [json.loads(line) for line in (out / CURVE).read_text("utf-8").splitlines()]
    names = ("loss", "grad_norm", "eval_loss")
    return [(row["step"], name, row[name]) for row in rows for name in names if name in row]


def with_whole_embeddings(place: Path) -> Path:
    """Return a trained student that was trained so, as the shipped tiny student is."""
    base = find_start(str(place / "base"))
    student: Student = base.model_copy(
        update={"lora": base.lora.model_copy(update={"modules_to_save": ("embed_tokens",)})}
    )
    return train(place / "run", student, place / "sft-whole", SFT, device="cpu", quiet=True).adapter


DPO = TrainSettings(method="dpo", steps=4, eval_every=2, accumulation=1, learning_rate=1e-2, precision="fp32")


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_preference_tuning_goes_on_with_the_weights_of_its_checkpoint(place: Path, whole: bool) -> None:
    """Beside them lies the frozen reference, from which the student has to move away still."""
    student = str(with_whole_embeddings(place) if whole else place / "sft")
    once, halves = place / f"dpo-once-{whole}", place / f"dpo-halves-{whole}"
    train(place / "run", student, once, DPO, device="cpu", quiet=True)
    stop_and_go_on(place, student, halves, DPO, stop=3)
    assert curve(halves) == curve(once)
    assert (halves / WEIGHTS).read_bytes() == (once / WEIGHTS).read_bytes()


def test_of_a_resumed_preference_tuning_the_best_student_is_kept(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which was before it was stopped, and is neither the last one nor the reference."""
    from safetensors.torch import load_file

    evaluate = PreferenceTrainer.evaluate

    def worse_and_worse(trainer: PreferenceTrainer, ignore_keys: list[str] | None = None) -> dict[str, float]:
        return evaluate(trainer, ignore_keys=ignore_keys) | {"eval_loss": float(trainer.state.global_step)}

    monkeypatch.setattr(PreferenceTrainer, "evaluate", worse_and_worse)
    monkeypatch.setattr("distill.train.remove_checkpoints", lambda _out: None)
    out = place / "dpo-best"
    stop_and_go_on(place, str(place / "sft"), out, DPO, stop=3)
    kept = load_file(out / WEIGHTS)
    best, reference = (load_file(out / CHECKPOINTS / "checkpoint-2" / name) for name in (WEIGHTS, f"ref/{WEIGHTS}"))
    start = load_file(place / "sft" / WEIGHTS)
    for name, weights in kept.items():
        assert weights.equal(best[name])
        assert not weights.equal(reference[name])
        assert reference[name].equal(start[name])


def test_a_student_goes_on_writing_what_it_would_have_written(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of an epoch, where the trainer has the first batch made before it has its generators back."""
    from distill.gkd import TeacherTrainer

    written: list[int] = []
    answered = TeacherTrainer._answered

    def noted(trainer: TeacherTrainer, batch: dict[str, torch.Tensor], seed: int) -> dict[str, torch.Tensor]:
        written.append(trainer.state.global_step)
        return answered(trainer, batch, seed)

    monkeypatch.setattr(TeacherTrainer, "_answered", noted)
    settings = TrainSettings(
        method="gkd", teacher=str(place / "base"), on_policy=0.5, steps=6, eval_every=3, accumulation=1,
        learning_rate=1e-2, precision="fp32",
    )  # fmt: skip
    once, halves = place / "gkd-once", place / "gkd-halves"
    train(place / "run", str(place / "sft"), once, settings, device="cpu", quiet=True)
    assert 3 in written, "the first batch after the checkpoint is none of the student's own"
    stop_and_go_on(place, str(place / "sft"), halves, settings, stop=5)
    assert curve(halves) == curve(once)
    assert (halves / WEIGHTS).read_bytes() == (once / WEIGHTS).read_bytes()
