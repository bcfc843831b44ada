"""Columns of a data file, as runs of models, give the published statistics; what is empty counts, and is told."""

from __future__ import annotations

import csv
import json
import random
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.cli import distill
from distill.columns.records import ChoiceColumns
from distill.columns.score import score_columns
from distill.columns.selection import common_name, select
from distill.columns.table import column_lines
from distill.results import Results
from synth.errors import UserError
from tests.tabular import write_answers

KNOWN = ["gpt-5.1-M1", "gpt-5.1-M2", "gpt-5.1-M3", "oss-20b (H) v1", "oss-20b (H) v2", "a=b", "x, y"]


pytestmark = pytest.mark.usefixtures("fixture_benchmarks")


@pytest.mark.parametrize(
    ("spec", "name", "columns"),
    [
        ("gpt-5.1-M1,gpt-5.1-M2,gpt-5.1-M3", "gpt-5.1", ("gpt-5.1-M1", "gpt-5.1-M2", "gpt-5.1-M3")),
        ("gpt-5.1-M1 , gpt-5.1-M2", "gpt-5.1", ("gpt-5.1-M1", "gpt-5.1-M2")),
        ("GPT=gpt-5.1-M1,oss-20b (H) v2", "GPT", ("gpt-5.1-M1", "oss-20b (H) v2")),
        ("oss-20b (H) v1,oss-20b (H) v2", "oss-20b (H)", ("oss-20b (H) v1", "oss-20b (H) v2")),
        ("gpt-5.1-M1", "gpt-5.1-M1", ("gpt-5.1-M1",)),
        ("gpt-5.1-M1,oss-20b (H) v1", "gpt-5.1-M1", ("gpt-5.1-M1", "oss-20b (H) v1")),
        ("a=b", "a=b", ("a=b",)),
        ('X="x, y",a=b', "X", ("x, y", "a=b")),
    ],
)
def test_a_spec_names_a_model_and_its_runs(spec: str, name: str, columns: tuple[str, ...]) -> None:
    (model,) = select([spec], KNOWN)
    assert (model.name, model.columns) == (name, columns)


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        (["deepseek r1 0528 v2", "deepseek r1 0528 v2.1", "deepseek r1 0528 v2.2"], "deepseek r1 0528 v2"),
        (["run 10", "run 11"], "run"),
        (["10", "11"], "10"),
        (["qwen3.5 9B v1", "qwen3.5 9B v2"], "qwen3.5 9B"),
        (["gemma1", "gemma2"], "gemma"),
        (["gemma-4-31b-M1", "gemma-4-31b-M2"], "gemma-4-31b"),
        (["A", "B"], "A"),
    ],
)
def test_models_are_called_after_what_their_runs_share(columns: list[str], name: str) -> None:
    assert common_name(columns) == name


