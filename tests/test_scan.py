"""``synth scan``: every format, what names say of their values, exit codes, order and privacy of the output."""

from __future__ import annotations

import csv
import json
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth.privacy import pool
from synth.privacy.cues import claimed, words_of
from tests.running import here
from tests.scanned import CLEAN, NOTE, PLANTED, findings, scanned, texts


def as_text(path: Path) -> None:
    path.with_suffix(".txt").write_text(f"{CLEAN}\n{NOTE}\n", "utf-8")


def as_jsonl(path: Path) -> None:
    rows = [{"id": "a", "text": CLEAN, "n": 4}, {"id": "b", "deep": [{"text": NOTE}]}]
    path.with_suffix(".jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def as_json(path: Path) -> None:
    path.with_suffix(".json").write_text(json.dumps([{"id": "a", "text": CLEAN}, {"deep": [NOTE]}]), "utf-8")


def as_csv(path: Path) -> None:
    with path.with_suffix(".csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=";").writerows([["id", "text"], ["a", CLEAN], ["b", f'"{NOTE}";\n']])


def as_parquet(path: Path) -> None:
    nested = pa.array([None, {"said": [NOTE]}])
    table = pa.table({"id": ["a", "b"], "plain": pa.array([CLEAN, CLEAN]).dictionary_encode(), "nested": nested})
    pq.write_table(table, path.with_suffix(".parquet"))


@pytest.mark.parametrize(
    ("write", "where"),
    [
        (as_text, ("{}", "text")),
        (as_jsonl, ("b", "/deep/0/text")),
        (as_json, ("2", "/deep/0")),
        (as_csv, ("b", "text")),
        (as_parquet, ("b", "nested/said/0")),
    ],
)
def test_every_format_is_read(tmp_path: Path, write: Callable[[Path], None], where: tuple[str, str]) -> None:
    write(tmp_path / "in")
    file = next(tmp_path.glob("in.*"))
    done, found = scanned(tmp_path, str(file))
    assert done.returncode == 1
    assert texts(found) == list(PLANTED)
    assert {(one["id"], one["field"]) for one in found} == {(where[0].format(file), where[1])}
    assert done.stderr == ""
    assert not any(text in done.stdout for text in PLANTED)


def test_offsets_are_those_of_the_value(tmp_path: Path) -> None:
    text = "≥ ½ 🙂\r\n" * 3 + NOTE
    (tmp_path / "a.txt").write_bytes(text.encode())
    _, found = scanned(tmp_path, str(tmp_path / "a.txt"))
    assert [text[int(str(one["start"])) : int(str(one["end"]))] for one in found] == list(PLANTED)


def test_nothing_found_is_exit_0_and_says_that_it_proves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(CLEAN, "utf-8")
    done = here("scan", str(tmp_path / "a.txt"))
    assert (done.returncode, "proves nothing" in done.stdout) == (0, True)


def test_the_findings_file_holds_no_text_and_with_show_only_its_owner_reads_it(tmp_path: Path) -> None:
    as_jsonl(tmp_path / "in")
    out = tmp_path / "f.jsonl"
    here("scan", str(tmp_path / "in.jsonl"), "--out", str(out))
    assert list(findings(out)[0]) == ["id", "field", "entity_type", "start", "end", "score", "recognizer"]
    assert not any(text in out.read_text("utf-8") for text in PLANTED)
    here("scan", str(tmp_path / "in.jsonl"), "--out", str(out), "--show")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert all(text in out.read_text("utf-8") for text in PLANTED)


def test_an_id_or_a_key_that_identifies_is_a_finding_and_is_not_written_out(tmp_path: Path) -> None:
    row = {"id": "jo@clinic.local", "by": {"MRN: 00482913": {"a": NOTE}}}
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n", "utf-8")
    out = tmp_path / "f.jsonl"
    here("scan", str(tmp_path / "a.jsonl"), "--out", str(out))
    found = findings(out)
    assert {one["id"] for one in found} == {"#1"}
    assert {"/id", "/by/?0 (key)", "/by/?0/a"} == {one["field"] for one in found}
    assert not any(text in out.read_text("utf-8") for text in PLANTED)


def test_a_folder_is_read_by_known_endings_in_order(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "b.txt").write_text(NOTE, "utf-8")
    (folder / "a.txt").write_text(NOTE, "utf-8")
    (folder / "c.bin").write_text(NOTE, "utf-8")
    done, found = scanned(tmp_path, str(folder))
    assert [one["file"] for one in found] == [str(folder / "a.txt")] * 4 + [str(folder / "below" / "b.txt")] * 4
    assert "1 file skipped" in done.stdout


def test_standard_input_is_text_unless_said_otherwise() -> None:
    code = [sys.executable, "-c", "from synth.cli import main; main()", "scan", "-"]
    plain = subprocess.run(code, input=NOTE, capture_output=True, text=True, check=False)
    assert (plain.returncode, "4 findings" in plain.stdout) == (1, True)


def test_only_the_named_fields_are_scanned(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"x": NOTE, "y": {"z": "MRN: 00482913"}}) + "\n", "utf-8")
    _, found = scanned(tmp_path, str(tmp_path / "a.jsonl"), "--field", "y")
    assert texts(found) == ["00482913"]
    assert here("scan", str(tmp_path / "a.jsonl"), "--field", "absent").returncode == 2


