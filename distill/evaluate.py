"""Students beside their base, or a model behind a server, and the floors on one benchmark: predictions, scores,
``results.json`` and ``report.html``."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from distill import floors
from distill.benchmarks.base import BenchmarkMetadata
from distill.catalog import load_benchmark
from distill.columns.records import JudgeColumns
from distill.inference.asking import Ask
from distill.inference.base import Decoding, Predictor, check_decoding, run_names
from distill.inference.local import student_and_base
from distill.inference.partial import Partial
from distill.inference.served import Served, ServedPredictor
from distill.inference.shortfalls import shortfall_lines, with_shortfalls
from distill.inference.writing import Progress, made_with, written
from distill.metrics.average import add_average
from distill.metrics.base import MetricSettings
from distill.metrics.letters import answer
from distill.parallel import score_systems
from distill.records import BenchmarkItem, Prediction, Score
from distill.report import write_report
from distill.results import FLOORS, Results
from distill.scoring import describe, settings, summarise, versions, write, write_items, written_by_simulator
from distill.tasks import asked_as, of_one_task, stamped
from distill.trained import read_trained
from synth.catalog import task_paths
from synth.errors import UserError

_RUN = re.compile(r" run \d+$")
"""What ``run_names`` adds to a name."""
Scored = dict[str, tuple[Sequence[Prediction], Sequence[Score]]]
"""System → what it wrote, and what that is worth."""


@dataclass(frozen=True, slots=True)
class Examination:
    """What every student of one benchmark is given, and how it is marked."""

    metadata: BenchmarkMetadata
    """Of a run's own split, with the kind and the metrics of its task."""
    split: str
    items: Sequence[BenchmarkItem]
    train: Sequence[BenchmarkItem] | None
    """What the retrieval floor reads; None where there is nothing."""
    metrics: tuple[str, ...]
    metric_settings: MetricSettings | None
    described: dict[str, str | int | float | bool]
    """What the values of the metrics depend on."""
    notes: tuple[str, ...]
    files: dict[str, str]
    simulated: bool
    task: str | None = None
    """Of a run's items; None of those of others."""
    workers: int | None = None

    def floors(self) -> dict[str, list[Prediction]]:
        """Return what the floors of the benchmark write."""
        return floors.of_task(self.metadata.task, self.items, self.train)

    def scored(self, predictions: Mapping[str, Sequence[Prediction]]) -> tuple[Scored, tuple[str, ...]]:
        """Return the predictions with their scores, and what has to be said of those."""
        tables = score_systems(self.metrics, self.items, predictions, self.metric_settings, workers=self.workers)
        said = add_average(tables.values()) if self.metadata.name == "aci-bench" else ()
        return {name: (written, tables[name]) for name, written in predictions.items()}, tuple(said)

    def write(
        self,
        out: Path,
        scored: Scored,
        *,
        compared: Sequence[str],
        max_new_tokens: int,
        decoding: Decoding | None = None,
        asked_for_json: Collection[str] = (),
        notes: Sequence[str] = (),
    ) -> Results:
        """Write what the systems are worth, against those that they are ``compared`` with and the floors, and return
        it; UserError where the folder cannot be written."""
        predictions = {name: said for name, (said, _) in scored.items()}
        systems = with_shortfalls(summarise(scored, (*compared, *FLOORS)), predictions, asked_for_json)
        results = Results(
            benchmark=self.metadata.name,
            split=self.split,
            items=len(self.items),
            systems=systems,
            notes=(*self.notes, *notes, *shortfall_lines(systems)),
            simulated=self.simulated,
            settings=settings() | self.described | (decoding or Decoding()).shown | {"max_new_tokens": max_new_tokens},
            versions=versions(),
            data=self.files,
            columns=self._agreement(predictions, several=decoding is not None and decoding.runs > 1),
        )
        write(out, results, scored)
        write_items(out, self.items)
        write_report(out / "report.html", results, self.items, scored, self.metadata)
        return results

    def _agreement(self, predictions: Mapping[str, Sequence[Prediction]], *, several: bool) -> JudgeColumns | None:
        """Return how far judges agree with what is right, ``several`` runs of one as one; None where none judges."""
        if self.metadata.task != "judge":
            return None
        from distill.columns.judges import compare
        from distill.columns.selection import Model

        runs: dict[str, list[str]] = {}
        for name in predictions:
            if name not in FLOORS:
                runs.setdefault(_RUN.sub("", name) if several else name, []).append(name)
        cells = {
            name: [answer(item, one) for item, one in zip(self.items, predictions[name], strict=True)]
            for names in runs.values()
            for name in names
        }
        return compare(self.items, [Model(name, tuple(names)) for name, names in runs.items()], cells)


