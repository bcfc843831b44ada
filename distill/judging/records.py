"""The records of judging: the lines of ``judgements.jsonl``, and what ``judge.json`` says of them together."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from distill.numbers import Number
from synth.records import Record

Better = Literal["first", "second", "tie"]


def _nothing(value: object) -> bool:
    return value is None


class Graded(Record):
    """One line: what the judge says once of one output of one system."""

    id: str
    system: str
    repeat: int
    scores: dict[str, float | None] | None
    """By dimension; None as a value where it does not apply, None for all where no reply could be read."""
    unread: tuple[str, ...] = ()
    """Why replies could not be read, one each; each was asked for again while attempts were left."""
    constrained: bool
    """Whether decoding was."""
    prompt_tokens: int
    completion_tokens: int
    asked: str
    """Digest of all that was asked, so that a line is never taken for the answer to another question."""


class Compared(Record):
    """One line: what the judge says once of two systems' outputs in one order."""

    id: str
    first: str
    """The system whose output stood first."""
    second: str
    repeat: int
    better: Better | None
    unread: tuple[str, ...] = ()
    constrained: bool
    prompt_tokens: int
    completion_tokens: int
    asked: str


class JudgedDimension(Record):
    """One dimension of one system; the score of an item is the mean of the repeats that could be read."""

    mean: Number | None
    """With its bootstrap interval over items; None where no item has a score."""
    any: Number | None = Field(default=None, exclude_if=_nothing)
    """Of a count: share of the items in which more than half of the repeats count at least one, with its Wilson
    interval."""
    icc_single: Number | None
    """ICC(3,1) over the repeats: how far a single one can be relied on. None where nothing differs between items."""
    icc_average: Number | None
    """ICC(3,k): how far their mean can."""
    unanimous: float | None
    """Share of the items on which all repeats say the same; of those that all repeats have a score for, 0 to 1."""
    not_applicable: int = 0
    """Items that no repeat has a value for, though it could be read."""


class JudgedSystem(Record):
    """One row."""

    items: int
    unread: dict[str, int]
    """Replies that could not be read, by why."""
    without: tuple[str, ...]
    """Items of which no repeat could be read: they have no score, and are in no mean."""
    fewer: int
    """Items of which some repeats could not be read."""
    dimensions: dict[str, JudgedDimension]


class JudgedDifference(Record):
    """The paired difference of two systems in one dimension: the one less the other, in points."""

    mean: Number | None
    p: float | None
    """Two-sided sign-flip permutation test."""
    p_holm: float | None
    """Over all pairs of systems in this dimension."""


class Pairwise(Record):
    """Two systems compared in both orders; a win is what both orders agree on."""

    first: str
    second: str
    items: int
    first_wins: int
    """Items that more than half of the repeats give to the first."""
    second_wins: int
    ties: int
    """Items of which neither holds, but something could be read."""
    without: tuple[str, ...]
    """Items of which no repeat could be read in both orders."""
    unread: dict[str, int]
    win_rate: Number | None
    """Share of the first among the items that one of them wins, with its Wilson interval."""
    p: float
    """McNemar's test, exact, of wins against wins."""
    consistent: Number | None
    """Share of the repeats read in both orders that say the same in both."""
    first_place: Number | None
    """Position bias: share of what stood first among the answers that prefer one; 0.5 is none."""
    icc_single: Number | None
    """ICC(3,1) over the repeats, a win as 1, a tie as 0, a loss as -1."""
    icc_average: Number | None


class Agreement(Record):
    """One dimension against human scores."""

    n: int
    spearman: float | None
    weighted_kappa: Number | None
    """Cohen's, linear weights, the mean of the repeats rounded to the scale."""
    icc_single: Number | None
    """ICC(3,1) of judge and human."""
    icc_average: Number | None
    """ICC(3,2)."""
    mean_absolute_error: Number | None
    bias: float | None
    """Mean of judge less human."""
    constant: float
    """The one value of the scale that comes nearest to the human scores."""
    constant_error: Number | None
    """What a judge that always says so would have as its mean absolute error."""
    p_constant: float | None
    """Sign-flip permutation test of the judge's absolute errors against those; the judge has shown nothing unless its
    error is lower."""


class JudgeIdentity(Record):
    """Who judged."""

    model: str
    revision: str | None


class Warned(Record):
    """A system that the judge is, or comes from."""

    system: str
    why: str
    """One line for a person."""


class JudgeResults(Record):
    """What ``judge.json`` holds."""

    format: Literal[1] = 1
    benchmark: str
    split: str
    judge: JudgeIdentity
    rubric: str
    rubric_source: str
    rubric_wording: str
    repeats: int
    settings: dict[str, str | int | float | bool]
    warnings: tuple[Warned, ...]
    """Systems that the judge grades as its own output."""
    systems: dict[str, JudgedSystem] = Field(default_factory=dict)
    differences: dict[str, dict[str, dict[str, JudgedDifference]]] = Field(default_factory=dict)
    """System → later system → dimension."""
    pairwise: Pairwise | None = Field(default=None, exclude_if=_nothing)
    human: dict[str, Agreement] = Field(default_factory=dict)
    """Dimension → agreement; empty where there are no human scores."""
    notes: tuple[str, ...]
    prompt_tokens: int
    completion_tokens: int
