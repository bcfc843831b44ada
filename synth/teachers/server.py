"""The server teacher: a model behind an OpenAI-compatible endpoint writes the source, then the target.

Both are decoded under a schema where the server constrains decoding, which ``probe`` finds out; where it does not, the
source is read as lines, and the target is asked for again until it holds under its contract.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from jsonschema import Draft202012Validator
from pydantic import JsonValue

from synth.assets import canonical_json, load_schema, render_prompt, sha256
from synth.catalog import Task
from synth.errors import UserError
from synth.packs import Pack
from synth.records import (
    Encounter,
    Fact,
    JsonObject,
    Rejection,
    Scenario,
    TeacherIdentity,
    Transcript,
    Usage,
)
from synth.teachers.base import TeacherRequest
from synth.teachers.chat import ChatClient, Patience, Refused, RequestFailed, unknown_model
from synth.teachers.decoding import decoding_schema, turns_schema
from synth.teachers.replies import Reply, UnusableReply, finished, read_lines, read_object, read_turns

T = TypeVar("T")
TIMEOUT = 600.0
"""Seconds for one request: a long transcript from a busy server takes minutes, a hang must end."""
Stage = Literal["source", "target"]
_AT_START = Patience(first=0.2, longest=2.0, budget=5.0, tries=2)
_STEADY_TRIES = 8
"""For the request that tells whether the server answers at all."""
_PROOF = "q7-unlikely-x"
_PROOF_TOKENS = 1024
"""Room for a reasoning model to think before it answers."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the teacher samples."""

    seed: int
    """The run's; every request gets its own, derived from it."""
    temperature: float = 0.8
    max_tokens: int = 4096
    """Per response, reasoning included."""
    attempts: int = 3
    """Per stage of a candidate, before it is rejected."""


