"""How far a command has come, in lines that do not flood a log."""

from __future__ import annotations

import time
from collections.abc import Callable

from synth.console import say

_EVERY_S = 5.0


def seldom() -> Callable[[int, int], bool]:
    """Return what says, of how many are done and of how many, whether that is worth a line: at the beginning and the
    end, and in between about once in five seconds."""
    told = time.monotonic()

    def due(done: int, of: int) -> bool:
        nonlocal told
        if done not in (0, of) and time.monotonic() - told < _EVERY_S:
            return False
        told = time.monotonic()
        return True

    return due


def say_written() -> Callable[[str, int, int], None]:
    """Return what tells how many items a system has written."""
    due = seldom()

    def progress(system: str, done: int, items: int) -> None:
        if due(done, items):
            say(f"{system}: {done} of {items} written")

    return progress
