"""Texts of others that a data set is set against: benchmarks to hold out, and corpora to measure beside.

Read are ACI-Bench's and MTS-Dialog's CSV files, PriMock57's folder (``notes/*.json``, ``transcripts/*.TextGrid``, one a
speaker, put together by time), and any CSV, JSONL, Parquet or text file, by columns or keys of known names; of JSONL
and Parquet that have none of these, all strings. What stands there twice is one item.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from synth.assets import sha256
from synth.errors import UserError
from synth.privacy.corpora import MARKUP, read_text, rows_of

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_IDS = ("encounter_id", "id", "ID")
_DIALOGUES = ("dialogue", "source", "transcript", "conversation")
_NOTES = ("note", "section_text", "text", "target", "reference", "summary")
_SPEAKER = re.compile(r"^\s*(?:\[(\w+)\]|(Doctor|Patient|Guest\w*)\s*:)\s*", re.IGNORECASE)
_INTERVAL = re.compile(r'xmin = ([\d.]+)\s*xmax = [\d.]+\s*text = "((?:[^"]|"")*)"')
_BATCH = 1024
_OUTPUTS = "predictions"
"""Folder of what systems wrote for a benchmark, beside it."""


@dataclass(frozen=True, slots=True)
class Item:
    """One visit, section or text."""

    id: str
    turns: tuple[tuple[str, str], ...]
    """Speaker in small letters, empty where none is named, and what is said; none where there is no dialogue."""
    note: str
    """Empty where there is none."""
    spoken: bool = True
    """Whether the turns are those of a dialogue, and no documents."""

    @property
    def dialogue(self) -> str:
        """What is said, one line a turn."""
        return "\n".join(said for _, said in self.turns)


@dataclass(frozen=True, slots=True)
class Corpus:
    """The items of a folder or file."""

    name: str
    """As the user calls it."""
    items: tuple[Item, ...]
    sha256: str
    """Of the names, below the folder, and the bytes of the files that were read."""


def read_corpora(given: Iterable[str]) -> tuple[Corpus, ...]:
    """Return the corpora of some ``NAME=PATH``; UserError for another form, a name given twice, and what cannot be
    read."""
    found: dict[str, Corpus] = {}
    for words in given:
        name, equals, path = words.partition("=")
        if not equals or not path or not _NAME.fullmatch(name):
            raise UserError(f"{words!r} is not of the form NAME=PATH, such as aci-bench=data/aci-bench")
        if name in found:
            raise UserError(f"{name} is given twice; give each of its folders a name of its own")
        found[name] = read_corpus(name, Path(path))
    return tuple(found.values())


def read_corpus(name: str, path: Path) -> Corpus:
    """Return what is in a folder or file; UserError where there is nothing that is known how to read."""
    if not path.exists():
        raise UserError(f"{path}: no such file or folder ({name})")
    below = path if path.is_dir() else path.parent
    found = (one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    files = sorted(one for one in found if _OUTPUTS not in one.relative_to(below).parts)
    items: dict[tuple[str, str], Item] = {}
    hashes: list[str] = []
    try:
        grids = [file for file in files if file.suffix.lower() == ".textgrid"]
        for item in _visits(grids, {file.stem: file for file in files if file.suffix.lower() == ".json"}):
            items.setdefault((item.dialogue, item.note), item)
        notes = {file for file in files if file.suffix.lower() == ".json"} if grids else set()
        for file in files:
            read = list(_items_of(file, file.relative_to(below).with_suffix("").as_posix()))
            for item in read:
                items.setdefault((item.dialogue, item.note), item)
            if read or file in notes or file in grids:
                hashes.append(f"{file.relative_to(below).as_posix()} {sha256(file.read_bytes())}")
    except OSError as error:
        raise UserError(f"{error.filename or path}: {error.strerror}") from error
    if not items:
        raise UserError(f"{path}: no text in it that is known how to read (CSV, JSONL, Parquet, TextGrid, text)")
    return Corpus(name, tuple(items.values()), sha256("\n".join(hashes)))


def _items_of(file: Path, stem: str) -> Iterator[Item]:
    ending = file.suffix.lower()
    if ending == ".csv":
        known = (*_DIALOGUES, *_NOTES)
        rows: Iterable[Mapping[str, object]] = (row for row in rows_of(file) if any(row.get(name) for name in known))
    elif ending in (".jsonl", ".ndjson"):
        rows = _objects(file)
    elif ending in (".parquet", ".pq"):
        rows = _parquet(file)
    elif ending in (".txt", ".text"):
        rows = [{"text": read_text(file), "id": stem}]
    else:
        return
    for number, row in enumerate(rows, 1):
        item = _item(row, f"{stem}:{number}", stem)
        if item is not None:
            yield item


def _item(row: Mapping[str, object], place: str, stem: str) -> Item | None:
    """Return what a row holds; None where that is no text."""
    key = next((str(row[name]) for name in _IDS if row.get(name) not in (None, "")), None)
    dialogue, note = _first(row, _DIALOGUES), _first(row, _NOTES)
    if not dialogue and not note:
        note = "\n".join(text for name, text in row.items() if isinstance(text, str) and name not in _IDS)
    if not dialogue and not note.strip():
        return None
    bare = key is None or key.isdigit()  # a number alone says nothing beside other files
    return Item((place if key is None else f"{stem}:{key}") if bare else str(key), turns_of(dialogue), note)


def _first(row: Mapping[str, object], names: Iterable[str]) -> str:
    """Return the first text that a row has under these names; empty where there is none."""
    for name in names:
        text = row.get(name)
        if isinstance(text, str) and text:
            return text
    return ""


def turns_of(dialogue: str) -> tuple[tuple[str, str], ...]:
    """Return the turns of a dialogue whose lines begin with ``[doctor]`` or ``Doctor:``; a line without a tag goes on
    with the turn before."""
    turns: list[tuple[str, str]] = []
    for line in dialogue.splitlines():
        found = _SPEAKER.match(line)
        if found:
            turns.append(((found[1] or found[2]).lower(), line[found.end() :].strip()))
        elif turns and line.strip():
            turns[-1] = (turns[-1][0], f"{turns[-1][1]} {line.strip()}".strip())
        elif line.strip():
            turns.append(("", line.strip()))
    return tuple(turns)


def _objects(file: Path) -> Iterator[Mapping[str, object]]:
    for number, line in enumerate(read_text(file).splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            raise UserError(f"{file}:{number}: no JSON") from None
        if isinstance(row, dict):
            yield row
        elif isinstance(row, str):
            yield {"text": row}


def _parquet(file: Path) -> Iterator[Mapping[str, object]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        for batch in pq.ParquetFile(file).iter_batches(batch_size=_BATCH):
            yield from batch.to_pylist()
    except pa.ArrowException as error:
        raise UserError(f"{file}: no Parquet ({type(error).__name__})") from error


def _visits(grids: Iterable[Path], notes: Mapping[str, Path]) -> Iterator[Item]:
    """Yield the consultations of TextGrid files called ``<id>_<speaker>``, the intervals in order of time."""
    spoken: dict[str, list[tuple[float, str, str]]] = {}
    for grid in grids:
        visit, _, speaker = grid.stem.rpartition("_")
        for start, text in _INTERVAL.findall(read_text(grid)):
            said = " ".join(MARKUP.sub("", text.replace('""', '"')).split())
            if said:
                spoken.setdefault(visit or grid.stem, []).append((float(start), speaker.lower(), said))
    for visit, intervals in spoken.items():
        turns: list[tuple[str, str]] = []
        for _, speaker, said in sorted(intervals):
            if turns and turns[-1][0] == speaker:
                turns[-1] = (speaker, f"{turns[-1][1]} {said}")
            else:
                turns.append((speaker, said))
        yield Item(visit, tuple(turns), _note(notes.get(visit)))


def _note(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        written = json.loads(read_text(file))
    except ValueError:
        return ""
    note = written.get("note") if isinstance(written, dict) else None
    return note if isinstance(note, str) else ""
