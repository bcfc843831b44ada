"""Recipes: each begins with its launch line, the published ones have the published numbers, flags go before them."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.card import recipe_rows
from distill.cli import distill
from distill.recipes import as_recipe, launch_line, load_recipe, recipe_names, resolve
from distill.settings import adjusted, settings_for
from distill.student import Recipe, Student, find_student
from synth.errors import UserError
from tests.students import write_base, write_run
from tests.test_documents import LINEAGE, METRICS

NAMES = {
    "default",
    "default-full",
    "default-qlora",
    "gpt-oss-20b-diagnosis",
    "on-device-note-1b",
    "radonc-letters-8b",
    "radonc-summaries-8b",
}


def resolved(name: str) -> Student:
    return resolve(load_recipe(name)).student


def test_the_project_ships_these_recipes() -> None:
    assert set(recipe_names()) == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_recipe_begins_with_the_line_that_runs_it(name: str) -> None:
    """The line is parsed by the command's own options."""
    words = shlex.split(launch_line(name))
    assert words[:2] == ["distill", "train"]
    command = distill.commands["train"]
    context = command.make_context("train", [word.replace("RUN", ".") for word in words[2:]], resilient_parsing=True)
    assert context.params["recipe"] == name
    assert [str(run) for run in context.params["runs"]] == ["."]
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.source is not None
    assert resolve(recipe, context.params["student"]).student.recipe.method == (recipe.method or "lora") or (
        name == "gpt-oss-20b-diagnosis"
    )


def test_the_letters_recipe_has_the_paper_s_numbers() -> None:
    student = resolved("radonc-letters-8b")
    recipe = student.recipe
    assert student.repository == "meta-llama/Meta-Llama-3-8B-Instruct"
    assert (recipe.method, recipe.quantisation) == ("qlora", "int8")
    assert (student.lora.rank, student.lora.alpha) == (32, 64)
    assert (recipe.optimiser, recipe.learning_rate) == ("adamw", 1e-5)
    assert (recipe.batch_size, recipe.accumulation, recipe.steps) == (2, 2, 15_000)


def test_the_summaries_recipe_differs_in_its_iterations_alone() -> None:
    letters, summaries = resolved("radonc-letters-8b"), resolved("radonc-summaries-8b")
    assert summaries.recipe.steps == 500
    assert summaries.recipe.model_copy(update={"steps": 15_000}) == letters.recipe
    assert summaries.lora == letters.lora


def test_the_diagnosis_recipe_has_the_paper_s_numbers_and_says_what_cannot_be_had() -> None:
    written = load_recipe("gpt-oss-20b-diagnosis")
    assert (written.method, written.quantisation) == ("qlora", "nf4")
    found = resolve(written)
    student, recipe = found.student, found.student.recipe
    assert student.repository == "openai/gpt-oss-20b"
    assert (student.lora.rank, student.lora.alpha, student.lora.dropout) == (32, 64, 0.05)
    assert student.lora.target_modules == "all-linear"
    assert student.lora.target_parameters == ("mlp.experts.gate_up_proj", "mlp.experts.down_proj")
    assert (student.max_length, recipe.epochs, recipe.steps) == (4096, 3, None)
    assert (recipe.optimiser, recipe.learning_rate) == ("adamw", 1e-4)
    assert (recipe.schedule, recipe.warmup) == ("cosine", 0.1)
    assert (recipe.method, recipe.quantisation) == ("lora", "none")
    assert len(found.notes) == 2
    assert "cannot be trained on nf4" in found.notes[0]
    assert "dropout 0.05 is on linear layers only" in found.notes[1]


def test_the_note_recipe_is_of_the_paper_s_base() -> None:
    student = resolved("on-device-note-1b")
    assert student.repository == "meta-llama/Llama-3.2-1B-Instruct"
    assert student.recipe.method == "lora"