def examination(
    benchmark: str,
    data: Path,
    *,
    limit: int | None = None,
    metrics: Sequence[str] | None = None,
    metric_settings: MetricSettings | None = None,
    task: str | None = None,
    workers: int | None = None,
) -> Examination:
    """Return a benchmark (``name`` or ``name:split``) as it is put to students, the first ``limit`` items of it.

    ``metrics`` are the benchmark's own, or those of the run's task, unless given; ``task`` chooses among the tasks of a
    run that has several. Raises UserError for what is wrong with the names or the data.
    """
    loaded, split = load_benchmark(benchmark)
    describe(tuple(metrics or ()), metric_settings)  # names before the data, which takes longer
    found = loaded.load(data, split)
    metadata, items, name = of_one_task(loaded.metadata, found, task, f"the {split} split of {data}")
    chosen = tuple(metrics or metadata.metrics)
    described = describe(chosen, metric_settings)
    items = items[:limit]
    other = metadata.train_split
    beside = other is not None and other != split and loaded.available(data, other)
    train = loaded.load(data, other) if beside and other is not None else None
    if train is not None and name is not None:
        train = [item for item in train if item.task == name]
    origin = loaded.provenance(data, split)
    notes = list(origin.notes)
    if limit is not None:
        notes.append(f"{limit} of the split's items only")
    if metadata.task in ("note", "section") and not train:
        notes.append("no retrieval floor: there is no train split beside the items")
    return Examination(
        metadata=metadata,
        split=split,
        items=items,
        train=train,
        metrics=chosen,
        metric_settings=metric_settings,
        described=described,
        notes=tuple(notes),
        files=origin.files,
        simulated=written_by_simulator(metadata.name, data),
        task=name,
        workers=workers,
    )


def evaluate(
    benchmark: str,
    data: Path,
    system: Path | Served,
    out: Path,
    *,
    base: str | None = None,
    limit: int | None = None,
    batch_size: int = 16,
    max_new_tokens: int | None = None,
    metrics: Sequence[str] | None = None,
    metric_settings: MetricSettings | None = None,
    task: str | None = None,
    workers: int | None = None,
    decoding: Decoding | None = None,
    fresh: bool = False,
    progress: Progress = lambda _system, _done, _items: None,
    notify: Callable[[str], None] = lambda _line: None,
) -> Results:
    """Evaluate a trained student, or a model behind a server, on a benchmark (``name`` or ``name:split``) and write
    everything to ``out``.

    What was written before by the same command is taken from ``out`` unless ``fresh``. ``limit`` takes the first so
    many items; ``max_new_tokens`` is what the student's training says unless given. ``base`` says where the student's
    base is, if not where its name leads. ``metrics`` are the benchmark's own, or those of the run's task, unless given.
    Items of a run are asked as their task, those of others as ``task``, or as what the student learned that is likest.
    ``progress`` hears the system, how many items it has done, and of how many, ``notify`` a line now and then. Raises
    UserError for what is wrong with the names, the data, the student or the server, TeacherUnavailable where a server
    does not answer.
    """
    chosen = replace(decoding or Decoding(), max_new_tokens=max_new_tokens)
    check_decoding(chosen)
    # Names, student and data before the base, which takes the longest to find out about.
    load_benchmark(benchmark)
    # A served model was trained on none of them, and is asked as whatever fits.
    known = read_trained(system).tasks if isinstance(system, Path) else (system.task, *sorted(task_paths()))
    asked = examination(
        benchmark,
        data,
        limit=limit,
        metrics=metrics,
        metric_settings=metric_settings,
        task=task,
        workers=workers,
    )
    if isinstance(system, Path) and task is None and asked.task is not None and asked.task not in known:
        raise UserError(
            f"{system} was trained on {' and '.join(known)}, and {data} holds {asked.task}; "
            f"take another student, or have it tried all the same with --task {asked.task}"
        )
    kind = asked.metadata.task
    name = asked.task or asked_as(kind, task, known)
    if asked.task is None:
        asked = replace(asked, items=stamped(asked.items, kind, name))
    predictors, ask = _predictors(system, base, chosen, batch_size, notify, name)
    predictions: dict[str, Sequence[Prediction]] = {}
    made = made_with(asked.metadata.name, asked.split, asked.items, predictors, chosen, ask, name)
    with Partial(out, made, fresh=fresh) as partial:
        for predictor in predictors:
            predictions.update(written(predictor, asked.items, partial, chosen.runs, progress))
    predictions.update(asked.floors())
    scored, said = asked.scored(predictions)
    results = asked.write(
        out,
        scored,
        compared=[run for each in predictors[1:] for run in run_names(each.name, chosen.runs)],
        max_new_tokens=predictors[0].max_new_tokens,
        decoding=chosen,
        asked_for_json={run for each in predictors if each.wants_json for run in run_names(each.name, chosen.runs)},
        notes=said,
    )
    partial.remove()
    return results


def _predictors(
    system: Path | Served,
    base: str | None,
    decoding: Decoding,
    batch_size: int,
    notify: Callable[[str], None],
    task: str,
) -> tuple[tuple[Predictor, ...], Ask]:
    """Return who writes, asked for a task, and how they are asked."""
    if isinstance(system, Served):
        return (ServedPredictor(replace(system, task=task), decoding, notify),), system.ask
    return student_and_base(system, base, decoding, batch_size=batch_size, task=task), "student"
