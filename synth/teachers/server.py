"""The server teacher: a model behind OpenAI-compatible endpoints writes the source, then the target.

Both are decoded under a schema where the servers constrain decoding, which ``probe`` finds out; where they do not, the
source is read as lines, and what breaks its contract is found by the checks and asked for again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from synth.assets import load_schema, sha256
from synth.catalog import Task
from synth.clock import Traffic
from synth.errors import UserError
from synth.packs import Pack
from synth.records import Encounter, JsonObject, Part, Rejection, Source, TeacherIdentity
from synth.serving.chat import ChatClient
from synth.serving.constrained import ConstrainedChat
from synth.serving.decoding import decoding_schema, documents_schema, turns_schema
from synth.serving.endpoint import Refused
from synth.serving.replies import (
    UnusableReply,
    finished,
    read_document_lines,
    read_documents,
    read_lines,
    read_object,
    read_turns,
)
from synth.styles import Style
from synth.teachers.base import Candidate, TeacherRequest
from synth.teachers.clients import client_for
from synth.teachers.prompts import Prompts
from synth.teachers.templates import Templates


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the teacher samples."""

    seed: int
    """The run's; every request gets its own, derived from it."""
    temperature: float = 0.8
    max_tokens: int = 4096
    """Per response, reasoning included."""
    attempts: int = 3
    """At each part of a candidate, before it is rejected."""


def request_seed(seed: int, index: int, part: Part, attempt: int) -> int:
    """Return the sampling seed of one request, from 0 to 2**31 - 1: the same whatever runs beside it."""
    return int(sha256(f"{seed}/{index}/{part}/{attempt}")[:8], 16) >> 1


class ServerTeacher:
    """Writes with two prompts an encounter; serves many candidates at once, in one event loop."""

    def __init__(
        self,
        client: ChatClient,
        task: Task,
        pack: Pack,
        sampling: Sampling,
        *,
        name: Literal["server", "vllm"] = "server",
        model: str | None = None,
        revision: str | None = None,
        stop: Callable[[], Awaitable[None]] | None = None,
        style: Style | None = None,
    ) -> None:
        """``model`` is what the records call the model, where that is not what the server calls it. ``stop`` is called
        at ``close``: how a server that was started for this teacher is stopped."""
        self.prompts = Prompts(task, pack, style)
        self._task = task
        self._sampling = sampling
        self._stop = stop
        self._writer = Templates(task, pack, style)
        schemas = {"target": decoding_schema(load_schema(task.schema_name))}
        if task.source_by == "teacher":
            transcript = task.source_kind == "transcript"
            schemas["source"] = turns_schema() if transcript else documents_schema(task.documents)
        self._chat = ConstrainedChat(client, schemas)
        self._identity = TeacherIdentity(name=name, model=model or client.model, revision=revision)

    @property
    def identity(self) -> TeacherIdentity:
        """Who writes."""
        return self._identity

    @property
    def client(self) -> ChatClient:
        """What talks to the servers; a judge may share it."""
        return self._chat.client

    @property
    def constrained(self) -> bool:
        """Whether the servers decode under a schema; known after ``probe``."""
        return self._chat.constrained

    @property
    def notice(self) -> str:
        """One line about that, for the user."""
        return self._chat.notice

    @property
    def attempts(self) -> int:
        """How often one part of a candidate is written before the candidate is rejected."""
        return self._sampling.attempts

    @property
    def traffic(self) -> Traffic:
        """What has gone to the servers so far."""
        return self.client.traffic

    async def close(self) -> None:
        """Close the connections, and stop the server where it was started for this teacher."""
        try:
            await self.client.close()
        finally:
            if self._stop is not None:
                await self._stop()

    async def probe(self, began: bool | None = None) -> bool:
        """Return whether every server constrains decoding, as proved by a request whose answer only the schema gives.

        ``began`` is what the run began with, if it did: decoding is not constrained then, whatever the servers can, or
        they must all be able to. Raises UserError where one is not, lacks the model, or refuses even a plain request,
        TeacherUnavailable where one cannot be reached.
        """
        return await self._chat.probe(began)

    async def write(self, candidate: Candidate) -> Encounter | Rejection:
        """Make one attempt at what the candidate lacks: return its encounter, or a rejection in stage ``source`` or
        ``target``.

        Raises TeacherUnavailable or UserError where the server itself is at fault.
        """
        part: Part = "source"
        try:
            if candidate.source is None and self._task.source_by == "template":
                candidate.source = self._writer.source(candidate.scenario)
                candidate.attempts["source"] = self._sampling.attempts  # it would be the same again
            elif candidate.source is None:
                messages = self.prompts.source(
                    candidate.scenario, constrained=self.constrained, failure=candidate.failure
                )
                candidate.source = self._read_source(await self._reply(candidate, part, messages))
            part = "target"
            messages = self.prompts.target(candidate.source, candidate.failure, candidate.scenario.facts)
            target = read_object(await self._reply(candidate, part, messages))
        except UnusableReply as unusable:
            return candidate.rejection(part, unusable.reason, unusable.detail)
        except Refused as refusal:
            # A transcript may outgrow the context; a source prompt that does is the fault of the settings.
            if part == "source" or not refusal.too_long:
                raise
            detail = f"the {self._task.nouns[0]} does not fit the model's context"
            return candidate.rejection(part, "too_long", detail, "source")
        return candidate.encounter(self._task, target, self._identity)

    async def _reply(self, candidate: Candidate, part: Part, messages: JsonValue) -> str:
        """Return the text of the next attempt at a part; what it cost is added to the candidate."""
        candidate.attempts[part] += 1
        body: JsonObject = {
            "messages": messages,
            "seed": request_seed(self._sampling.seed, candidate.scenario.index, part, candidate.attempts[part]),
            "temperature": self._sampling.temperature,
            "max_tokens": self._sampling.max_tokens,
        }
        candidate.last_reply = ""
        reply = await self._chat.answer(part, body, candidate.scenario.index)
        candidate.prompt_tokens += reply.usage.prompt_tokens
        candidate.completion_tokens += reply.usage.completion_tokens
        candidate.last_reply = reply.text
        return finished(reply)

    def _read_source(self, text: str) -> Source:
        if self._task.source_kind == "documents":
            return read_document_lines(text) if self.constrained else read_documents(text, self._task.documents)
        return read_turns(text) if self.constrained else read_lines(text)


async def open_server(request: TeacherRequest) -> ServerTeacher:
    """Return the teacher behind the endpoints that a request names, probed and ready to write.

    Raises UserError where endpoint or model are missing or wrong, TeacherUnavailable where nothing answers there.
    """
    if not request.endpoints or request.teacher.model is None:
        raise UserError("the server teacher needs --endpoint URL and --model NAME")
    client = client_for(request, request.endpoints, request.teacher.model, revision=request.teacher.revision)
    teacher = ServerTeacher(
        client, request.task, request.pack, sampling(request), revision=request.teacher.revision, style=request.style
    )
    return await probed(teacher, request)


async def probed(teacher: ServerTeacher, request: TeacherRequest) -> ServerTeacher:
    """Return a teacher after its probe, of which the user is told; where that fails, the teacher is closed first."""
    try:
        await teacher.probe(request.constrained)
    except BaseException:
        await teacher.close()
        raise
    request.notify(teacher.notice)
    return teacher


def sampling(request: TeacherRequest) -> Sampling:
    """Return how the teacher of a request samples."""
    teacher = request.teacher
    return Sampling(request.seed, teacher.temperature, teacher.max_tokens, teacher.attempts)
