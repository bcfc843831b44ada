"""Corpora of others are read as their authors published them, by what is in the files and not by where they lie."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth.corpora import read_corpora, read_corpus, turns_of
from synth.errors import UserError
from tests.bench import benchmark

GRID = """File type = "ooTextFile"
item []:
    item [1]:
        class = "IntervalTier"
        xmin = 0
        xmax = 9
        intervals: size = 3
{}
"""


def interval(start: float, text: str) -> str:
    times = f"            xmin = {start} \n            xmax = {start + 1} "
    return f'        intervals [1]:\n{times}\n            text = "{text}" '


def write_csv(file: Path, rows: list[dict[str, str]]) -> None:
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_visits_in_csv_with_what_lies_beside_them(tmp_path: Path) -> None:
    visit = {
        "dataset": "x",
        "encounter_id": "D1",
        "dialogue": "[doctor] hi .\n[patient_guest] hello\nthere .",
        "note": "N",
    }
    write_csv(tmp_path / "a.csv", [visit, {**visit, "encounter_id": "D2", "note": "M"}])
    write_csv(tmp_path / "b.csv", [visit])
    write_csv(tmp_path / "a_metadata.csv", [{"encounter_id": "D1", "cc": "fatigue"}])
    (tmp_path / "predictions").mkdir()
    write_csv(tmp_path / "predictions" / "bart.csv", [{**visit, "note": "what a system wrote"}])
    (tmp_path / "README.md").write_text("about it")
    corpus = read_corpus("aci", tmp_path)
    assert [(item.id, item.note) for item in corpus.items] == [("D1", "N"), ("D2", "M")]
    assert corpus.items[0].turns == (("doctor", "hi ."), ("patient_guest", "hello there ."))
    assert corpus.items[0].dialogue == "hi .\nhello there ."


def test_a_number_as_id_gets_the_name_of_its_file(tmp_path: Path) -> None:
    row = {
        "ID": "7",
        "section_header": "GENHX",
        "section_text": "S",
        "dialogue": "Doctor: Any pain?\nGuest_family: No.",
    }
    write_csv(tmp_path / "Training.csv", [row])
    (item,) = read_corpus("mts", tmp_path).items
    assert (item.id, item.note) == ("Training:7", "S")
    assert item.turns == (("doctor", "Any pain?"), ("guest_family", "No."))


def test_consultations_are_put_together_by_time(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "transcripts").mkdir()
    doctor = GRID.format("\n".join((interval(0, "Hello."), interval(2, "<UNIN/>"), interval(5, "So when?"))))
    patient = GRID.format("\n".join((interval(1, "Hi <UNSURE>doc</UNSURE>."), interval(3, "My throat."))))
    (tmp_path / "transcripts" / "day1_c1_doctor.TextGrid").write_text(doctor)
    (tmp_path / "transcripts" / "day1_c1_patient.TextGrid").write_text(patient, "utf-16")
    (tmp_path / "notes" / "day1_c1.json").write_text(json.dumps({"note": "sore throat", "day": 1}))
    (item,) = read_corpus("primock", tmp_path).items
    assert (item.id, item.note) == ("day1_c1", "sore throat")
    assert item.turns == (("doctor", "Hello."), ("patient", "Hi doc. My throat."), ("doctor", "So when?"))


def test_any_jsonl_parquet_and_text(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        '{"id":"x1","source":"[doctor] a","target":"b"}\n\n{"q":"one","k":2}\n"two"\n[3]\n'
    )
    pq.write_table(pa.table({"text": ["three"], "id": ["p1"]}), tmp_path / "b.parquet")
    (tmp_path / "c.txt").write_text("four")
    found = {item.id: (item.dialogue, item.note) for item in read_corpus("any", tmp_path).items}
    assert found == {
        "x1": ("a", "b"),
        "a:2": ("", "one"),
        "a:3": ("", "two"),
        "p1": ("", "three"),
        "c": ("", "four"),
    }
    assert [item.id for item in read_corpus("one", tmp_path / "c.txt").items] == ["c"]


def test_the_hash_is_of_what_was_read_wherever_it_lies(tmp_path: Path) -> None:
    for place in ("here", "there/deep"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "a.txt").write_text("the same")
    here, there = (read_corpus("x", tmp_path / place) for place in ("here", "there/deep"))
    assert here == there
    (tmp_path / "here" / "a.txt").write_text("another")
    assert read_corpus("x", tmp_path / "here").sha256 != there.sha256


def test_lines_without_a_speaker() -> None:
    assert turns_of("hello\n[doctor] hi\n\nthere: you") == (("", "hello"), ("doctor", "hi there: you"))
    assert turns_of("") == ()


def test_what_is_wrong_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"text":"a"}\n{\n')
    (tmp_path / "bad.parquet").write_text("PAR1")
    (tmp_path / "empty").mkdir()
    for given, line in (
        (("aci-bench",), "'aci-bench' is not of the form NAME=PATH"),
        (("a b=c",), "is not of the form NAME=PATH"),
        ((f"x={tmp_path / 'gone'}",), "no such file or folder"),
        ((f"x={tmp_path / 'empty'}",), "no text in it that is known how to read"),
        ((f"x={tmp_path / 'bad.jsonl'}",), r"bad\.jsonl:2: no JSON"),
        ((f"x={tmp_path / 'bad.parquet'}",), "no Parquet"),
    ):
        with pytest.raises(UserError, match=line) as caught:
            read_corpora(given)
        assert "\n" not in str(caught.value)
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(UserError, match="x is given twice"):
        read_corpora((f"x={tmp_path / 'a.txt'}", f"x={tmp_path / 'a.txt'}"))


@pytest.mark.parametrize(
    ("name", "count", "notes"), [("aci-bench", 207, 207), ("mts-dialog", 1698, 1698), ("primock57", 57, 57)]
)
def test_the_published_benchmarks_are_read_whole(name: str, count: int, notes: int) -> None:
    corpus = read_corpus(name, benchmark(name))
    assert len(corpus.items) == count
    assert sum(bool(item.note) for item in corpus.items) == notes
    assert all(item.turns for item in corpus.items)
    assert len({item.id for item in corpus.items}) == count
