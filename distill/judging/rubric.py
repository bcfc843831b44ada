"""Rubrics: what is graded, on which scale, in whose words; one YAML file each in ``rubrics/``, or the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from distill.files import read_yaml, yaml_file, yaml_names
from synth.records import JsonObject, Record

_FOLDER = Path(__file__).resolve().parent / "rubrics"
COMPOSITE = "composite"
_NAME = r"^[a-z][a-z0-9_]*$"
_STEPS = 100
"""Most values of a scale: each of them stands in the schema."""


class Dimension(Record):
    """One thing that is graded or counted."""

    name: str = Field(pattern=_NAME)
    title: str
    kind: Literal["scale", "count"] = "scale"
    better: Literal["high", "low"] = "high"
    question: str
    low: float
    high: float
    step: float = Field(default=1.0, gt=0)
    optional: bool = False
    """Whether a judge may say that it does not apply."""
    anchors: dict[float, str] = Field(default_factory=dict)
    """Value → what it asks for; a value between two of them has no words of its own."""

    @property
    def grid(self) -> tuple[float, ...]:
        """The values that a judge may give, from the lowest."""
        steps = round((self.high - self.low) / self.step)
        return tuple(self.low + i * self.step for i in range(steps + 1))

    def nearest(self, value: float) -> float:
        """Return the value of the grid that is nearest to a mean; half-way goes to the even step, as numpy has it."""
        return min(max(self.step * round(value / self.step), self.low), self.high)

    @model_validator(mode="after")
    def _consistent(self) -> Dimension:
        steps = (self.high - self.low) / self.step
        if not 1 <= steps <= _STEPS or abs(steps - round(steps)) > 1e-9:
            raise ValueError(f"{self.name}: {self.low:g} to {self.high:g} by {self.step:g} is no scale")
        if self.kind == "count" and (self.low, self.step) != (0.0, 1.0):
            raise ValueError(f"{self.name}: a count begins at 0 and goes by 1")
        if off := [value for value in self.anchors if value not in self.grid]:
            raise ValueError(f"{self.name}: the anchor {off[0]:g} is not on the scale")
        if self.kind == "scale" and not {self.low, self.high} <= self.anchors.keys():
            raise ValueError(f"{self.name}: both ends of the scale need an anchor")
        return self


class Rubric(Record):
    """What a judge goes by."""

    name: str
    title: str
    graded: str
    """What an output is, such as ``a clinical note``."""
    source: str
    """Whose rubric it is."""
    wording: str
    """Which of its words are theirs, which are not, and what could not be looked up."""
    sees: tuple[Literal["source", "reference"], ...]
    """What stands beside the output."""
    about: tuple[str, ...] = ()
    """What holds for several dimensions."""
    dimensions: tuple[Dimension, ...] = Field(min_length=1)
    composite: tuple[str, ...] = ()
    """Dimensions whose mean is the composite; none where there is no composite."""

    @property
    def columns(self) -> tuple[Dimension, ...]:
        """The dimensions, and the composite where there is one."""
        if not self.composite:
            return self.dimensions
        first = self.dimension(self.composite[0])
        return (*self.dimensions, first.model_copy(update={"name": COMPOSITE, "title": "Composite", "anchors": {}}))

    def dimension(self, name: str) -> Dimension:
        """Return the dimension of a name; KeyError where there is none."""
        return {dimension.name: dimension for dimension in self.dimensions}[name]

    @model_validator(mode="after")
    def _consistent(self) -> Rubric:
        names = [dimension.name for dimension in self.dimensions]
        if len(set(names)) < len(names) or COMPOSITE in names:
            raise ValueError(f"dimensions need names of their own, and none of them {COMPOSITE!r}")
        if unknown := set(self.composite) - set(names):
            raise ValueError(f"the composite has no dimension {sorted(unknown)[0]!r}")
        parts = [self.dimension(name) for name in self.composite]
        if len({(part.low, part.high, part.better) for part in parts}) > 1 or any(part.optional for part in parts):
            raise ValueError("the dimensions of a composite need one scale and one direction, and none is optional")
        return self


def rubric_names() -> list[str]:
    """Return the names of the rubrics that come along."""
    return yaml_names(_FOLDER)


def load_rubric(name: str) -> Rubric:
    """Return the rubric of a name, or in a YAML file; UserError where there is neither, or where it is malformed."""
    return read_yaml(yaml_file(_FOLDER, name, "rubric"), Rubric)


def contract(rubric: Rubric) -> JsonObject:
    """Return the JSON Schema 2020-12 of a reply: every dimension, in order, and nothing else.

    The values of a scale are listed one by one, so that a decoder can give no other, half points included.
    """
    properties: JsonObject = {}
    for dimension in rubric.dimensions:
        values: list[int | float | None] = [number(value) for value in dimension.grid]
        properties[dimension.name] = {"enum": [*values, None] if dimension.optional else [*values]}
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [dimension.name for dimension in rubric.dimensions],
        "properties": properties,
    }


def pair_contract() -> JsonObject:
    """Return the JSON Schema of a reply that compares two outputs."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["better"],
        "properties": {"better": {"enum": ["first", "second", "tie"]}},
    }


def number(value: float) -> int | float:
    """Return a whole number as an int, so that it is written ``4`` and not ``4.0``."""
    return int(value) if value == int(value) else value
