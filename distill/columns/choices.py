"""Answers that are right or wrong: accuracy by run and by majority, agreement, and McNemar between models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

from distill import floors
from distill.answers import exact_diagnosis, normalise_diagnosis, parse_letters
from distill.columns.grouping import groupings
from distill.columns.records import ChoiceColumns, ChoiceComparison, ChoiceFloor, ChoiceModel, Criterion, Share
from distill.columns.selection import Model
from distill.records import BenchmarkItem
from distill.statistics import ALPHA, fleiss_kappa, holm, majority, mcnemar, wilson

Key = Callable[[str], str | None]
"""An answer → what it is compared by; None where it is none."""
RULES: Mapping[str, Mapping[str, Key]] = {
    "diagnosis": {"diagnosis_normalised": normalise_diagnosis, "diagnosis_exact": exact_diagnosis},
    "mcq": {"letters_exact": parse_letters},
}
"""Task → rule → key. The first rule is that of the published numbers."""


def compare(
    items: Sequence[BenchmarkItem], models: Sequence[Model], cells: Mapping[str, Sequence[str]], task: str
) -> ChoiceColumns:
    """Return the tables of models whose runs are columns; ``cells[column][i]`` belongs to ``items[i]``."""
    criteria = {rule: _criterion(items, models, cells, key) for rule, key in RULES[task].items()}
    return ChoiceColumns(task="mcq" if task == "mcq" else "diagnosis", criteria=criteria)


def votes(model: Model, cells: Mapping[str, Sequence[str]], key: Key) -> list[str | None]:
    """Return for each item the answer of more than half of the runs, as its key; None where there is none."""
    runs = [[key(cell) for cell in cells[column]] for column in model.columns]
    return [majority(answers) for answers in zip(*runs, strict=True)]


def _criterion(
    items: Sequence[BenchmarkItem], models: Sequence[Model], cells: Mapping[str, Sequence[str]], key: Key
) -> Criterion:
    truth = [key(item.right) for item in items]
    places = groupings(items) | _right_options(truth)
    found: dict[str, ChoiceModel] = {}
    right: dict[str, list[bool]] = {}
    for model in models:
        runs = {column: [key(cell) for cell in cells[column]] for column in model.columns}
        voted = votes(model, cells, key)
        right[model.name] = _right(voted, truth)
        by_item = list(zip(*runs.values(), strict=True))
        found[model.name] = ChoiceModel(
            columns=model.columns,
            runs={column: _share(answers, truth) for column, answers in runs.items()},
            majority=_share(voted, truth),
            fleiss_right=fleiss_kappa(
                [_right(answers, [true] * len(answers)) for answers, true in zip(by_item, truth, strict=True)]
            ),
            fleiss_answers=fleiss_kappa(by_item),
            groups={
                grouping: {
                    value: _share([voted[i] for i in positions], [truth[i] for i in positions])
                    for value, positions in values.items()
                }
                for grouping, values in places.items()
            },
        )
    return Criterion(models=found, floors=_floors(items, truth, key), comparisons=_comparisons(right))


def _right(answers: Sequence[str | None], truth: Sequence[str | None]) -> list[bool]:
    return [answer is not None and answer == true for answer, true in zip(answers, truth, strict=True)]


def _share(answers: Sequence[str | None], truth: Sequence[str | None]) -> Share:
    right = sum(_right(answers, truth))
    estimate = wilson(right, len(truth))
    if estimate is None or estimate.low is None or estimate.high is None:
        raise ValueError("a share needs an item")
    return Share(
        right=right,
        items=len(truth),
        accuracy=estimate.value,
        low=estimate.low,
        high=estimate.high,
        unanswered=sum(answer is None for answer in answers),
    )


def _floors(items: Sequence[BenchmarkItem], truth: Sequence[str | None], key: Key) -> dict[str, ChoiceFloor]:
    answer = floors.majority_class(items)[0].text
    return {floors.MAJORITY_CLASS: ChoiceFloor(answer=answer, share=_share([key(answer)] * len(items), truth))}


def _comparisons(right: Mapping[str, list[bool]]) -> tuple[ChoiceComparison, ...]:
    pairs = list(combinations(right, 2))
    tests = [mcnemar(right[one], right[two]) for one, two in pairs]
    adjusted = holm([test.p for test in tests])
    return tuple(
        ChoiceComparison(
            first=one,
            second=two,
            first_only=test.first_only,
            second_only=test.second_only,
            statistic=test.statistic,
            p=test.p,
            p_exact=mcnemar(right[one], right[two], exact=True).p,
            p_holm=p,
            different=p < ALPHA,
        )
        for (one, two), test, p in zip(pairs, tests, adjusted, strict=True)
        if p is not None
    )


def _right_options(truth: Sequence[str | None]) -> dict[str, dict[str, list[int]]]:
    if not all(true is not None and true.isupper() and true.isalpha() for true in truth):
        return {}
    kinds: dict[str, list[int]] = {}
    for i, true in enumerate(truth):
        kinds.setdefault("one" if true is not None and len(true) == 1 else "several", []).append(i)
    return {"right options": kinds}
