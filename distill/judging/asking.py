"""Asks a judge's servers: constrained, several times with seeds of their own, again where a reply cannot be read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import jsonschema_rs
from pydantic import JsonValue

from distill.judging.records import Compared, Graded
from distill.judging.rubric import Rubric, contract, pair_contract
from synth.assets import canonical_json, sha256
from synth.errors import UserError
from synth.records import JsonObject
from synth.serving.chat import ChatClient, Patience
from synth.serving.constrained import ConstrainedChat
from synth.serving.decoding import decoding_schema
from synth.serving.endpoint import JUDGE, Refused
from synth.serving.replies import UnusableReply, finished, read_object

Form = Literal["grade", "compare"]


@dataclass(frozen=True, slots=True)
class Asking:
    """How a judge is asked."""

    endpoints: tuple[str, ...]
    model: str | None = None
    """As the servers call it; None where they serve one only."""
    revision: str | None = None
    repeats: int = 3
    temperature: float = 1.0
    """1 samples as the model would, so that the spread is the model's own."""
    max_tokens: int = 4096
    """Of a reply, reasoning included."""
    attempts: int = 3
    """At each repeat, where a reply cannot be read."""
    seed: int = 0
    concurrency: int = 64
    """Most requests in flight at one endpoint."""
    timeout: float = 600.0
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True, slots=True)
class Question:
    """One repeat of one question."""

    id: str
    systems: tuple[str, ...]
    """The one that is graded, or the two that are compared, in the order in which they stand."""
    repeat: int
    prompt: JsonValue


class Judge:
    """One model behind one or several servers, for one form of question."""

    def __init__(self, client: ChatClient, rubric: Rubric, form: Form, asking: Asking) -> None:
        """``client`` talks to the servers of ``asking``."""
        schema = contract(rubric) if form == "grade" else pair_contract()
        self.chat = ConstrainedChat(client, {form: decoding_schema(schema)})
        self._form = form
        self._asking = asking
        self._valid = jsonschema_rs.validator_for(schema)

    async def grade(self, question: Question, order: int) -> Graded:
        """Return the scores of one repeat.

        Raises TeacherUnavailable or UserError where the server itself is at fault.
        """
        found, unread, prompt_tokens, completion_tokens = await self._ask(question, order)
        return Graded(
            id=question.id,
            system=question.systems[0],
            repeat=question.repeat,
            scores=None if found is None else {name: _score(value) for name, value in found.items()},
            unread=tuple(unread),
            constrained=self.chat.constrained,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            asked=digest(question, self._asking),
        )

    async def compare(self, question: Question, order: int) -> Compared:
        """Return which of two one repeat prefers; raises as ``grade`` does."""
        found, unread, prompt_tokens, completion_tokens = await self._ask(question, order)
        return Compared.model_validate(
            {
                "id": question.id,
                "first": question.systems[0],
                "second": question.systems[1],
                "repeat": question.repeat,
                "better": None if found is None else found["better"],
                "unread": unread,
                "constrained": self.chat.constrained,
                "prompt_tokens": prompt_tokens,
                "completion_tokens": completion_tokens,
                "asked": digest(question, self._asking),
            }
        )

    async def _ask(self, question: Question, order: int) -> tuple[JsonObject | None, list[str], int, int]:
        """Return what a reply holds, None where no attempt brought one that can be read; why; tokens in and out."""
        unread: list[str] = []
        prompt_tokens = completion_tokens = 0
        for attempt in range(self._asking.attempts):
            try:
                reply = await self.chat.answer(self._form, _body(question, self._asking, attempt), order)
                prompt_tokens += reply.usage.prompt_tokens
                completion_tokens += reply.usage.completion_tokens
                found = read_object(finished(reply))
                if not self._valid.is_valid(found):
                    raise UnusableReply("not_valid_under_contract", "not what was asked for")
                return found, unread, prompt_tokens, completion_tokens
            except UnusableReply as unusable:
                unread.append(unusable.reason)
            except Refused as refusal:
                if not refusal.too_long:
                    raise
                # It fits no better the next time.
                unread.append("too_long")
                break
        return None, unread, prompt_tokens, completion_tokens


def _score(value: JsonValue) -> float | None:
    """Return a value that holds under the contract."""
    return float(value) if isinstance(value, int | float) else None


def digest(question: Question, asking: Asking) -> str:
    """Return what tells a question from any other: model, prompt, sampling."""
    body = _body(question, asking, 0)
    return sha256(canonical_json({"model": asking.model, "revision": asking.revision, **body}))[:16]


def _body(question: Question, asking: Asking, attempt: int) -> JsonObject:
    place = f"{asking.seed}/{question.id}/{'/'.join(question.systems)}/{question.repeat}/{attempt}"
    return {
        "messages": question.prompt,
        # Up to 2**31 - 1, which every server takes.
        "seed": int(sha256(place)[:8], 16) >> 1,
        "temperature": asking.temperature,
        "max_tokens": asking.max_tokens,
    }


async def named(asking: Asking) -> Asking:
    """Return the same with the model's name: the only one of the first server where none was given.

    Raises UserError where that has several or does not list any, TeacherUnavailable where it does not answer.
    """
    if asking.model is not None:
        return asking
    client = _client(asking)
    try:
        names = await client.models(client.endpoints[0], Patience(first=0.2, longest=2.0, budget=5.0, tries=2))
    finally:
        await client.close()
    if not names or len(names) > 1:
        listed = f"it has {', '.join(names[:8])}" if names else "it lists none"
        raise UserError(
            f"say which model of the server at {client.endpoints[0].url} is to judge: --judge-model NAME; {listed}"
        )
    return replace(asking, model=names[0])


async def open_judge(asking: Asking, rubric: Rubric, form: Form, began: bool | None) -> Judge:
    """Return a judge that was probed; ``began`` says whether decoding was constrained when the judgements on disk
    began, None where there are none.

    Raises UserError where there is no such model, TeacherUnavailable where a server does not answer.
    """
    client = _client(asking)
    judge = Judge(client, rubric, form, asking)
    try:
        await judge.chat.probe(began)
    except BaseException:
        await client.close()
        raise
    return judge


def _client(asking: Asking) -> ChatClient:
    return ChatClient(
        asking.endpoints,
        asking.model or "",
        timeout=asking.timeout,
        concurrency=asking.concurrency,
        patience=asking.patience,
        revision=asking.revision,
        role=JUDGE,
    )
