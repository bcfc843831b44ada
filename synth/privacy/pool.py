"""Documents through worker processes and back in their order; what is under way is bounded, whatever the input."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import chain, islice

from synth.errors import UserError
from synth.privacy.documents import BadRecord, Document, Event, Found, Value
from synth.privacy.replacing import Replacing, replace_values
from synth.privacy.scanning import ScanSettings, find_values
from synth.processes import open_pool

_CHARACTERS = 1 << 15
_DOCUMENTS = 64
"""A batch holds about so much, so that a message costs little beside the work."""
_INLINE = 24
"""Batches that are done in this process before others are started, which takes longer than small inputs do."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found in a document, and the new texts of its values where they are replaced."""

    findings: tuple[Found, ...]
    words: int
    """Words of its values, between blanks."""
    changes: dict[int, str]


@dataclass(frozen=True, slots=True)
class Job:
    """What is done with every document; goes to the workers."""

    settings: ScanSettings
    replacing: Replacing | None = None

    def __call__(self, document_id: str, values: tuple[Value, ...]) -> Outcome:
        """Return the outcome of one document."""
        words = sum(len(value.text.split()) for value in values if value.kind != "key")
        findings = find_values(self.settings, values)
        if self.replacing is None or not findings:
            return Outcome(findings, words, {})
        changes, findings = replace_values(self.replacing, self.settings, document_id, values, findings)
        return Outcome(findings, words, changes)


_Batch = list[tuple[str, Event]]
_Task = tuple[str, tuple[Value, ...]]
_job: list[Job] = []
"""That of this process, where it is a worker."""


def outcomes(
    events: Iterable[tuple[str, Event]], job: Job, workers: int
) -> Iterator[tuple[str, Event, Outcome | None]]:
    """Yield every event of every file in order, documents with their outcome; with fewer than two workers, and for
    small inputs, all in this process.

    ``events`` come with the name of their file. Raises UserError where a worker dies.
    """
    batches = _batches(events)
    head = list(islice(batches, _INLINE)) if workers > 1 else []
    if workers < 2 or len(head) < _INLINE:
        for batch in chain(head, batches):
            yield from _together(batch, (job(*task) for task in _tasks(batch)))
        return
    pool = open_pool(workers, _begin, (job,))
    waiting: deque[tuple[_Batch, Future[list[Outcome]]]] = deque()
    try:
        for batch in chain(head, batches):
            waiting.append((batch, pool.submit(_work, _tasks(batch))))
            if len(waiting) > 2 * workers:
                first, done = waiting.popleft()
                yield from _together(first, done.result())
        while waiting:
            first, done = waiting.popleft()
            yield from _together(first, done.result())
    except BrokenProcessPool:
        raise UserError("a process that scans has died (out of memory?); use fewer with --workers") from None
    finally:
        pool.shutdown(cancel_futures=True)


def _batches(events: Iterable[tuple[str, Event]]) -> Iterator[_Batch]:
    batch: _Batch = []
    size = 0
    for name, event in events:
        batch.append((name, event))
        if isinstance(event, Document):
            size += sum(len(value.text) for value in event.values)
        if size >= _CHARACTERS or len(batch) >= _DOCUMENTS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _tasks(batch: _Batch) -> list[_Task]:
    return [(event.id, event.values) for _, event in batch if isinstance(event, Document)]


def _together(batch: _Batch, results: Iterable[Outcome]) -> Iterator[tuple[str, Event, Outcome | None]]:
    remaining = iter(results)
    for name, event in batch:
        yield name, event, None if isinstance(event, BadRecord) else next(remaining)


def _begin(job: Job) -> None:
    _job[:] = [job]
    job("", (Value("text", "", "Call Dr. Okonkwo, MRN: 00482913."),))  # loads what a first finding needs


def _work(tasks: list[_Task]) -> list[Outcome]:
    return [_job[0](*task) for task in tasks]
