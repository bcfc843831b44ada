"""What ``sweep.json`` says: one row a combination of pairs, method and seed, beside the base and the floors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from distill.results import SystemResults
from distill.settings import Precision
from distill.student import Method
from synth.records import Record

FILE = "sweep.json"


class Shared(Record):
    """What all combinations of a folder have in common; another sweep takes another folder."""

    student: str
    revision: str | None = None
    """Commit of the base's repository."""
    base_sha256: str | None = None
    """Of the base's weights where they are one file: a base may be made anew under the same name. None, as of the
    revision, where an earlier version did not say, too."""
    data: str
    """Fingerprint of the run."""
    train_sha256: str
    """Of its train split: a run may be extended under the same fingerprint."""
    steps: int | None
    epochs: float | None
    precision: Precision | None
    """None, as of steps and epochs, where the student's recipe says."""
    limit: int | None
    """Held-out items; None is all of them."""
    max_new_tokens: int | None
    """Of a prediction, where somebody said so."""


class SweepRow(Record):
    """One combination. What is None was not reached; then ``reason`` says why."""

    name: str
    """Of its folder."""
    method: Method
    pairs: int
    """Of the train split, the first."""
    seed: int
    reason: str | None = None
    trained_parameters: int | None = None
    steps: int | None = None
    best_step: int | None = None
    """Of the student that was kept."""
    epochs: float | None = None
    examples: int | None = None
    """That fitted into the student's length and were trained on."""
    tokens: int | None = None
    """Of all forward passes, without padding."""
    seconds: float | None = None
    tokens_per_second: float | None = None
    resumed: bool = False
    """Whether training was interrupted: tokens, time, speed and memory are then of what came after."""
    peak_memory: int | None = None
    """Bytes, as in ``metrics.json``; None where it could not be told from that of the training before."""
    device: str | None = None
    validation_loss: float | None = None
    """Nats a completion token."""
    result: SystemResults | None = None
    """On the held-out split."""


class Sweep(Record):
    """What ``sweep.json`` says."""

    format: Literal[1] = 1
    run: str
    """Name of the run directory."""
    train_pairs: int
    """Of the whole train split, which the retrieval floor reads."""
    shared: Shared
    rows: tuple[SweepRow, ...] = ()
    """By method, pairs, seed."""
    beside: dict[str, SystemResults] = Field(default_factory=dict)
    """The base and the floors, on the same items; empty until a student was evaluated."""
    base: str | None = None
    """Which of them is the base."""
    split: str
    items: int
    simulated: bool
    """Whether the simulator wrote the run, so that the numbers prove the pipeline only."""
    settings: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """What the metrics depend on."""
    notes: tuple[str, ...] = ()
    versions: dict[str, str] = Field(default_factory=dict)

    @property
    def systems(self) -> Mapping[str, SystemResults]:
        """Every student that was evaluated, then what stands beside them."""
        return {row.name: row.result for row in self.rows if row.result is not None} | self.beside
