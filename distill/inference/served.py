"""A model behind OpenAI-compatible endpoints, or on a vLLM that is started for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from pydantic import JsonValue

from distill.inference.asking import Ask, messages
from distill.inference.base import Decoding, OnWritten, item_seed
from distill.lanes import in_lanes
from distill.predict import as_prediction
from distill.records import BenchmarkItem, Finish, Prediction
from synth.assets import load_schema
from synth.catalog import load_task
from synth.errors import UserError
from synth.records import JsonObject
from synth.serving.cache import folder_revision
from synth.serving.chat import ChatClient, Patience
from synth.serving.constrained import ConstrainedChat
from synth.serving.decoding import decoding_schema
from synth.serving.endpoint import Refused
from synth.serving.replies import Reply, UnusableReply
from synth.serving.vllm import ManagedVllm

T = TypeVar("T")
Notify = Callable[[str], None]
MAX_NEW_TOKENS = 4096
"""Of one answer, reasoning included, unless it is said; as a teacher has it."""
_PART = "target"


@dataclass(frozen=True, slots=True)
class Served:
    """A model that a server has."""

    model: str
    """What the server calls it; for a managed server the name or the folder of what it serves."""
    endpoints: tuple[str, ...] = ()
    """Base URLs; empty where vLLM is to be started."""
    ask: Ask = "contract"
    task: str = "note"
    """What items are asked as that have no task of their own, and whose contract constrains decoding."""
    concurrency: int = 32
    """Most requests in flight at one endpoint."""
    timeout: float = 600.0
    """Seconds for one try."""
    patience: float = 120.0
    """Seconds from the first fault to giving up on a server that is busy or out of reach."""
    log: Path | None = None
    """Of a managed server."""


class ServedPredictor:
    """Writes through a server, many items at once; the server is probed, and started where it has to be, with the first
    item."""

    def __init__(self, served: Served, decoding: Decoding, notify: Notify = lambda _line: None) -> None:
        """Raises UserError where vLLM is to be started and is not installed, or an endpoint is no URL."""
        managed = not served.endpoints
        if managed and find_spec("vllm") is None:
            raise UserError("vLLM is not installed; pip install 'notewright[vllm]', or use --endpoint URL --model NAME")
        self._vllm = ManagedVllm(served.model, served.log or Path("vllm.log")) if managed else None
        self.name = self._vllm.served_name if self._vllm else served.model
        self.max_new_tokens = decoding.max_new_tokens or MAX_NEW_TOKENS
        self.wants_json = True
        self._served = served
        self._decoding = decoding
        self._notify = notify
        self._runner: asyncio.Runner | None = None
        self._chat: ConstrainedChat | None = None
        if not managed:
            self._client(served.endpoints)  # for what is wrong with a URL

    def identity(self) -> JsonObject:
        """Return the name of the model, and of what is in its folder a managed server is given."""
        folder = Path(self._served.model)
        revision = folder_revision(folder) if self._vllm is not None and folder.is_dir() else None
        return {"model": self.name, "revision": revision, "ask": self._served.ask}

    def write(self, items: Sequence[BenchmarkItem], run: int, on_written: OnWritten) -> None:
        """Write one prediction an item, as many at once as the server takes."""
        self._run(self._write(items, run, on_written))

    def close(self) -> None:
        """Close the connections, and stop the server where it was started here."""
        runner, chat = self._runner, self._chat
        self._runner = self._chat = None
        try:
            if self._vllm is not None:
                self._vllm.stop()
        finally:
            if runner is not None:
                # A signal that broke into the loop is told again by the tasks that it ended.
                for work in (_closed, _closed):
                    with suppress(KeyboardInterrupt):
                        runner.run(work(chat))
                with suppress(KeyboardInterrupt):
                    runner.close()

    def _run(self, work: Coroutine[object, object, T]) -> T:
        self._runner = self._runner or asyncio.Runner()
        return self._runner.run(work)

    def _client(self, endpoints: Sequence[str]) -> ChatClient:
        return ChatClient(
            endpoints,
            self.name,
            timeout=self._served.timeout,
            concurrency=self._served.concurrency,
            # vLLM queues what it cannot take, so there is nothing to find out slowly.
            first=self._served.concurrency if self._vllm else None,
            patience=Patience(budget=self._served.patience),
            gone=self._vllm.gone if self._vllm else None,
        )

    async def _opened(self) -> ConstrainedChat:
        """Return the chat with a server that is up, has the model, and constrains decoding where it is to."""
        if self._vllm is not None:
            await self._vllm.start(lambda seconds, line: self._notify(f"starting vLLM, {seconds:.0f} s: {line}"))
        client = self._client((self._vllm.endpoint,) if self._vllm else self._served.endpoints)
        contract = load_schema(load_task(self._served.task).schema_name)
        chat = self._chat = ConstrainedChat(client, {_PART: decoding_schema(contract)})
        # False: only whether the server answers and has the model.
        held = await chat.probe(None if self._decoding.constrained else False)
        if self._decoding.constrained and not held:
            why = chat.notice.partition("; ")[0]
            raise UserError(f"--constrained: {why}; leave it out, or take a server that decodes under a schema")
        return chat

    async def _write(self, items: Sequence[BenchmarkItem], run: int, on_written: OnWritten) -> None:
        chat = self._chat or await self._opened()

        async def write(item: BenchmarkItem, order: int) -> None:
            on_written(await self._prediction(chat, item, run, order))

        await in_lanes(items, write, self._served.concurrency * len(chat.client.endpoints))

    async def _prediction(self, chat: ConstrainedChat, item: BenchmarkItem, run: int, order: int) -> Prediction:
        asked: list[JsonValue] = [dict(message) for message in messages(self._served.ask, self._served.task, item)]
        body: JsonObject = {
            "messages": asked,
            "seed": item_seed(self._decoding.seed, run, item.id),
            "temperature": self._decoding.temperature,
            "max_tokens": self.max_new_tokens,
        }
        try:
            reply = await chat.answer(_PART, body, order)
        except UnusableReply:
            return self._without(item, "failed")
        except Refused as refusal:
            if not refusal.too_long:
                raise
            return self._without(item, "too_long")
        return as_prediction(item.id, reply.text, _finish(reply), item.task or self._served.task, fenced=True)

    def _without(self, item: BenchmarkItem, why: Finish) -> Prediction:
        return as_prediction(item.id, "", why, item.task or self._served.task)


async def _closed(chat: ConstrainedChat | None) -> None:
    if chat is not None:
        await chat.client.close()


def _finish(reply: Reply) -> Finish:
    match reply.finish_reason:
        case "length":
            return "length"
        case "content_filter":
            return "filtered"
    return "stop"
