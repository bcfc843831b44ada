"""Recipes: how a student is taught, as commented YAML files that begin with the line that runs them.

``recipes/*.yaml`` are shipped; a path names any other. What a recipe leaves out is the student's, and what the command
says goes before both.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError

from distill.approaches import APPROACHES, as_long, rate_under
from distill.files import read_yaml, yaml_file, yaml_names
from distill.student import LoraSettings, Method, Recipe, Student, how_to_find
from distill.trained import find_start
from synth.assets import assets_root
from synth.catalog import suggest
from synth.errors import UserError
from synth.records import JsonObject, Record

FILE = "recipe.yaml"
"""Where training writes what it did, as a recipe that can be run again."""
_PROMPT = "# "


class LoraChange(Record):
    """What a recipe changes in the student's adapter."""

    rank: int | None = Field(default=None, gt=0)
    alpha: int | None = Field(default=None, gt=0)
    dropout: float | None = Field(default=None, ge=0, lt=1)
    target_modules: str | tuple[str, ...] | None = None
    target_parameters: tuple[str, ...] | None = None
    modules_to_save: tuple[str, ...] | None = None


class RecipeFile(Record):
    """A recipe as it is written down; None is what the student says."""

    name: str
    source: str | None = None
    """Paper or page that the numbers come from."""
    student: str | None = None
    """None where the recipe is for any: ``--student`` says which."""
    lora: LoraChange = LoraChange()
    max_length: int | None = Field(default=None, ge=8)
    method: Method | None = None
    quantisation: Literal["nf4", "int8", "none"] | None = None
    format: Literal["json", "text"] | None = None
    learning_rate: float | None = Field(default=None, gt=0)
    optimiser: Literal["adamw"] | None = None
    schedule: Literal["cosine", "linear", "constant"] | None = None
    weight_decay: float | None = Field(default=None, ge=0)
    epochs: float | None = Field(default=None, gt=0)
    steps: int | None = Field(default=None, gt=0)
    batch_size: int | None = Field(default=None, gt=0)
    accumulation: int | None = Field(default=None, gt=0)
    warmup: float | None = Field(default=None, ge=0, lt=1)
    packing: bool | None = None
    precision: Literal["auto", "bf16", "fp32"] | None = None
    eval_every: int | None = Field(default=None, gt=0)
    patience: int | None = Field(default=None, gt=0)
    seed: int | None = Field(default=None, ge=0)
    teacher: str | None = None
    on_policy: float | None = Field(default=None, ge=0, le=1)
    beta: float | None = Field(default=None, ge=0)


@dataclass(frozen=True, slots=True)
class Resolved:
    """A student with a recipe's settings."""

    student: Student
    notes: tuple[str, ...]
    """What of the recipe cannot be had with this student, a line each."""


def recipe_folder() -> Path:
    """Return the folder of the shipped recipes."""
    return assets_root() / "recipes"


def recipe_names() -> list[str]:
    """Return the names of the shipped recipes."""
    return yaml_names(recipe_folder())


def recipe_path(name: str) -> Path:
    """Return the file of a recipe's name, or of a path; UserError where there is neither."""
    return yaml_file(recipe_folder(), name, "recipe")


def load_recipe(name: str) -> RecipeFile:
    """Return a recipe by name or path; UserError, in one line, where it is unknown or malformed."""
    return read_yaml(recipe_path(name), RecipeFile, _complaint)


def _complaint(error: ValidationError) -> str:
    """Return the first thing that is wrong, in words."""
    first = error.errors()[0]
    where = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        known = [*(LoraChange if where[:-1] == ["lora"] else RecipeFile).model_fields]
        return f"unknown key {'.'.join(where)!r}{suggest(where[-1], known)}; known: {', '.join(known)}"
    return f"{'.'.join(where) or 'the file'}: {first['msg']}"


def launch_line(name: str) -> str:
    """Return the command that a recipe's first line holds; UserError where it holds none."""
    path = recipe_path(name)
    first = path.read_text("utf-8").partition("\n")[0]
    if not first.startswith(f"{_PROMPT}distill train --recipe "):
        raise UserError(f"{path.name} does not begin with its launch line (# distill train --recipe …)")
    return first.removeprefix(_PROMPT)


def resolve(recipe: RecipeFile, student: str | None = None) -> Resolved:
    """Return the student (the one that is named here before the recipe's own) with the recipe's settings.

    Quantisation that the student's catalogue entry says cannot be had is left out, and a note says so. A learning rate
    and epochs that the recipe leaves out are those of its method.

    Raises UserError where nobody names a student, or settings contradict each other.
    """
    name = student or recipe.student
    if name is None:
        raise UserError(f"recipe {recipe.name} is for any student; say which with --student")
    base = find_start(name)
    notes = []
    said = _said(recipe, exclude={"name", "source", "student", "lora", "max_length"})
    if recipe.method is not None and recipe.quantisation is None:
        said["quantisation"] = "nf4" if recipe.method == "qlora" else "none"
    method: Method = recipe.method or base.recipe.method
    wanted = said.get("quantisation", "none")
    if wanted != "none" and wanted not in base.quantisations:
        notes.append(
            f"{base.name} cannot be trained on {wanted}: its experts are no linear layers; "
            "LoRA on the base as it is instead"
        )
        method = "lora"
        said |= {"method": method, "quantisation": "none"}
    if recipe.learning_rate is None:
        said["learning_rate"] = rate_under(base.recipe, method)
    if recipe.epochs is None and not as_long(base.recipe.method, method):
        said["epochs"] = APPROACHES[method].epochs or base.recipe.epochs
    if recipe.epochs is not None and recipe.steps is None:
        said["steps"] = None
    lora = LoraSettings.model_validate(base.lora.model_dump() | _said(recipe.lora))
    if lora.dropout and lora.target_parameters:
        notes.append(
            f"dropout {lora.dropout} is on linear layers only: PEFT has none for {len(lora.target_parameters)} "
            "parameters that are not (the experts)"
        )
    try:
        settings = Recipe.model_validate(base.recipe.model_dump() | said)
    except ValidationError as error:
        raise UserError(f"recipe {recipe.name} with {base.name}: {_complaint(error)}") from error
    changed = base.model_copy(
        update={"lora": lora, "recipe": settings, "max_length": recipe.max_length or base.max_length}
    )
    return Resolved(changed, tuple(notes))


def _said(record: RecipeFile | LoraChange, exclude: set[str] | None = None) -> JsonObject:
    """Return what a recipe says, without what it leaves to the student."""
    said: JsonObject = record.model_dump(mode="json", exclude=exclude, exclude_none=True)
    return said


def as_recipe(student: Student, name: str) -> str:
    """Return the YAML of a recipe that says everything about how a student was taught; it begins with its launch
    line."""
    said: JsonObject = {
        "name": name,
        "student": student.start.folder if student.start is not None else how_to_find(student),
        "max_length": student.max_length,
        **student.recipe.model_dump(mode="json", exclude_none=True),
        "lora": student.lora.model_dump(mode="json"),
    }
    if student.recipe.steps is not None:
        said.pop("epochs")
    text: str = yaml.safe_dump(said, sort_keys=False, allow_unicode=True, width=120)
    return f"{_PROMPT}distill train --recipe {FILE} --data RUN\n{text}"
