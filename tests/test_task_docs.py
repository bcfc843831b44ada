"""Every command of docs/tasks/*.md and docs/TASKS.md runs, on few encounters and with the smallest student."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from synth.assets import ASSETS
from synth.catalog import task_paths
from tests.running import here

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / "docs" / "tasks").glob("*.md"))
N, STEPS, ITEMS, TOKENS = 40, 2, 2, 24
"""What stands in the place of the documents' own numbers."""
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"^`([^`\n]+)`:\n\n```[a-z0-9]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
SERVED = ("--endpoint", "--serve", "--judge")


def commands(page: Path) -> list[list[str]]:
    """Return the words of each command of a page, in order."""
    lines = "\n".join(_BLOCK.findall(page.read_text("utf-8"))).replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def small(words: list[str]) -> list[str]:
    """Return a command with small numbers in the place of its own; a file of the project's by its whole path."""
    found = list(words)
    for name, value in (("-n", str(N)), ("--steps", str(STEPS)), ("--limit", str(ITEMS)), ("--student", "tiny")):
        if name in found and not (name == "--student" and "/" in found[found.index(name) + 1]):
            found[found.index(name) + 1] = value
    if found[1] == "train":
        found = without(found, "--epochs")
        found += [] if "--steps" in found else ["--steps", str(STEPS)]
        found += ["--log", "none"]
    if found[1] == "eval":
        found += [] if "--limit" in found else ["--limit", str(ITEMS)]
        found += ["--max-new-tokens", str(TOKENS)]
    if found[1] == "generate":
        found = [*without(found, "--workers"), "--workers", "0"]
        found += [] if "--teacher" in found else ["--teacher", "simulator"]
    return [str(ROOT / word) if "/" in word and (ROOT / word).exists() else word for word in found]


def without(words: list[str], name: str) -> list[str]:
    if name not in words:
        return words
    at = words.index(name)
    return words[:at] + words[at + 2 :]


def run(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run the commands of a page in a folder, and return how many there were."""
    monkeypatch.chdir(folder)
    count = 0
    for words in commands(page):
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            monkeypatch.setenv(name, str(folder / value))
            continue
        assert words[0] in ("synth", "distill"), f"{page.name}: {shlex.join(words)} is no command of this project"
        if any(word in SERVED for word in words):
            continue
        result = here(*small(words)[1:], program=words[0])
        assert result.returncode == 0, f"{page.name}: {shlex.join(small(words))}\n{result.stderr}"
        count += 1
    return count


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if page.stem != "README"], ids=lambda page: page.stem)
def test_the_commands_of_a_task_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [words[:2] for words in commands(page)]
    assert {("synth", "generate"), ("distill", "train"), ("distill", "eval")} <= {(a, b) for a, b in names}
    assert run(page, tmp_path, monkeypatch) >= 3


@pytest.mark.slow
def test_the_task_of_one_s_own_runs_from_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of docs/TASKS.md, written as they stand there, and its commands: no line of Python."""
    page = ROOT / "docs" / "TASKS.md"
    files = _FILE.findall(page.read_text("utf-8"))
    assert len(files) >= 6
    for name, text in files:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    assert run(page, tmp_path, monkeypatch) >= 5
    card = (tmp_path / "outputs" / "handover" / "README.md").read_text("utf-8")
    assert "`source` (the chart)" in card
    results = (tmp_path / "outputs" / "handover-tiny" / "eval-held-out" / "results.json").read_text("utf-8")
    assert "diagnosis_normalised" in results
    assert "writes a handover (JSON) from a chart" in (tmp_path / "outputs" / "handover-tiny" / "README.md").read_text()


def test_every_task_has_its_page_and_its_line_in_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ASSETS, raising=False)
    index = (ROOT / "docs" / "tasks" / "README.md").read_text("utf-8")
    for name in task_paths():
        assert f"`{name}`" in index
        assert f"]({name}.md)" in index
        assert (ROOT / "docs" / "tasks" / f"{name}.md").is_file(), "its page is missing"


def test_the_files_of_the_guide_are_those_of_the_test_s_own_task() -> None:
    """So that the quick tests of that task hold for the guide, too."""
    own = ROOT / "tests" / "assets" / "own"
    found = dict(_FILE.findall((ROOT / "docs" / "TASKS.md").read_text("utf-8")))
    for path in sorted(path for path in own.rglob("*") if path.is_file()):
        assert found[f"mine/{path.relative_to(own).as_posix()}"] == path.read_text("utf-8"), path
