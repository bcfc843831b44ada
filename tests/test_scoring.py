"""Predictions are read by id or refused in one line; scores of a file and the floors land in one results.json."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill import floors
from distill.benchmarks.aci_bench import AciBench
from distill.predictions import read_predictions
from distill.records import BenchmarkItem, Prediction
from distill.results import Results
from distill.scoring import score_predictions, score_system, summarise
from synth.errors import UserError
from tests.bench import aci_bench
from tests.samples import note
from tests.tabular import BENCHMARKS, write_answers

ITEMS = [
    BenchmarkItem(id="a", source="thyroid is slow", reference="PLAN: levothyroxine", target=None, scenario=None),
    BenchmarkItem(id="b", source="sugar is high", reference="PLAN: metformin", target=None, scenario=None),
    BenchmarkItem(id="c", source="bones are thin", reference="PLAN: alendronate", target=None, scenario=None),
]


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]], encoding: str = "utf-8") -> Path:
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def write_jsonl(path: Path, rows: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


@pytest.mark.parametrize(
    "header",
    [("encounter_id", "note"), ("ID", "prediction"), ("TestID", "SystemOutput"), ("id", "Output"), ("item_id", "text")],
)
def test_layouts_are_found_by_their_names(tmp_path: Path, header: tuple[str, str]) -> None:
    path = write_csv(tmp_path / "x.csv", ("dialogue", *header), [("-", "c", "3"), ("-", "a", "1"), ("-", "b", "2")])
    predictions = read_predictions(path, ITEMS)
    assert [(p.id, p.raw, p.text, p.finish) for p in predictions] == [
        ("a", "1", "1", "given"),
        ("b", "2", "2", "given"),
        ("c", "3", "3", "given"),
    ]


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "x.csv", ("id", "note"), [("a", "1"), ("b", "2"), ("c", "3")], "utf-8-sig")
    assert len(read_predictions(path, ITEMS)) == 3


def test_empty_nan_and_null_are_empty_predictions(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "x.csv", ("id", "note"), [("a", ""), ("b", "nan"), ("c", "3")])
    lines = write_jsonl(
        tmp_path / "x.jsonl",
        [{"id": "a", "note": None}, {"id": "b", "note": float("nan")}, {"id": "c", "note": "3"}],
    )
    for path in (table, lines):
        predictions = read_predictions(path, ITEMS)
        assert [p.text for p in predictions] == ["", "", "3"]
        row = summarise({"x": (predictions, score_system(["rouge"], ITEMS, predictions))})["x"]
        assert (row.predictions, row.empty, row.metrics["rouge1"].n) == (3, 2, 3)


def test_a_target_is_rendered(tmp_path: Path) -> None:
    rows = [{"id": "a", "output": note()}, {"id": "b", "output": json.dumps(note())}, {"id": "c", "output": "{"}]
    first, second, third = read_predictions(write_jsonl(tmp_path / "x.jsonl", rows), ITEMS)
    assert first.target == second.target == note()
    assert first.text == second.text
    assert first.text.startswith("CHIEF COMPLAINT")
    assert (third.target, third.text) == (None, "{")


def test_our_own_predictions_come_back_as_they_were(tmp_path: Path) -> None:
    written = [Prediction(id=i.id, raw="{}", text="x", target={}, finish="length") for i in ITEMS]
    rows = [{"system": "tiny", **p.model_dump()} for p in written]
    assert list(read_predictions(write_jsonl(tmp_path / "p.jsonl", rows), ITEMS)) == written
    with pytest.raises(UserError, match="more than one prediction for 'a'"):
        read_predictions(write_jsonl(tmp_path / "p.jsonl", rows * 2), ITEMS)
    with pytest.raises(UserError, match="prediction 'a': finish"):
        read_predictions(write_jsonl(tmp_path / "p.jsonl", [{**row, "finish": "?"} for row in rows]), ITEMS)


@pytest.mark.parametrize(
    ("header", "rows", "said"),
    [
        (("id", "note"), [("a", "1"), ("b", "2")], "no prediction for 1 of 3 items: 'c'"),
        (("id", "note"), [("a", "1"), ("a", "2"), ("b", "2"), ("c", "3")], "more than one prediction for 'a'"),
        (("id", "note"), [("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")], "1 of 4 ids are not in the benchmark: 'd'"),
        (("id", "note"), [("a", "1"), (" ", "2"), ("c", "3")], "row 2 has no id"),
        (("id", "note"), [("a", "1"), ("b",), ("c", "3")], "row 2 has 1 fields"),
        (("id", "answer"), [("a", "1"), ("b", "2"), ("c", "3")], "no column with predictions; it has 'id', 'answer'"),
        (("name", "note"), [("a", "1"), ("b", "2"), ("c", "3")], "no column with ids"),
        (("note", "note"), [("a", "1")], "column 'note' stands twice"),
        (("id", "note"), [], "no predictions in it"),
        (("system", "id", "note"), [("x", "a", "1"), ("y", "a", "1")], "predictions of 2 systems ('x', 'y')"),
        (("id;note",), [("a;1",)], "columns are parted by commas"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_in_one_line(
    tmp_path: Path, header: Sequence[str], rows: Sequence[Sequence[str]], said: str
) -> None:
    with pytest.raises(UserError) as caught:
        read_predictions(write_csv(tmp_path / "x.csv", header, rows), ITEMS)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.csv", b"id,note\na,caf\xe9\n", "not UTF-8 at byte 13"),
        ("x.jsonl", b'{"id": "a", "note": "\xe9"}', "not UTF-8 at byte 21"),
        ("x.jsonl", b'{"id": "a"\n', "line 1 is not JSON"),
        ("x.jsonl", b'{"id": "a", "note": "1"}\n[1]\n', "line 2 is not a JSON object"),
        ("x.jsonl", b'{"id": 1.5, "note": "1"}\n', "row 1 has no id"),
        ("x.csv", b'id,note\na,"open\n', "not a CSV table"),
        ("x.parquet", b"", "read from .csv or .jsonl"),
        ("x.csv", b"", "no predictions in it"),
        ("x.csv", b"id,note\n", "no predictions in it"),
        ("x.jsonl", b"\n\n", "no predictions in it"),
        ("x.csv", b"id,note\na,1\x002\n", "a NUL byte at 11"),
        ("x.csv", "id,note\na,1\n".encode("utf-16"), "not UTF-8 but UTF-16"),
        ("x.csv", "id,note\na,1\n".encode("utf-16-le"), "a NUL byte at 1"),
        ("x.jsonl", "{}".encode("utf-32"), "not UTF-8 but UTF-16 or UTF-32"),
        ("x.jsonl", b'{"id": "a", "note": "1", "note": "2"}\n', "line 1 has 'note' twice"),
        ("x.jsonl", b'{"id": "a", "note": "1"}\n{"id": "b", "note": "1"}\n{"id": "c"}\n', "no 'note' for 1 of 3"),
        (
            "x.jsonl",
            b'{"id": "a", "note": "\\ud800"}\n{"id": "b", "note": "1"}\n{"id": "c", "note": "1"}\n',
            "'a' holds half a character",
        ),
        (
            "x.jsonl",
            b"".join(
                b'{"id": "%c", "raw": "", "text": "", "target": {"x": NaN}, "finish": "stop"}\n' % name
                for name in b"abc"
            ),
            "prediction 'a': NaN and Infinity are no JSON",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_one_line(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_predictions(tmp_path / name, ITEMS)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_stray_spaces_are_no_part_of_a_name_or_an_id(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "x.csv", (" ID ", "note "), [(" a", "1"), ("b ", " 2 "), ("c", "3")])
    assert [p.text for p in read_predictions(path, ITEMS)] == ["1", " 2 ", "3"]


def test_the_ids_are_those_of_the_benchmark_where_a_table_has_two_kinds(tmp_path: Path) -> None:
    rows = [("0", "a", "1"), ("1", "b", "2"), ("2", "c", "3")]
    path = write_csv(tmp_path / "x.csv", ("id", "encounter_id", "note"), rows)
    assert [p.text for p in read_predictions(path, ITEMS)] == ["1", "2", "3"]


def test_a_long_cell_is_read_whole(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "x.csv", ("id", "note"), [("a", "word " * 50_000), ("b", "2"), ("c", "3")])
    assert len(read_predictions(path, ITEMS)[0].text) == 250_000


def test_numbers_and_lists_are_answers(tmp_path: Path) -> None:
    rows = [{"id": "a", "output": 4.5}, {"id": "b", "output": ["A", "C"]}, {"id": "c", "output": 3}]
    assert [p.text for p in read_predictions(write_jsonl(tmp_path / "x.jsonl", rows), ITEMS)] == ["4.5", "A, C", "3"]
    with pytest.raises(UserError, match="'c' is not text"):
        read_predictions(write_jsonl(tmp_path / "x.jsonl", [*rows[:2], {"id": "c", "output": True}]), ITEMS)


def test_json_with_half_a_character_is_text(tmp_path: Path) -> None:
    rows = [{"id": name, "output": '{"plan": "\\ud800"}'} for name in "abc"]
    first = read_predictions(write_jsonl(tmp_path / "x.jsonl", rows), ITEMS)[0]
    assert (first.target, first.text) == (None, '{"plan": "\\ud800"}')
    assert first.model_dump_json()


@pytest.mark.parametrize("name", ["none.csv", "none.jsonl"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_predictions(tmp_path / name, ITEMS)


def test_predictions_of_other_items_are_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="not those of the items"):
        score_system(["rouge"], ITEMS, floors.copy(ITEMS[:2]))


def test_the_copy_floor_is_the_source() -> None:
    assert [p.text for p in floors.copy(ITEMS)] == [item.source for item in ITEMS]


def test_the_retrieval_floor_is_the_reference_of_the_nearest_source() -> None:
    item = ITEMS[0].model_copy(update={"id": "x", "source": "my sugar is so high and that is that"})
    (found,) = floors.retrieval([item], ITEMS)
    assert (found.id, found.text) == ("x", "PLAN: metformin")
    nowhere = ITEMS[0].model_copy(update={"source": "unheard words"})
    assert floors.retrieval([nowhere], ITEMS)[0].text == "PLAN: levothyroxine"
    with pytest.raises(ValueError, match="at least one"):
        floors.retrieval(ITEMS, [])


def test_retrieval_weighs_rare_words_and_length() -> None:
    sources = ["the visit the visit the visit", "the visit thyroid", "thyroid " + "other words here " * 20]
    train = [ITEMS[0].model_copy(update={"source": text, "reference": str(i)}) for i, text in enumerate(sources)]
    query = ITEMS[0].model_copy(update={"source": "thyroid visit"})
    assert floors.retrieval([query], train)[0].text == "1"


def cosine(query: str, text: str, texts: list[str]) -> float:
    """Return the cosine by the formula in the docstring, word by word."""

    def weigh(words: list[str]) -> dict[str, float]:
        def rarity(word: str) -> float:
            return math.log((1 + len(texts)) / (1 + sum(word in other.split() for other in texts))) + 1

        return {word: words.count(word) * rarity(word) for word in words if any(word in t.split() for t in texts)}

    first, second = weigh(query.split()), weigh(text.split())
    product = sum(first.get(word, 0.0) * second[word] for word in second)
    return product / (math.hypot(*first.values()) * math.hypot(*second.values()) or 1.0)


sentences = st.lists(st.sampled_from(["thyroid", "sugar", "bone", "the", "visit"]), min_size=1, max_size=8).map(
    " ".join
)


@given(query=sentences, sources=st.lists(sentences, min_size=1, max_size=6))
def test_retrieval_takes_the_highest_cosine(query: str, sources: list[str]) -> None:
    train = [ITEMS[0].model_copy(update={"source": text, "reference": str(i)}) for i, text in enumerate(sources)]
    (found,) = floors.retrieval([ITEMS[0].model_copy(update={"source": query})], train)
    cosines = [cosine(query, text, sources) for text in sources]
    assert cosines[int(found.text)] == pytest.approx(max(cosines))


def test_differences_are_paired_and_only_against_the_floors() -> None:
    good = [Prediction(id=i.id, raw="", text=i.reference, target=None, finish="stop") for i in ITEMS]
    systems = {"good": good, "copy": floors.copy(ITEMS), "retrieval": floors.retrieval(ITEMS, ITEMS)}
    rows = summarise({name: (written, score_system(["rouge"], ITEMS, written)) for name, written in systems.items()})
    assert rows["copy"].differences == rows["retrieval"].differences == {}
    assert set(rows["good"].differences) == {"copy", "retrieval"}
    difference = rows["good"].differences["copy"]["rouge1"]
    assert (difference.mean, difference.n) == (1.0, 3)
    assert rows["good"].metrics["assessment_and_plan.rouge1"].percent == 100.0
    assert rows["good"].metrics["objective_exam.rouge1"].mean == 0.0


def test_every_difference_has_a_p_and_holm_over_its_metric() -> None:
    from scipy import stats
    from statsmodels.stats.multitest import multipletests

    items = [ITEMS[i % 3].model_copy(update={"id": str(i)}) for i in range(9)]
    half = [
        Prediction(id=i.id, raw="", text=i.reference if int(i.id) % 2 else "rest", target=None, finish="stop")
        for i in items
    ]
    good = [Prediction(id=i.id, raw="", text=i.reference, target=None, finish="stop") for i in items]
    systems = {"good": good, "half": half, "copy": floors.copy(items)}
    scored = {name: score_system(["rouge"], items, written) for name, written in systems.items()}
    rows = summarise({name: (systems[name], scored[name]) for name in systems})
    ps = []
    for name in ("good", "half"):
        differences = [
            (a.values["rouge1"] or 0.0) - (b.values["rouge1"] or 0.0)
            for a, b in zip(scored[name], scored["copy"], strict=True)
        ]
        test = stats.permutation_test((differences,), lambda x, axis: x.mean(axis=axis), permutation_type="samples")
        ps.append(float(test.pvalue))
        assert rows[name].differences["copy"]["rouge1"].p == pytest.approx(ps[-1], abs=1e-9)
    assert ps == [2 / 512, 2 / 16]
    found = [rows[name].differences["copy"]["rouge1"].p_holm for name in ("good", "half")]
    assert found == pytest.approx(multipletests(ps, method="holm")[1].tolist(), abs=1e-9)
    assert json.loads(rows["good"].model_dump_json())["differences"]["copy"]["rouge1"].keys() >= {"mean", "low", "n"}


@pytest.mark.parametrize(
    ("benchmark", "reference", "names"),
    [
        ("diagnoses", ["Gout", "Lipoma", "Gout"], {"majority class": "Gout"}),
        ("questions", ["A", "BD", "BD"], {"majority class": "BD"}),
        ("judgements", ["4", "3.5", "1"], {"constant 4.5": "4.5", "best constant": "3.5"}),
    ],
)
def test_each_task_has_its_floors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, benchmark: str, reference: list[str], names: dict[str, str]
) -> None:
    monkeypatch.setattr("distill.catalog.BENCHMARKS", BENCHMARKS)
    data = write_answers(tmp_path / "data", {"id": ["a", "b", "c"], "reference": reference})
    file = write_csv(tmp_path / "mine.csv", ("id", "prediction"), [("a", "x"), ("b", "y"), ("c", "z")])
    results = score_predictions(benchmark, file, data, tmp_path / "out")
    assert list(results.systems) == ["mine", *names]
    assert results.notes == ()
    lines = [json.loads(line) for line in (tmp_path / "out" / "predictions.jsonl").open()]
    assert {line["system"]: line["text"] for line in lines[3:]} == names
    bare = score_predictions(benchmark, file, data, tmp_path / "bare", with_floors=False)
    assert list(bare.systems) == ["mine"]
    assert bare.notes[0].startswith("no floors")


def test_scoring_a_published_file_end_to_end(tmp_path: Path) -> None:
    folder = aci_bench()
    file = folder / "predictions" / "test1GPT-4_.csv"
    results = score_predictions("aci-bench:test1", file, folder, tmp_path / "out")
    read = Results.model_validate_json((tmp_path / "out" / "results.json").read_text("utf-8"))
    assert read == results
    raw = json.loads((tmp_path / "out" / "results.json").read_text("utf-8"))
    assert raw["systems"]["test1GPT-4_"]["metrics"]["rouge1"]["percent"] == 51.76
    assert raw["systems"]["test1GPT-4_"]["metrics"]["subjective.rouge1"]["percent"] == 41.20
    assert raw["systems"]["copy"]["metrics"]["rouge1"]["percent"] == pytest.approx(32.84, abs=0.5)
    assert set(raw["systems"]) == {"test1GPT-4_", "copy", "retrieval"}
    cell = raw["systems"]["test1GPT-4_"]["metrics"]["rouge1"]
    assert cell["low"] < cell["mean"] < cell["high"]
    assert cell["n"] == 40
    scores = (tmp_path / "out" / "scores.jsonl").read_text("utf-8").splitlines()
    predictions = (tmp_path / "out" / "predictions.jsonl").read_text("utf-8").splitlines()
    assert len(scores) == len(predictions) == 120
    items = AciBench().load(folder, "test1")
    own = tmp_path / "one.jsonl"
    own.write_text("\n".join(predictions[:40]), "utf-8")
    assert list(read_predictions(own, items)) == list(read_predictions(file, items))


def test_without_the_train_split_the_table_says_so(tmp_path: Path) -> None:
    folder, data = aci_bench(), tmp_path / "data"
    data.mkdir()
    (data / "valid.csv").write_bytes((folder / "valid.csv").read_bytes())
    items = AciBench().load(data, "valid")
    file = write_csv(tmp_path / "copy.csv", ("id", "note"), [(item.id, "PLAN: rest") for item in items])
    results = score_predictions("aci-bench:valid", file, data, tmp_path / "out")
    assert set(results.systems) == {"copy (file)", "copy"}
    assert results.notes[0] == "no retrieval floor: the train split is not in the data folder"
    assert results.notes[1].startswith("no official average: BERTScore, BLEURT, MEDCON not scored")


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    folder = aci_bench()
    (tmp_path / "out").write_text("a file", "utf-8")
    items = AciBench().load(folder, "valid")
    file = write_csv(tmp_path / "x.csv", ("id", "note"), [(item.id, "rest") for item in items])
    with pytest.raises(UserError, match="cannot be made"):
        score_predictions("aci-bench:valid", file, folder, tmp_path / "out")
