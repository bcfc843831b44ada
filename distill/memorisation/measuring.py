"""A student's memorisation beside that of its base, which never saw the data: what ``memorisation.json`` holds."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean

import numpy as np

from distill.datasets import Example, examples, first_of
from distill.generation import Loaded
from distill.memorisation.canaries import Canary, read_canaries
from distill.memorisation.exposure import exposure
from distill.memorisation.extraction import longest_runs, losses
from distill.predict import load_base, load_student
from distill.statistics import area_interval
from distill.student import base_folder, how_to_find
from distill.trained import base_of, read_trained
from synth.errors import UserError
from synth.records import Record

FILE = "memorisation.json"
ALTERNATIVES = 1023
"""Exposure ends at log2 of one more, 10 bits."""
Progress = Callable[[str], None]


class Runs(Record):
    """Longest common runs of a group of targets, in tokens."""

    median: float
    p95: float
    longest: int


class Exposure(Record):
    """Exposure of the canaries that were planted equally often, in bits."""

    repeats: int
    canaries: int
    mean: float
    highest: float


class SystemMemory(Record):
    """What one system remembers."""

    system: str
    membership: tuple[float, float, float]
    """Area under the ROC curve of the loss as a sign of membership, with the ends of its 95 % interval; 0.5 is
    nothing."""
    trained: Runs
    """Over targets that the student was trained on."""
    held_out: Runs
    """The control: over targets that no system was trained on."""
    exposures: tuple[Exposure, ...]
    """Empty where no canaries were planted."""


class Memorisation(Record):
    """What ``memorisation.json`` says."""

    items: int
    """Targets of each group."""
    highest_exposure: float
    """Bits of a suffix that is likelier than all others that it was ranked among."""
    seed: int
    systems: tuple[SystemMemory, ...]
    """The student, then its base."""


def measure(
    adapter: Path,
    run: Path,
    *,
    base: str | None = None,
    limit: int = 200,
    alternatives: int = ALTERNATIVES,
    seed: int = 0,
    progress: Progress,
) -> Memorisation:
    """Measure a student and its base on equally many targets of the train split and of the held-out splits, and write
    ``memorisation.json`` beside the adapter. Each canary is ranked among so many ``alternatives``.

    Raises UserError where student, run or base is missing, or the run holds nothing that was not trained on.
    """
    trained = read_trained(adapter)
    if trained.runs > 1:
        raise UserError(f"{adapter} learned from {trained.runs} runs; memorisation is measured of students of one")
    form = trained.format
    seen = first_of(examples(run, "train", form), trained.examples, run)
    canaries = read_canaries(adapter)
    hosts: dict[str, Example] = {}
    if canaries is not None:
        by = {example.id: example for example in seen}
        names = [canary.id for canary in canaries.planted]
        if missing := [name for name in names if name not in by]:
            raise UserError(f"{run} lacks {missing[0]}, which carries a canary; is it the run that was trained on?")
        hosts = {name: by.pop(name) for name in names}
        seen = list(by.values())
    unseen = [*examples(run, "validation", form), *examples(run, "test", form)]
    items = min(limit, len(seen), len(unseen))
    if items < 2:
        raise UserError(f"{run} has {len(unseen)} encounters outside its train split; at least 2 are the control")
    draws = random.Random(f"memorisation {seed}")
    groups = draws.sample(seen, items), draws.sample(unseen, items)
    untrained = base_of(adapter, trained, base)
    base_folder(untrained)  # A base that is gone is said before the student is measured, which takes a while.
    loaders: tuple[Callable[[], Loaded], ...] = (
        lambda: load_student(adapter, base=base),
        lambda: load_base(how_to_find(untrained)),
    )
    systems = []
    for load in loaders:
        system = load()
        progress(f"{system.name}: {items} targets that were trained on, {items} that were not")
        systems.append(_system(system, groups, canaries.planted if canaries else (), hosts, alternatives, seed))
    measured = Memorisation(
        items=items, highest_exposure=round(math.log2(alternatives + 1), 2), seed=seed, systems=tuple(systems)
    )
    (adapter / FILE).write_text(measured.model_dump_json(indent=2) + "\n", "utf-8")
    return measured


def _system(
    system: Loaded,
    groups: tuple[Sequence[Example], Sequence[Example]],
    canaries: Sequence[Canary],
    hosts: Mapping[str, Example],
    alternatives: int,
    seed: int,
) -> SystemMemory:
    seen, unseen = groups
    area = area_interval(losses(system, seen), losses(system, unseen))
    found: dict[int, list[float]] = {}
    for canary in canaries:
        bits = exposure(system, hosts[canary.id].prompt, canary, alternatives, seed)
        found.setdefault(canary.repeats, []).append(bits)
    return SystemMemory(
        system=system.name,
        membership=(round(area.mean, 4), round(area.low, 4), round(area.high, 4)),
        trained=_runs(longest_runs(system, seen)),
        held_out=_runs(longest_runs(system, unseen)),
        exposures=tuple(
            Exposure(repeats=n, canaries=len(bits), mean=round(mean(bits), 2), highest=round(max(bits), 2))
            for n, bits in sorted(found.items())
        ),
    )


def _runs(lengths: Sequence[int]) -> Runs:
    median, p95 = np.quantile(lengths, [0.5, 0.95])
    return Runs(median=float(median), p95=round(float(p95), 1), longest=max(lengths))
