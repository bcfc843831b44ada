"""Combinations of pairs, method and seed, trained one after the other and evaluated side by side: how much a student
gains from more pairs, and which method teaches it best (open questions 1 and 2 of arXiv 2408.10715)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from distill.card import TrainMetrics
from distill.checkpoints import CHECKPOINTS, is_unfinished
from distill.datasets import Example, examples
from distill.device import free_memory, place, reset_peak_memory, world_size
from distill.documents import METRICS, read_metrics
from distill.evaluate import Examination, examination
from distill.files import read_record
from distill.hub import quiet_hub
from distill.inference.writing import Progress
from distill.lineage import read_lineage
from distill.recipes import FILE as RECIPE_FILE
from distill.recipes import as_recipe
from distill.results import Results
from distill.scoring import make_folder, versions
from distill.settings import Precision, TrainSettings, adjusted, settings_for
from distill.student import Method, Student, base_sha256, find_student, pinned
from distill.sweep_eval import (
    BESIDE,
    Beside,
    evaluate_beside,
    forget_evaluation,
    read_evaluation,
    set_beside,
)
from distill.sweep_records import FILE, Shared, Sweep, SweepRow
from distill.sweep_report import write_sweep_report
from distill.trained import read_trained
from synth.assets import sha256
from synth.errors import UserError
from synth.runs import read_manifest

METHODS: tuple[Method, ...] = ("lora", "qlora", "full")
"""Those that learn from the targets alone, in the order of a table; gkd and dpo need more than a number of pairs."""
EXAMPLES = (100, 300, 1000, 1500)


@dataclass(frozen=True, slots=True)
class Combination:
    """One training of a sweep."""

    student: str
    method: Method
    pairs: int
    seed: int

    @property
    def name(self) -> str:
        """Of its folder: seed 0 goes without saying, so that more seeds can follow."""
        name = re.sub(r"[^\w.-]+", "-", self.student)
        return f"{name}-{self.method}-{self.pairs}" + (f"-seed{self.seed}" if self.seed else "")


def combinations(
    student: str, pairs: Sequence[int], methods: Sequence[Method], seeds: Sequence[int]
) -> list[Combination]:
    """Return each combination once, the small ones first."""
    ordered = sorted(set(methods), key=METHODS.index)
    return [
        Combination(student, method, count, seed)
        for count, method, seed in product(sorted(set(pairs)), ordered, sorted(set(seeds)))
    ]


def sweep(
    run: Path,
    student: str,
    out: Path,
    *,
    pairs: Sequence[int] = EXAMPLES,
    methods: Sequence[Method] = ("lora",),
    seeds: Sequence[int] = (0,),
    steps: int | None = None,
    epochs: float | None = None,
    precision: Precision | None = None,
    limit: int | None = None,
    batch_size: int = 16,
    max_new_tokens: int | None = None,
    device: str | None = None,
    quiet: bool = False,
    say: Callable[[str], None] = lambda _line: None,
    progress: Progress = lambda _system, _done, _items: None,
) -> Sweep:
    """Train each combination into its folder in ``out``, evaluate it on the run's test split, and return the table.

    What is finished is not done again, what was interrupted is gone on with, and rows of earlier calls stay.
    ``sweep.json`` and ``report.html`` are written after each combination. A combination that fails for a user's reason
    is a row that says so. Raises UserError where no combination could do anything: for run, student, base, or a folder
    with a sweep of something else.
    """
    if world_size() > 1:
        raise UserError("a sweep trains in one process, one student after the other; leave the launcher out")
    base = pinned(find_student(student))
    whole = examples(run, "train", base.recipe.format)
    shared = Shared(
        student=base.name,
        revision=base.revision,
        base_sha256=base_sha256(base),
        data=read_manifest(run).fingerprint,
        train_sha256=_train_sha256(run),
        steps=steps,
        epochs=epochs,
        precision=precision,
        limit=limit,
        max_new_tokens=max_new_tokens,
    )
    earlier = _earlier(out, shared)
    quiet_hub()
    asked = examination("held-out", run, limit=limit)
    make_folder(out)
    table = earlier or Sweep(
        run=run.resolve().name,
        train_pairs=len(whole),
        shared=shared,
        split=asked.split,
        items=len(asked.items),
        simulated=asked.simulated,
    )
    # What is trained from here on is held to the same base and data, wherever the sweep is stopped.
    _write(out, table)
    bench = _Bench(run, student, base, out, asked, whole, shared, batch_size, device, quiet, progress)
    planned = combinations(base.name, pairs, methods, seeds)
    for i, one in enumerate(planned, start=1):
        say(f"{one.name} ({i} of {len(planned)})")
        row = bench.row(one)
        if row.reason is not None:
            say(f"{one.name}: {row.reason}")
        table = _with(table, row, bench)
        _write(out, table)
        write_sweep_report(out / "report.html", table)
    return table


@dataclass(slots=True)
class _Bench:
    """Where a sweep trains and evaluates."""

    run: Path
    student: str
    base: Student
    out: Path
    asked: Examination
    whole: Sequence[Example]
    shared: Shared
    batch_size: int
    device: str | None
    quiet: bool
    progress: Progress
    beside: Beside | None = None
    notes: list[str] = field(default_factory=list)
    trained: int = 0

    def row(self, one: Combination) -> SweepRow:
        """Return the row of a combination, which is trained and evaluated as far as it is not yet and can be."""
        import torch

        row = SweepRow(name=one.name, method=one.method, pairs=one.pairs, seed=one.seed)
        folder = self.out / one.name
        try:
            self._train(one, folder)
            row = row.model_copy(update=_training(read_metrics(folder)))
            result = self._evaluated(folder).systems[folder.name]
            row = row.model_copy(update={"result": result})
        except UserError as error:
            row = row.model_copy(update={"reason": str(error)})
        except torch.OutOfMemoryError:
            reason = "the device has too little memory; 'distill doctor' says what each method needs"
            row = row.model_copy(update={"reason": reason})
        free_memory()
        return row

    def _train(self, one: Combination, folder: Path) -> None:
        """Train a combination unless that is done; UserError where it cannot be, or was done otherwise."""
        settings = settings_for(
            self.base,
            method=one.method,
            examples=one.pairs,
            seed=one.seed,
            steps=self.shared.steps,
            epochs=self.shared.epochs,
            precision=self.shared.precision,
        )
        # The folder of checkpoints goes when everything else is written.
        if (folder / METRICS).is_file() and not (folder / CHECKPOINTS).exists():
            if not self._is_the_same(folder, settings):
                raise UserError(
                    f"{folder} holds a student that was trained otherwise; remove it, or choose another --out"
                )
            return
        from distill.train import train

        forget_evaluation(folder)
        first = self.trained == 0
        self.trained += 1
        if not reset_peak_memory(place(self.device)) and not first:
            self.notes.append(f"{one.name}: peak memory is the highest of all trainings so far")
        train(
            self.run,
            self.base,
            folder,
            settings,
            resume=is_unfinished(folder),
            device=self.device,
            log="none",
            quiet=self.quiet,
        )
        free_memory()

    def _is_the_same(self, folder: Path, settings: TrainSettings) -> bool:
        recipe = as_recipe(adjusted(self.base, settings), folder.name)
        written = folder / RECIPE_FILE
        return (
            written.is_file()
            and written.read_text("utf-8") == recipe
            and read_metrics(folder).taken == settings.examples
            and read_lineage(folder).train_sha256 == self.shared.train_sha256
            # A base that was trained whole is not known any more.
            and read_trained(folder).base_sha256 in (None, self.shared.base_sha256)
        )

    def _evaluated(self, folder: Path) -> Results:
        """Return what a student is worth, evaluated now unless it was before."""
        if self.beside is None:
            self.beside = set_beside(
                self.asked,
                self.student,
                self.whole,
                self.out / BESIDE,
                batch_size=self.batch_size,
                max_new_tokens=self.shared.max_new_tokens,
                device=self.device,
                progress=self.progress,
            )
        return read_evaluation(folder) or evaluate_beside(
            self.asked,
            self.beside,
            self.student,
            folder,
            batch_size=self.batch_size,
            device=self.device,
            progress=self.progress,
        )


def _with(table: Sweep, row: SweepRow, bench: _Bench) -> Sweep:
    """Return the table with a row in its place, and with what stands beside it once that is known."""
    rows = {one.name: one for one in table.rows} | {row.name: row}
    ordered = sorted(rows.values(), key=lambda one: (METHODS.index(one.method), one.pairs, one.seed))
    update: dict[str, object] = {"rows": tuple(ordered), "versions": versions()}
    notes: Sequence[str] = (*table.notes, *bench.notes)
    if bench.beside is not None:
        results = bench.beside.results
        notes = (*results.notes, *notes)
        update |= {"beside": results.systems, "base": bench.beside.base, "settings": results.settings}
    return table.model_copy(update=update | {"notes": tuple(dict.fromkeys(notes))})


def _training(metrics: TrainMetrics) -> dict[str, object]:
    """Return what a row says of a training."""
    names = ("trained_parameters", "steps", "best_step", "epochs", "examples", "tokens", "seconds")
    more = ("tokens_per_second", "resumed", "peak_memory", "device", "validation_loss")
    return {name: getattr(metrics, name) for name in (*names, *more)}


def _earlier(out: Path, shared: Shared) -> Sweep | None:
    """Return the sweep that ``out`` holds, None where there is none; UserError where it is one of something else."""
    if not (out / FILE).is_file():
        return None
    found = read_record(out / FILE, Sweep, f"{out / FILE} is missing")
    before, now = found.shared.model_dump(), shared.model_dump()
    if before["student"] == now["student"] and any(before[name] != now[name] for name in ("revision", "base_sha256")):
        raise UserError(
            f"{out} holds a sweep of other weights of {shared.student} than those here, or does not say of which; "
            "choose another --out"
        )
    for name, value in before.items():
        if now[name] != value:
            said = {True: "none"}
            raise UserError(
                f"{out} holds a sweep with {name.replace('_', ' ')} {said.get(value is None, value)}, "
                f"not {said.get(now[name] is None, now[name])}; say the same, or choose another --out"
            )
    return found


def _write(out: Path, table: Sweep) -> None:
    (out / FILE).write_text(table.model_dump_json(indent=2) + "\n", "utf-8")


def _train_sha256(run: Path) -> str:
    return sha256((run / "dataset" / "train.parquet").read_bytes())
