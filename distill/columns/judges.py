"""Scores of judges against the human ones: error, rank correlation, agreement, beside judges that always say the same.

The consensus of runs is their mean, errors are judge minus human, kappa is on half points, and stability is an ICC of
the errors, as Munim et al. have it (arXiv 2601.03266; github.com/bowang-lab/on-device-LLM, statistics/nmed_stats.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import fmean, median

import numpy as np

from distill import floors
from distill.answers import parse_score
from distill.columns.grouping import groupings
from distill.columns.records import (
    GroupErrors,
    JudgeColumns,
    JudgeComparison,
    JudgeFloor,
    JudgeMeasures,
    JudgeModel,
)
from distill.columns.selection import Model
from distill.numbers import Number, number
from distill.records import BenchmarkItem
from distill.statistics import (
    ALPHA,
    holm,
    icc,
    mean_interval,
    median_interval,
    spearman,
    weighted_kappa,
    wilcoxon,
)

Scores = Sequence[float | None]
HALF = 0.5 + 1e-9
"""Half a point, and what rounding adds to it."""


def compare(
    items: Sequence[BenchmarkItem], models: Sequence[Model], cells: Mapping[str, Sequence[str]]
) -> JudgeColumns:
    """Return the table of judges whose runs are columns; ``cells[column][i]`` belongs to ``items[i]``.

    Raises ValueError where a reference is no score.
    """
    human = references(items)
    means = {model.name: consensus(model, cells) for model in models}
    constants = {floors.CONSTANT: 4.5, floors.BEST_CONSTANT: floors.best_constant(items)}
    return JudgeColumns(
        task="judge",
        models={model.name: _model(items, model, cells, means[model.name], human) for model in models},
        floors={
            name: JudgeFloor(score=score, measures=_measures([score] * len(human), human))
            for name, score in constants.items()
        },
        comparisons=_comparisons(means, human),
    )


def references(items: Sequence[BenchmarkItem]) -> list[float]:
    """Return the human scores; ValueError where a reference is none."""
    scores = [parse_score(item.right) for item in items]
    if None in scores:
        raise ValueError("a reference is no score of 1 to 5")
    return [score for score in scores if score is not None]


def consensus(model: Model, cells: Mapping[str, Sequence[str]]) -> list[float | None]:
    """Return for each item the mean of the runs that have a score, not rounded; None where none has."""
    return [fmean(there) if there else None for there in _by_item(model, cells)]


def _by_item(model: Model, cells: Mapping[str, Sequence[str]]) -> list[list[float]]:
    runs = [[parse_score(cell) for cell in cells[column]] for column in model.columns]
    return [[score for score in scores if score is not None] for scores in zip(*runs, strict=True)]


def _model(
    items: Sequence[BenchmarkItem],
    model: Model,
    cells: Mapping[str, Sequence[str]],
    mean: Scores,
    human: Sequence[float],
) -> JudgeModel:
    by_item = _by_item(model, cells)
    whole = [(scores, true) for scores, true in zip(by_item, human, strict=True) if len(scores) == len(model.columns)]
    between = icc([scores for scores, _ in whole])
    errors = icc([[score - true for score in scores] for scores, true in whole])
    return JudgeModel(
        columns=model.columns,
        runs={column: _measures([parse_score(cell) for cell in cells[column]], human) for column in model.columns},
        mean=_measures(mean, human),
        median=_measures([median(there) if there else None for there in by_item], human),
        icc_runs_single=number(between.single),
        icc_runs_average=number(between.average),
        icc_errors_average=number(errors.average),
        groups={
            grouping: {
                value: _errors([mean[i] for i in places], [human[i] for i in places])
                for value, places in values.items()
            }
            for grouping, values in groupings(items).items()
        },
    )


def _errors(judge: Scores, human: Sequence[float]) -> GroupErrors:
    errors = [score - true for score, true in zip(judge, human, strict=True) if score is not None]
    return GroupErrors(
        n=len(errors),
        unparseable=len(human) - len(errors),
        mean_absolute_error=number(mean_interval([abs(error) for error in errors])),
        median_error=median(errors) if errors else None,
    )


def _measures(judge: Scores, human: Sequence[float]) -> JudgeMeasures:
    pairs = [(score, true) for score, true in zip(judge, human, strict=True) if score is not None]
    errors = [score - true for score, true in pairs]
    distances = [abs(error) for error in errors]
    agreement = icc(pairs)
    quartiles = [float(value) for value in np.quantile(errors, [0.25, 0.75])] if errors else None
    return JudgeMeasures(
        n=len(pairs),
        unparseable=len(human) - len(pairs),
        spearman=spearman([score for score, _ in pairs], [true for _, true in pairs]),
        weighted_kappa=_kappa([score for score, _ in pairs], [true for _, true in pairs]),
        icc_single=number(agreement.single),
        icc_average=number(agreement.average),
        mean_absolute_error=number(mean_interval(distances)),
        median_absolute_error=number(median_interval(distances)),
        median_error=number(median_interval(errors)),
        error_quartiles=None if quartiles is None else (quartiles[0], quartiles[1]),
        within_half=fmean(distance <= HALF for distance in distances) if distances else None,
    )


def _comparisons(means: Mapping[str, Scores], human: Sequence[float]) -> tuple[JudgeComparison, ...]:
    distances = {
        # Means of thirds are rounded, or equal distances would differ by a hair and be ranked.
        name: [
            None if score is None else round(abs(score - true), 9) for score, true in zip(scores, human, strict=True)
        ]
        for name, scores in means.items()
    }
    pairs = list(combinations(means, 2))
    tests = [wilcoxon(distances[one], distances[two]) for one, two in pairs]
    adjusted = holm([None if test is None else test.p for test in tests])
    found = []
    for (one, two), test, p in zip(pairs, tests, adjusted, strict=True):
        if test is None or p is None:
            continue
        both = [(a, b) for a, b in zip(means[one], means[two], strict=True) if a is not None and b is not None]
        found.append(
            JudgeComparison(
                first=one,
                second=two,
                statistic=test.statistic,
                n=test.n,
                p=test.p,
                p_holm=p,
                different=p < ALPHA,
                weighted_kappa=_kappa([a for a, _ in both], [b for _, b in both]),
            )
        )
    return tuple(found)


def _kappa(first: Sequence[float], second: Sequence[float]) -> Number | None:
    return number(weighted_kappa(_halves(first), _halves(second), floors.GRID, "linear"))


def _halves(scores: Sequence[float]) -> list[float]:
    """Return scores rounded to half points, a tie to the even half, as numpy and the paper do it."""
    return [round(2 * score) / 2 for score in scores]
