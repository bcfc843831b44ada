"""Predictions on disk as they come, so that the same command goes on after it was killed."""

from __future__ import annotations

import fcntl
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from pydantic import ValidationError

from distill.records import Prediction
from distill.results import SystemPrediction
from synth.assets import canonical_json, sha256
from synth.errors import UserError
from synth.ledger import drop_torn_line
from synth.records import JsonObject, Record

PARTIAL_FILE = "predictions.partial.jsonl"


class Header(Record):
    """The first line: what the predictions below it were made with."""

    format: int = 1
    fingerprint: str
    made_with: JsonObject
    """What the fingerprint is the SHA-256 of."""


class Partial:
    """``predictions.partial.jsonl`` of an output folder, held by one process at a time."""

    def __init__(self, out: Path, made_with: JsonObject, *, fresh: bool = False) -> None:
        """Take up what lies in the folder, or begin anew: where there is nothing, and where ``fresh`` asks for it.

        A last line that a kill has torn is dropped. Raises UserError where the file was made with something else, is
        damaged, is in use, or cannot be written.
        """
        self._path = out / PARTIAL_FILE
        self._header = Header(fingerprint=sha256(canonical_json(made_with)), made_with=made_with)
        self._known: dict[tuple[str, str], Prediction] = {}
        self._file: BinaryIO | None = None
        try:
            out.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a+b")
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if fresh:
                self._file.truncate(0)
            self._take_up(self._file)
        except BlockingIOError as error:
            self.close()
            raise UserError(f"{self._path} is in use by another process; wait for it, or take another --out") from error
        except OSError as error:
            self.close()
            raise UserError(f"{self._path}: cannot be written: {error.strerror}") from error
        except UserError:
            self.close()
            raise

    def known(self, system: str) -> dict[str, Prediction]:
        """Return what is there of a system, by item."""
        return {item: prediction for (name, item), prediction in self._known.items() if name == system}

    def add(self, system: str, prediction: Prediction) -> None:
        """Keep a prediction; it outlives a kill of this process from here on. Raises OSError, as where the disk is
        full."""
        self._known[system, prediction.id] = prediction
        self._write(SystemPrediction(system=system, **dict(prediction)).model_dump_json())

    def remove(self) -> None:
        """Delete the file: all that it held is in the results."""
        self.close()
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Leave the file as it is."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def _take_up(self, file: BinaryIO) -> None:
        drop_torn_line(file)
        file.seek(0)
        lines = file.read().splitlines()
        if not lines:
            self._write(self._header.model_dump_json())
            return
        number = 1
        try:
            self._check(Header.model_validate_json(lines[0]))
            for number, line in enumerate(lines[1:], 2):  # noqa: B007  told where the line is damaged
                kept = SystemPrediction.model_validate_json(line)
                fields = kept.model_dump(exclude={"system"})
                self._known.setdefault((kept.system, kept.id), Prediction.model_validate(fields))
        except ValidationError as error:
            raise UserError(
                f"{self._path}: line {number} is damaged; start over with --fresh, or take another --out"
            ) from error

    def _check(self, header: Header) -> None:
        if header.fingerprint == self._header.fingerprint:
            return
        old, new = header.made_with, self._header.made_with
        other = [key.replace("_", " ") for key in {**new, **old} if old.get(key) != new.get(key)]
        raise UserError(
            f"{self._path.parent} holds predictions that were made with another {', '.join(other) or 'version'}; "
            "take another --out, or --fresh to drop them"
        )

    def _write(self, line: str) -> None:
        assert self._file is not None
        # One write a line, given to the system at once: a kill tears at most the last one.
        self._file.write(line.encode() + b"\n")
        self._file.flush()
