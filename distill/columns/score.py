"""``distill score --columns``: the published columns in, the same files as of predictions out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from distill import floors
from distill.answers import parse_score
from distill.catalog import load_benchmark
from distill.columns import choices, judges
from distill.columns.records import ChoiceColumns, JudgeColumns
from distill.columns.selection import Model, select
from distill.records import BenchmarkItem, Prediction, Score
from distill.report import write_report
from distill.results import Results
from distill.scoring import settings, summarise, versions, write, write_items
from distill.statistics import ALPHA
from synth.errors import UserError

Columns = Mapping[str, Sequence[str]]
System = tuple[list[Prediction], list[Score]]


def score_columns(benchmark: str, specs: Sequence[str], data: Path, out: Path) -> Results:
    """Score columns of a benchmark's own data file as runs of models, beside the floors, and write the same files to
    ``out``.

    ``specs`` are ``"A,B,C"`` or ``"NAME=A,B,C"``, one a model. Raises UserError for what is wrong with the names, the
    data or the folder.
    """
    loaded, split = load_benchmark(benchmark)
    facts = loaded.metadata
    if facts.task in ("note", "section"):
        raise UserError(f"{facts.name}: --columns is for benchmarks whose data file holds answers; give --predictions")
    items = loaded.load(data, split)
    cells = loaded.columns(data, split)
    origin = loaded.provenance(data, split)
    if any(len(column) != len(items) for column in cells.values()):
        raise ValueError("every column needs one cell an item")
    models = select(specs, list(cells))
    found: ChoiceColumns | JudgeColumns
    if facts.task == "judge":
        found = judges.compare(items, models, cells)
        systems = _judged(items, models, cells)
    else:
        found = choices.compare(items, models, cells, facts.task)
        systems = _chosen(items, models, cells, choices.RULES[facts.task])
    results = Results(
        benchmark=facts.name,
        split=split,
        items=len(items),
        systems=summarise(systems),
        notes=(*origin.notes, *_notes(found)),
        settings=settings()
        | {
            "majority": "more than half of the runs",
            "judge_consensus": "mean of the runs, not rounded",
            "proportion_interval": "Wilson",
            "mcnemar": "chi-square with continuity correction",
            "column_tests": "Holm over all pairs of models",
            "alpha": ALPHA,
        },
        versions=versions(),
        data=origin.files,
        columns=found,
    )
    write(out, results, systems)
    write_items(out, items)
    write_report(out / "report.html", results, items, systems, facts)
    return results


def _chosen(
    items: Sequence[BenchmarkItem], models: Sequence[Model], cells: Columns, rules: Mapping[str, choices.Key]
) -> dict[str, System]:
    """Return each model's majority as a system: 1 where it is right by a rule, ``unparseable`` where there is none."""
    systems: dict[str, System] = {}
    first = next(iter(rules.values()))
    for model in models:
        written = []
        for i, (item, voted) in enumerate(zip(items, choices.votes(model, cells, first), strict=True)):
            answers = [cells[column][i] for column in model.columns]
            # As the first run that is of the majority has it.
            text = next((answer for answer in answers if voted is not None and first(answer) == voted), "")
            written.append(_prediction(item, answers, text))
        voted_by = {rule: choices.votes(model, cells, key) for rule, key in rules.items()}
        systems[_name(model)] = (written, _right(items, voted_by, rules))
    for name, predictions in floors.of_task("mcq", items, None).items():
        answers_by = {rule: [key(prediction.text) for prediction in predictions] for rule, key in rules.items()}
        systems[name] = (predictions, _right(items, answers_by, rules))
    return systems


def _right(
    items: Sequence[BenchmarkItem], answers: Mapping[str, Sequence[str | None]], rules: Mapping[str, choices.Key]
) -> list[Score]:
    first = next(iter(rules))
    return [
        Score(
            id=item.id,
            values={
                **{
                    rule: float(answers[rule][i] is not None and answers[rule][i] == key(item.right))
                    for rule, key in rules.items()
                },
                "unparseable": float(answers[first][i] is None),
            },
        )
        for i, item in enumerate(items)
    ]


def _judged(items: Sequence[BenchmarkItem], models: Sequence[Model], cells: Columns) -> dict[str, System]:
    """Return each judge's mean as a system; an item without a score has no error and is ``unparseable``."""
    systems: dict[str, System] = {}
    human = judges.references(items)
    for model in models:
        means = judges.consensus(model, cells)
        written = [
            _prediction(item, [cells[column][i] for column in model.columns], "" if mean is None else f"{mean:.6g}")
            for i, (item, mean) in enumerate(zip(items, means, strict=True))
        ]
        systems[_name(model)] = (written, _errors(items, means, human))
    for name, predictions in floors.of_task("judge", items, None).items():
        scores = [parse_score(prediction.text) for prediction in predictions]
        systems[name] = (predictions, _errors(items, scores, human))
    return systems


def _errors(items: Sequence[BenchmarkItem], scores: judges.Scores, human: Sequence[float]) -> list[Score]:
    return [
        Score(
            id=item.id,
            values={
                "absolute_error": None if score is None else abs(score - true),
                "within_half": None if score is None else float(abs(score - true) <= judges.HALF),
                "unparseable": float(score is None),
            },
        )
        for item, score, true in zip(items, scores, human, strict=True)
    ]


def _prediction(item: BenchmarkItem, answers: Sequence[str], text: str) -> Prediction:
    """Return a model's answer; ``raw`` is the JSON list of what its runs said."""
    return Prediction(
        id=item.id, raw=json.dumps(list(answers), ensure_ascii=False), text=text, target=None, finish="given"
    )


def _name(model: Model) -> str:
    return f"{model.name} (columns)" if model.name in floors.NAMES else model.name


def _notes(found: ChoiceColumns | JudgeColumns) -> list[str]:
    notes = []
    if isinstance(found, JudgeColumns):
        for name, judge in found.models.items():
            if empty := sum(run.unparseable for run in judge.runs.values()):
                without = _count(judge.mean.unparseable, "item")
                notes.append(f"{name}: {_count(empty, 'cell')} without a score, {without} without one in any run")
        return notes
    for name, model in next(iter(found.criteria.values())).models.items():
        if empty := sum(run.unanswered for run in model.runs.values()):
            notes.append(f"{name}: {_count(empty, 'cell')} without an answer that can be read, counted as wrong")
        if tied := model.majority.unanswered:
            notes.append(f"{name}: no majority on {_count(tied, 'item')} of {model.majority.items}, counted as wrong")
    return notes


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