@pytest.mark.parametrize(
    ("specs", "said"),
    [
        (["gpt-5.1-M4"], r"no column 'gpt-5.1-M4' \(did you mean gpt-5.1-M"),
        (["gpt-5.1-M4"], "there are gpt-5.1-M1, gpt-5.1-M2, gpt-5.1-M3, oss"),
        (["zzz"], "no column 'zzz'; there are"),
        (["gpt-5.1-M1,gpt-5.1-M1"], "'gpt-5.1-M1' stands twice"),
        (["gpt-5.1-M1", "gpt-5.1-M1"], "two models are called 'gpt-5.1-M1'"),
        ([" , "], "names no column"),
        (["=gpt-5.1-M1"], "is not of the form"),
        (["X="], "is not of the form"),
        (['"gpt-5.1-M1'], "unexpected end of data"),
    ],
)
def test_what_is_wrong_with_columns_is_one_line(specs: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        select(specs, KNOWN)
    assert "\n" not in str(caught.value)


def diagnoses(folder: Path) -> Path:
    """Write five cases: right, moji-baked, other case, wrong, empty."""
    return write_answers(
        folder,
        {
            "id": ["1", "2", "3", "4", "5"],
            "reference": ["Sjögren syndrome", "Crohn’s disease", "Gout", "Lipoma", "Gout"],
            "A v1": ["SjÃ¶gren syndrome", "Crohnâ€™s disease", "gout", "Gout", ""],
            "A v2": ["Sjögren syndrome", "Crohn's disease", "Gout", "Lipoma", "nan"],
            "A v3": ["Lupus", "Colitis", "GOUT", "Gout", "Gout"],
            "B v1": ["Lupus", "Colitis", "Lipoma", "Lipoma", "Gout"],
        },
    )


def test_diagnoses_are_right_by_the_majority_of_runs(tmp_path: Path) -> None:
    data = diagnoses(tmp_path / "data")
    results = score_columns("diagnoses", ["A v1,A v2,A v3", "B v1"], data, tmp_path / "out")
    read = Results.model_validate_json((tmp_path / "out" / "results.json").read_text("utf-8"))
    assert read == results
    raw = json.loads((tmp_path / "out" / "results.json").read_text("utf-8"))
    criteria = raw["columns"]["criteria"]
    assert list(criteria) == ["diagnosis_normalised", "diagnosis_exact"]
    normalised = criteria["diagnosis_normalised"]["models"]["A"]
    # Case 1: two of three. Case 2: v1 repaired, and v2 without its apostrophe. Case 3: all. 4: one. 5: one.
    assert [run["right"] for run in normalised["runs"].values()] == [3, 4, 2]
    assert normalised["majority"]["right"] == 3
    assert normalised["majority"]["accuracy"] == 0.6
    # Case 5 has two empty cells and one right answer: no majority.
    assert normalised["majority"]["unanswered"] == 1
    assert [run["unanswered"] for run in normalised["runs"].values()] == [1, 1, 0]
    exact = criteria["diagnosis_exact"]["models"]["A"]
    assert [run["right"] for run in exact["runs"].values()] == [2, 3, 1]
    assert exact["majority"]["right"] == 1
    assert criteria["diagnosis_normalised"]["floors"]["majority class"]["answer"] == "Gout"
    assert criteria["diagnosis_normalised"]["floors"]["majority class"]["share"]["right"] == 2
    assert "A: 2 cells without an answer that can be read, counted as wrong" in results.notes
    assert "A: no majority on 1 item of 5, counted as wrong" in results.notes
    assert results.systems["A"].metrics["diagnosis_normalised"].mean == 0.6
    assert results.systems["A"].metrics["diagnosis_exact"].mean == 0.2
    assert results.systems["A"].metrics["unparseable"].mean == 0.2
    assert results.systems["A"].empty == 1
    assert set(results.systems) == {"A", "B v1", "majority class"}


def test_wilson_fleiss_and_mcnemar_are_the_libraries(tmp_path: Path) -> None:
    from statsmodels.stats.contingency_tables import mcnemar
    from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa
    from statsmodels.stats.multitest import multipletests
    from statsmodels.stats.proportion import proportion_confint

    draw = random.Random(7)
    truth = [draw.choice("ABCDE") for _ in range(130)]
    models = {
        name: [[t if draw.random() < p else draw.choice("ABCDE") for t in truth] for _ in range(3)]
        for name, p in (("m", 0.9), ("n", 0.6), ("o", 0.55))
    }
    cells = {f"{name}-v{i + 1}": run for name, runs in models.items() for i, run in enumerate(runs)}
    data = write_answers(tmp_path / "data", {"id": range(130), "reference": truth, **cells})
    specs = [",".join(f"{name}-v{i}" for i in (1, 2, 3)) for name in models]
    found = score_columns("questions", specs, data, tmp_path / "out").columns
    assert isinstance(found, ChoiceColumns)
    (table,) = found.criteria.values()
    right = {}
    for name, runs in models.items():
        by_run = np.array([[int(a == t) for a, t in zip(run, truth, strict=True)] for run in runs])
        right[name] = by_run.sum(axis=0) >= 2
        model = table.models[name]
        assert model.majority.right == right[name].sum()
        low, high = proportion_confint(right[name].sum(), 130, method="wilson")
        assert (model.majority.low, model.majority.high) == pytest.approx((low, high), abs=1e-9)
        assert model.fleiss_right == pytest.approx(fleiss_kappa(aggregate_raters(by_run.T)[0]), abs=1e-9)
        answers = np.array([["ABCDE".index(a) for a in run] for run in runs])
        assert model.fleiss_answers == pytest.approx(fleiss_kappa(aggregate_raters(answers.T)[0]), abs=1e-9)
    ps = []
    for pair, (one, two) in zip(table.comparisons, combinations(models, 2), strict=True):
        a, b = right[one], right[two]
        test = mcnemar(
            [[(a & b).sum(), (a & ~b).sum()], [(~a & b).sum(), (~a & ~b).sum()]], exact=False, correction=True
        )
        assert (pair.first, pair.second) == (one, two)
        assert (pair.statistic, pair.p) == pytest.approx((test.statistic, test.pvalue), abs=1e-9)
        ps.append(float(test.pvalue))
    adjusted = multipletests(ps, method="holm", alpha=0.05)
    assert [pair.p_holm for pair in table.comparisons] == pytest.approx(adjusted[1].tolist(), abs=1e-9)
    assert [pair.different for pair in table.comparisons] == adjusted[0].tolist() == [True, True, False]


def test_letter_sets_vote_and_are_split_by_group(tmp_path: Path) -> None:
    data = write_answers(
        tmp_path / "data",
        {
            "id": ["1", "2", "3", "4"],
            "by Topic": ["Cornea", "Cornea", "Retina", "Retina"],
            "reference": ["BD", "D", "ABCFGH", "A"],
            "m1": ["B, D", "A", "ABCFG H", "B"],
            "m2": ["Answer: D and B", "B", "ABC", "C"],
            "m3": ["B", "C", "HGFCBA", "I think A"],
        },
    )
    results = score_columns("questions", ["M=m1,m2,m3"], data, tmp_path / "out")
    assert isinstance(results.columns, ChoiceColumns)
    model = results.columns.criteria["letters_exact"].models["M"]
    assert (model.majority.right, model.majority.unanswered) == (2, 2)
    assert [run.right for run in model.runs.values()] == [2, 1, 1]
    assert model.runs["m3"].unanswered == 1
    shares = {value: (share.right, share.items) for value, share in model.groups["Topic"].items()}
    assert shares == {"Cornea": (1, 2), "Retina": (1, 2)}
    kinds = {value: (share.right, share.items) for value, share in model.groups["right options"].items()}
    assert kinds == {"several": (2, 2), "one": (0, 2)}
    lines = [json.loads(line) for line in (tmp_path / "out" / "predictions.jsonl").open()]
    assert [line["text"] for line in lines[:4]] == ["B, D", "", "ABCFG H", ""]
    assert json.loads(lines[0]["raw"]) == ["B, D", "Answer: D and B", "B"]
    assert results.columns.criteria["letters_exact"].floors["majority class"].share.right == 1


cell = st.sampled_from(["", "nan", "A", "B", "AB", "a, b", "zzz", "Answer: B", "4.5", "9", "Gout", "gout."])


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(["diagnoses", "questions", "judgements"]),
    st.lists(st.tuples(cell, cell, cell, cell), min_size=1, max_size=8),
)
def test_no_answers_whatever_give_a_nan_or_lose_an_item(
    tmp_path_factory: pytest.TempPathFactory, benchmark: str, rows: list[tuple[str, str, str, str]]
) -> None:
    reference = {"diagnoses": "Gout", "questions": "AB", "judgements": "4.5"}[benchmark]
    folder = tmp_path_factory.mktemp("columns")
    names = ("a1", "a2", "b1", "b2")
    columns = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    write_answers(folder, {"id": range(len(rows)), "reference": [reference] * len(rows), **columns})
    results = score_columns(benchmark, ["a1,a2", "b1,b2"], folder, folder / "out")
    text = (folder / "out" / "results.json").read_text("utf-8")
    assert "NaN" not in text
    assert "Infinity" not in text
    assert Results.model_validate_json(text) == results
    assert all(row.predictions == len(rows) for row in results.systems.values())
    lines = column_lines(results)
    assert all("nan" not in line for line in lines[1:])


