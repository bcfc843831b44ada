"""``synth tasks``: what can be written, from what, and of which specialties."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from synth.catalog import Task

_ANSWERS = {"diagnosis": "the diagnosis", "letters": "option letters", "score": "a score of 1 to 5 in half points"}


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
def tasks(names: tuple[str, ...]) -> None:
    """List the tasks: what each writes from what, with which specialties it works, and what it asks for.

    Folders in NOTEWRIGHT_ASSETS (as in PATH) add tasks of your own; docs/TASKS.md says how to write one.
    """
    from synth.catalog import load_task, task_paths

    for name in names or sorted(task_paths()):
        for line in task_lines(load_task(name)):
            click.echo(line)


def task_lines(task: Task) -> Iterator[str]:
    """Yield what there is to say of a task."""
    from synth.packs import pack_names

    source, target = task.nouns
    yield f"{task.name}: {task.description}"
    if task.source_kind == "transcript":
        said = "a dialogue, which the teacher writes"
    else:
        by = "the teacher writes" if task.source_by == "teacher" else "follow from the facts"
        said = f"documents that {by}: {', '.join(task.documents)}"
    yield f"  source: {source}; {said}"
    answer = "" if task.answer is None else f"; ends in {_ANSWERS[task.answer.kind]}, in {task.answer.key!r}"
    yield f"  target: {target}; schemas/{task.schema_name}.schema.json{answer}"
    if task.extras:
        yield f"  needs: {', '.join(task.extras)}"
    found = specialties_of(task)
    every = set(found) == set(pack_names())
    yield f"  specialties: {'all' if every else ', '.join(found) or 'none'}"


def specialties_of(task: Task) -> list[str]:
    """Return the specialties whose packs know what a task asks for."""
    from synth.packs import pack_names

    return [name for name in pack_names() if works_with(task, name)]


def works_with(task: Task, specialty: str) -> bool:
    """Return whether a specialty's pack knows what a task asks for."""
    from synth.errors import UserError
    from synth.extras import restricted
    from synth.packs import load_pack

    try:
        restricted(load_pack(specialty), task.extras, task.requires)
    except UserError:
        return False
    return True


COMMANDS = (tasks,)
