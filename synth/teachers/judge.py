"""The judge: a model behind OpenAI-compatible endpoints, or the teacher's own, that grades what others wrote.

It is asked several times, each time with a seed of its own, so that its spread is seen. Its answer holds scores alone:
no word of what it reads, or says, gets into a record. What its scores are worth is decided elsewhere
(``synth.checks.judgement``).
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from functools import cache
from statistics import median

import jsonschema_rs
from pydantic import JsonValue

from synth.assets import load_schema, render_prompt, sha256
from synth.catalog import Task
from synth.clock import Traffic
from synth.config import JudgeConfig
from synth.errors import UserError
from synth.judgements import DIMENSIONS, Agreed, Dimension, JudgeIdentity, Judgement, Scores
from synth.packs import Pack
from synth.records import Encounter, JsonObject, Usage
from synth.serving.chat import ChatClient
from synth.serving.constrained import ConstrainedChat
from synth.serving.decoding import decoding_schema
from synth.serving.endpoint import JUDGE, TEACHER, Refused, Role, base_url
from synth.serving.replies import UnusableReply, finished, read_object
from synth.teachers.base import JudgeRequest, Teacher
from synth.teachers.clients import client_for
from synth.teachers.prompts import described, facts_by_kind, messages, rendered, shown
from synth.teachers.server import ServerTeacher

_SCHEMA = "judgement"
_MARK = 16
"""Digits of the mark that fences what is judged: too many to be guessed by whoever wrote it."""


def repeat_seed(seed: int, index: int, repeat: int, attempt: int) -> int:
    """Return the sampling seed of one request to a judge, from 0 to 2**31 - 1."""
    return int(sha256(f"{seed}/{index}/judge/{repeat}/{attempt}")[:8], 16) >> 1


class ServerJudge:
    """Grades with one prompt an encounter and several replies to it; serves many encounters at once."""

    def __init__(self, client: ChatClient, task: Task, pack: Pack, seed: int, judge: JudgeConfig, *, own: bool) -> None:
        """``own`` says whether the client is the teacher's, who closes it and whose traffic it is."""
        if task.judgement is None:
            raise ValueError(f"task {task.name} has no rubric")
        self._contract = load_schema(task.judgement)
        self.chat = ConstrainedChat(client, {_SCHEMA: decoding_schema(self._contract)})
        self._task = task
        self._pack = pack
        self._seed = seed
        self._judge = judge
        self._own = own
        self._valid = jsonschema_rs.validator_for(self._contract)
        self._system = cache(self._rendered_system)

    @property
    def constrained(self) -> bool:
        """Whether its servers decode under the schema."""
        return self.chat.constrained

    @property
    def traffic(self) -> Traffic:
        """What has gone to servers that are not the teacher's."""
        return Traffic() if self._own else self.chat.client.traffic

    async def close(self) -> None:
        """Close the connections."""
        if not self._own:
            await self.chat.client.close()

    def prompt(self, encounter: Encounter) -> JsonValue:
        """Return the messages that ask for a judgement; source and target are fenced by a mark that follows from
        them, so that neither can hold it. The target has to hold under its contract."""
        facts = facts_by_kind(encounter.scenario.facts)
        note = render_prompt(self._task.renderer, target=encounter.target)
        user = rendered(
            f"{self._task.prompts}/judge/user.md.j2",
            facts=facts,
            pack=self._pack,
            visit=encounter.scenario.visit,
            who=described(facts["patient"][0]),
            transcript=encounter.source.text,
            note=note.strip(),
            mark=sha256(f"{self._seed}/{encounter.id}\n{encounter.source.text}\n{note}")[:_MARK],
        )
        return messages(self._system(), user)

    async def judge(self, encounter: Encounter) -> tuple[Judgement, Usage]:
        """Return what all repeats say of an encounter that its checks accept, and what they cost.

        Raises TeacherUnavailable or UserError where the server itself is at fault.
        """
        prompt = self.prompt(encounter)
        repeats = [
            asyncio.ensure_future(self._repeat(prompt, encounter.index, repeat))
            for repeat in range(self._judge.repeats)
        ]
        try:
            told = await asyncio.gather(*repeats)
        finally:
            for repeat in repeats:
                repeat.cancel()
        usage, unread = Usage(), Counter[str]()
        for _, failures, cost in told:
            usage = usage.plus(cost)
            unread.update(failures)
        scores = tuple(one for one, _, _ in told if one is not None)
        return (
            Judgement(
                judge=JudgeIdentity(model=self._judge.model, revision=self._judge.revision),
                scores=scores,
                repeats=self._judge.repeats,
                unread=dict(sorted(unread.items())),
                dimensions=agreed(scores),
            ),
            usage,
        )

    async def _repeat(self, prompt: JsonValue, index: int, repeat: int) -> tuple[Scores | None, list[str], Usage]:
        """Return the scores of one repeat, None where no attempt brought any; why others could not be read; the
        cost."""
        failures: list[str] = []
        usage = Usage()
        for attempt in range(self._judge.attempts):
            body: JsonObject = {
                "messages": prompt,
                "seed": repeat_seed(self._seed, index, repeat, attempt),
                "temperature": self._judge.temperature,
                "max_tokens": self._judge.max_tokens,
            }
            try:
                reply = await self.chat.answer(_SCHEMA, body, index)
                usage = usage.plus(
                    Usage(
                        judge_prompt_tokens=reply.usage.prompt_tokens,
                        judge_completion_tokens=reply.usage.completion_tokens,
                    )
                )
                return self._read(finished(reply)), failures, usage
            except UnusableReply as unusable:
                failures.append(unusable.reason)
            except Refused as refusal:
                if not refusal.too_long:
                    raise
                # It fits no better the next time.
                return None, [*failures, "too_long"], usage
        return None, failures, usage

    def _read(self, text: str) -> Scores:
        """Return the scores in a reply; raises UnusableReply as ``read_object`` does, and
        ``not_valid_under_contract``."""
        found = read_object(text)
        error = next(self._valid.iter_errors(found), None)
        if error is not None:
            where = "/".join(map(str, error.instance_path))
            raise UnusableReply("not_valid_under_contract", f"/{where}: {error.message}")
        return Scores.model_validate(found)  # JSON has one kind of number: 5.0 is 5 under the contract and here

    def _rendered_system(self) -> str:
        return render_prompt(f"{self._task.prompts}/judge/system.md.j2", schema=shown(self._contract))


