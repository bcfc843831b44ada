"""The published tables as lines of text."""

from __future__ import annotations

from collections.abc import Sequence

from distill.columns.records import (
    ChoiceColumns,
    ChoiceComparison,
    Criterion,
    JudgeColumns,
    JudgeComparison,
    JudgeMeasures,
    Share,
)
from distill.numbers import Number
from distill.results import Results
from distill.text_tables import aligned

_ALL_PAIRS = 15
"""More pairs than that are told by those that differ only; ``results.json`` has all."""
_GROUPS = 12
"""A grouping of more values is left to ``results.json``."""


def column_lines(results: Results) -> list[str]:
    """Return what ``--columns`` prints: models and floors, agreement between runs, and pairs of models."""
    found = results.columns
    if found is None:
        return []
    if isinstance(found, JudgeColumns):
        return [*_judges(found), "", *_judge_pairs(found.comparisons)]
    return _choices(found)


def _choices(found: ChoiceColumns) -> list[str]:
    rules = list(found.criteria)
    first = found.criteria[rules[0]]
    header = ["system", "runs", rules[0], *rules[1:], "single runs", "no majority", "Fleiss right", "Fleiss answers"]
    rows = []
    for name, model in first.models.items():
        others = [_share(found.criteria[rule].models[name].majority) for rule in rules[1:]]
        rows.append(
            [
                name,
                str(len(model.columns)),
                _share(model.majority),
                *others,
                " ".join(f"{100 * run.accuracy:.1f}" for run in model.runs.values()),
                str(model.majority.unanswered),
                _plain(model.fleiss_right),
                _plain(model.fleiss_answers),
            ]
        )
    for name, floor in first.floors.items():
        others = [_share(found.criteria[rule].floors[name].share) for rule in rules[1:]]
        rows.append([name, "-", _share(floor.share), *others, "-", "-", "-", "-"])
    return [
        *aligned([header, *rows]),
        "Accuracy in percent, Wilson 95 %, of the answer that more than half of the runs give.",
        *_by_group(first),
        "",
        *_choice_pairs(first.comparisons),
    ]


def _by_group(criterion: Criterion) -> list[str]:
    lines: list[str] = []
    for grouping in next(iter(criterion.models.values())).groups:
        tables = {name: model.groups[grouping] for name, model in criterion.models.items()}
        values = {value: share.items for value, share in next(iter(tables.values())).items()}
        if not 1 < len(values) <= _GROUPS:
            continue
        header = [f"by {grouping} (items)", *tables]
        rows = [
            [f"{value} ({items})", *(f"{100 * table[value].accuracy:.1f}" for table in tables.values())]
            for value, items in values.items()
        ]
        lines += ["", *aligned([header, *rows])]
    return lines


def _choice_pairs(pairs: Sequence[ChoiceComparison]) -> list[str]:
    header = ["pair", "first only", "second only", "McNemar", "p", "Holm", ""]
    rows = [
        [
            f"{pair.first} / {pair.second}",
            str(pair.first_only),
            str(pair.second_only),
            f"{pair.statistic:.2f}",
            _p(pair.p),
            _p(pair.p_holm),
            "different" if pair.different else "",
        ]
        for pair in pairs
        if pair.different or len(pairs) <= _ALL_PAIRS
    ]
    return _pairs(header, rows, len(pairs), sum(pair.different for pair in pairs))


def _judges(found: JudgeColumns) -> list[str]:
    header = [
        *("judge", "runs", "MAE", "median |error|", "median error", "Spearman", "weighted kappa"),
        *("ICC(3,k) human", "ICC(3,k) runs", "of errors", "no score"),
    ]
    rows = []
    for name, model in found.models.items():
        measures = _measures(model.mean)
        between = [_short(model.icc_runs_average), _short(model.icc_errors_average), str(model.mean.unparseable)]
        rows.append([name, str(len(model.columns)), *measures, *between])
    for name, floor in found.floors.items():
        label = name if name.endswith(f"{floor.score:g}") else f"{name} ({floor.score:g})"
        rows.append([label, "-", *_measures(floor.measures), "-", "-", "0"])
    return [
        *aligned([header, *rows]),
        "By the mean of the runs, in points; MAE and medians with 95 % bootstrap; kappa linear, on half points.",
    ]


def _measures(measures: JudgeMeasures) -> list[str]:
    return [
        _interval(measures.mean_absolute_error),
        _interval(measures.median_absolute_error),
        _interval(measures.median_error),
        _plain(measures.spearman),
        _interval(measures.weighted_kappa),
        _interval(measures.icc_average),
    ]


def _judge_pairs(pairs: Sequence[JudgeComparison]) -> list[str]:
    header = ["pair", "differ on", "Wilcoxon", "p", "Holm", "kappa", ""]
    rows = [
        [
            f"{pair.first} / {pair.second}",
            str(pair.n),
            f"{pair.statistic:.1f}",
            _p(pair.p),
            _p(pair.p_holm),
            _short(pair.weighted_kappa),
            "different" if pair.different else "",
        ]
        for pair in pairs
        if pair.different or len(pairs) <= _ALL_PAIRS
    ]
    return _pairs(header, rows, len(pairs), sum(pair.different for pair in pairs))


def _pairs(header: list[str], rows: list[list[str]], pairs: int, different: int) -> list[str]:
    if not pairs:
        return []
    shown = aligned([header, *rows]) if rows else []
    return [*shown, f"{different} of {pairs} pairs differ at 0.05 after Holm."]


def _share(share: Share) -> str:
    return f"{100 * share.accuracy:.1f} [{100 * share.low:.1f}, {100 * share.high:.1f}]"


def _interval(number: Number | None) -> str:
    if number is None:
        return "-"
    if number.low is None or number.high is None:
        return f"{_zero(number.value):.3f}"
    return f"{_zero(number.value):.3f} [{_zero(number.low):.2f}, {_zero(number.high):.2f}]"


def _short(number: Number | None) -> str:
    return "-" if number is None else _plain(number.value)


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{_zero(value):.3f}"


def _zero(value: float) -> float:
    """Return a value without the minus of a zero that rounding left."""
    return 0.0 if abs(value) < 5e-4 else value


def _p(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"
