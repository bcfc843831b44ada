"""The run directory: two append-only logs, a manifest, and a position that survives kill -9.

Candidates are committed in index order, so the logs together always hold the indices 0 … k - 1, each once; resume reads
them, drops a torn last line, and goes on at k.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from synth.errors import UserError
from synth.records import Counts, Encounter, Manifest, Rejection

ENCOUNTERS = "encounters.jsonl"
REJECTIONS = "rejections.jsonl"
_INDEX = re.compile(rb'^\{"id":"[^"]*","index":(\d+),')
_REASON = re.compile(rb'^\{"id":"[^"]*","index":\d+,"stage":"([^"]*)","reason":"([^"]*)"')


@dataclass(slots=True)
class Position:
    """How far a run has come."""

    accepted: int = 0
    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    """Rejections by ``stage/reason``."""

    @property
    def next_index(self) -> int:
        """Index of the first candidate that is not decided yet."""
        return self.accepted + self.rejected


def write_atomically(path: Path, text: str) -> None:
    """Replace a file so that a reader, or a crash, sees the old one or the new one and nothing between."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def read_manifest(path: Path) -> Manifest:
    """Return the manifest of a run directory; UserError where there is none, or it cannot be read."""
    file = path / "manifest.json"
    try:
        return Manifest.model_validate_json(file.read_text("utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path} is not a run directory (no manifest.json); make one with 'synth generate'") from error
    except ValidationError as error:
        raise UserError(f"{file} cannot be read: {error.errors()[0]['msg']}") from error


def read_encounters(path: Path) -> Iterator[Encounter]:
    """Yield the accepted encounters of a run directory in index order, one at a time."""
    with (path / ENCOUNTERS).open("rb") as file:
        for line in file:
            yield Encounter.model_validate_json(line)


class RunDir:
    """A run directory that is open for writing by this process alone."""

    def __init__(self, path: Path, manifest: Manifest, config_yaml: str) -> None:
        """Create the directory, or take up the run that is in it.

        Raises UserError where another process writes to it, its fingerprint differs, it holds more than was asked
        for, its logs are
        damaged, or it is a folder of something else.
        """
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = (path / ".lock").open("w")
        except OSError as error:
            raise UserError(f"cannot write to {path}: {error.strerror}; choose another --out") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise UserError(f"another process is writing to {path}; wait for it or choose another --out") from error
        try:
            self.was_complete = self._take_up(manifest)
            self.position = self._recover(manifest.target_accepted)
        except UserError:
            self._lock.close()
            raise
        if not self.was_complete:
            write_atomically(path / "config.yaml", config_yaml)
            write_atomically(path / "manifest.json", manifest.model_dump_json(indent=2) + "\n")
        self._logs: dict[type, IO[bytes]] = {
            Encounter: (path / ENCOUNTERS).open("ab"),
            Rejection: (path / REJECTIONS).open("ab"),
        }

    def _take_up(self, manifest: Manifest) -> bool:
        """Return whether the run that is already there is complete for what is asked."""
        if not (self.path / "manifest.json").exists():
            if others := sorted(entry.name for entry in self.path.iterdir() if entry.name != ".lock"):
                raise UserError(f"{self.path} is not a run directory but holds {others[0]}; choose another --out")
            return False
        before = read_manifest(self.path)
        if before.fingerprint != manifest.fingerprint:
            raise UserError(
                f"{self.path} was made with {_difference(before, manifest)}; "
                "choose another --out, or repeat the run's own settings to resume it"
            )
        if before.target_accepted > manifest.target_accepted:
            raise UserError(
                f"{self.path} is a run of {before.target_accepted:,} accepted encounters; "
                f"ask for at least that many, or choose another --out"
            )
        return before.status == "complete" and before.target_accepted == manifest.target_accepted

    def _recover(self, target: int) -> Position:
        """Return the position after dropping torn last lines; UserError where the logs do not fit together."""
        position = Position()
        indices = {ENCOUNTERS: 0, REJECTIONS: 0}
        last = -1
        for name in indices:
            previous = -1
            for line in _whole_lines(self.path / name):
                match = _INDEX.match(line)
                index = int(match[1]) if match else -1
                if index <= previous:
                    raise UserError(f"{self.path / name} is damaged after index {previous}; restore it or start anew")
                previous = index
                indices[name] += 1
                if name == REJECTIONS and (reason := _REASON.match(line)):
                    position.reasons[f"{reason[1].decode()}/{reason[2].decode()}"] += 1
            last = max(last, previous)
        position.accepted, position.rejected = indices[ENCOUNTERS], indices[REJECTIONS]
        if last + 1 != position.next_index or position.accepted > target:
            raise UserError(f"the logs in {self.path} do not fit together (index {last}, {position.next_index} lines)")
        return position

    def commit(self, outcome: Encounter | Rejection) -> None:
        """Append a decided candidate to its log; candidates come in index order.

        The line is handed to the operating system before this returns, so that no later kill can lose it. OSError
        (disk full) is
        left to the caller: the torn line is dropped on resume.
        """
        if outcome.index != self.position.next_index:
            raise ValueError(f"candidate {outcome.index} committed out of order; expected {self.position.next_index}")
        log = self._logs[type(outcome)]
        log.write(outcome.model_dump_json().encode() + b"\n")
        log.flush()
        if isinstance(outcome, Encounter):
            self.position.accepted += 1
        else:
            self.position.rejected += 1
            self.position.reasons[f"{outcome.stage}/{outcome.reason}"] += 1

    def complete(self, manifest: Manifest, counts: Counts) -> None:
        """Write the manifest of a complete run; the last thing that happens to a run."""
        final = manifest.model_copy(update={"status": "complete", "counts": counts})
        write_atomically(self.path / "manifest.json", final.model_dump_json(indent=2) + "\n")

    def close(self) -> None:
        """Flush the logs to the disk and let others write."""
        for log in self._logs.values():
            if not log.closed:
                log.flush()
                os.fsync(log.fileno())
                log.close()
        self._lock.close()


def _whole_lines(path: Path) -> Iterator[bytes]:
    """Yield a log's lines after cutting off what follows the last line break; creates the log where there is none."""
    with path.open("ab+") as file:
        file.seek(0)
        end = 0
        for line in file:
            if not line.endswith(b"\n"):
                file.truncate(end)
                break
            end += len(line)
            yield line


def _difference(before: Manifest, now: Manifest) -> str:
    """Return in a few words what differs between two manifests, the asset or version named where it is one."""
    for what, old, new in (("asset", before.assets, now.assets), ("version of", before.versions, now.versions)):
        for name in sorted({*old, *new}):
            if old.get(name) != new.get(name):
                return f"another {what} {name}"
    if before.seed != now.seed:
        return f"seed {before.seed}"
    if before.teacher != now.teacher:
        return f"teacher {before.teacher.name} {before.teacher.model or ''}".rstrip()
    return "other settings (see its config.yaml)"