def agreed(scores: tuple[Scores, ...]) -> dict[Dimension, Agreed]:
    """Return median and spread of every dimension; nothing where there are no scores."""
    if not scores:
        return {}
    values = {name: [getattr(one, name) for one in scores] for name in DIMENSIONS}
    return {name: Agreed(median=median(said), spread=max(said) - min(said)) for name, said in values.items()}


async def open_server_judge(request: JudgeRequest, teacher: Teacher) -> ServerJudge:
    """Return the judge of a request, probed and ready.

    Raises UserError where it cannot be had as asked, TeacherUnavailable where it does not answer.
    """
    if request.own:
        if not isinstance(teacher, ServerTeacher):
            raise UserError(f"the {teacher.identity.name} is no model that could judge; name one: --judge URL")
        client = teacher.client
    elif not request.endpoints:
        own = " (or --judge teacher)" if request.judge.model == teacher.identity.model else ""
        raise UserError(f"this run is judged by {request.judge.model}; say where it is: --judge URL{own}")
    else:
        client = client_for(
            request, request.endpoints, request.judge.model, revision=request.judge.revision, role=_role(request)
        )
    judge = ServerJudge(client, request.task, request.pack, request.seed, request.judge, own=request.own)
    try:
        await judge.chat.probe(request.constrained)
    except BaseException:
        await judge.close()
        raise
    request.notify(f"judge: {judge.chat.notice}")
    return judge


def _role(request: JudgeRequest) -> Role:
    """Return with which key the judge is asked: its own; the teacher's where it has none and is at the same servers."""
    teacher = {base_url(url) for url in request.teacher_endpoints}
    same = all(base_url(url, JUDGE) in teacher for url in request.endpoints)
    return Role(JUDGE.flag, TEACHER.key) if same and JUDGE.key not in os.environ else JUDGE
