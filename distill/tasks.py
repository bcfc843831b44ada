"""What an evaluation takes from a task: what its items are compared by, which metrics apply, what is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from distill.benchmarks.base import BenchmarkMetadata, TaskKind
from distill.records import BenchmarkItem
from distill.spool import values_of
from synth.answers import right_answer
from synth.catalog import Answer, Task, load_task
from synth.errors import UserError
from synth.records import Scenario

NOTE = "note"
"""The contract whose fields the metric ``facts`` looks into, and whose text has the four divisions of ACI-Bench."""
_KINDS: Mapping[str, TaskKind] = {"diagnosis": "diagnosis", "letters": "mcq", "score": "judge"}
_METRICS: Mapping[str, str] = {"diagnosis": "diagnosis", "letters": "letters", "score": "rating"}


def kind_of(task: Task) -> TaskKind:
    """Return what a reference of a task is."""
    return "note" if task.answer is None else _KINDS[task.answer.kind]


def metrics_of(task: Task) -> tuple[str, ...]:
    """Return the metrics that apply to a task, in the order of a table."""
    if task.answer is not None:
        return ("validity", _METRICS[task.answer.kind], "faithfulness", "rouge")
    own = ("facts",) if task.schema_name == NOTE else ("style",) if task.style is not None else ()
    return ("validity", *own, "faithfulness", "rouge")


def has_divisions(task: str | None) -> bool:
    """Return whether texts of a task, by name, have the divisions of ACI-Bench; those that nobody has named have."""
    return task is None or load_task(task).schema_name == NOTE


def carried_by(task: str | None) -> tuple[str, ...]:
    """Return the kinds of facts that a target of a task, by name, carries; none where nobody has named a task."""
    return () if task is None else load_task(task).carried.target


def answer_field(task: str | None) -> tuple[str, ...]:
    """Return the name of the field that a task's answer stands in; none where there is no such task or answer."""
    answer = None if task is None else load_task(task).answer
    return () if answer is None else (answer.key,)


def answer_of(task: Task, scenario: Scenario) -> str | None:
    """Return what is right as short answers are read: a diagnosis, sorted letters, a score; None where a task has no
    answer."""
    return None if task.answer is None else _told(task.answer, right_answer(task.answer, scenario))


def _told(answer: Answer, value: JsonValue) -> str:
    match answer.kind, value:
        case "letters", list() | str():
            return "".join(sorted(map(str, value)))
        case "score", int() | float():
            return f"{value:g}"
    return str(value)


def of_one_task(
    metadata: BenchmarkMetadata, items: Sequence[BenchmarkItem], wanted: str | None, where: str
) -> tuple[BenchmarkMetadata, Sequence[BenchmarkItem], str | None]:
    """Return the items of one task, what follows from it for kind and metrics, and its name; None where the items are
    not of this project's tasks.

    UserError where ``where`` holds several tasks and none is ``wanted``, or not the one that is.
    """
    found = values_of(items, "task")
    names = sorted({str(name) for name in found if name is not None})
    if not names:
        return metadata, items, None
    if wanted is not None and wanted not in names:
        load_task(wanted)
        raise UserError(f"{where} holds {' and '.join(names)}, not {wanted}; leave --task out, or take another --data")
    if wanted is None and len(names) > 1:
        raise UserError(f"{where} holds {' and '.join(names)}; say which with --task NAME")
    name = wanted or names[0]
    task = load_task(name)
    changed = {"task": kind_of(task), "metrics": metrics_of(task), "title": f"{metadata.title}, task {name}"}
    of_it = items if found.count(name) == len(found) else [item for item in items if item.task == name]
    return metadata.model_copy(update=changed), of_it, name


def asked_as(kind: TaskKind, wanted: str | None, known: Sequence[str]) -> str:
    """Return the task that the items of somebody else's benchmark are asked as: the ``wanted`` one, else the first of
    the ``known`` ones that is of the same kind and reads dialogues where the benchmark has them, else the first.

    UserError where the wanted one is unknown.
    """
    if wanted is not None:
        return load_task(wanted).name
    wide: TaskKind = "note" if kind == "section" else kind
    alike = [name for name in known if kind_of(load_task(name)) == wide]
    spoken = [name for name in alike if load_task(name).source_kind == "transcript"]
    first = spoken if wide == "note" else []
    return [*first, *alike, *known][0]


def stamped(items: Sequence[BenchmarkItem], kind: TaskKind, task: str) -> list[BenchmarkItem]:
    """Return items of a benchmark with short answers with the task that they are asked as, so that the answer is looked
    for where that task writes it; all others as they are."""
    answer = load_task(task).answer
    if answer is None or _KINDS[answer.kind] != kind:
        return list(items)
    return [item.model_copy(update={"task": task}) for item in items]
