"""The example pack of docs/PACKS.md, to break on purpose."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import yaml

from synth.packs import Pack

_GUIDE = Path(__file__).resolve().parent.parent / "docs" / "PACKS.md"


@cache
def example_text() -> str:
    """Return the example as the guide prints it."""
    blocks: list[str] = re.findall(r"```yaml\n(specialty: .*?)```", _GUIDE.read_text("utf-8"), flags=re.DOTALL)
    return blocks[0]


def example(**changes: object) -> Pack:
    """Return the example; ``changes`` name what is replaced by its path, with ``__`` between the keys."""
    content = yaml.safe_load(example_text())
    for path, value in changes.items():
        *keys, last = path.split("__")
        place = content
        for key in keys:
            place = place[int(key)] if isinstance(place, list) else place[key.replace("_", " ")]
        if isinstance(place, list):
            place[int(last)] = value
        else:
            place[last if last in place else last.replace("_", " ") if last.replace("_", " ") in place else last] = (
                value
            )
    return Pack.model_validate(content)
