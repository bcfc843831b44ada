"""The checks in processes of their own, so that neither the event loop nor a server ever waits for one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from inspect import signature
from types import TracebackType
from typing import ParamSpec, Self, TypeAlias, TypeVar

from synth.catalog import CHECKS, Task, load_task, resolve
from synth.checks.base import Check
from synth.checks.contamination import HeldOutIndex
from synth.checks.duplicates import DuplicatesCheck
from synth.config import RunConfig
from synth.errors import UserError
from synth.ledger import Decided, decided
from synth.processes import open_pool
from synth.records import Encounter, JsonObject, Rejection

FAITHFULNESS, PHI = "faithfulness", "phi"
"""Names of the check whose rejected targets may be kept, and of the one that has to let them pass."""
_Checked: TypeAlias = "Rejection | tuple[bytes, bytes]"
"""A rejection; else the line of the encounter as the checks have changed it, empty where they did not, and what it is
compared with others by."""
_BATCH = 16
"""Encounters that go to a process at once, where so many wait; fewer messages between processes cost less."""
_AHEAD = 2
"""Batches a process has, so that it never waits for the next."""

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")

_unopened: list[UserError] = []
_checks: list[Check] = []
"""Those of this process, where it is a worker."""


def open_checks(
    names: Sequence[str], task: Task, config: RunConfig | None = None, held_out: HeldOutIndex | None = None
) -> list[Check]:
    """Return the checks of these names, as the run configures them; UserError with a suggestion for an unknown one."""
    return [_opened(name, (task, config, held_out)) for name in names]


def _opened(name: str, given: tuple[Task, RunConfig | None, HeldOutIndex | None]) -> Check:
    """Return a check from its factory, which takes the run's settings and the texts held out, too, where it needs
    them."""
    factory = _factory(name)
    return factory(*given[: len(signature(factory).parameters)])


def _factory(name: str) -> Callable[..., Check]:
    factory: Callable[..., Check] = resolve("checks", name, CHECKS)  # type: ignore[assignment]  # a name's type is its table's
    return factory


def run_checks(checks: Sequence[Check], encounter: Encounter) -> Encounter | Rejection:
    """Return what the checks make of an encounter, one after the other until one rejects."""
    for number, check in enumerate(checks):
        outcome = check(encounter)
        if isinstance(outcome, Rejection):
            clean = _otherwise_clean(checks, number, encounter, outcome)
            return outcome if clean is None else outcome.model_copy(update={"otherwise_clean": clean})
        encounter = outcome
    return encounter


def _otherwise_clean(
    checks: Sequence[Check], number: int, encounter: Encounter, rejection: Rejection
) -> JsonObject | None:
    """Return the target of an encounter that the check of this number rejects, as all the others leave it; None where
    one of them rejects it as well, where it is not the target's content that is wrong, or where none looks for PHI."""
    if rejection.stage != FAITHFULNESS or rejection.part != "target" or PHI not in {check.name for check in checks}:
        return None
    for check in checks[number + 1 :]:
        outcome = check(encounter)
        if isinstance(outcome, Rejection):
            return None
        encounter = outcome
    return encounter.target


def shingles(checks: Sequence[Check], encounter: Encounter) -> bytes:
    """Return what an accepted encounter is compared with others by; nothing where none of the checks compares."""
    return b"".join(check.shingles(encounter) for check in checks if isinstance(check, DuplicatesCheck))