def test_a_threshold_leaves_findings_out(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("mrn,phone\nX77,415-555-0134\n", "utf-8")
    for words, there in (([], True), (["--threshold", "medical_record_number=1"], False)):
        _, found = scanned(tmp_path, str(tmp_path / "a.csv"), *words)
        assert ("MEDICAL_RECORD_NUMBER" in {one["entity_type"] for one in found}) is there
        assert "415-555-0134" in texts(found)


@pytest.mark.parametrize(
    "words",
    [
        ["missing.txt"],
        ["here.txt", "--threshold", "PERSN=0.5"],
        ["here.txt", "--threshold", "PERSON"],
        ["here.txt", "--show"],
        ["here.txt", "--out", "here.txt"],
        ["empty"],
        ["here.txt", "--model", "spacy:no_such_model"],
    ],
)
def test_a_wrong_request_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.txt").write_text(NOTE, "utf-8")
    (tmp_path / "empty").mkdir()
    done = here("scan", *words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert (tmp_path / "here.txt").read_text("utf-8") == NOTE


@pytest.mark.parametrize(
    ("name", "value", "entity_type"),
    [
        ("mrn", "X-77", "MEDICAL_RECORD_NUMBER"),
        ("PatientName", "ada obi", "PERSON"),
        ("patient_firstname", "ada", "PERSON"),
        ("contact_name_2", "Bo", "PERSON"),
        ("dob", "30041950", "DATE_TIME"),
        ("admission_date", "45231", "DATE_TIME"),
        ("birth_date", "1951", None),
        ("zip", "94110", "LOCATION"),
        ("zip3", "941", None),
        ("zip3", "036", "LOCATION"),
        ("city", "lagos", "LOCATION"),
        ("email_address", "jo at home", "EMAIL_ADDRESS"),
        ("ip_address", "10.0.0.12", "IP_ADDRESS"),
        ("home address", "the mill", "LOCATION"),
        ("age", "92", "AGE_OVER_89"),
        ("age", "89", None),
        ("average", "92", None),
        ("username", "jdoe42", "OTHER_ID"),
        ("drug_name", "Metformin", None),
        ("name", "Metformin", None),
        ("mrn", "n/a", None),
        ("mrn", "[MRN]", None),
        ("patient name", "{{patient_name}}", None),
        ("update", "12345678", None),
        ("state", "Ohio", None),
    ],
)
def test_a_name_speaks_for_its_value(name: str, value: str, entity_type: str | None) -> None:
    assert claimed(words_of(name), value) == entity_type


def test_names_speak_in_tables_and_objects_and_for_numbers_too(tmp_path: Path) -> None:
    rows = [
        {"patient": {"name": "ada obi", "mrn": 482913}, "drugs": [{"name": "Metformin", "dose": 500}]},
        {"name": "bo li", "dob": "1950-03-02"},
        {"telecom": [{"system": "phone", "value": "0134 998"}], "vitals": [{"name": "pulse", "value": 72}]},
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    _, found = scanned(tmp_path, str(tmp_path / "a.jsonl"))
    assert texts(found) == ["ada obi", "482913", "bo li", "1950-03-02", "0134 998"]
    table = pa.table({"mrn": [482913, None], "dob": [date(1950, 3, 2), None], "weight": [71.5, 72.0]})
    pq.write_table(table, tmp_path / "a.parquet")
    _, found = scanned(tmp_path, str(tmp_path / "a.parquet"))
    assert texts(found) == ["482913", "1950-03-02"]


def test_the_order_is_the_same_with_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_DOCUMENTS", 7)
    lines = [json.dumps({"id": f"r{i}", "text": NOTE if i % 3 else CLEAN}) for i in range(300)]
    lines[100] = "{"
    (tmp_path / "a.jsonl").write_text("\n".join(lines), "utf-8")
    outs = [tmp_path / f"{workers}.jsonl" for workers in (1, 2)]
    done = [here("scan", str(tmp_path / "a.jsonl"), "--out", str(out), "--workers", out.stem) for out in outs]
    assert outs[0].read_bytes() == outs[1].read_bytes()
    assert len(findings(outs[0])) == 4 * 199
    assert [one.stderr for one in done] == [f"{tmp_path}/a.jsonl:101: invalid JSON (scanned as text)\n"] * 2


MEMORY = """
import resource, sys
from synth.privacy import pool
from synth.privacy.scan import ScanRequest, scan
pool.find_values = lambda settings, values: ()
assert scan(ScanRequest((sys.argv[1],)), print).words > 50_000
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.parametrize("ending", ["txt", "jsonl", "csv"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, ending: str) -> None:
    peaks = []
    for name, lines in (("small", 1_000), ("large", 40_000)):
        file = tmp_path / f"{name}.{ending}"
        with file.open("w", encoding="utf-8") as out:
            out.write("text\n" if ending == "csv" else "")
            line = json.dumps({"text": "well " * 80}) if ending == "jsonl" else "well " * 80
            out.writelines(f"{line}\n" for _ in range(lines))
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, str(file)], capture_output=True, text=True, check=True, timeout=100
        )
        peaks.append(int(done.stdout.split()[-1]))
    assert peaks[1] < peaks[0] + 10  # the large file has 15 MiB more
