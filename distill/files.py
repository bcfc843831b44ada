"""Records in files: JSON beside a student, YAML that is shipped or the user's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import ValidationError

from synth.assets import load_yaml
from synth.catalog import suggest
from synth.errors import UserError, first_fault
from synth.records import Record

R = TypeVar("R", bound=Record)


def read_record(path: Path, kind: type[R], missing: str) -> R:
    """Return the record in a file; UserError that says what is ``missing`` where there is no file, and what is wrong
    where it is malformed."""
    if not path.is_file():
        raise UserError(missing)
    try:
        return kind.model_validate_json(path.read_text("utf-8"))
    except ValidationError as error:
        raise UserError(f"{path}: {first_fault(error)}") from error


def existing(name: str) -> Path | None:
    """Return the path that a name is of a file or folder, None where there is none."""
    try:
        path = Path(name).expanduser()
        return path if name and path.exists() else None
    except (RuntimeError, OSError, ValueError):  # ~nobody, a name that is too long, a null byte
        return None


def yaml_names(folder: Path) -> list[str]:
    """Return the names of the YAML files in a folder."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def yaml_file(folder: Path, name: str, what: str) -> Path:
    """Return the file of a name in a folder, or of a path; UserError where there is neither, with ``what`` it should
    be."""
    names = yaml_names(folder)
    if name in names:
        return folder / f"{name}.yaml"
    if (path := existing(name)) is not None and path.is_file():
        return path
    raise UserError(f"unknown {what} {name!r}{suggest(name, names)}; known: {', '.join(names)}, or a YAML file")


def read_yaml(path: Path, kind: type[R], complaint: Callable[[ValidationError], str] = first_fault) -> R:
    """Return the record in a YAML file; UserError where it is malformed, in the words of ``complaint`` where it is YAML
    but no such record."""
    try:
        return kind.model_validate(load_yaml(path))
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())[:200]}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not a text file in UTF-8") from error
    except ValidationError as error:
        raise UserError(f"{path}: {complaint(error)}") from error