def test_the_default_is_on_every_linear_layer_with_ten_times_the_rate_of_full_fine_tuning() -> None:
    lora, full = (resolve(load_recipe(name), "llama-3.2-1b").student for name in ("default", "default-full"))
    assert lora.lora.target_modules == "all-linear"
    assert lora.recipe.learning_rate == pytest.approx(10 * full.recipe.learning_rate)
    assert lora.recipe.batch_size * lora.recipe.accumulation < 32
    assert lora.recipe.model_copy(update={"learning_rate": 1.0, "method": "full"}) == full.recipe.model_copy(
        update={"learning_rate": 1.0}
    )


def test_the_default_keeps_experts_and_patterns_of_the_student() -> None:
    assert resolve(load_recipe("default"), "gpt-oss-20b").student.lora.target_parameters
    assert "language_model" in str(resolve(load_recipe("default"), "gemma-3-4b").student.lora.target_modules)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("name: x\nlerning_rate: 1\n", r"unknown key 'lerning_rate' \(did you mean learning_rate\?\); known: name, "),
        ("name: x\nlora: {rnk: 1}\n", r"unknown key 'lora.rnk' \(did you mean rank\?\); known: rank, alpha"),
        ("name: x\nepochs: 0\n", "epochs: Input should be greater than 0"),
        ("name: x\nmethod: prefix\n", "method: Input should be 'lora', 'qlora', 'full', 'gkd' or 'dpo'"),
        ("- a list\n", "the file: "),
        ("", "the file: "),
        ("name: [\n", "is not YAML"),
        ("name: x\nstudent: tiny\nmethod: full\nquantisation: nf4\n", "method full does not go with quantisation nf4"),
        ("name: x\nstudent: tiny\nquantisation: nf4\n", "method lora does not go with quantisation nf4"),
    ],
)
def test_a_malformed_recipe_is_one_clear_line(tmp_path: Path, text: str, line: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(UserError, match=line) as caught:
        resolve(load_recipe(str(path)))
    assert len(str(caught.value).splitlines()) == 1


def test_an_unknown_recipe_is_one_line_with_a_suggestion() -> None:
    with pytest.raises(UserError, match=r"unknown recipe 'radonc-leters-8b' \(did you mean radonc-letters-8b\?\)"):
        load_recipe("radonc-leters-8b")


def test_a_recipe_for_any_student_asks_which() -> None:
    with pytest.raises(UserError, match="say which with --student"):
        resolve(load_recipe("default"))


DPO = "method: dpo\nlearning_rate: 1.0e-6\nepochs: 2\n"


@pytest.mark.parametrize(
    ("text", "flags", "rate", "epochs"),
    [
        ("", {}, 2e-4, 3),
        ("", {"method": "full"}, 2e-5, 3),
        ("", {"method": "dpo"}, 5e-6, 1),
        ("", {"method": "dpo", "learning_rate": 1e-5, "epochs": 2.0}, 1e-5, 2),
        ("method: qlora\n", {}, 2e-4, 3),
        ("method: gkd\nteacher: tiny\n", {}, 2e-4, 3),
        ("method: full\n", {}, 2e-5, 3),
        ("method: full\nlearning_rate: 3.0e-5\nepochs: 5\n", {}, 3e-5, 5),
        ("method: full\nlearning_rate: 3.0e-5\nepochs: 5\n", {"method": "lora"}, 3e-4, 5),
        ("method: full\nlearning_rate: 3.0e-5\nepochs: 5\n", {"method": "dpo"}, 7.5e-6, 1),
        ("method: full\n", {"method": "lora"}, 2e-4, 3),
        ("learning_rate: 1.0e-5\nepochs: 5\n", {"method": "full"}, 1e-6, 5),
        ("learning_rate: 1.0e-3\n", {"method": "full", "learning_rate": 4e-5}, 4e-5, 3),
        ("method: dpo\n", {}, 5e-6, 1),
        ("method: dpo\n", {"learning_rate": 1e-3, "epochs": 4.0}, 1e-3, 4),
        ("method: dpo\n", {"method": "lora"}, 2e-4, 3),
        (DPO, {}, 1e-6, 2),
        (DPO, {"method": "full"}, 4e-6, 3),
        ("student: tiny\n" + DPO, {"method": "lora"}, 4e-5, 4),
    ],
)
def test_rate_and_epochs_are_the_flags_else_the_recipe_s_else_the_student_s_for_the_method(
    tmp_path: Path, text: str, flags: dict[str, object], rate: float, epochs: float
) -> None:
    """And what was used, written down and run again, is used again."""
    path = tmp_path / "mine.yaml"
    student = "" if "student:" in text else "student: qwen3-0.6b\n"
    path.write_text(f"name: mine\n{student}{text}", "utf-8")
    chosen = resolved(str(path))
    used = adjusted(chosen, settings_for(chosen, **flags))
    assert used.recipe.learning_rate == pytest.approx(rate)
    assert used.recipe.epochs == epochs
    path.write_text(as_recipe(used, "again"), "utf-8")
    again = resolved(str(path))
    assert adjusted(again, settings_for(again)) == again == used


@pytest.mark.parametrize(("method", "rate"), [("lora", 2e-4), ("qlora", 2e-4), ("dpo", 5e-6), ("full", 2e-5)])
def test_a_shipped_recipe_has_each_method_at_that_method_s_rate(method: str, rate: float) -> None:
    for name in ("default", "default-qlora", "default-full"):
        student = resolve(load_recipe(name), "llama-3.2-1b").student
        used = adjusted(student, settings_for(student, method=method)).recipe
        assert used.learning_rate == pytest.approx(rate), name
        assert used.epochs == (1 if method == "dpo" else 3), name


def test_steps_of_a_recipe_are_for_methods_that_learn_as_long() -> None:
    summaries = resolved("radonc-summaries-8b")
    assert settings_for(summaries, method="full").steps == 500
    assert settings_for(summaries, method="dpo").steps is None
    assert settings_for(summaries, method="dpo", steps=7).steps == 7


@pytest.mark.parametrize(
    ("every", "shown"), [(100, "one every 100 steps"), (1, "one every step"), (None, "one every epoch")]
)
def test_patience_is_counted_again_as_it_was(tmp_path: Path, every: int | None, shown: str) -> None:
    student = find_student("qwen3-0.6b")
    used = adjusted(student, settings_for(student, patience=3, eval_every=every))
    path = tmp_path / "recipe.yaml"
    path.write_text(as_recipe(used, "again"), "utf-8")
    again = settings_for(resolved(str(path)))
    assert (again.patience, again.eval_every) == (3, every)
    rows = dict(recipe_rows(used, METRICS, LINEAGE))
    assert rows["early stopping"] == f"after 3 evaluations, {shown}, without a lower loss"


@settings(max_examples=40, deadline=None)
@given(
    rate=st.floats(1e-7, 1.0),
    steps=st.none() | st.integers(1, 10**6),
    rank=st.integers(1, 512),
    method=st.sampled_from([("lora", "none"), ("qlora", "nf4"), ("qlora", "int8"), ("full", "none")]),
    packing=st.none() | st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_a_resolved_recipe_written_down_is_the_same_recipe(
    tmp_path_factory: pytest.TempPathFactory,
    rate: float,
    steps: int | None,
    rank: int,
    method: tuple[str, str],
    packing: bool | None,
    seed: int,
) -> None:
    base = find_student("qwen3-4b")
    said = {"learning_rate": rate, "steps": steps, "packing": packing, "seed": seed}
    kind, quantisation = method
    recipe = Recipe.model_validate(base.recipe.model_dump() | said | {"method": kind, "quantisation": quantisation})
    student = base.model_copy(update={"recipe": recipe, "lora": base.lora.model_copy(update={"rank": rank})})
    path = tmp_path_factory.mktemp("recipe") / "recipe.yaml"
    path.write_text(as_recipe(student, "again"), "utf-8")
    assert launch_line(str(path)) == "distill train --recipe recipe.yaml --data RUN"
    again = resolve(load_recipe(str(path))).student
    assert again == student


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipes")
    write_run(folder / "run")
    write_base(folder / "base")
    (folder / "mine.yaml").write_text(
        f"name: mine\nstudent: {folder / 'base'}\nlora: {{rank: 4, alpha: 4, dropout: 0.25}}\nlearning_rate: 1.0e-3\n"
        "max_length: 4096\nschedule: linear\nwarmup: 0.5\nsteps: 3\naccumulation: 1\nformat: text\nseed: 7\n",
        "utf-8",
    )
    return folder


def run(*arguments: str) -> Result:
    return CliRunner().invoke(distill, arguments)


def test_training_from_a_recipe_and_again_from_what_it_wrote(place: Path) -> None:
    first = run("train", "--recipe", str(place / "mine.yaml"), "--data", str(place / "run"), "--steps", "2")
    assert first.exception is None, first.exception
    out = place / "run-mine"
    metrics = json.loads((out / "metrics.json").read_text("utf-8"))
    assert (metrics["steps"], metrics["seed"], metrics["format"]) == (2, 7, "text")  # the flag goes before the recipe
    config = json.loads((out / "adapter_config.json").read_text("utf-8"))
    assert (config["r"], config["lora_alpha"], config["lora_dropout"]) == (4, 4, 0.25)
    assert "0.001, linear, warm-up 0.5" in (out / "README.md").read_text("utf-8")
    again = run("train", "--recipe", str(out / "recipe.yaml"), "--data", str(place / "run"), "--out", str(place / "b"))
    assert again.exception is None, again.exception
    same = ("steps", "seed", "format", "train_loss", "validation_loss", "trained_parameters")
    repeated = json.loads((place / "b" / "metrics.json").read_text("utf-8"))
    assert {key: repeated[key] for key in same} == {key: metrics[key] for key in same}


def test_a_recipe_whose_base_is_missing_is_a_line(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(place / "hub"))
    result = run("train", "--recipe", "radonc-letters-8b", "--data", str(place / "run"))
    assert isinstance(result.exception, UserError)
    assert "hf download" in str(result.exception)


def test_a_recipe_s_method_and_the_rest_reach_training() -> None:
    letters, full = resolved("radonc-letters-8b"), resolve(load_recipe("default-full"), "tiny").student
    said = settings_for(letters)
    assert (said.method, said.quantisation, said.steps) == ("qlora", "int8", 15_000)
    update = {"method": "lora", "quantisation": "nf4", "epochs": 2.0, "steps": None, "seed": 3}
    assert (
        settings_for(letters, method="lora", epochs=2.0, seed=3).model_dump()
        == said.model_copy(update=update).model_dump()
    )
    assert adjusted(letters, said) == letters
    assert adjusted(full, settings_for(full)) == full, "a rate that is meant for full fine-tuning is kept"


def test_neither_student_nor_recipe_is_a_line() -> None:
    result = run("train", "--data", ".")
    assert isinstance(result.exception, UserError)
    assert "--student NAME, or --recipe NAME" in str(result.exception)


def test_recipes_are_listed_with_their_launch_lines() -> None:
    shown = run("recipes").output
    for name in NAMES:
        assert launch_line(name) in shown


def test_dropout_reaches_the_linear_layers_beside_experts() -> None:
    import torch
    from peft import get_peft_model

    from distill.dropout import add_dropout
    from distill.methods import lora_config
    from tests.architectures import on_meta

    student = resolved("gpt-oss-20b-diagnosis")
    assert student.shape is not None
    adapted = get_peft_model(on_meta(student.shape.model_copy(update={"layers": 1})), lora_config(student))
    assert add_dropout(adapted, student.lora.dropout) == 4
    shares = [m.p for m in adapted.modules() if isinstance(m, torch.nn.Dropout)]
    assert shares == [0.05] * 4
