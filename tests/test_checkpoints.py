"""A training is gone on with as it was begun: recipe, adapter, base and data."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from distill.checkpoints import Request, open_checkpoints
from distill.settings import TrainSettings, adjusted
from distill.student import find_student
from distill.train import CHECKPOINTS
from synth.errors import UserError
from tests.running import here
from tests.students import KilledError, kill_before_writing, write_base, write_run

RECIPE = """name: mine
epochs: 1
accumulation: 8
learning_rate: 1.0e-3
warmup: 0
max_length: 4096
lora: {rank: 4, alpha: 8}
"""


def asked(said: Mapping[str, object] | None = None, **other: object) -> Request:
    """Return what a training of ``tiny`` is asked for with settings, and with ``other`` hashes and names."""
    settings = TrainSettings.model_validate(said or {})
    student = adjusted(find_student("tiny"), settings)
    own: dict[str, object] = {"student": "base", "revision": None, "base_weights": "b" * 64, "starting_adapter": None}
    own |= {"data": "f", "train_split": "t" * 64, "validation_split": "v" * 64, "max_length": student.max_length}
    own |= {"recipe": student.recipe, "lora": student.lora, "settings": settings}
    return Request.model_validate(own | other)


def begun(out: Path, request: Request) -> None:
    """Leave a training that was killed after its tenth step."""
    assert open_checkpoints(out, request, resume=False, write=True) is None
    (out / CHECKPOINTS / "checkpoint-10").mkdir()
    (out / CHECKPOINTS / "checkpoint-10" / "trainer_state.json").write_text('{"global_step": 10}', "utf-8")


def test_a_checkpoint_that_was_left_half_written_is_passed_over(tmp_path: Path) -> None:
    begun(tmp_path, asked())
    for step, state in ((9, '{"global_step": 9}'), (11, '{"glob'), (12, None)):
        folder = tmp_path / CHECKPOINTS / f"checkpoint-{step}"
        folder.mkdir()
        if state is not None:
            (folder / "trainer_state.json").write_text(state, "utf-8")
    found = open_checkpoints(tmp_path, asked(), resume=True, write=True)
    assert found is not None
    assert found.name == "checkpoint-10"


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (asked({"learning_rate": 2e-3}), r"started with learning rate 0\.001, not 0\.002; resume"),
        (asked({"rank": 2}), "lora rank 96, not 2; lora alpha 192, not 4"),
        (asked({"max_length": 128}), r"max length \d+, not 128"),
        (asked({"batch_size": 3, "seed": 4}), r"batch size \d, not 3; seed 0, not 4"),
        (asked({"method": "full", "learning_rate": 1e-3}), "started with method lora, not full; resume"),
        (asked({"examples": 300}), "examples none, not 300"),
        (asked({"mix": {"note": 1.0}}), r"mix {}, not {'note': 1\.0}"),
        (asked({"eval_every": 7, "canaries": 2}), "eval every none, not 7; canaries 0, not 2"),
        (asked(student="other"), "student base, not other"),
        (asked(data="g"), "started with data f, not g"),
        (asked(train_split="u" * 64), "train split tttttttttttt, not uuuuuuuuuuuu;"),
        (asked(validation_split="w" * 64), "validation split v{12}, not w{12};"),
        (asked(base_weights="c" * 64), "base weights b{12}, not c{12};"),
        (asked(revision="d" * 40), "revision none, not d{40};"),
        (asked(starting_adapter="e" * 64), "starting adapter none, not e{12};"),
    ],
)
def test_what_a_resumed_training_differs_in_is_said_in_one_line(tmp_path: Path, now: Request, said: str) -> None:
    begun(tmp_path, asked({"learning_rate": 1e-3} if now.recipe.learning_rate in (1e-3, 2e-3) else None))
    with pytest.raises(UserError, match=said) as caught:
        open_checkpoints(tmp_path, now, resume=True, write=True)
    assert "\n" not in str(caught.value)


def test_the_same_in_other_words_is_the_same(tmp_path: Path) -> None:
    begun(tmp_path, asked())
    own = find_student("tiny")
    said = {"learning_rate": own.recipe.learning_rate, "rank": own.lora.rank, "max_length": own.max_length}
    assert open_checkpoints(tmp_path, asked(said), resume=True, write=True) is not None


def test_a_request_of_another_version_is_one_line(tmp_path: Path) -> None:
    begun(tmp_path, asked())
    (tmp_path / CHECKPOINTS / "request.json").write_text('{"student": "base", "data": "f", "settings": {}}', "utf-8")
    with pytest.raises(UserError, match=r"request\.json cannot be read, or is of another version; choose another"):
        open_checkpoints(tmp_path, asked(), resume=True, write=True)


def test_a_recipe_a_base_or_data_that_changed_is_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what was put back is."""
    from safetensors.torch import load_file, save_file

    run, recipe = write_run(tmp_path / "run"), tmp_path / "mine.yaml"
    weights = write_base(tmp_path / "base") / "model.safetensors"
    split = run / "dataset" / "train.parquet"
    recipe.write_text(RECIPE, "utf-8")

    def training(*more: str) -> subprocess.CompletedProcess[str]:
        words = ("--recipe", str(recipe), "--student", str(tmp_path / "base"), "--data", str(run), "--log", "none")
        return here("train", *words, "--out", str(tmp_path / "out"), *more, program="distill")

    kill_before_writing(monkeypatch)
    with pytest.raises(KilledError):
        training()
    monkeypatch.undo()
    before = {path: path.read_bytes() for path in (recipe, weights, split)}

    def refused(line: str) -> None:
        found = training("--resume")
        assert found.returncode == 2
        assert line in found.stderr
        assert "resume with the same, or choose another --out" in found.stderr.splitlines()[-1]
        for path, content in before.items():
            path.write_bytes(content)

    recipe.write_text(RECIPE.replace("1.0e-3", "2.0e-3").replace("rank: 4", "rank: 2"), "utf-8")
    refused("out was started with learning rate 0.001, not 0.002; lora rank 4, not 2;")
    split.write_bytes((write_run(tmp_path / "other", {"train": range(20, 28)}) / "dataset" / split.name).read_bytes())
    refused("out was started with train split ")
    save_file({name: values + 1e-3 for name, values in load_file(weights).items()}, weights, {"format": "pt"})
    refused("out was started with base weights ")
    assert training("--resume").returncode == 0