def test_the_command_prints_the_table(tmp_path: Path) -> None:
    data = diagnoses(tmp_path / "data")
    arguments = ["score", "--benchmark", "diagnoses", "--data", str(data), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(distill, [*arguments, "--columns", "A v1,A v2,A v3", "--columns", "B v1"])
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0].split()[:2] == ["system", "runs"]
    assert lines[1].split()[:3] == ["A", "3", "60.0"]
    assert any(line.startswith("majority class") for line in lines)
    assert "0 of 1 pairs differ at 0.05 after Holm." in lines
    file = CliRunner().invoke(distill, [*arguments[:4], str(data / "answers.csv"), *arguments[5:], "--columns", "B v1"])
    assert file.exit_code == 0, file.output


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ([], "give one of --predictions FILE and --columns"),
        (["--columns", "A v1", "--predictions", "FILE"], "give one of --predictions FILE and --columns"),
        (["--columns", "A v9"], "no column 'A v9' (did you mean A v"),
    ],
)
def test_what_is_wrong_with_the_command_is_one_line(tmp_path: Path, extra: list[str], said: str) -> None:
    data = diagnoses(tmp_path / "data")
    extra = [str(data / "answers.csv") if word == "FILE" else word for word in extra]
    arguments = ["score", "--benchmark", "diagnoses", "--data", str(data), "--out", str(tmp_path / "out"), *extra]
    result = CliRunner().invoke(distill, arguments)
    assert isinstance(result.exception, UserError)
    assert said in str(result.exception)


def test_notes_have_no_columns_of_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with pytest.raises(UserError, match="aci-bench: --columns is for benchmarks whose data file holds answers"):
        score_columns("aci-bench", ["A"], tmp_path, tmp_path / "out")


def test_columns_of_a_real_format_reach_the_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    own = ("case_id", "Section", "OriginalDescription", "PostDescription")
    header = [*own, "DifferentialDiagnosisList", "FinalDiagnosis", "DiseaseLeak", "deep v2", "deep v2", "deep v2"]
    rows = [
        ["18812.0", "Chest", "-", "text", "Gout, Lupus", "Gout", "No", "Gout", "gout", "Lupus"],
        ["18813.0", "Chest", "-", "text", "Sjögren, Lupus", "Sjögren", "No", "SjÃ¶gren", "Sjögren", ""],
        [""] * 10,
    ]
    with (tmp_path / "Eurorad.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    results = score_columns("eurorad", ["deep v2,deep v2.1,deep v2.2"], tmp_path, tmp_path / "out")
    assert isinstance(results.columns, ChoiceColumns)
    model = results.columns.criteria["diagnosis_normalised"].models["deep v2"]
    assert (model.majority.right, model.majority.items) == (2, 2)
    assert [run.right for run in model.runs.values()] == [2, 2, 0]
    assert model.groups["Section"]["Chest"].right == 2
    assert list(results.data) == ["Eurorad.csv"]
    assert results.notes[-1] == "deep v2: 1 cell without an answer that can be read, counted as wrong"
