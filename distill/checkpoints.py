"""Checkpoints of a training that is not finished: which to go on from, and with what settings they were made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from pydantic import JsonValue, ValidationError

from distill.settings import TrainSettings
from distill.student import LoraSettings, Recipe
from synth.errors import UserError
from synth.records import JsonObject, Record

CHECKPOINTS = "checkpoints"
_REQUEST = "request.json"
_SETTLED = {*Recipe.model_fields, "form", "rank", "max_length"}
"""Settings that recipe, adapter and length hold as they came out, whoever said them."""
_HASHES = frozenset({"data", "train_split", "validation_split", "base_weights", "starting_adapter"})
_SHOWN = 12
"""Digits of a hash."""


class Request(Record):
    """What a training was started with; a resumed one has to be asked for the same."""

    student: str
    revision: str | None
    """Commit of the base's repository."""
    base_weights: str | None
    """Their SHA-256, where they are one file."""
    starting_adapter: str | None
    """SHA-256 of the one that the training goes on with."""
    data: str
    """Fingerprint of the run."""
    train_split: str
    """SHA-256 of its file: a run may be extended under the same fingerprint."""
    validation_split: str
    max_length: int
    recipe: Recipe
    """With what the command said in it."""
    lora: LoraSettings
    settings: TrainSettings


def open_checkpoints(out: Path, request: Request, *, resume: bool, write: bool) -> Path | None:
    """Return the checkpoint to go on from, None for a training from the start; ``write`` keeps the request beside it.

    A checkpoint that a killed process left half-written is passed over. Raises UserError where there is nothing to
    resume, where a training would be overwritten, or where it was asked for something else.
    """
    folder = out / CHECKPOINTS
    found = _checkpoints(out)
    if resume and not found:
        raise UserError(f"{out} holds no checkpoint to resume from; run the same command without --resume")
    if found and not resume:
        raise UserError(f"{out} holds an unfinished training; go on with --resume, or choose another --out")
    if resume:
        _same(out, request)
    elif write:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _REQUEST).write_text(request.model_dump_json(indent=2) + "\n", "utf-8")
    return max(found, key=lambda path: int(path.name.rpartition("-")[2])) if found else None


def is_unfinished(out: Path) -> bool:
    """Return whether a folder holds a training that can be gone on with."""
    return bool(_checkpoints(out))


def _checkpoints(out: Path) -> list[Path]:
    found = (out / CHECKPOINTS).glob("checkpoint-*")
    return [path for path in found if (path / "trainer_state.json").is_file() and _whole(path)]


def remove_checkpoints(out: Path) -> None:
    """Remove the checkpoints of a training that is finished."""
    shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)


def _whole(path: Path) -> bool:
    """Return whether a checkpoint is complete: the trainer writes its state last."""
    try:
        json.loads((path / "trainer_state.json").read_text("utf-8"))
    except ValueError:
        return False
    return True


def _same(out: Path, request: Request) -> None:
    """Raise UserError where the training in ``out`` was asked for something else."""
    path = out / CHECKPOINTS / _REQUEST
    if not path.is_file():
        return
    try:
        before, now = _flat(Request.model_validate_json(path.read_text("utf-8"))), _flat(request)
    except ValidationError as error:
        raise UserError(f"{path} cannot be read, or is of another version; choose another --out") from error
    differ = [
        f"{name.replace('_', ' ')} {_shown(name, value)}, not {_shown(name, now[name])}"
        for name, value in before.items()
        if now[name] != value
    ]
    if differ:
        raise UserError(f"{out} was started with {'; '.join(differ)}; resume with the same, or choose another --out")


def _flat(request: Request) -> JsonObject:
    """Return everything that has to be the same, each by its name."""
    said: JsonObject = request.model_dump(mode="json", exclude={"recipe", "lora", "settings"})
    said |= request.recipe.model_dump(mode="json")
    said |= {f"lora {name}": value for name, value in request.lora.model_dump(mode="json").items()}
    return said | request.settings.model_dump(mode="json", exclude=_SETTLED)


def _shown(name: str, value: JsonValue) -> str:
    if value is None:
        return "none"
    return " + ".join(part[:_SHOWN] for part in str(value).split(" + ")) if name in _HASHES else str(value)
