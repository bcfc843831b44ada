"""Columns of scores, as runs of judges, give the published statistics beside constants."""

from __future__ import annotations

import random
from pathlib import Path
from statistics import fmean, median

import numpy as np
import pytest

from distill.columns.records import JudgeColumns
from distill.columns.score import score_columns
from tests.tabular import write_answers

pytestmark = pytest.mark.usefixtures("fixture_benchmarks")


HUMAN = [4.5, 4.0, 5.0, 2.25, 4.5, 3.5]
JUDGE = [
    ["4.5", "4", "5"],
    ["4", "4", "4"],
    ["5", "5", "4.5"],
    ["3", "", "2"],
    ["", "Loading...", "9"],
    ["3", "3.5", "4"],
]


def test_judges_stand_beside_constants(tmp_path: Path) -> None:
    runs = {f"j-v{i + 1}": [row[i] for row in JUDGE] for i in range(3)}
    groups = {"by Frequency": ["Rare", "Rare", "Rare", "Rare", "Frequent", "Frequent"]}
    data = write_answers(tmp_path / "data", {"id": range(6), **groups, "reference": HUMAN, **runs})
    results = score_columns("judgements", ["j-v1,j-v2,j-v3"], data, tmp_path / "out")
    found = results.columns
    assert isinstance(found, JudgeColumns)
    judge = found.models["j"]
    means = [4.5, 4.0, 14.5 / 3, 2.5, 3.5]
    errors = [a - b for a, b in zip(means, [4.5, 4.0, 5.0, 2.25, 3.5], strict=True)]
    assert (judge.mean.n, judge.mean.unparseable) == (5, 1)
    assert [run.unparseable for run in judge.runs.values()] == [1, 2, 1]
    assert judge.mean.mean_absolute_error is not None
    assert judge.mean.mean_absolute_error.value == pytest.approx(fmean(map(abs, errors)))
    assert judge.mean.median_error is not None
    assert judge.mean.median_error.value == pytest.approx(median(errors))
    assert judge.mean.median_absolute_error is not None
    assert judge.mean.median_absolute_error.value == pytest.approx(median(map(abs, errors)))
    assert judge.median.mean_absolute_error is not None
    assert judge.median.mean_absolute_error.value == pytest.approx(0.25 / 5)
    groups_found = judge.groups["Frequency"]
    assert (groups_found["Frequent"].n, groups_found["Frequent"].unparseable) == (1, 1)
    rare = groups_found["Rare"].mean_absolute_error
    assert rare is not None
    assert rare.value == pytest.approx(fmean(map(abs, errors[:4])))
    assert rare.n == 4
    constant = found.floors["constant 4.5"]
    assert constant.score == 4.5
    assert constant.measures.mean_absolute_error is not None
    assert constant.measures.mean_absolute_error.value == pytest.approx(fmean(abs(4.5 - true) for true in HUMAN))
    assert constant.measures.spearman is None
    assert constant.measures.weighted_kappa is not None
    assert constant.measures.weighted_kappa.value == pytest.approx(0.0)
    assert constant.measures.icc_average is not None
    assert constant.measures.icc_average.value == pytest.approx(0.0)
    best = found.floors["best constant"]
    scores = [1 + i / 2 for i in range(9)]
    assert best.score == min(scores, key=lambda score: fmean(abs(score - true) for true in HUMAN))
    assert results.systems["j"].metrics["absolute_error"].n == 5
    assert results.systems["j"].metrics["unparseable"].mean == pytest.approx(1 / 6)
    assert set(results.systems) == {"j", "constant 4.5", "best constant"}
    assert results.systems["j"].differences["constant 4.5"]["absolute_error"].p is not None
    assert results.notes == ("j: 4 cells without a score, 1 item without one in any run",)


def test_judges_agree_as_pingouin_scikit_learn_and_scipy_say(tmp_path: Path) -> None:
    import pandas as pd
    import pingouin as pg
    from scipy import stats
    from sklearn.metrics import cohen_kappa_score

    draw = random.Random(5)
    grid = [1 + i / 2 for i in range(9)]
    human = [draw.choice(grid[2:]) for _ in range(60)]
    judges = {
        name: [
            [min(5.0, max(1.0, score + draw.choice([-spread, 0, 0, 0.5, spread]))) for score in human] for _ in range(3)
        ]
        for name, spread in (("p", 0.5), ("q", 1.5))
    }
    cells = {f"{name}-m{i + 1}": run for name, runs in judges.items() for i, run in enumerate(runs)}
    data = write_answers(tmp_path / "data", {"id": range(60), "reference": human, **cells})
    results = score_columns("judgements", [f"{n}-m1,{n}-m2,{n}-m3" for n in judges], data, tmp_path / "out")
    found = results.columns
    assert isinstance(found, JudgeColumns)
    pg.options["round"] = None
    pg.options["round.column.CI95"] = None

    def icc(columns: list[list[float]]) -> tuple[float, float]:
        rows = [(i, k, value) for k, column in enumerate(columns) for i, value in enumerate(column)]
        table = pg.intraclass_corr(pd.DataFrame(rows, columns=["i", "k", "v"]), targets="i", raters="k", ratings="v")
        by_name = {
            str(kind).replace(" ", ""): float(value) for kind, value in zip(table["Type"], table["ICC"], strict=True)
        }
        return by_name.get("ICC(C,1)", by_name.get("ICC3", -9)), by_name.get("ICC(C,k)", by_name.get("ICC3k", -9))

    def halves(values: list[float]) -> list[str]:
        return [f"{np.round(2 * value) / 2:.1f}" for value in values]

    means = {name: [fmean(row) for row in zip(*runs, strict=True)] for name, runs in judges.items()}
    labels = [f"{value:.1f}" for value in grid]
    for name, runs in judges.items():
        model = found.models[name]
        single, average = icc(runs)
        assert model.icc_runs_single is not None
        assert model.icc_runs_average is not None
        assert (model.icc_runs_single.value, model.icc_runs_average.value) == pytest.approx((single, average), abs=1e-9)
        errors = [[a - b for a, b in zip(run, human, strict=True)] for run in runs]
        assert model.icc_errors_average is not None
        assert model.icc_errors_average.value == pytest.approx(icc(errors)[1], abs=1e-9)
        assert model.mean.icc_average is not None
        assert model.mean.icc_average.value == pytest.approx(icc([means[name], human])[1], abs=1e-9)
        assert model.mean.spearman == pytest.approx(float(stats.spearmanr(means[name], human).statistic), abs=1e-9)
        kappa = cohen_kappa_score(halves(means[name]), halves(human), labels=labels, weights="linear")
        assert model.mean.weighted_kappa is not None
        assert model.mean.weighted_kappa.value == pytest.approx(float(kappa), abs=1e-9)
    (pair,) = found.comparisons
    distances = [[round(abs(a - b), 9) for a, b in zip(means[name], human, strict=True)] for name in judges]
    test = stats.wilcoxon(*distances)
    assert (pair.statistic, pair.p) == pytest.approx((float(test.statistic), float(test.pvalue)), abs=1e-9)
    kappa = cohen_kappa_score(halves(means["p"]), halves(means["q"]), labels=labels, weights="linear")
    assert pair.weighted_kappa is not None
    assert pair.weighted_kappa.value == pytest.approx(float(kappa), abs=1e-9)
