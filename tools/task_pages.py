"""Write the samples of docs/tasks again: below every command with ``--preview`` stands what it prints.

Run it with ``make task-samples``; ``tests/test_task_samples.py`` holds the pages to it.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from click.testing import CliRunner

from synth.assets import ASSETS
from synth.cli import synth

PAGES = Path(__file__).resolve().parent.parent / "docs" / "tasks"
_SAMPLES = re.compile(
    r"`(synth generate [^`\n]*--preview[^`\n]*)`[^\n]*\n\n```text\n(.*?)^```$", re.DOTALL | re.MULTILINE
)


def samples(page: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a page with the samples that stand below it."""
    for found in _SAMPLES.finditer(page):
        yield found[1], found[2]


def printed(command: str) -> str:
    """Return what a command prints; ValueError where it fails."""
    result = CliRunner().invoke(synth, shlex.split(command)[1:])
    if result.exit_code:
        raise ValueError(f"{command}: {result.output}")
    return result.stdout


def renewed(page: str) -> str:
    """Return a page with the samples that its commands print now."""
    for command, old in samples(page):
        page = page.replace(f"```text\n{old}```", f"```text\n{printed(command)}```", 1)
    return page


def main(names: list[str]) -> None:
    """Write the samples of these pages again, or of all, and say which have changed."""
    os.environ.pop(ASSETS, None)
    for path in [PAGES / f"{name}.md" for name in names] or sorted(PAGES.glob("*.md")):
        page = path.read_text("utf-8")
        if (new := renewed(page)) != page:
            path.write_text(new, "utf-8")
            print(f"{path.name}: new samples", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
