"""ROUGE equals rouge-score and, on ACI-Bench, every published cell; divisions follow the official rules."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer  # type: ignore[import-untyped]  # ships no types

from distill.benchmarks.aci_bench import AciBench
from distill.metrics.divisions import DIVISIONS, MISSING, divide, divide_all, fill
from distill.metrics.rouge import TYPES, Rouge
from distill.predictions import read_predictions
from distill.records import BenchmarkItem, Prediction
from tests.bench import aci_bench

PUBLISHED = {
    "LED_clinicalnlp_taskB_test1_full.csv": "LED",
    "UMLS_similarity_clinicalnlp_taskB_test1.csv": r"train$_{\mathrm{UMLS}}$",
    "bart-large-xsum-samsum_clinicalnlp_taskB_test1_division_combined.csv": r"BART+FT$_{\mathrm{SAMSum}}$ (Division)",
    "transcript_clinicalnlp_taskB_test1.csv": "transcript",
    "test1ChatGPT_.csv": "ChatGPT",
    "test1GPT-4_.csv": "GPT-4",
}


def published(folder: Path) -> dict[str, dict[str, float]]:
    """Return system → column → the published cell, in percent."""
    cells: dict[str, dict[str, float]] = {}
    part = ""
    for line in (folder / "published_test1.csv").read_text("utf-8").splitlines():
        fields = line.split(",")
        if line == "ALL" or line.startswith("division-"):
            part = "" if line == "ALL" else line.removeprefix("division-") + "."
        elif len(fields) == 8 and fields[0] != "Model":
            row = cells.setdefault(fields[0], {})
            row.update({f"{part}{kind}": float(cell) for kind, cell in zip(TYPES, fields[1:4], strict=True)})
    return cells


@pytest.mark.parametrize("file", PUBLISHED)
def test_every_published_cell_is_reproduced(file: str) -> None:
    folder = aci_bench()
    items = AciBench().load(folder, "test1")
    scores = Rouge()(items, read_predictions(folder / "predictions" / file, items))
    expected = published(folder)[PUBLISHED[file]]
    assert set(expected) == set(Rouge().columns)
    for column, cell in expected.items():
        values = [score.values[column] or 0.0 for score in scores]
        assert 100 * sum(values) / len(values) == pytest.approx(cell, abs=0.005_001), column


def score(reference: str, text: str) -> dict[str, float | None]:
    item = BenchmarkItem(id="1", source="", reference=reference, target=None, scenario=None)
    prediction = Prediction(id="1", raw=text, text=text, target=None, finish="given")
    return Rouge()([item], [prediction])[0].values


words = st.sampled_from(["a", "b", "c", "d", "the", "X", "9", "_", "\n", "\n\n"])
texts = st.lists(words, max_size=40).map(" ".join)


@given(head=texts, tail=texts, middles=st.tuples(texts, texts))
def test_what_begins_and_ends_alike_counts_as_everything_else(head: str, tail: str, middles: tuple[str, str]) -> None:
    one, other = (f"{head} {middle} {tail}" for middle in middles)
    for reference, text in ((one, other), (" ".join(one.split()), " ".join(other.split()))):
        official = RougeScorer(list(TYPES), use_stemmer=False).score(reference, text)
        values = score(reference, text)
        assert [values[kind] for kind in TYPES] == [official[kind].fmeasure for kind in TYPES]


@given(
    note=st.lists(st.sampled_from(["HPI:", "exam: a B", "x9", "", "RESULTS", "plan", "__lf1__", "İK a__b"])).map(
        "\n".join
    )
)
def test_divisions_are_scored_as_their_texts(note: str) -> None:
    other = "cc: a\nexam: x9 a b\nplan: rest"
    values = score(other, note)
    given = frozenset(divide(note))
    for name, text in fill(note, given).items():
        reference = fill(other, frozenset(divide(other)))[name]
        official = RougeScorer(list(TYPES), use_stemmer=False).score(reference, text)
        assert [values[f"{name}.{kind}"] for kind in TYPES] == [official[kind].fmeasure for kind in TYPES]


@given(reference=texts, text=texts)
def test_equals_rouge_score(reference: str, text: str) -> None:
    official = RougeScorer(list(TYPES), use_stemmer=False).score(reference, text)
    values = score(reference, text)
    for kind in TYPES:
        assert values[kind] == official[kind].fmeasure


@pytest.mark.parametrize(("reference", "text"), [("", ""), ("word", ""), ("", "word"), ("!?", "..."), ("\n", "word\n")])
def test_texts_without_words_score_zero(reference: str, text: str) -> None:
    assert [score(reference, text)[kind] for kind in TYPES] == [0.0, 0.0, 0.0]


def test_the_stemmer_is_off() -> None:
    assert score("running", "runs")["rouge1"] == 0.0


NOTE = """CHIEF COMPLAINT

