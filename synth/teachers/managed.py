"""A teacher on a vLLM server that is started for the run."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from synth.errors import UserError
from synth.serving.vllm import ManagedVllm
from synth.teachers.base import Teacher, TeacherRequest


async def open_managed(request: TeacherRequest) -> Teacher:
    """Return the teacher of a request behind a vLLM server that is started for it and stopped when it is closed.

    Raises UserError where vLLM is not installed or does not start.
    """
    from synth.serving.cache import folder_revision
    from synth.teachers.clients import client_for
    from synth.teachers.server import ServerTeacher, probed, sampling

    if find_spec("vllm") is None:
        raise UserError(
            "vLLM is not installed; pip install 'notewright[vllm]', or use --endpoint or --teacher simulator"
        )
    if request.teacher.model is None:
        raise UserError("the vllm teacher needs a model: --teacher MODEL")
    revision = request.teacher.revision
    flags = ("--revision", revision) if revision and request.serve is None else ()
    server = ManagedVllm(request.serve or request.teacher.model, request.log, flags=flags)
    await server.start(lambda seconds, line: request.notify(f"starting vLLM, {seconds:.0f} s: {line}"))
    client = client_for(
        request,
        (server.endpoint,),
        server.served_name,
        revision=folder_revision(Path(request.serve)) if request.serve else revision,
        # vLLM queues what it cannot take, so there is nothing to find out slowly.
        first=request.concurrency,
        gone=server.gone,
    )
    teacher = ServerTeacher(
        client,
        request.task,
        request.pack,
        sampling(request),
        name="vllm",
        revision=revision,
        stop=server.close,
        style=request.style,
    )
    return await probed(teacher, request)
