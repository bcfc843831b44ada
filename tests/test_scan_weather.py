"""Files that mean harm, or came to harm: each ends in a finding, a counted record or a one-line error, and soon."""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path

import pytest

from synth.privacy.formats import base
from synth.privacy.scanning import CONTEXT, PIECE
from tests.running import here
from tests.scanned import CLEAN, NOTE, PLANTED, scanned, texts


def file(tmp_path: Path, name: str, content: bytes | str) -> str:
    """Return the path of a file with this content."""
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


@pytest.mark.parametrize(
    ("name", "content", "told", "code"),
    [
        ("a.txt", b"\x00\x01\xff\xfe" * 500, "no text (binary", 3),
        ("a.txt", b"%PDF-1.7 " + NOTE.encode(), "no text (it is a PDF)", 3),
        ("a.csv", b"PK\x03\x04" + b"x" * 99, "no text (it is a ZIP", 3),
        ("a.txt", "abc".encode("utf-16-le") * 99, "UTF-16 without", 3),
        ("a.txt", b"fine\nM\xfcller\nMRN: 00482913\n", "a.txt:2: invalid utf-8", 1),
        ("a.jsonl", b'{"a": 1}\n{"a": "\xff"}\n', "a.jsonl:2: invalid utf-8", 3),
        ("a.jsonl", '{"a": "x"}\n{"a": \n', "a.jsonl:2: invalid JSON", 3),
        ("a.jsonl", '{"a": "MRN: 00482913", "a": "x"}\n', "the same key twice", 1),
        ("a.jsonl", "[" * 100_000 + "]" * 100_000, "nested too deeply", 3),
        ("a.json", '{"a": 1}\n{"a": 2}', "is it JSON Lines?", 3),
        ("a.csv", "a,b\n1,2\n1,2,3\n", "a.csv:2: too many columns (3", 3),
        ("a.csv", f'a,b\n1,"open\n{NOTE}\n', "a quote is not closed", 1),
        ("a.csv", b"a,b\n1,\xff\n", "a.csv:2: invalid utf-8", 3),
        ("a.parquet", b"PAR1 and no more", "invalid Parquet", 3),
        ("a.parquet", b"no Parquet at all", "invalid Parquet", 3),
    ],
)
def test_what_cannot_be_read_is_told_and_counted(
    tmp_path: Path, name: str, content: bytes | str, told: str, code: int
) -> None:
    done = here("scan", file(tmp_path, name, content))
    assert told in done.stderr
    assert "not read as they should be" in done.stdout
    assert done.returncode == code
    assert not any(text in done.stdout + done.stderr for text in PLANTED)


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.json", "a.csv", "a.parquet"])
def test_an_empty_file_is_clean(tmp_path: Path, name: str) -> None:
    done = here("scan", file(tmp_path, name, ""))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("ending", ["txt", "jsonl", "csv"])
def test_a_byte_order_mark_is_believed(tmp_path: Path, encoding: str, ending: str) -> None:
    content = json.dumps({"text": NOTE}) if ending == "jsonl" else f'text\n"{NOTE}"\n' if ending == "csv" else NOTE
    done, found = scanned(tmp_path, file(tmp_path, f"a.{ending}", content.encode(encoding)))
    assert (texts(found), done.stderr) == (list(PLANTED), "")


@pytest.mark.parametrize(
    "text", ["MRN\u200b: 0048\u200b2913", "ＭＲＮ: ００４８２９１３", "МRN: 00482913", "MRN: 00482913\x00"]
)
def test_disguise_does_not_help(tmp_path: Path, text: str) -> None:
    done, found = scanned(tmp_path, file(tmp_path, "a.txt", f"Her {text} is on file."))
    assert done.returncode == 1
    assert "MEDICAL_RECORD_NUMBER" in {one["entity_type"] for one in found}


def test_no_finding_is_lost_or_doubled_where_a_text_is_cut(tmp_path: Path) -> None:
    rng = random.Random(4)
    for filler in ("well ", "well\n", "well,"):
        pieces: list[str] = []
        length = 0
        while length < 4 * PIECE:
            word = f"MRN: {10_000_000 + length}" if length % PIECE < 60 or rng.random() < 0.0002 else filler
            pieces.append(word + " " if word.startswith("MRN") else word)
            length += len(pieces[-1])
        text = "".join(pieces)
        _, found = scanned(tmp_path, file(tmp_path, "a.txt", text))
        assert texts(found) == [piece[5:-1] for piece in pieces if piece.startswith("MRN")]
        assert all(text[int(str(f["start"])) : int(str(f["end"]))] == f["text"] for f in found)
    assert CONTEXT < PIECE


@pytest.mark.parametrize("filler", ["x", "1", "a@", "A.", "(", "\u200b", "Mr "])
def test_a_long_line_ends_soon(tmp_path: Path, filler: str) -> None:
    text = filler * ((30_000 if filler == "a@" else 300_000) // len(filler)) + f" {NOTE}"
    started = time.process_time()
    done, found = scanned(tmp_path, file(tmp_path, "a.txt", text))
    assert done.returncode == 1
    assert set(PLANTED) <= set(texts(found))
    assert time.process_time() - started < 30


@pytest.mark.slow
def test_ten_megabytes_in_one_line_end_soon(tmp_path: Path) -> None:
    started = time.process_time()
    done, found = scanned(tmp_path, file(tmp_path, "a.txt", "x" * 10_000_000 + f" {NOTE}"))
    assert (done.returncode, set(PLANTED) <= set(texts(found))) == (1, True)
    assert time.process_time() - started < 60


def test_a_huge_record_is_scanned_or_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = json.dumps({"text": "x" * 50_000_000 + " " + NOTE})
    done, found = scanned(tmp_path, file(tmp_path, "a.jsonl", line))
    assert (done.returncode, done.stderr) == (1, "")
    assert set(PLANTED) <= set(texts(found))
    monkeypatch.setattr(base, "MOST_CHARACTERS", 10_000)
    for name in ("a.jsonl", "a.json"):
        done, found = scanned(tmp_path, file(tmp_path, name, json.dumps({"text": "well " * 5_000 + NOTE})))
        assert (texts(found), "too long" in done.stderr) == (list(PLANTED), True)
    done, found = scanned(tmp_path, file(tmp_path, "a.csv", f'text\n"{"well " * 5_000} {NOTE}"\n{CLEAN}\n'))
    assert (texts(found), "invalid CSV" in done.stderr) == (list(PLANTED), True)


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    done = here("scan", str(tmp_path / "pipe.txt"))
    assert (done.returncode, "no regular file" in done.stderr) == (2, True)
    (tmp_path / "a.txt").write_text(CLEAN, "utf-8")
    done = here("scan", str(tmp_path))
    assert (done.returncode, "1 file skipped" in done.stdout) == (0, True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_one_line(tmp_path: Path) -> None:
    path = file(tmp_path, "a.txt", NOTE)
    Path(path).chmod(0)
    done = here("scan", path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_many_bad_records_are_counted_and_not_all_told(tmp_path: Path) -> None:
    done = here("scan", file(tmp_path, "a.jsonl", "{\n" * 500))
    assert done.stderr.count("\n") == 20
    assert "invalid JSON 500" in done.stdout
