"""The samples of docs/tasks are what their commands print, and name nothing that no such document would hold."""

from __future__ import annotations

import pytest

from synth.assets import ASSETS
from synth.catalog import task_paths
from tools.task_pages import PAGES, printed, renewed, samples

TASKS = sorted(task_paths())


@pytest.mark.parametrize("name", TASKS)
def test_a_page_has_five_samples_by_a_command_of_its_own(name: str) -> None:
    """Accepted ones, and all of what is printed."""
    found = list(samples((PAGES / f"{name}.md").read_text("utf-8")))
    assert found
    for command, text in found:
        assert f"--task {name} " in command
        assert "--preview 5" in command
        assert text.count(f"{'=' * 100}\n") == 5
        assert " rejects " not in text
        assert "not written:" not in text


def test_only_the_samples_of_a_page_are_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.task_pages.printed", lambda command: f"{command}!\n")
    page = "# A\n\n`synth generate --preview 2` (so)\n\n```text\nold\n```\n\n```text\nkept\n```\n"
    assert renewed(page) == page.replace("old", "synth generate --preview 2!")


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_the_samples_are_what_the_command_prints(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ASSETS, raising=False)
    for command, text in samples((PAGES / f"{name}.md").read_text("utf-8")):
        assert printed(command) == text, f"{name}.md has drifted; make task-samples writes its samples again"
