"""``synth phi-eval``: recall and false alarms as they are defined, the corpora's formats, and what is written."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from synth.checks.phi import Scanner
from synth.privacy import corpora, evaluation
from synth.privacy.corpora import Corpus, Labelled, LabelledSpan, read_labelled, text_grid
from synth.privacy.evaluation import Hit, held_out_recall, measure, misses
from tests.running import here
from tests.scanned import CLEAN, NOTE

SPANS = [("Okonkwo", "NAME"), ("00482913", "MRN"), ("415-555-0134", "PHONE"), ("jo@clinic.local", "EMAIL")]


def labelled(path: Path) -> Path:
    """Return a file of three labelled documents, one of them without an identifier and one with what nobody finds."""
    spans = [{"start": NOTE.index(t), "end": NOTE.index(t) + len(t), "class": c} for t, c in SPANS]
    rows = [
        {"id": "a", "kind": "note", "text": NOTE, "spans": spans},
        {"id": "b", "kind": "note", "text": CLEAN, "spans": []},
        {"id": "c", "kind": "note", "text": "the usual dose", "spans": [{"start": 4, "end": 9, "class": "NAME"}]},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def test_the_three_measures_of_recall_and_what_a_false_alarm_is() -> None:
    text = "Ada Obi of Lagos, 1 of 2 and no more"
    spans = [(0, 7, "NAME"), (11, 16, "GEO"), (18, 19, "OTHER_ID"), (23, 24, "OTHER_ID")]
    document = Labelled("a", text, tuple(LabelledSpan(start=s, end=e, label=c) for s, e, c in spans))
    clean = Labelled("b", "one two three four", ())
    hits = [[Hit(0, 3, "PERSON"), Hit(4, 7, "PERSON"), Hit(10, 18, "URL"), Hit(23, 24, "PERSON"), Hit(25, 28, "X")]]
    corpus = Corpus("c", (document, clean), "0")
    found = [*hits, [Hit(0, 3, "PERSON")]]
    measured = measure(corpus, found)
    by_label = {
        row.label: (row.whole.found, row.union.found, row.overlap.found, row.whole.total) for row in measured.classes
    }
    assert by_label == {"NAME": (0, 1, 1, 1), "GEO": (1, 1, 1, 1), "OTHER_ID": (1, 1, 1, 2)}
    assert measured.overall is not None
    assert (measured.overall.whole.found, measured.overall.whole.total) == (2, 4)
    assert (measured.with_identifiers.findings, measured.without.findings) == ({"X": 1}, {"PERSON": 1})
    assert measured.without.per_thousand_words == 250
    assert [(miss.text, miss.touched) for miss in misses(corpus, found)] == [("Ada Obi", True), ("1", False)]


def test_the_report_the_results_and_the_misses(tmp_path: Path) -> None:
    out, missed = tmp_path / "results.json", tmp_path / "misses.jsonl"
    words = ["--labelled", str(labelled(tmp_path / "l.jsonl")), "--out", str(out), "--misses", str(missed)]
    done = here("phi-eval", *words)
    assert done.returncode == 0
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["all", "4", "5", "0.800", "0.376–0.964", "0.800", "0.800"] in rows
    assert ["A", "NAME", "1", "2", "0.500", "0.095–0.905", "0.500", "0.500"] in rows
    assert not any(text in done.stdout for text, _ in SPANS)
    results = json.loads(out.read_text("utf-8"))
    assert results["engine"]["presidio-analyzer"]
    assert results["parts"][0]["measured"]["sha256"] == read_labelled(tmp_path / "l.jsonl").sha256
    assert json.loads(missed.read_text("utf-8"))["text"] == "usual"
    assert stat.S_IMODE(missed.stat().st_mode) == 0o600


def test_real_dialogue_is_read_as_its_authors_publish_it(tmp_path: Path) -> None:
    aci = tmp_path / "aci"
    aci.mkdir()
    (aci / "train.csv").write_text(
        f'dataset,encounter_id,dialogue,note\nv,D1,"hi , ada .\nlong time !","{NOTE}"\n', "utf-8"
    )
    names = "dataset,encounter_id,doctor_name,patient_firstname,patient_familyname\nv,D1,Dr. Okonkwo,Ada,Long\n"
    (aci / "train_metadata.csv").write_text(names, "utf-8")
    grid = 'name = "Doctor"\n text = "" \n text = "<UNSURE>Well</UNSURE> ""then"" <UNIN/>" \n'
    (aci / "d.TextGrid").write_text(grid, "utf-8")
    (aci / "n.json").write_text(json.dumps({"day": 1, "note": CLEAN}), "utf-8")
    assert text_grid(grid) == ['Well "then"']
    done = here("phi-eval", "--clean", str(aci), "--aci-bench", str(aci))
    assert (done.returncode, done.stderr) == (0, f"{aci}: 1 files without a text that is known how to read\n")
    assert "aci: 4 documents" in done.stdout
    rows = [line.split()[:3] for line in done.stdout.splitlines()]
    assert ["patient_firstname", "1", "1"] in rows
    assert ["doctor_name", "1", "1"] in rows
    assert [row[2] for row in rows if row[:1] == ["patient_familyname"]] == ["1"]


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"id": "a", "text": "x"}',
        '{"id": "a", "text": 1, "spans": []}',
        '{"id": "a", "text": "x", "spans": [{"start": 0, "end": 9, "class": "NAME"}]}',
        '{"id": "a", "text": "x", "spans": [{"start": 0, "end": 1, "class": "NOM"}]}',
    ],
)
def test_what_is_no_labelled_document_is_one_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "l.jsonl").write_text(line + "\n", "utf-8")
    done = here("phi-eval", "--labelled", str(tmp_path / "l.jsonl"))
    assert (done.returncode, done.stderr.count("\n"), "l.jsonl:1" in done.stderr) == (2, 1, True)


def test_the_bundled_set_is_the_default_and_its_absence_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_out_recall.cache_clear()
    monkeypatch.setattr(corpora, "HELD_OUT", tmp_path / "none.jsonl")
    done = here("phi-eval")
    assert (done.returncode, "--labelled" in done.stderr) == (2, True)
    assert held_out_recall(Scanner()) is None
    monkeypatch.setattr(corpora, "HELD_OUT", labelled(tmp_path / "l.jsonl"))
    assert "held-out: written by others" in here("phi-eval").stdout
    scanner = Scanner()
    recall = held_out_recall(scanner)
    assert recall is not None
    assert {letter: (one.found, one.total) for letter, one in recall.classes.items()} == {
        **{"A": (1, 2), "D": (1, 1), "F": (1, 1), "H": (1, 1)}
    }
    assert (recall.overall.found, recall.overall.total, recall.documents) == (4, 5, 3)
    monkeypatch.setattr(evaluation, "held_out", lambda: pytest.fail("measured twice"))
    assert held_out_recall(scanner) is recall
    held_out_recall.cache_clear()
