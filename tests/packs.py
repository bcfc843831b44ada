"""Small packs to try rules on: the example of docs/PACKS.md, to break on purpose, and one for children."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from synth.packs import Pack

_GUIDE = Path(__file__).resolve().parent.parent / "docs" / "PACKS.md"
_CHILD = Path(__file__).resolve().parent / "child_pack.yaml"
Content = dict[str, Any]
"""A pack as YAML holds it."""
Change = Callable[[Content], object]


@cache
def example_text() -> str:
    """Return the example as the guide prints it."""
    blocks: list[str] = re.findall(r"```yaml\n(specialty: .*?)```", _GUIDE.read_text("utf-8"), flags=re.DOTALL)
    return blocks[0]


def example(change: Change | None = None) -> Pack:
    """Return the example, with a change made to it."""
    return _changed(example_text(), change)


def child(change: Change | None = None) -> Pack:
    """Return the pack for children, with a change made to it."""
    return _changed(_CHILD.read_text("utf-8"), change)


def _changed(text: str, change: Change | None) -> Pack:
    content = yaml.safe_load(text)
    if change is not None:
        change(content)
    return Pack.model_validate(content)


def only(content: Content) -> Content:
    """Return the presentation of a pack that has one."""
    condition = next(iter(content["conditions"].values()))
    presentation: Content = next(iter(condition["presentations"].values()))
    return presentation
