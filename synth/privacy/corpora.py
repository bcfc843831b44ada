"""What the filter is measured on: labelled documents, dialogues without labels, and names that metadata knows."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import AliasChoices, Field, ValidationError

from synth.assets import sha256
from synth.errors import UserError
from synth.privacy.formats.base import cells_up_to
from synth.records import Record

CLASSES = {
    **{
        "NAME": "A",
        "GEO": "B",
        "DATE": "C",
        "AGE90": "C",
        "PHONE": "D",
        "FAX": "E",
        "EMAIL": "F",
        "SSN": "G",
        "MRN": "H",
    },
    **{"HEALTH_PLAN": "I", "ACCOUNT": "J", "LICENSE": "K", "VEHICLE": "L", "DEVICE": "M", "URL": "N", "IP": "O"},
    "OTHER_ID": "R",
}
"""Class of a labelled span → letter of its Safe Harbor class. P and Q have none: they are not measured."""
HELD_OUT = Path(__file__).with_name("held_out.jsonl")
_TEXTS = ("dialogue", "section_text", "note", "text")
"""Columns and keys of a corpus that hold text; others, such as metadata, are not read."""
_NAMES = ("doctor_name", "patient_firstname", "patient_familyname")
_INTERVAL = re.compile(r'^\s*text\s*=\s*"((?:[^"]|"")*)"', re.MULTILINE)
MARKUP = re.compile(r"</?[A-Z_]+/?>")


class LabelledSpan(Record):
    """An identifier; offsets are code points."""

    start: int
    end: int
    label: str = Field(validation_alias=AliasChoices("class", "label"))


class _Row(Record):
    """A line of a labelled file."""

    id: str
    kind: str = ""
    text: str
    spans: tuple[LabelledSpan, ...]


@dataclass(frozen=True, slots=True)
class Labelled:
    """A document whose identifiers are known; without any, it is known to hold none."""

    id: str
    text: str
    spans: tuple[LabelledSpan, ...]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents that are measured together."""

    name: str
    documents: tuple[Labelled, ...]
    sha256: str
    """Of the bytes that were read."""


def read_labelled(path: Path) -> Corpus:
    """Return the documents of a JSONL file of ``{"id", "kind", "text", "spans": [{"start", "end", "class"}]}``.

    Raises UserError with the line for what is not of that shape, a span outside its text, or an unknown class.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    documents = []
    for number, line in enumerate(data.splitlines(), 1):
        try:
            documents.append(_labelled(line))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise UserError(f"{path}:{number}: no labelled document ({where or 'line'}: {first['msg']})") from None
        except ValueError as error:
            raise UserError(f"{path}:{number}: no labelled document ({error})") from None
    if not documents:
        raise UserError(f"{path}: no documents in it")
    return Corpus(path.name, tuple(documents), sha256(data))


def _labelled(line: bytes) -> Labelled:
    row = _Row.model_validate_json(line)
    for span in row.spans:
        if span.label not in CLASSES:
            raise ValueError(f"unknown class; known: {', '.join(CLASSES)}")
        if not 0 <= span.start < span.end <= len(row.text):
            raise ValueError(f"span {span.start}–{span.end} is not in the text")
    return Labelled(row.id, row.text, row.spans)


def held_out() -> Corpus | None:
    """Return the bundled held-out documents, which no recogniser was tuned on; None where they are not there."""
    return read_labelled(HELD_OUT) if HELD_OUT.is_file() else None


def read_clean(path: Path) -> tuple[Corpus, int]:
    """Return the texts of a file or folder without labels, and how many files hold none.

    Read are CSV columns ``dialogue``, ``section_text``, ``note`` and ``text`` (ACI-Bench, MTS-Dialog), JSON objects'
    keys of these names (PriMock57's notes), the intervals of TextGrid files, and plain text. Raises UserError where
    there is nothing to read.
    """
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    documents: list[Labelled] = []
    hashes: list[str] = []
    skipped = 0
    for file in files:
        texts = list(_texts_of(file))
        skipped += not texts
        if texts:
            hashes.append(sha256(file.read_bytes()))
        documents += [Labelled(f"{file.name}:{i}", text, ()) for i, text in enumerate(texts, 1)]
    if not documents:
        raise UserError(f"{path}: no text in it that is known how to read (CSV, TextGrid, JSON, text)")
    return Corpus(path.name or str(path), tuple(documents), sha256("\n".join(hashes))), skipped


def _texts_of(file: Path) -> Iterator[str]:
    ending = file.suffix.lower()
    if ending == ".csv":
        for row in rows_of(file):
            yield from (text for name in _TEXTS if (text := row.get(name)))
    elif ending == ".textgrid":
        text = "\n".join(text_grid(read_text(file)))
        if text:
            yield text
    elif ending == ".json":
        try:
            value = json.loads(read_text(file))
        except ValueError:
            return
        if isinstance(value, dict):
            yield from (text for name in _TEXTS if isinstance(text := value.get(name), str) and text)
    elif ending in (".txt", ".text"):
        yield read_text(file)


def text_grid(content: str) -> list[str]:
    """Return what is said in the intervals of a Praat TextGrid in its long form, without mark-up such as ``<UNIN/>``.

    Source of the form: Praat manual, "TextGrid file formats".
    """
    said = (MARKUP.sub("", hit.replace('""', '"')).strip() for hit in _INTERVAL.findall(content))
    return [text for text in said if text]


def rows_of(file: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file by column."""
    with cells_up_to(1 << 24):
        return list(csv.DictReader(read_text(file).splitlines(keepends=True)))


def read_text(file: Path) -> str:
    """Return the text of a file in UTF-8, or in UTF-16 where its byte order mark says so; bad bytes become U+FFFD."""
    data = file.read_bytes()
    return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "replace")


