"""``synth redact``: the same format with the spans replaced, whole or not at all, and nothing found afterwards."""

from __future__ import annotations

import csv
import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.privacy.documents import Value
from synth.privacy.pool import Job
from synth.privacy.replacing import Replacing
from synth.privacy.scanning import EVERYTHING, PIECE, find_values
from tests.running import here
from tests.scanned import CLEAN, NOTE, PLANTED

TAGGED = "Seen by Dr. [NAME]. MRN: [MRN], call [PHONE] or [EMAIL]."


def redacted(path: Path, *words: str) -> Path:
    """Return the file that ``synth redact`` makes of one."""
    out = path.with_name(f"out{path.suffix}")
    done = here("redact", str(path), str(out), "--force", *words)
    assert done.returncode == 0, done.stderr
    assert "NOT proven" in done.stdout
    assert not any(text in done.stdout for text in PLANTED)
    if not words:
        assert here("scan", str(out)).returncode == 0
    return out


def test_text_stays_as_it_is_but_for_the_spans(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(f"\ufeff{CLEAN}\r\n{NOTE}\r\n🙂".encode())
    assert redacted(tmp_path / "a.txt").read_bytes() == f"\ufeff{CLEAN}\r\n{TAGGED}\r\n🙂".encode()
    masked = redacted(tmp_path / "a.txt", "--as", "mask").read_text("utf-8-sig")
    assert (len(masked), masked.count("█")) == (len(f"{CLEAN}\n{NOTE}\n🙂"), sum(map(len, PLANTED)))


def test_a_text_of_several_pieces_is_redacted_across_its_cuts(tmp_path: Path) -> None:
    filler = "x," * ((PIECE - 10) // 2)
    text = f"{filler}(jo@clinic.local){filler}(jo@clinic.local){filler}"
    (tmp_path / "a.txt").write_text(text, "utf-8")
    out = redacted(tmp_path / "a.txt", "--threshold", "PERSON=1").read_text("utf-8")
    assert out == text.replace("jo@clinic.local", "[EMAIL]")


def test_json_keeps_structure_types_and_what_has_no_findings(tmp_path: Path) -> None:
    lines = [
        '{"id": "a",  "text": "odd   spacing", "n": 1.50}',
        json.dumps({"patient": {"mrn": 482913, "weight": 71.5, "name": "ada obi"}, "said": [NOTE, None, True]}),
        json.dumps({"jo@clinic.local": 1, "Dr. Okonkwo": 2, "Dr. Obiageli": 3}),
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    out = redacted(tmp_path / "a.jsonl").read_text("utf-8").splitlines()
    assert out[0] == lines[0]
    assert json.loads(out[1]) == {
        "patient": {"mrn": 0, "weight": 71.5, "name": "[NAME]"},
        "said": [TAGGED, None, True],
    }
    assert out[2] == '{"[EMAIL]": 1, "Dr. [NAME]": 2, "Dr. [NAME] 2": 3}'
    document = json.dumps({"text": NOTE, "é": 1}, indent=4, ensure_ascii=False) + "\n"
    (tmp_path / "a.json").write_text(document, "utf-8")
    assert redacted(tmp_path / "a.json").read_text("utf-8") == document.replace(NOTE, TAGGED)


def test_csv_stays_csv(tmp_path: Path) -> None:
    rows = [["id", "dr. okonkwo", "note"], ["a", "", CLEAN], ["b", "x", f'"quoted", {NOTE}\nand more']]
    with (tmp_path / "a.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t").writerows(rows)
    out = redacted(tmp_path / "a.csv", "--field", "note")
    with out.open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file, delimiter="\t")) == [*rows[:2], ["b", "x", f'"quoted", {TAGGED}\nand more']]


def test_parquet_keeps_its_schema(tmp_path: Path) -> None:
    table = pa.table(
        {
            "text": pa.array([NOTE, CLEAN, None]).dictionary_encode(),
            "mrn": pa.array([482913, None, 7], pa.int32()),
            "dob": pa.array([date(1950, 3, 2), None, None]),
            "account": pa.array([Decimal("12345678.00"), None, None]),
            "nested": pa.array([{"said": [NOTE]}, None, {"said": []}]),
            "pairs": pa.array([[("note", NOTE)], [], None], pa.map_(pa.string(), pa.string())),
            "kept": pa.array([b"\x00", b"", None]),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    done = here("redact", str(tmp_path / "a.parquet"), str(tmp_path / "out.parquet"))
    assert (done.returncode, "1 with bytes, not scanned" in done.stderr) == (3, True)
    out = pq.read_table(tmp_path / "out.parquet")
    assert out.schema == table.schema
    assert out.to_pylist()[0] == {
        "text": TAGGED,
        "mrn": 0,
        "dob": None,
        "account": Decimal("0.00"),
        "nested": {"said": [TAGGED]},
        "pairs": [("note", TAGGED)],
        "kept": b"\x00",
    }
    assert out.slice(1).drop(["mrn"]).to_pylist() == table.slice(1).drop(["mrn"]).to_pylist()
    done = here("redact", str(tmp_path / "a.parquet"), str(tmp_path / "one.parquet"), "--field", "nested/said")
    only = pq.read_table(tmp_path / "one.parquet").to_pylist()[0]
    assert only == table.to_pylist()[0] | {"nested": {"said": [TAGGED]}}
    named = pa.table({"x": pa.array([{"jo@clinic.local": 1}])})
    pq.write_table(named, tmp_path / "b.parquet")
    done = here("redact", str(tmp_path / "b.parquet"), str(tmp_path / "b-out.parquet"))
    assert (done.returncode, "rename" in done.stderr, (tmp_path / "b-out.parquet").exists()) == (2, True, False)


def test_surrogates_are_consistent_within_a_document_and_repeatable_with_a_seed(tmp_path: Path) -> None:
    rows = [{"id": i, "a": "Dr. Okonkwo", "b": f"Dr. Okonkwo: {NOTE}", "mrn": 4829130} for i in range(2)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    first, second = (
        redacted(tmp_path / "a.jsonl", "--as", "surrogate", "--seed", seed).read_text("utf-8") for seed in "12"
    )
    assert redacted(tmp_path / "a.jsonl", "--as", "surrogate", "--seed", "1").read_text("utf-8") == first != second
    made = [json.loads(line) for line in first.splitlines()]
    names = [row["a"] for row in made]
    assert all(name in row["b"] for name, row in zip(names, made, strict=True))
    assert names[0] != names[1]
    assert all(isinstance(row["mrn"], int) and row["mrn"] != 4829130 for row in made)
    assert not any(text in first for text in PLANTED)


def test_an_output_is_never_written_over_the_input_or_by_half(tmp_path: Path) -> None:
    source, out = tmp_path / "a.jsonl", tmp_path / "out.jsonl"
    source.write_text(json.dumps({"text": NOTE}) + "\n{broken\n", "utf-8")
    (tmp_path / "link.jsonl").symlink_to(source)
    for words in (
        ["-"],
        [str(source), "--force"],
        [str(tmp_path / "link.jsonl"), "--force"],
        [str(tmp_path), "--force"],
    ):
        assert here("redact", str(source), *words).returncode == 2
    out.write_text("mine", "utf-8")
    done = here("redact", str(source), str(out))
    assert (done.returncode, out.read_text("utf-8")) == (2, "mine")
    assert here("redact", str(source), str(out), "--force", "--field", "absent").returncode == 2
    assert out.read_text("utf-8") == "mine"
    done = here("redact", str(source), str(out), "--force")
    assert (done.returncode, "a.jsonl:2: invalid JSON" in done.stderr) == (3, True)
    assert out.read_text("utf-8") == json.dumps({"text": TAGGED}) + "\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "link.jsonl", "out.jsonl"]


_PIECES = st.sampled_from(
    [
        *(f"{cue} {text}" for cue, text in zip(("Dr.", "MRN:", "call", "at"), PLANTED, strict=True)),
        *("March 3rd, 1950", "03/02/1950", "SSN 123-45-6789", "12 Mill Road, Salem, MA 01970", "aged 93"),
        *("fax 415-555-0199", "http://clinic.local/a", "10.0.0.12", "and", "the", ",", "\n", "(", ")", "x", "7", "Mr"),
        *("ma'am", "é", "[NAME]"),
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(_PIECES, max_size=24), st.sampled_from(["", "patient name", "mrn", "dob", "note"]))
def test_nothing_is_found_in_what_was_tagged(pieces: list[str], name: str) -> None:
    value = Value("text", name, " ".join(pieces))
    outcome = Job(EVERYTHING, Replacing("tag", ""))("id", (value,))
    text = outcome.changes.get(0, value.text)
    assert find_values(EVERYTHING, (Value("text", name, text),)) == ()


@pytest.mark.parametrize("words", [["--seed", "1"], ["--as", "tags"]])
def test_flags_that_make_no_sense_are_refused(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "a.txt").write_text(NOTE, "utf-8")
    done = here("redact", str(tmp_path / "a.txt"), str(tmp_path / "b.txt"), *words)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
