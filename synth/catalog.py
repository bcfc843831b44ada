"""Names → things: tasks from YAML, teachers and checks as ``"module:object"``, with "did you mean"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from synth.assets import asset_roots, load_yaml
from synth.errors import UserError, first_fault
from synth.records import PlanAction, Record, Visit

_TASKS = Path(__file__).resolve().parent / "tasks"

CHECKS: Mapping[str, str] = {
    "schema": "synth.checks.schema:SchemaCheck",
    "phi": "synth.checks.phi:PhiCheck",
    "faithfulness": "synth.checks.faithfulness:FaithfulnessCheck",
    "answer": "synth.checks.answer:AnswerCheck",
    "style": "synth.checks.style:StyleCheck",
    "identities": "synth.checks.identities:IdentitiesCheck",
    "contamination": "synth.checks.contamination:ContaminationCheck",
    "duplicates": "synth.checks.duplicates:DuplicatesCheck",
}
"""In the order in which they run."""


class Answer(Record):
    """The part of a target that is right or wrong, and of how many words its reasons are."""

    kind: Literal["diagnosis", "letters", "score"]
    """A diagnosis as the first one of the scenario is called, the letters of the right options, or a score of 1 to 5
    in half points."""
    key: str
    """Where it stands in the target: a property at the top, such as ``final_diagnosis``."""
    words: dict[str, tuple[int, int]] = {}
    """Property at the top → the least and the most words of its text."""


class Carried(Record):
    """Which kinds of facts the faithfulness check looks for; all of them where a side names none."""

    source: tuple[str, ...] = ()
    target: tuple[str, ...] = ()


class Requires(Record):
    """What a presentation must promise each of its patients, so that there is something for a task to write of; those
    that promise less are never sampled (``synth.extras.restricted``). Patterns are searched for in any case."""

    visit: Visit | None = None
    specialties: tuple[str, ...] = ()
    """All of them where none is named."""
    presentations: str = ""
    """Pattern of condition and presentation, such as ``COPD / acute exacerbation``."""
    symptomatic: bool = False
    """The patient comes for a symptom and says since when, not for a check or a result."""
    labs: int = 0
    """The least number of numeric results that every patient has."""
    studies: str = ""
    """Pattern of the name of a study that every patient has."""
    plan: dict[PlanAction, str] = {}
    """Action → pattern of the text; the plan holds one of them."""
    drugs: dict[PlanAction, tuple[str, ...]] = {}
    """Action → classes of drugs; the plan does one of these to a drug of one of them."""
    without: str = ""
    """Pattern that no text of the plan may match."""
    without_reason: str = ""
    """Pattern that no reason for the visit may match, such as ``^results of``."""


class Task(Record):
    """What is written and from what; everything about a task is in this record and in the files that it names."""

    name: str
    description: str
    schema_name: str
    """``schemas/<schema_name>.schema.json``."""
    prompts: str
    """Folder below ``prompts/`` with ``source.*``, ``target.*`` and ``student.*`` templates."""
    source_prompts: str | None = None
    """Folder of the ``source.*`` templates, where it is another one: a task may read what another one's sources are."""
    renderer: str
    """Template below ``prompts/`` that turns a target into the text that people read."""
    judgement: str | None = None
    """``schemas/<judgement>.schema.json``, what a judge answers under; its prompts are in ``judge/`` below the
    task's. None where nobody can judge."""
    source_kind: Literal["transcript", "documents"]
    documents: tuple[str, ...] = ()
    """Titles of the documents of a source, in order; a document without text is left out."""
    source_by: Literal["teacher", "template"] = "teacher"
    """``template``: the source follows from the facts alone (``source.md.j2``), whoever writes the target."""
    simulator: str = "encounter"
    """Grammar below ``synth/teachers/grammar/`` that the simulator speaks transcripts by."""
    simulated: Literal["chart", "template"] = "template"
    """How the simulator writes a target: by the note's own grammar, or by ``simulator.target.yaml.j2``."""
    extras: tuple[str, ...] = ()
    """Facts besides those of every scenario, by name of what samples them (``synth.extras``)."""
    requires: Requires = Requires()
    """What the presentations must have that it is sampled from."""
    answer: Answer | None = None
    """None where there is no right and wrong but faithfulness."""
    carried: Carried = Carried()
    style: str | None = None
    """The house style where a run names none, by its name below ``styles/``; None where a task knows no styles."""
    sections: tuple[str, ...] = ()
    """What a style names and orders; all of them."""
    nouns: tuple[str, str] = ("transcript", "note")
    """What source and target are called where a person reads of them."""

    @property
    def folders(self) -> tuple[str, ...]:
        """Return the folders below ``prompts/`` that the task's templates are in."""
        return tuple(dict.fromkeys((self.prompts, self.source_prompts or self.prompts, SHARED)))


SHARED = "shared"
"""Folder below ``prompts/`` of what any task's templates may include."""


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``" (did you mean X?)"``, or nothing where no known name is near."""
    names = {candidate.lower(): candidate for candidate in known}
    begun = [candidate for candidate in names if name and candidate.startswith(name.lower())]
    close = begun or get_close_matches(name.lower(), names, n=1, cutoff=0.5)
    return f" (did you mean {names[close[0]]}?)" if close else ""


def resolve(kind: str, name: str, builtin: Mapping[str, str]) -> object:
    """Return the object that a name stands for, from the built-in table or an entry point of group
    ``notewright.<kind>``.

    Raises UserError with a suggestion for an unknown name.
    """
    if name in builtin:
        module, _, attribute = builtin[name].partition(":")
        found: object = getattr(import_module(module), attribute)
        return found
    plugins = {point.name: point for point in entry_points(group=f"notewright.{kind}")}
    if name in plugins:
        plugin: object = plugins[name].load()
        return plugin
    known = sorted({*builtin, *plugins})
    raise UserError(f"unknown {kind[:-1]} {name!r}{suggest(name, known)}; known: {', '.join(known)}")


def task_paths() -> dict[str, Path]:
    """Return the file of every task by its name: the project's own, and those in the user's folders of assets."""
    return _paths(asset_roots()[1:])


@cache
def _paths(own: tuple[Path, ...]) -> dict[str, Path]:
    folders = [_TASKS, *(root / "tasks" for root in own)]
    return {path.stem: path for folder in reversed(folders) for path in sorted(folder.glob("*.yaml"))}


def task_path(name: str) -> Path:
    """Return the task's file; UserError with a suggestion where there is none of that name."""
    paths = task_paths()
    if name not in paths:
        raise UserError(f"unknown task {name!r}{suggest(name, paths)}; known: {', '.join(sorted(paths))}")
    return paths[name]


def load_task(name: str) -> Task:
    """Return a task by name; UserError where it is unknown or malformed."""
    return _task(task_path(name))


@cache
def _task(path: Path) -> Task:
    try:
        return Task.model_validate(load_yaml(path))
    except ValidationError as error:
        raise UserError(f"{path.name}: {first_fault(error)}") from error
