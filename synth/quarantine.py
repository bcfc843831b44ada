"""What waits for a person: rejected encounters, whole, in a file beside the run directory.

It lies beside it and never in it, because it holds what may identify somebody and must not be published with the run;
only its owner can read it. Each index is in it once, whatever killed the run.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

from synth.ledger import index_of, whole_lines


def quarantine_path(run: Path) -> Path:
    """Return the file of a run directory's quarantine, absolute."""
    run = run.resolve()  # such as "." has no name to put a suffix on
    return run.with_name(run.name + ".quarantine.jsonl")


def count_quarantined(run: Path) -> int:
    """Return how many encounters of a run wait there."""
    return sum(1 for _ in whole_lines(quarantine_path(run)))


class Quarantine:
    """The quarantine of a run that is open for writing; the file is made when the first encounter comes."""

    def __init__(self, run: Path, next_index: int) -> None:
        """Take up the file of a run that goes on at an index: what was written of later ones, or torn, is cut off.

        Raises OSError where it cannot be read or written.
        """
        self._path = quarantine_path(run)
        self._file: IO[bytes] | None = None
        if not self._path.exists():
            return
        length = 0
        for line in whole_lines(self._path):
            if (index_of(line) or 0) >= next_index:
                break
            length += len(line)
        if length:
            os.truncate(self._path, length)
        else:
            self._path.unlink()

    def keep(self, record: bytes) -> None:
        """Append a record, and hand it to the operating system before this returns."""
        if self._file is None:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.fchmod(descriptor, 0o600)  # a file that was there, or a generous umask, may say otherwise
            self._file = os.fdopen(descriptor, "ab")
        self._file.write(record + b"\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file after all of it is on the disk."""
        if self._file is not None:
            with self._file:
                self._file.flush()
                os.fsync(self._file.fileno())
