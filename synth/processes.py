"""Worker processes: spawned, or forked from one that has loaded what they need; deaf to Ctrl-C, and gone when their
parent is."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import wait

_ahead: list[str] = []
"""The module that is loaded ahead, once one is."""


def default_workers() -> int:
    """Return how many worker processes pay off where nobody says: one for each core this process may use, at most 8."""
    return min(8, len(os.sched_getaffinity(0)))


AHEAD = "NOTEWRIGHT_AHEAD"
"""Environment variable, for the module that is loaded ahead alone: what is known of the work that is to come."""


def load_ahead(module: str, known: str = "") -> None:
    """Start loading a module, in a process that the workers of pools with ``loaded`` are then forked from.

    It has one thread and no file of this process, so that forking it is safe, and ends when this process has ended.
    Only the first call of a process says which module it is.
    """
    if _ahead:
        return
    _ahead.append(module)
    forkserver.set_forkserver_preload([module])
    # Modules are to come from where this process has them, which the server would not know.
    path = os.pathsep.join(filter(None, sys.path))
    resource_tracker.ensure_running()  # first: when it starts, it unblocks Ctrl-C
    with _interrupts_blocked(), _environment(PYTHONSAFEPATH="1", PYTHONPATH=path, **{AHEAD: known}):
        forkserver.ensure_running()


def open_pool(
    workers: int, begin: Callable[..., None], arguments: tuple[object, ...], *, loaded: bool = False
) -> ProcessPoolExecutor:
    """Return a pool whose processes each call ``begin(*arguments)`` once; they start now, not at the first task.

    With ``loaded`` they are forked from the process of ``load_ahead``, where that has been called; else each loads for
    itself what it needs. Shut it down with ``wait=True``: the interpreter waits at its exit in any case, and a pool
    that is then just closing can end the command in a traceback (EBADF).
    """
    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("forkserver" if loaded and _ahead else "spawn"),
        initializer=_begin,
        initargs=(begin, arguments, dict(os.environ)),
    )
    # A worker inherits what is blocked here: Ctrl-C must not reach it before it is deaf to it.
    with _interrupts_blocked():
        for _ in range(workers):
            pool.submit(_nothing)
    return pool


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _begin(begin: Callable[..., None], arguments: tuple[object, ...], environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)  # of the parent as it is now, not as it was when what is forked was started
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
