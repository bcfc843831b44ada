"""Worker processes: spawned, deaf to Ctrl-C, and gone when their parent is."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import wait


def default_workers() -> int:
    """Return how many worker processes pay off where nobody says: one for each core this process may use, at most 8."""
    return min(8, len(os.sched_getaffinity(0)))


def open_pool(workers: int, begin: Callable[..., None], arguments: tuple[object, ...]) -> ProcessPoolExecutor:
    """Return a pool whose processes each call ``begin(*arguments)`` once; they start now, not at the first task.

    Shut it down with ``wait=True``: the interpreter waits at its exit in any case, and a pool that is then just closing
    can end the command in a traceback (EBADF).
    """
    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(begin, arguments),
    )
    # A worker inherits what is blocked here: Ctrl-C must not reach it before it is deaf to it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        for _ in range(workers):
            pool.submit(_nothing)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pool


def _begin(begin: Callable[..., None], arguments: tuple[object, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    begin(*arguments)
    gc.collect()
    gc.freeze()  # what is loaded stays, and need not be scanned for garbage


def _end_with_parent() -> None:
    """Leave when the parent is gone, even by kill -9, which lets it tell nobody."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(0)


def _nothing() -> None:
    pass