@dataclass(slots=True)
class _Tally:
    """What one candidate has cost so far."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    failures: int = 0
    last: str = ""
    """The text of the last reply."""

    def add(self, reply: Reply) -> None:
        self.prompt_tokens += reply.usage.prompt_tokens
        self.completion_tokens += reply.usage.completion_tokens
        self.last = reply.text

    @property
    def usage(self) -> Usage:
        return Usage(prompt_tokens=self.prompt_tokens, completion_tokens=self.completion_tokens)


class _GaveUp(Exception):
    """No attempt of a stage could be used."""

    def __init__(self, stage: Stage, cause: UnusableReply) -> None:
        super().__init__(cause.detail)
        self.stage = stage
        self.cause = cause


def request_seed(seed: int, index: int, stage: Stage, attempt: int) -> int:
    """Return the sampling seed of one request, from 0 to 2**31 - 1: the same whatever runs beside it."""
    return int(sha256(f"{seed}/{index}/{stage}/{attempt}")[:8], 16) >> 1


def facts_by_kind(facts: tuple[Fact, ...]) -> dict[str, list[Fact]]:
    """Return the facts of a scenario by kind, with every kind there."""
    kinds = ("patient", "complaint", "symptom", "history", "medication", "vital", "finding", "lab", "study")
    groups: dict[str, list[Fact]] = {kind: [] for kind in (*kinds, "diagnosis", "plan")}
    for fact in facts:
        groups[fact.kind].append(fact)
    return groups


def problem_codes(pack: Pack) -> list[tuple[str, str]]:
    """Return the ICD-10-CM codes of a pack, each with a problem and its status, in the order of the codes."""
    found = {
        (presentation.diagnosis.icd10cm, f"{presentation.diagnosis.name}: {presentation.diagnosis.status}")
        for condition in pack.conditions.values()
        for presentation in condition.presentations.values()
    }
    return sorted(found)


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
        stop: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """``model`` is what the records call the model, where that is not what the server calls it. ``stop`` is called
        at ``close``: how a server that was started for this teacher is stopped."""
        self._client = client
        self._task = task
        self._pack = pack
        self._sampling = sampling
        self._stop = stop
        self._contract = load_schema(task.schema_name)
        self._validator = Draft202012Validator(self._contract)
        self._target_schema = decoding_schema(self._contract)
        self._target_system = self._render("target.system", schema=_shown(self._contract), codes=problem_codes(pack))
        self._identity = TeacherIdentity(name=name, model=model or client.model, revision=None)
        self.constrained = False
        """Whether the server decodes under a schema; known after ``probe``."""
        self.notice = "decoding was not probed"
        """One line about that, for the user."""

    @property
    def identity(self) -> TeacherIdentity:
        """Who writes."""
        return self._identity

    @property
    def url(self) -> str:
        """Base URL of the server."""
        return self._client.url

    async def close(self) -> None:
        """Close the connections, and stop the server where it was started for this teacher."""
        try:
            await self._client.close()
        finally:
            if self._stop is not None:
                await self._stop()

    async def probe(self) -> bool:
        """Return whether the server constrains decoding, as proved by a request whose answer only the schema gives.

        Raises UserError where the server lacks the model or refuses even a plain request, TeacherUnavailable where it
        cannot be reached.
        """
        names = await self._client.models(_AT_START)
        if names is not None and self._client.model not in names:
            raise UserError(unknown_model(self._client.url, self._client.model, names))
        try:
            proof = await self._client.chat(_proof(), _AT_START)
            proved = proof.finish_reason != "length" and read_object(proof.text) == {"answer": _PROOF}
            for schema in (turns_schema(), self._target_schema):
                if proved:  # the server compiles the schemas now, and refuses them now if it cannot
                    await self._client.chat(_plain("Write.", 16) | _format(schema))
        except UnusableReply:
            proved = False
        except (Refused, RequestFailed) as refusal:
            await self._client.chat(_plain("Write one word.", 16), _AT_START)
            self.constrained, self.notice = False, f"decoding is not constrained: {refusal}"
            return False
        self.constrained = proved
        self.notice = (
            "decoding is constrained by the schema"
            if proved
            else "decoding is not constrained: the server ignores response_format; what does not hold is asked again"
        )
        return proved

    async def write(self, scenario: Scenario) -> Encounter | Rejection:
        """Return the encounter written from a scenario, or a rejection in stage ``source`` or ``target``.

        ``attempts`` of either is one more than the replies that could not be used (a rejection: their number). Raises
        TeacherUnavailable or UserError where the server itself is at fault.
        """
        tally = _Tally()
        try:
            source = await self._attempt(scenario, "source", self.source_messages(scenario), self._read_source, tally)
            target = await self._attempt(scenario, "target", self.target_messages(source), self._read_target, tally)
        except _GaveUp as given_up:
            return Rejection(
                id=scenario.id,
                index=scenario.index,
                stage=given_up.stage,
                reason=given_up.cause.reason,
                detail=given_up.cause.detail,
                attempts=tally.failures,
                usage=tally.usage,
                sha256=sha256(tally.last.encode("utf-8", "surrogatepass")) if tally.last else None,
            )
        return Encounter(
            id=scenario.id,
            index=scenario.index,
            task=self._task.name,
            scenario=scenario,
            source=source,
            target=target,
            teacher=self._identity,
            attempts=tally.failures + 1,
            usage=tally.usage,
        )

    async def _attempt(
        self, scenario: Scenario, stage: Stage, messages: JsonValue, read: Callable[[str, bool], T], tally: _Tally
    ) -> T:
        """Return what was read from the first usable reply; raise _GaveUp where none of the attempts gave one."""
        schema = turns_schema() if stage == "source" else self._target_schema
        cause = UnusableReply("too_long", "the prompt does not fit the model's context")
        for attempt in range(1, self._sampling.attempts + 1):
            body: JsonObject = {
                "messages": messages,
                "seed": request_seed(self._sampling.seed, scenario.index, stage, attempt),
                "temperature": self._sampling.temperature,
                "max_tokens": self._sampling.max_tokens,
                **(_format(schema) if self.constrained else {}),
            }
            try:
                reply = await self._ask(body)
                tally.add(reply)
                return read(finished(reply), attempt == self._sampling.attempts)
            except UnusableReply as unusable:
                cause = unusable
                tally.failures += 1
            except Refused as refusal:
                # A transcript may outgrow the context; a source prompt that does is the fault of the settings.
                if stage == "source" or not refusal.too_long:
                    raise
                tally.failures += 1
                cause = UnusableReply("too_long", "the transcript does not fit the model's context")
                break
        raise _GaveUp(stage, cause)

    async def _ask(self, body: JsonObject) -> Reply:
        """Return the answer to a request.

        A server may fail at one request for ever, which must not stop a run, or at all of them for a while, which must
        not reject a candidate. So a request that failed is made again after a plain one was answered, and only if it
        fails then, too, is it UnusableReply (``server_error``). Raises what ``ChatClient.chat`` raises.
        """
        steady = replace(self._client.patience, tries=_STEADY_TRIES)
        try:
            return await self._client.chat(body)
        except RequestFailed:
            await self._client.chat(_plain("Write one word.", 16), steady)
        try:
            return await self._client.chat(body)
        except RequestFailed as failure:
            await self._client.chat(_plain("Write one word.", 16), steady)
            raise UnusableReply("server_error", str(failure).partition(" (")[0]) from failure

    def _read_source(self, text: str, _last: bool) -> Transcript:
        return read_turns(text) if self.constrained else read_lines(text)

    def _read_target(self, text: str, last: bool) -> JsonObject:
        """Return the object; the last one whether it holds or not, because the schema check says best what is wrong."""
        target = read_object(text)
        if not last and not self._validator.is_valid(target):
            raise UnusableReply("not_valid_under_contract", "an object that breaks the contract")
        return target

    def source_messages(self, scenario: Scenario) -> JsonValue:
        """Return the prompt of a source: what every candidate shares first, so that a server can keep it cached."""
        facts = facts_by_kind(scenario.facts)
        return _messages(
            self._render("source.system", constrained=self.constrained),
            self._render("source.user", facts=facts, pack=self._pack, visit=scenario.visit),
        )

    def target_messages(self, source: Transcript) -> JsonValue:
        """Return the prompt of a target, what every candidate shares first."""
        return _messages(self._target_system, self._render("target.user", transcript=source.text))

    def _render(self, name: str, **values: object) -> str:
        text = render_prompt(f"{self._task.prompts}/{name}.md.j2", **values)
        return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _proof() -> JsonObject:
    """Return a request whose prompt asks for anything but what its schema demands, so that only the schema can win."""
    schema: JsonObject = {
        "type": "object",
        "additionalProperties": False,
        "required": ["answer"],
        "properties": {"answer": {"enum": [_PROOF]}},
    }
    return _plain("Write one short sentence about the sea. Do not write JSON.", _PROOF_TOKENS) | _format(schema)


def _plain(prompt: str, max_tokens: int) -> JsonObject:
    return {"messages": [{"role": "user", "content": prompt}], "seed": 0, "temperature": 0, "max_tokens": max_tokens}


def _format(schema: JsonObject) -> JsonObject:
    return {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": schema},
        }
    }


def _messages(system: str, user: str) -> JsonValue:
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]


def _shown(contract: JsonObject) -> str:
    """Return the contract as the model sees it."""
    return canonical_json({key: value for key, value in contract.items() if key not in ("$schema", "$id", "title")})


async def open_server(request: TeacherRequest) -> ServerTeacher:
    """Return the teacher behind the endpoint that a request names, probed and ready to write.

    Raises UserError where endpoint or model are missing or wrong, TeacherUnavailable where nothing answers there.
    """
    if request.endpoint is None or request.teacher.model is None:
        raise UserError("the server teacher needs --endpoint URL and --model NAME")
    client = ChatClient(request.endpoint, request.teacher.model, timeout=TIMEOUT, concurrency=request.concurrency)
    teacher = ServerTeacher(client, request.task, request.pack, sampling(request))
    return await probed(teacher, request.notify)


async def probed(teacher: ServerTeacher, notify: Callable[[str], None]) -> ServerTeacher:
    """Return a teacher after its probe, of which the user is told; where that fails, the teacher is closed first."""
    try:
        await teacher.probe()
    except BaseException:
        await teacher.close()
        raise
    notify(teacher.notice)
    return teacher


def sampling(request: TeacherRequest) -> Sampling:
    """Return how the teacher of a request samples."""
    teacher = request.teacher
    return Sampling(request.seed, teacher.temperature, teacher.max_tokens, teacher.attempts)
