"""Paths → inputs in a fixed order, and outputs that appear whole or not at all."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from synth.errors import UserError
from synth.privacy.formats import ENDINGS, format_of
from synth.privacy.formats.base import BUFFER, Source, open_source

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Input:
    """A file to read, or standard input."""

    path: Path | None
    name: str
    """As the user gave it; below a folder, with the folder before it."""
    format: str


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the paths of a command come to."""

    files: tuple[Input, ...]
    skipped: int
    """Files in folders that no known ending says how to read, and what is no regular file there."""


def find_inputs(paths: Sequence[str], format_name: str, leave_out: Path | None = None) -> Inputs:
    """Return the files of some paths: a file as it is, a folder's by known ending, ``-`` for standard input.

    ``format_name`` is ``auto`` or holds for all; ``leave_out`` is not read where it lies in a folder. Raises UserError
    for a path that is missing, cannot be read or is no regular file, and where nothing is left.
    """
    files: list[Input] = []
    skipped = 0
    for written in paths:
        path = Path(written)
        if written == STDIN:
            files.append(Input(None, STDIN, "text" if format_name == "auto" else format_name))
        elif path.is_dir():
            below = sorted(Path(folder) / name for folder, _, names in os.walk(path) for name in names)
            for one in below:
                if not one.is_file() or (format_name == "auto" and one.suffix.lower() not in ENDINGS):
                    skipped += 1
                elif leave_out is None or not _same(one, leave_out):
                    files.append(_input(one, format_name))
        else:
            files.append(_input(regular(path), format_name))
    if [file.path for file in files].count(None) > 1:
        raise UserError("standard input can be read only once")
    if not files:
        raise UserError(f"{', '.join(paths)}: no file with a known ending ({' '.join(ENDINGS)}); or give --format")
    return Inputs(tuple(files), skipped)


def _input(path: Path, format_name: str) -> Input:
    return Input(path, str(path), format_of(path) if format_name == "auto" else format_name)


def regular(path: Path) -> Path:
    """Return a path that is a file which can be read; UserError otherwise, without opening it: a FIFO would block."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    if not stat.S_ISREG(mode):
        raise UserError(f"{path} is no regular file; give a file or a folder, or pipe it into '-'")
    if not os.access(path, os.R_OK):
        raise UserError(f"{path}: you may not read it")
    return path


@contextmanager
def opened(file: Input) -> Iterator[Source]:
    """Open an input for the time of the block; UserError where it cannot be."""
    if file.path is None:
        stdin = io.FileIO(sys.stdin.fileno(), closefd=False)
        yield open_source(None, file.name, io.BufferedReader(stdin, BUFFER))
        return
    try:
        stream = io.BufferedReader(io.FileIO(file.path), BUFFER)
    except OSError as error:
        raise UserError(f"{file.path}: {error.strerror}") from error
    with stream:
        yield open_source(file.path, file.name, stream)


@contextmanager
def written_whole(path: Path, *, private: bool = False) -> Iterator[BinaryIO]:
    """Open a file that takes the place of ``path`` when the block ends, and leaves nothing where it fails.

    A private one can be read by its owner alone. UserError where the folder cannot be written to.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(handle, "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        partial.replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            partial.unlink()
        raise


def refuse_input(out: Path, inputs: Inputs) -> None:
    """Raise UserError where an output is one of the inputs, under whatever name."""
    if str(out) == STDIN:
        raise UserError("the output is a file, which appears whole or not at all; '-' is for input")
    if out.is_dir():
        raise UserError(f"{out} is a folder; give the name of a file")
    for file in inputs.files:
        if file.path is not None and _same(file.path, out):
            raise UserError(f"{out} is also read; write to another file")


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
