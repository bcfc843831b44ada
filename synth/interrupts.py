"""Ctrl-C and SIGTERM while a command loads: some libraries drop what is raised then, or raise something else for it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Coroutine
from types import FrameType
from typing import TypeVar

T = TypeVar("T")

_asked = threading.Event()


def listen() -> None:
    """Have both signals raise KeyboardInterrupt, and keep in mind that they came; one that is ignored stays ignored."""
    _asked.clear()
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)


def unheeded() -> bool:
    """Return whether one of the signals has come; what is raised afterwards may be its KeyboardInterrupt by another
    name."""
    return _asked.is_set()


def run(work: Coroutine[object, object, T]) -> T:
    """Return what a coroutine returns, in an event loop of its own; KeyboardInterrupt where a signal came before, and
    nobody heeded it.

    From here on Ctrl-C is Python's own: beside no other handler does ``asyncio.run`` cancel its task instead of letting
    the exception come out of any line.
    """
    import asyncio  # here, since every command loads this module before anything else

    if signal.getsignal(signal.SIGINT) is _interrupt:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if _asked.is_set():
        work.close()
        raise KeyboardInterrupt
    return asyncio.run(work)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    _asked.set()
    raise KeyboardInterrupt