Fatigue.

PHYSICAL EXAM
Neck: no nodules.
RESULTS
TSH 7.9.
ASSESSMENT AND PLAN
Levothyroxine."""


def test_headers_divide_a_note() -> None:
    divisions = divide(NOTE)
    assert list(divisions) == list(DIVISIONS)
    assert divisions["subjective"] == "CHIEF COMPLAINT__lf1____lf1__Fatigue.__lf1____lf1__"
    assert divisions["assessment_and_plan"] == "ASSESSMENT AND PLAN__lf1__Levothyroxine."


@given(text=st.text(max_size=200) | st.lists(st.sampled_from([*NOTE.split("\n"), "plan:", "x"])).map("\n".join))
def test_divisions_cover_a_note_from_its_first_hit(text: str) -> None:
    pieces = "".join(divide(text).values())
    assert pieces == text.replace("\n", "__lf1__")


@pytest.mark.parametrize(
    ("line", "division"),
    [
        ("Assessment and plan", "assessment_and_plan"),
        ("  a/p: rest", "assessment_and_plan"),
        ("A", "assessment_and_plan"),
        ("A note", None),
        ("plan the visit", None),
        ("Plan", "assessment_and_plan"),
        ("IMPRESSION", "assessment_and_plan"),
        ("Impression: nodule", None),
        ("resultsof anything", "objective_results"),
        ("Findings", "objective_results"),
        ("Findings of note", None),
        ("exam : normal", "objective_exam"),
        ("VITALSREVIEWED", "objective_exam"),
        ("Family: mother", None),
    ],
)
def test_header_patterns(line: str, division: str | None) -> None:
    found = [name for name in divide(f"start\n{line}") if name != "subjective"]
    assert found == ([division] if division else [])


def test_text_before_the_first_header_is_subjective_and_first_hits_stay() -> None:
    divisions = divide("Tired.\nPLAN:\nRest.\nHPI: again\nEXAM: fine\nASSESSMENT: late")
    assert divisions == {
        "subjective": "Tired.__lf1__",
        "assessment_and_plan": "PLAN:__lf1__Rest.__lf1__HPI: again__lf1__",
        "objective_exam": "EXAM: fine__lf1__ASSESSMENT: late",
    }


def test_a_missing_division_is_marked_unless_nobody_on_that_side_has_it() -> None:
    columns = divide_all(["EXAM: fine", "tired"])
    assert columns["objective_exam"] == ["EXAM: fine", MISSING]
    assert columns["objective_results"] == ["", ""]


def rows(references: list[str], predictions: list[str]) -> list[dict[str, float | None]]:
    items = [
        BenchmarkItem(id=str(i), source="", reference=text, target=None, scenario=None)
        for i, text in enumerate(references)
    ]
    given_texts = [
        Prediction(id=str(i), raw=text, text=text, target=None, finish="given") for i, text in enumerate(predictions)
    ]
    return [scored.values for scored in Rouge()(items, given_texts)]


def test_both_missing_scores_one_but_a_system_that_never_writes_it_scores_zero() -> None:
    references = ["cough\nEXAM: lungs clear", "tired"]
    sometimes = rows(references, ["cough\nEXAM: lungs clear", "tired"])
    never = rows(references, ["cough", "tired"])
    assert [row["objective_exam.rouge1"] for row in sometimes] == [1.0, 1.0]
    assert [row["objective_exam.rouge1"] for row in never] == [0.0, 0.0]
    assert sometimes[1]["objective_exam.rouge2"] == 0.0
