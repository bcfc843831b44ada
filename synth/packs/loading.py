"""``specialties/<name>.yaml`` → ``Pack``."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import yaml
from pydantic import ValidationError

from synth.assets import load_yaml
from synth.catalog import suggest
from synth.errors import UserError, first_fault
from synth.packs.pack import Pack

FOLDER = Path(__file__).resolve().parent.parent / "specialties"


def pack_names() -> list[str]:
    """Return the specialties that there are packs for."""
    return sorted(file.stem for file in FOLDER.glob("*.yaml"))


def pack_path(specialty: str) -> Path:
    """Return the pack's file; UserError with a suggestion where there is none of that name."""
    path = FOLDER / f"{specialty}.yaml"
    names = pack_names()
    if specialty not in names:
        raise UserError(f"unknown specialty {specialty!r}{suggest(specialty, names)}; known: {', '.join(names)}")
    return path


@cache
def load_pack(specialty: str) -> Pack:
    """Return the pack of a specialty; UserError where it is unknown or does not hold together."""
    path = pack_path(specialty)
    try:
        return Pack.model_validate(load_yaml(path))
    except ValidationError as error:
        raise UserError(f"{path.name}: {first_fault(error)}") from error


def duplicate_keys(specialty: str) -> list[str]:
    """Return the keys that a pack's file gives twice in one mapping; YAML keeps the last one and says nothing."""
    loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    root = yaml.compose(pack_path(specialty).read_text("utf-8"), Loader=loader)
    return sorted(set(_twice(root))) if root is not None else []


def _twice(node: yaml.Node) -> Iterator[str]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            # A merge key may stand beside others of its kind.
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                yield f"line {key.start_mark.line + 1}: {key.value!r} stands twice; keep one"
            seen.add(key.value)
            yield from _twice(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _twice(value)