def read_aci_names(folder: Path) -> tuple[Corpus, ...]:
    """Return ACI-Bench's dialogues, and its notes, in which the names that its metadata knows are labelled.

    A label is the metadata's column. A name counts wherever it stands as words, in any case, so one that is a word
    besides (``hills``) counts too often. Raises UserError where a folder holds no ``*_metadata.csv``.
    """
    texts: dict[str, list[Labelled]] = {"dialogue": [], "note": []}
    hashes: list[str] = []
    for metadata in sorted(folder.glob("*_metadata.csv")):
        file = metadata.with_name(metadata.name.replace("_metadata", ""))
        if not file.is_file():
            raise UserError(f"{file}: not there, and {metadata.name} belongs to it")
        hashes += [sha256(metadata.read_bytes()), sha256(file.read_bytes())]
        names = {row["encounter_id"]: row for row in rows_of(metadata)}
        for row in rows_of(file):
            known = names.get(row["encounter_id"], {})
            for part, documents in texts.items():
                documents.append(Labelled(row["encounter_id"], row[part], tuple(_named(row[part], known))))
    if not hashes:
        raise UserError(f"{folder}: no *_metadata.csv in it; give the folder of ACI-Bench's CSV files")
    digest = sha256("\n".join(hashes))
    return tuple(Corpus(f"ACI-Bench names, {part}s", tuple(documents), digest) for part, documents in texts.items())


def _named(text: str, known: dict[str, str]) -> Iterator[LabelledSpan]:
    taken: list[tuple[int, int]] = []
    for column in _NAMES:
        words = re.findall(
            r"[^\W\d_]+(?:['’-][^\W\d_]+)*", re.sub(r"(?i)^(?:dr|doctor)\b\.?", "", known.get(column) or "")
        )
        if not words:
            continue
        name = r"[\s.,]+".join(map(re.escape, words))
        for hit in re.finditer(rf"(?i)\b{name}\b", text):
            if not any(start < hit.end() and hit.start() < end for start, end in taken):
                taken.append(hit.span())
                yield LabelledSpan(start=hit.start(), end=hit.end(), label=column)
