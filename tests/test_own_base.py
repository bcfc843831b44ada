"""A student on a base that the user brought is evaluated and measured without being told where the base is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest

from distill.datasets import held_out_items
from distill.inference.base import Decoding
from distill.inference.local import student_and_base
from distill.memorisation.measuring import measure
from distill.records import Prediction
from distill.settings import TrainSettings
from distill.train import train
from synth.errors import UserError
from tests.students import write_base, write_run


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a run, a base that is called as a student of the catalogue, its weights trained whole, and
    an adapter on each of the two."""
    folder = tmp_path_factory.mktemp("own")
    write_run(folder / "run", {"train": range(3), "validation": range(8, 9), "test": range(10, 12)})
    write_base(folder / "tiny")
    made: list[tuple[str, str, Literal["lora", "full"]]] = [
        ("tiny", "whole", "full"),
        ("tiny", "adapter", "lora"),
        ("whole", "second", "lora"),
    ]
    for start, out, method in made:
        asked = TrainSettings(method=method, steps=1, accumulation=1)
        train(folder / "run", str(folder / start), folder / out, asked, device="cpu", quiet=True)
    return folder


@pytest.mark.parametrize(("student", "base"), [("whole", "tiny"), ("adapter", "tiny"), ("second", "whole")])
def test_student_and_base_write(place: Path, student: str, base: str) -> None:
    pair = student_and_base(place / student, None, Decoding(max_new_tokens=2), batch_size=2, task="note")
    assert pair[1].name == f"{base} (base)"
    items = held_out_items(place / "run", "test")[:1]
    for one in pair:
        written: list[Prediction] = []
        one.write(items, 1, written.append)
        assert len(written) == 1
        one.close()
    identity = pair[1].identity()
    told = student_and_base(place / student, str(place / base), Decoding(), batch_size=2, task="note")[1].identity()
    assert identity == told, "with --base it would be another base"


@pytest.mark.parametrize("student", ["whole", "adapter", "second"])
def test_what_is_memorised_is_measured(place: Path, student: str) -> None:
    measured = measure(place / student, place / "run", limit=2, progress=lambda _line: None)
    base = "whole" if student == "second" else "tiny"
    assert [one.system for one in measured.systems] == [base, f"{base} (base)"]


@pytest.mark.parametrize("student", ["whole", "adapter"])
def test_a_base_that_is_gone_is_one_line_that_says_how_to_name_another(
    place: Path, tmp_path: Path, student: str
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    for path in (place / student).iterdir():
        (gone / path.name).write_bytes(path.read_bytes())
    said = json.loads((gone / "student.json").read_text("utf-8"))
    said["student"]["folder"] = str(tmp_path / "nowhere")
    (gone / "student.json").write_text(json.dumps(said), "utf-8")
    with pytest.raises(UserError, match=r"is not at .*nowhere; put it back, or say where it is with --base"):
        student_and_base(gone, None, Decoding(), batch_size=2, task="note")
    with pytest.raises(UserError, match="say where it is with --base"):
        measure(gone, place / "run", limit=2, progress=lambda line: pytest.fail(f"{line} was measured first"))
