"""Readers and writers of the formats, by name and by the ending of a file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path

from synth.privacy.formats.base import Format

_MODULES = {
    "text": "synth.privacy.formats.text:TextFormat",
    "jsonl": "synth.privacy.formats.json_lines:JsonLinesFormat",
    "json": "synth.privacy.formats.json_file:JsonFormat",
    "csv": "synth.privacy.formats.table:TableFormat",
    "parquet": "synth.privacy.formats.parquet:ParquetFormat",
}
FORMATS = tuple(_MODULES)
ENDINGS: Mapping[str, str] = {
    **dict.fromkeys(
        (".txt", ".text", ".md", ".log", ".hl7", ".xml", ".html", ".htm", ".textgrid", ".vtt", ".srt"), "text"
    ),
    **dict.fromkeys((".jsonl", ".ndjson"), "jsonl"),
    **dict.fromkeys((".json",), "json"),
    **dict.fromkeys((".csv", ".tsv", ".tab"), "csv"),
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
}
"""Ending in lower case → format; a file of another ending is text where it is named, and skipped in a folder."""


@cache
def format_named(name: str) -> Format:
    """Return the format of a name in FORMATS."""
    module, _, attribute = _MODULES[name].partition(":")
    made: Format = getattr(import_module(module), attribute)()
    return made


def format_of(path: Path) -> str:
    """Return the name of the format that a file's ending says; ``text`` for an unknown one."""
    return ENDINGS.get(path.suffix.lower(), "text")
