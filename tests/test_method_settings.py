"""What a method takes over from recipe, base and earlier training, and what it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from distill.methods import check_asked
from distill.recipes import load_recipe, resolve
from distill.settings import TrainSettings, adjusted, settings_for
from distill.trained import STUDENT_FILE, TrainedStudent, find_start
from synth.errors import UserError
from tests.students import write_base


def test_preference_tuning_learns_slowly_and_once() -> None:
    student = find_start("tiny")
    recipe = adjusted(student, TrainSettings(method="dpo")).recipe
    assert recipe.learning_rate == student.recipe.learning_rate / 40
    assert recipe.epochs == 1
    assert adjusted(student, TrainSettings(method="dpo", epochs=2, learning_rate=1e-3)).recipe.epochs == 2


@pytest.mark.parametrize("method", ["full", "dpo"])
def test_a_student_that_goes_on_learns_at_its_base_s_rate_not_at_that_of_its_last_method(
    tmp_path: Path, method: Literal["full", "dpo"]
) -> None:
    base = find_start(str(write_base(tmp_path / "base")))
    once = adjusted(base, settings_for(base, method=method, learning_rate=1e-7, epochs=9.0, batch_size=4))
    for folder, student in (("once", once), ("twice", once.model_copy(update={"folder": str(tmp_path / "once")}))):
        (tmp_path / folder).mkdir()
        trained = TrainedStudent(
            student=student, method=method, base_sha256=None, format="text", tasks=("note",), longest_completion=9
        )
        (tmp_path / folder / STUDENT_FILE).write_text(trained.model_dump_json(), "utf-8")
        recipe = find_start(str(tmp_path / folder)).recipe
        assert recipe == base.recipe.model_copy(update={"format": "text"})


def test_a_student_of_a_shipped_base_s_whole_training_has_that_base_s_rate(tmp_path: Path) -> None:
    tiny = find_start("tiny")
    trained = TrainedStudent(
        student=adjusted(tiny, settings_for(tiny, method="full")),
        method="full",
        base_sha256=None,
        format="json",
        tasks=("note",),
        longest_completion=9,
    )
    (tmp_path / STUDENT_FILE).write_text(trained.model_dump_json(), "utf-8")
    again = find_start(str(tmp_path))
    assert again.recipe == tiny.recipe
    trained = trained.model_copy(update={"student": again, "method": "full"})
    (tmp_path / STUDENT_FILE).write_text(trained.model_dump_json(), "utf-8")
    assert find_start(str(tmp_path)).recipe.learning_rate > 0, "its own base, and so nobody's"


def test_what_a_recipe_says_of_quantisation_is_no_flag(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nstudent: tiny\nmethod: qlora\nquantisation: int8\nlora: {rank: 2}\n", "utf-8")
    student = resolve(load_recipe(str(path))).student
    for method in (None, "lora", "full"):
        settings = settings_for(student, method=method)
        record = adjusted(student, settings)
        check_asked(record, settings)
        assert record.recipe.quantisation == ("int8" if method is None else "none")
    asked = settings_for(student, quantisation="nf4")
    assert adjusted(student, asked).recipe.quantisation == "nf4"
    with pytest.raises(UserError, match="--quantisation is for"):
        check_asked(student, TrainSettings(method="lora", quantisation="nf4"))


def test_what_a_recipe_says_of_its_teacher_is_for_its_own_method(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nstudent: tiny\nmethod: gkd\nteacher: tiny\non_policy: 0.3\nbeta: 0.2\n", "utf-8")
    student = resolve(load_recipe(str(path))).student
    for method in (None, "gkd", "lora", "full"):
        settings = settings_for(student, method=method)
        check_asked(adjusted(student, settings), settings)
        kept = (settings.teacher, settings.on_policy, settings.beta)
        assert kept == (("tiny", 0.3, 0.2) if method in (None, "gkd") else (None, None, None))
    asked = settings_for(student, method="lora", teacher="tiny")
    with pytest.raises(UserError, match="--teacher is for"):
        check_asked(adjusted(student, asked), asked)
