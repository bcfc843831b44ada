"""Files with planted identifiers, and what ``synth scan`` says of them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.running import here

NOTE = "Seen by Dr. Okonkwo. MRN: 00482913, call 415-555-0134 or jo@clinic.local."
CLEAN = "Blood pressure 120/80, metformin 500 mg twice daily."
PLANTED = ("Okonkwo", "00482913", "415-555-0134", "jo@clinic.local")


def findings(path: Path) -> list[dict[str, object]]:
    """Return the findings of a file of them."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def scanned(tmp_path: Path, *words: str) -> tuple[subprocess.CompletedProcess[str], list[dict[str, object]]]:
    """Return what became of ``synth scan --show`` with these words, and its findings."""
    out = tmp_path / "found" / "findings.jsonl"
    out.parent.mkdir(exist_ok=True)
    done = here("scan", *words, "--show", "--out", str(out))
    return done, findings(out) if out.exists() else []


def texts(found: list[dict[str, object]]) -> list[object]:
    """Return the found texts."""
    return [one["text"] for one in found]
