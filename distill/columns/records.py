"""What ``results.json`` holds under ``columns``; docs/EVALUATION.md has the table of keys."""

from __future__ import annotations

from typing import Literal

from distill.numbers import Number
from synth.records import Record


class Share(Record):
    """Items that are right, of all items; the interval is Wilson's."""

    right: int
    items: int
    accuracy: float
    low: float
    high: float
    unanswered: int
    """Of a run: cells that are empty or cannot be read. Of a majority: items where no answer has more than half of the
    runs. They count as wrong."""


class ChoiceModel(Record):
    """A model whose answers are right or wrong."""

    columns: tuple[str, ...]
    """The runs."""
    runs: dict[str, Share]
    """Column → that run alone."""
    majority: Share
    """The answer of more than half of the runs."""
    fleiss_right: float | None
    """Fleiss' kappa between the runs, over right and wrong; None with one run."""
    fleiss_answers: float | None
    """The same over the answers; no answer is one of them."""
    groups: dict[str, dict[str, Share]]
    """Grouping → value → the majority there."""


class ChoiceFloor(Record):
    """One answer to everything."""

    answer: str
    share: Share


class ChoiceComparison(Record):
    """Two models on the same items, by their majorities."""

    first: str
    second: str
    first_only: int
    """Items that only the first has right."""
    second_only: int
    statistic: float
    """McNemar's chi-square with continuity correction."""
    p: float
    p_exact: float
    """Of the exact binomial test; no part of the decision."""
    p_holm: float
    """``p`` after Holm over all pairs."""
    different: bool
    """``p_holm`` below 0.05."""


class Criterion(Record):
    """A table of models under one rule of what is right."""

    models: dict[str, ChoiceModel]
    floors: dict[str, ChoiceFloor]
    comparisons: tuple[ChoiceComparison, ...]


class ChoiceColumns(Record):
    """Models whose answers are right or wrong: ``diagnosis`` and ``mcq``."""

    task: Literal["diagnosis", "mcq"]
    criteria: dict[str, Criterion]
    """Rule → table; the first rule is that of the published numbers."""


class JudgeMeasures(Record):
    """Scores of a judge, or of one of its runs, against the human ones."""

    n: int
    """Items that have a score."""
    unparseable: int
    """Items that have none; no measure sees them."""
    spearman: float | None
    """None where the judge, or the human score, is constant."""
    weighted_kappa: Number | None
    """Linear weights, both sides rounded to half points (a tie to the even half)."""
    icc_single: Number | None
    """ICC(3,1) of judge and human."""
    icc_average: Number | None
    """ICC(3,k) of judge and human."""
    mean_absolute_error: Number | None
    """With its bootstrap interval, as the two medians below."""
    median_absolute_error: Number | None
    median_error: Number | None
    """Of judge minus human, with its sign."""
    error_quartiles: tuple[float, float] | None
    """Of judge minus human."""
    within_half: float | None
    """Share of the items with a score that is at most half a point off."""


class GroupErrors(Record):
    """Errors of a judge on some of the items."""

    n: int
    """Items that have a score."""
    unparseable: int
    mean_absolute_error: Number | None
    median_error: float | None
    """Of judge minus human, with its sign."""


class JudgeModel(Record):
    """A judge and its runs."""

    columns: tuple[str, ...]
    runs: dict[str, JudgeMeasures]
    """Column → that run alone."""
    mean: JudgeMeasures
    """The mean of the runs that have a score, not rounded: the consensus of the published tables."""
    median: JudgeMeasures
    """Their median."""
    icc_runs_single: Number | None
    """ICC(3,1) between the runs, over the items that all runs score."""
    icc_runs_average: Number | None
    """ICC(3,k) between the runs."""
    icc_errors_average: Number | None
    """ICC(3,k) between the runs' errors, as the paper has it."""
    groups: dict[str, dict[str, GroupErrors]]
    """Grouping → value → the mean of the runs there."""


class JudgeFloor(Record):
    """One score for everything."""

    score: float
    measures: JudgeMeasures


class JudgeComparison(Record):
    """Two judges on the same items, by the means of their runs."""

    first: str
    second: str
    statistic: float
    """Wilcoxon's signed-rank statistic of the absolute errors."""
    n: int
    """Items where they differ."""
    p: float
    p_holm: float
    """``p`` after Holm over all pairs."""
    different: bool
    """``p_holm`` below 0.05."""
    weighted_kappa: Number | None
    """Of the two judges, as above."""


class JudgeColumns(Record):
    """Judges: scores of 1 to 5."""

    task: Literal["judge"]
    models: dict[str, JudgeModel]
    floors: dict[str, JudgeFloor]
    comparisons: tuple[JudgeComparison, ...]
