"""Which teacher writes: ``auto`` decided with a reason, and a configured teacher opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from synth.catalog import Task
from synth.errors import UserError
from synth.packs import Pack
from synth.teachers.base import Judge, JudgeRequest, Teacher, TeacherRequest

DEFAULT_MODEL = "openai/gpt-oss-20b"


def grammar_paths(task: Task, pack: Pack) -> list[Path]:
    """Return the files of the grammar that the simulator uses for a task and a pack."""
    from synth.teachers.grammar import grammar_files

    names = [task.simulator] if pack.voice == "patient" else [task.simulator, pack.voice]
    return [path for name in names for path in grammar_files(name)]


def grammar_revision(task: Task, pack: Pack) -> str:
    """Return the revision that the simulator's records carry."""
    from synth.teachers.grammar import load_grammar

    return load_grammar(task.simulator if pack.voice == "patient" else pack.voice).revision


def gpus(name: str) -> tuple[int | None, str | None]:
    """Return how many GPUs of this machine a kind of teacher works on, None where that is not known, and their name."""
    if name == "server":
        return None, None
    from synth.serving.vllm import gpu_name

    gpu = gpu_name() if name == "vllm" else None
    return (1 if gpu else 0), gpu


@dataclass(frozen=True, slots=True)
class Choice:
    """The teacher that was decided on."""

    settings: dict[str, JsonValue]
    """The ``teacher`` part of a run's settings."""
    reason: str
    """One line for the user: which, and why."""
    serve: str | None = None
    """Folder of the model that vLLM is to serve; settings hold its name alone, so that no path gets into a record."""


def choose_teacher(configured: JsonValue, teacher: str | None, endpoints: tuple[str, ...], model: str | None) -> Choice:
    """Return which teacher writes: what the flags say, else what the configuration file says, else what is there.

    ``configured`` is the file's ``teacher`` part or None; the others are the flags. UserError where they contradict
    each other.
    """
    settings: dict[str, JsonValue] = dict(configured) if isinstance(configured, dict) else {}
    if not endpoints and model is not None:
        raise UserError("--model goes with --endpoint; to serve a model here use --teacher MODEL")
    if endpoints:
        name = model or settings.get("model")
        if teacher is not None:
            raise UserError("--endpoint and --teacher exclude each other; leave one out")
        if name is None:
            raise UserError("--endpoint needs --model NAME: the model as the server calls it")
        return Choice(settings | {"name": "server", "model": name}, f"teacher: {name} at {', '.join(endpoints)}")
    if teacher is None and "name" in settings:
        return Choice(settings, f"teacher: {settings['name']}, as configured")
    if teacher == "simulator":
        return Choice({"name": "simulator"}, "teacher: the simulator, as asked")
    if teacher not in (None, "auto") and Path(teacher).is_dir():
        name = Path(teacher).resolve().name
        return Choice({"name": "vllm", "model": name}, f"teacher: {name}, served by vLLM on this machine", teacher)
    if teacher not in (None, "auto"):
        return Choice({"name": "vllm", "model": teacher}, f"teacher: {teacher}, served by vLLM on this machine")
    from synth.serving.vllm import available

    usable, why = available()
    if usable:
        return Choice({"name": "vllm", "model": DEFAULT_MODEL}, f"teacher: {DEFAULT_MODEL}, served by vLLM ({why})")
    return Choice(
        {"name": "simulator"}, f"teacher: the simulator, because {why}; --teacher MODEL or --endpoint has a model write"
    )


async def open_teacher(request: TeacherRequest) -> Teacher:
    """Return the configured teacher, ready to write.

    Raises UserError where it cannot be had as asked, TeacherUnavailable where it does not answer.
    """
    if request.teacher.name == "simulator":
        from synth.teachers.simulator import Simulator

        return Simulator(request.pack, request.task, request.style)
    if request.teacher.name == "vllm":
        from synth.teachers.managed import open_managed

        return await open_managed(request)
    from synth.teachers.server import open_server

    return await open_server(request)


@dataclass(frozen=True, slots=True)
class JudgeChoice:
    """The judge that was decided on."""

    settings: dict[str, JsonValue] | None
    """The ``judge`` part of a run's settings; None where nobody judges."""
    reason: str = ""
    """One line for the user: who, and what that is worth."""
    endpoints: tuple[str, ...] = ()
    own: bool = False
    """Whether the teacher judges."""


def choose_judge(
    configured: JsonValue,
    judges: tuple[str, ...],
    model: str | None,
    repeats: int | None,
    teacher: Mapping[str, JsonValue],
) -> JudgeChoice:
    """Return who judges: what the flags say, else what the configuration file says, else nobody.

    ``configured`` is the file's ``judge`` part or None, ``judges`` URLs or ``teacher``, ``teacher`` that part of the
    run's settings. UserError where they contradict each other.
    """
    settings: dict[str, JsonValue] = dict(configured) if isinstance(configured, dict) else {}
    if not judges and configured is None:
        if model or repeats:
            raise UserError("--judge-model and --judge-repeats go with --judge URL, or --judge teacher")
        return JudgeChoice(None)
    own = judges == ("teacher",)
    if "teacher" in judges and not own:
        raise UserError("--judge teacher and --judge URL exclude each other; leave one out")
    if own and teacher.get("model") is None:
        raise UserError("the simulator is no model that could judge; name one: --judge URL --judge-model NAME")
    if own and model not in (None, teacher["model"]):
        raise UserError("--judge teacher is the teacher's model; leave out --judge-model")
    name = teacher["model"] if own else model or settings.get("model")
    if name is None:
        raise UserError("--judge needs --judge-model NAME: the model as the server calls it")
    settings["model"] = name
    if own and teacher.get("revision") is not None:
        settings["revision"] = teacher["revision"]
    if repeats is not None:
        settings["repeats"] = repeats
    where = "as configured" if not judges else "the teacher itself" if own else f"at {', '.join(judges)}"
    same = "; a model favours what it wrote itself, so another one's judgement is worth more"
    reason = f"judge: {name}, {where}{same if name == teacher.get('model') else ''}"
    return JudgeChoice(settings, reason, () if own else judges, own)


async def open_judge(request: JudgeRequest, teacher: Teacher) -> Judge:
    """Return the configured judge, ready to judge; raises as ``open_teacher`` does."""
    from synth.teachers.judge import open_server_judge

    return await open_server_judge(request, teacher)
