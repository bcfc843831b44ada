"""What a training is asked for, and the student's recipe with it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationError

from distill.approaches import APPROACHES, as_long, rate_under
from distill.datasets import Format
from distill.student import Method, Quantisation, Student
from distill.trained import usual_recipe
from synth.errors import UserError
from synth.records import Record

Precision = Literal["auto", "bf16", "fp32"]


class TrainSettings(Record):
    """What the command says; where it says nothing, None means as the student's recipe, or this machine, has it."""

    form: Format = "json"
    method: Method = "lora"
    quantisation: Quantisation = "nf4"
    """Of the base under ``qlora``: NF4 with double quantisation, or LLM.int8()."""
    precision: Precision = "auto"
    packing: bool | None = None
    """Several examples a row, without attention from one to another."""
    checkpointing: bool | None = None
    """Activations are computed again in the backward pass."""
    epochs: float | None = Field(default=None, gt=0)
    steps: int | None = Field(default=None, gt=0)
    learning_rate: float | None = Field(default=None, gt=0)
    batch_size: int | None = Field(default=None, gt=0)
    accumulation: int | None = Field(default=None, gt=0)
    rank: int | None = Field(default=None, gt=0)
    max_length: int | None = Field(default=None, gt=0)
    eval_every: int | None = Field(default=None, gt=0)
    """Optimiser steps between two evaluations, and two checkpoints; None is an epoch."""
    patience: int | None = Field(default=None, gt=0)
    """Evaluations without a lower validation loss after which training stops; None never stops it."""
    seed: int = Field(default=0, ge=0)
    examples: int | None = Field(default=None, gt=0)
    """Of the train split, its first, or of the mixture; None is all of them. No part of a recipe: it says what is
    learned from."""
    mix: dict[str, float] = {}
    """Shares of the examples by task, their sum 1; none takes them as they come. No part of a recipe either."""
    teacher: str | None = None
    """Under ``gkd``: a student's name, a folder with a base or a trained student, or a hub id."""
    on_policy: float | None = Field(default=None, ge=0, le=1)
    """Share of the batches of ``gkd`` that the student writes itself; None is a half."""
    beta: float | None = Field(default=None, ge=0)
    """Under ``gkd`` from 0, the forward KL divergence, to 1, the reverse one; under ``dpo`` how closely the student is
    held to what it was."""
    canaries: int = Field(default=0, ge=0)
    """Examples that one is planted in, to measure what is memorised."""


def settings_of(**said: object) -> TrainSettings:
    """Return the settings; UserError, in one line, for a value that makes no sense or a name that there is not."""
    try:
        return TrainSettings.model_validate(said)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).replace("_", " ") if first["loc"] else "settings"
        if first["type"] == "greater_than":
            raise UserError(f"{name} has to be above 0, not {first['input']}") from error
        raise UserError(f"{name}: {first['msg'].lower()}, not {first['input']!r}") from error


def settings_for(student: Student, **said: object) -> TrainSettings:
    """Return the settings of a student's recipe, with what is said here (None says nothing) in their place.

    What a recipe says of quantisation holds for a method that quantises, its steps for one that learns as long as its
    own, and its teacher, share on policy and beta for its own alone. Raises UserError for a value that makes no sense.
    """
    recipe = student.recipe
    own: dict[str, object] = {
        "form": recipe.format,
        "method": recipe.method,
        "precision": recipe.precision,
        "packing": recipe.packing,
        "steps": recipe.steps if said.get("epochs") is None else None,
        "eval_every": recipe.eval_every,
        "patience": recipe.patience,
        "seed": recipe.seed,
    }
    if said.get("method") in (None, recipe.method):
        own |= {"teacher": recipe.teacher, "on_policy": recipe.on_policy, "beta": recipe.beta}
    given = {name: value for name, value in said.items() if value is not None}
    settings = settings_of(**own | given)
    if "steps" not in given and not as_long(recipe.method, settings.method):
        settings = settings.model_copy(update={"steps": None})
    # Left unset elsewhere, so that ``check_asked`` knows what was said.
    if "quantisation" not in given and recipe.quantisation != "none" and APPROACHES[settings.method].quantised:
        settings = settings.model_copy(update={"quantisation": recipe.quantisation})
    return settings


def adjusted(student: Student, settings: TrainSettings) -> Student:
    """Return the student with what the settings say in place of its recipe.

    A recipe's learning rate and epochs are those of its own method: under another the rate is as many times larger or
    smaller as the methods' scales are apart, and epochs are the method's, or the base's, where it learns not as long.
    """
    recipe: dict[str, float | None] = {
        "learning_rate": settings.learning_rate,
        "epochs": settings.epochs,
        "batch_size": settings.batch_size,
        "accumulation": settings.accumulation,
    }
    approach = APPROACHES[settings.method]
    if settings.learning_rate is None:
        recipe["learning_rate"] = rate_under(student.recipe, settings.method)
    if settings.epochs is None and not as_long(student.recipe.method, settings.method):
        recipe["epochs"] = approach.epochs or usual_recipe(student).epochs
    lora = student.lora
    if settings.rank is not None:
        alpha = max(1, round(settings.rank * lora.alpha / lora.rank))
        lora = lora.model_copy(update={"rank": settings.rank, "alpha": alpha})
    given: dict[str, object] = {key: value for key, value in recipe.items() if value is not None}
    given |= {
        "format": settings.form,
        "method": settings.method,
        "quantisation": settings.quantisation if approach.quantised else "none",
        "precision": settings.precision,
        "packing": settings.packing,
        "steps": settings.steps,
        "eval_every": settings.eval_every,
        "patience": settings.patience,
        "seed": settings.seed,
        "teacher": settings.teacher,
        "on_policy": settings.on_policy,
        "beta": settings.beta,
    }
    return student.model_copy(
        update={
            "recipe": student.recipe.model_copy(update=given),
            "lora": lora,
            "max_length": settings.max_length or student.max_length,
        }
    )
