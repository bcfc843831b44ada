"""Imports point one way, and the heavy libraries stay out of the way of --help."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS: list[set[str]] = [
    {
        *("record", "judgements", "facts", "sources", "records", "errors", "assets", "draws", "console"),
        "interrupts",
        *("processes", "proportions", "rejected", "shingles", "numerals"),
    },
    {"catalog", "packs", "fields", "identities", "control"},
    {"population", "extras", "answers", "styles"},
    {"sampling"},
    {"surrogates", "recognition"},
    {"filling"},
    {"config"},
    {"ledger", "splits"},
    {"quarantine"},
    {"runs", "progress", "clock", "scheduling"},
    {"status", "serving"},
    {"preferences"},
    {"scenarios", "teachers", "checks", "publish"},
    {"privacy"},
    {"corpora"},
    {"language"},
    {"release", "held_out", "judged", "vetting", "shares", "manifests", "settings"},
    {"card", "report"},
    {"pipeline"},
    {"privacy_cli", "tasks_cli"},
    {"cli"},
]
STAGES = {"scenarios", "teachers", "checks"}
FROM_SYNTH = {
    *(
        "records",
        "ledger",
        "runs",
        "assets",
        "catalog",
        "errors",
        "interrupts",
        "checks",
        "console",
        "processes",
        "proportions",
        "serving",
        "clock",
        "answers",
        "styles",
    )
}
HEAVY = (
    "torch",
    "transformers",
    "trl",
    "peft",
    "datasets",
    "presidio_analyzer",
    "spacy",
    "pyarrow",
    "aiohttp",
    "numpy",
    "vllm",
    "faker",
    "scipy",
    "statsmodels",
)


def imported(path: Path) -> set[str]:
    """Return every module that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names if node.module == "synth")
    return names


def parts_of_synth(path: Path) -> set[str]:
    """Return the direct parts of ``synth`` that a file imports."""
    return {name.split(".")[1] for name in imported(path) if name.startswith("synth.")} - {"__version__"}


def layer(part: str) -> int:
    return next(i for i, names in enumerate(LAYERS) if part in names)


SYNTH = sorted((ROOT / "synth").rglob("*.py"))
DISTILL = sorted((ROOT / "distill").rglob("*.py"))


@pytest.mark.parametrize("path", SYNTH, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_synth_imports_point_one_way(path: Path) -> None:
    part = path.relative_to(ROOT / "synth").parts[0].removesuffix(".py")
    if part == "__init__":
        return
    others = parts_of_synth(path) - {part}
    assert all(layer(other) <= layer(part) for other in others), f"{part} imports {others}"
    if part in STAGES:
        assert not others & STAGES, f"stage {part} imports stage {others & STAGES}"
    assert not any(name.split(".")[0] == "distill" for name in imported(path))


@pytest.mark.parametrize("path", DISTILL, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_distill_uses_only_the_shared_parts_of_synth(path: Path) -> None:
    allowed = FROM_SYNTH | (
        {"control", "draws", "numerals", "packs", "scenarios", "teachers"} if "tiny" in path.parts else set()
    )
    assert parts_of_synth(path) <= allowed


def test_only_the_pipeline_wires_stages() -> None:
    for path in SYNTH:
        parts = parts_of_synth(path)
        if path.name != "cli.py" and path.parent.name == "synth":
            assert len(parts & STAGES) <= 1, f"{path.name} wires {parts & STAGES}"


@pytest.mark.parametrize("command", ["synth", "distill"])
def test_heavy_libraries_stay_out_of_the_command_line(command: str) -> None:
    code = f"import sys, {command}.cli; print([m for m in {HEAVY!r} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("path", [*SYNTH, *DISTILL], ids=lambda p: p.relative_to(ROOT).as_posix())
def test_modules_stay_readable(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 400
