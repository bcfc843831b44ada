"""The records of evaluation, in the order of flow: benchmark item, prediction, score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

from pydantic import Field

from synth.records import JsonObject, Record, Scenario
from synth.styles import Style

Finish = Literal["stop", "length", "given", "too_long", "filtered", "failed"]
"""How an output came to its end."""


class BenchmarkItem(Record):
    """One item of a benchmark, with its reference."""

    id: str
    source: str
    """What the student reads."""
    reference: str
    """The reference as people read it: a note, a section, a diagnosis; sorted letters such as ``BD``; a score."""
    target: JsonObject | None
    """The reference under the contract; None where the benchmark only has text."""
    scenario: Scenario | None
    """What is true of the item; None where nobody knows it."""
    section: str | None = None
    """The section of a note that is asked for, as people call it; None where it is no section."""
    style: Style | None = Field(default=None, exclude_if=lambda style: style is None)
    """The house style that a prediction is to keep to; None where there is none."""
    groups: dict[str, str] = Field(default_factory=dict)
    """What a table may be split by, such as ``{"Topic": "Cornea"}``."""
    task: str | None = None
    """This project's task that the item is of, or is asked as; None where the metrics have to do without."""
    answer: str | None = None
    """What is right, where the reference says more than that: a diagnosis, sorted letters, a score."""

    @property
    def prompt(self) -> str:
        """What the student is given: the source, under the section where one is asked for."""
        return self.source if self.section is None else f"Section: {self.section}\n\n{self.source}"

    @property
    def right(self) -> str:
        """What a short answer is compared with."""
        return self.reference if self.answer is None else self.answer


class Prediction(Record):
    """What a system wrote for an item."""

    id: str
    raw: str
    """The output as it came."""
    text: str
    """What text metrics score: the rendered note where the output parses, else the output as it came."""
    target: JsonObject | None
    """The output as JSON; None where it does not parse as an object."""
    finish: Finish
    """Whether the output ended by itself, ran into the token limit, or was read from a file; or why there is none: the
    prompt does not fit the model's context, the server's content filter withheld it, the server failed at it."""


class Score(Record):
    """The values of one metric family for one item of one system; None where a value does not apply, which keeps it
    out of the mean."""

    id: str
    values: dict[str, float | None]


class Metric(Protocol):
    """Scores a system; sees all its predictions at once, because some official settings depend on what a system
    never writes."""

    columns: tuple[str, ...]
    """Names of the values, in the order of a table."""

    def __call__(self, items: Sequence[BenchmarkItem], predictions: Sequence[Prediction]) -> list[Score]:
        """Return one score an item, in the order of the items; ``predictions[i]`` belongs to ``items[i]``."""


@runtime_checkable
class PartwiseMetric(Protocol):
    """A metric that can score the predictions of a system in parts, once it has seen what matters of all of them.

    ``metric(items, predictions)`` and the parts of ``metric.score`` under ``metric.survey`` of all have the same
    values, to the last bit.
    """

    columns: tuple[str, ...]

    def __call__(self, items: Sequence[BenchmarkItem], predictions: Sequence[Prediction]) -> list[Score]:
        """Return one score an item."""

    def survey(self, items: Sequence[BenchmarkItem], predictions: Sequence[Prediction]) -> object:
        """Return what a part has to know of all; small, and can be sent to another process."""

    def score(self, items: Sequence[BenchmarkItem], predictions: Sequence[Prediction], survey: object) -> list[Score]:
        """Return one score an item of a part."""
