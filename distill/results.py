"""What ``results.json`` and the files beside it hold: rows of systems, cells of means, differences."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from distill import floors
from distill.columns.records import ChoiceColumns, JudgeColumns
from distill.records import Prediction, Score
from synth.records import Record

FLOORS = floors.NAMES
ITEMS = "items.jsonl"
TEST = "sign-flip permutation of paired means, two-sided; Holm over the differences of a metric"


class Cell(Record):
    """The mean of one metric over the items of one system, with its 95 % bootstrap interval; None where no item has a
    value."""

    mean: float | None
    """In the metric's own unit: 0 to 1 for most, else as docs/EVALUATION.md has it."""
    low: float | None
    high: float | None
    n: int
    """Items that have a value."""
    percent: float | None
    """``mean`` times 100, to two decimals, as published tables print it; None where the unit is words, points or
    years."""


class Difference(Cell):
    """The mean of a paired difference."""

    p: float | None = None
    """Two-sided, of the sign-flip permutation test; None where no item has both values."""
    p_holm: float | None = None
    """``p`` after Holm over all differences of one metric in the table."""


class SystemResults(Record):
    """One row of a table."""

    predictions: int
    empty: int
    """Predictions without a word; they stay in the means."""
    truncated: int
    """Predictions that ran into the token limit."""
    unparseable: int | None = None
    """Predictions that are no JSON object, for whatever reason; None where the system was not asked for JSON."""
    too_long: int = 0
    """Items whose prompt does not fit the model's context; their predictions are empty."""
    filtered: int = 0
    """Predictions that the server's content filter withheld."""
    failed: int = 0
    """Items at which the server failed each time; their predictions are empty."""
    metrics: dict[str, Cell]
    differences: dict[str, dict[str, Difference]]
    """Other system → metric → this one minus the other, by items that both have (paired bootstrap)."""


class Results(Record):
    """What ``results.json`` holds, such as ``results["systems"]["copy"]["metrics"]["subjective.rouge1"]["mean"]``."""

    format: Literal[1] = 1
    benchmark: str
    split: str
    items: int
    systems: dict[str, SystemResults]
    notes: tuple[str, ...]
    """What a reader has to know, such as a floor that could not be computed."""
    simulated: bool = False
    """Whether the simulator wrote the items, so that the numbers prove the pipeline only."""
    settings: dict[str, str | int | float | bool]
    versions: dict[str, str]
    columns: Annotated[ChoiceColumns | JudgeColumns, Field(discriminator="task")] | None = None
    """What the data's own columns say, as runs of models, or how far judges agree with what is right; None where
    predictions of another kind were scored."""
    data: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of the files that the items were read from, by name."""


class SystemScore(Score):
    """A line of ``scores.jsonl``."""

    system: str


class SystemPrediction(Prediction):
    """A line of ``predictions.jsonl``."""

    system: str