class CheckWorkers:
    """Runs a task's checks on encounters; ``with`` starts and ends its processes, ``async with`` what sends to them,
    and the processes too where they have not been started."""

    def __init__(
        self,
        names: Sequence[str],
        task: Task,
        workers: int,
        config: RunConfig | None = None,
        held_out: HeldOutIndex | None = None,
    ) -> None:
        """``workers`` is how many processes; 0 runs the checks in this one. ``config`` is for the checks that have
        settings, ``held_out`` for the one of contamination. UserError for an unknown check."""
        for name in names:
            if name not in CHECKS:  # those that there are need not be loaded here to know that
                _factory(name)
        self.names = tuple(names)
        self._task = task
        self._config = config
        self._held_out = held_out
        self._workers = workers
        self._inline = open_checks(names, task, config, held_out) if workers == 0 else []
        self._waiting: asyncio.Queue[tuple[bytes, asyncio.Future[_Checked]]] = asyncio.Queue()
        self._senders: list[asyncio.Task[None]] = []
        self._aside: ThreadPoolExecutor | None = None
        self._opening: Future[ProcessPoolExecutor] | None = None
        self._pool: ProcessPoolExecutor | None = None
        self._to_end = False

    def __enter__(self) -> Self:
        if self._workers:
            # What the processes are forked from may still be loading, and there is other work until it has.
            self._aside = ThreadPoolExecutor(1)
            self._opening = self._aside.submit(self._open)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._aside is not None and self._opening is not None:
            self._aside.shutdown(cancel_futures=True)
            (self._pool or self._opening.result()).shutdown(cancel_futures=True)
        self._aside = self._opening = self._pool = None

    async def __aenter__(self) -> Self:
        self._to_end = self._opening is None
        if self._to_end:
            self.__enter__()
        if self._workers:
            self._senders = [asyncio.create_task(self._send()) for _ in range(self._workers * _AHEAD)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for sender in self._senders:
            sender.cancel()
        await asyncio.gather(*self._senders, return_exceptions=True)
        if self._to_end:
            self.__exit__(kind, error, traceback)

    def beside(
        self, work: Callable[_Given, _Result], *args: _Given.args, **kwargs: _Given.kwargs
    ) -> Callable[[], _Result]:
        """Have other work done in one of the processes; return what waits for its result, or does it itself where no
        process can."""
        here = partial(work, *args, **kwargs)
        if self._aside is None or self._opening is None:
            return here
        opening = self._opening
        given = self._aside.submit(lambda: (self._pool or opening.result()).submit(here))

        def result() -> _Result:
            try:
                return given.result().result()
            except (BrokenProcessPool, CancelledError):
                return here()

        return result

    async def verdict(self, encounter: Encounter) -> Decided | Rejection:
        """Return the ledger's entry of an encounter that every check accepts, else its rejection.

        Raises UserError where the processes die of it twice.
        """
        if not self._workers:
            outcome = run_checks(self._inline, encounter)
            if isinstance(outcome, Rejection):
                return outcome
            return decided(outcome, shingles=shingles(self._inline, outcome))
        line = encounter.model_dump_json().encode()
        answer: asyncio.Future[_Checked] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((line, answer))
        found = await answer
        if isinstance(found, Rejection):
            return found
        changed, compared = found
        return decided(encounter, changed or line, shingles=compared)

    def _open(self) -> ProcessPoolExecutor:
        given = (self.names, self._task.name, self._config, self._held_out)
        return open_pool(self._workers, _load, given, loaded=True)

    async def _send(self) -> None:
        """Give waiting encounters to the processes, a batch at a time."""
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < _BATCH and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            try:
                found = await self._checked([line for line, _ in batch])
            except Exception as error:  # noqa: BLE001  handed on to those who wait, who would wait for ever
                for _, answer in batch:
                    if not answer.done():
                        answer.set_exception(error)
                continue
            for (_, answer), result in zip(batch, found, strict=True):
                if not answer.done():
                    answer.set_result(result)

    async def _checked(self, lines: list[bytes]) -> list[_Checked]:
        loop = asyncio.get_running_loop()
        if self._pool is None:
            assert self._opening is not None
            opened = await asyncio.shield(asyncio.wrap_future(self._opening))
            self._pool = self._pool or opened
        for _ in range(2):
            pool = self._pool
            try:
                return await loop.run_in_executor(pool, _check, lines)
            except BrokenProcessPool:
                if pool is self._pool:  # else another sender has already replaced it
                    pool.shutdown(wait=False)
                    self._pool = self._open()
        raise UserError("the processes that run the checks die (out of memory?); use fewer with --workers and resume")


def _load(names: tuple[str, ...], task: str, config: RunConfig | None, held_out: HeldOutIndex | None) -> None:
    """Open the checks of this process, a worker."""
    try:
        _checks[:] = open_checks(names, load_task(task), config, held_out)
    except UserError as error:
        _unopened.append(error)  # told to whoever asks, because the pool would only print it and call itself broken


def _check(lines: list[bytes]) -> list[_Checked]:
    """Return what becomes of each encounter."""
    if _unopened:
        raise _unopened[0]
    results: list[_Checked] = []
    for line in lines:
        encounter = Encounter.model_validate_json(line)
        outcome = run_checks(_checks, encounter)
        if isinstance(outcome, Rejection):
            results.append(outcome)
        else:
            changed = b"" if outcome is encounter else outcome.model_dump_json().encode()
            results.append((changed, shingles(_checks, outcome)))
    return results
