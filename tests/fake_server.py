"""A small OpenAI-compatible server without a model, for tests: what it answers follows from the request alone.

``with FakeServer() as server:`` serves on the loopback from a thread. ``python -m tests.fake_server --port N`` serves
until it is stopped, takes vLLM's flags, and so stands in for it where only the process matters.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from types import TracebackType
from typing import Literal, Self

from pydantic import JsonValue

from synth.records import JsonObject

Fault = Literal[
    "busy", "error", "forbidden", "too_long", "bad_request", "disconnect", "hang", "garbage", "no_choices", "truncated",
    "wrong_schema", "surrogate", "no_turns"
]  # fmt: skip
Decoding = Literal["constrains", "ignores", "refuses"]
_WORDS = ("the", "patient", "says", "that", "it", "has", "been", "better", "since", "last", "week", "and", "well")
_TEXTS = ("E11.9", "E03.9", "mg", "mmHg", "oral")
_STUBBORN_CHILD = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
_ERRORS: dict[str, tuple[int, str]] = {
    "busy": (429, "slow down"),
    "error": (500, "engine failure"),
    "forbidden": (401, "invalid key"),
    "too_long": (400, "This model's maximum context length is 4096 tokens. However, you requested 9000 tokens."),
    "bad_request": (400, "temperature must be non-negative"),
}


@dataclass(slots=True)
class FakeServer:
    """One server; the counts can be read while and after it serves."""

    model: str = "fake-1"
    decoding: Decoding = "constrains"
    faults: Iterable[Fault | None] = ()
    """What goes wrong with the first chat requests, in order of arrival."""
    once: Fault | None = None
    """What goes wrong with every request the first time it is seen, whatever the order."""
    always: Fault | None = None
    fails_at: str | None = None
    """Answers a chat request with status 500 whenever its text holds this."""
    lists_models: bool = True
    retry_after: str | None = None
    port: int = 0
    """0 takes a free one."""
    bodies: list[JsonObject] = field(default_factory=list)
    """The chat requests, in order of arrival."""
    keys: list[str] = field(default_factory=list)
    """The Authorization headers of the chat requests."""
    most_at_once: int = 0
    _under_way: int = 0
    _seen: set[str] = field(default_factory=set)
    _loop: asyncio.AbstractEventLoop | None = None
    _thread: threading.Thread | None = None

    @property
    def endpoint(self) -> str:
        """Base URL."""
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        started = threading.Event()

        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            server = await asyncio.start_server(self._connection, "127.0.0.1", self.port)
            self.port = server.sockets[0].getsockname()[1]
            started.set()
            await server.serve_forever()

        def run() -> None:
            with suppress(asyncio.CancelledError):
                asyncio.run(serve())

        self.faults = iter(self.faults)
        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        started.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        loop = self._loop
        if loop is not None and self._thread is not None:
            loop.call_soon_threadsafe(lambda: [task.cancel() for task in asyncio.all_tasks(loop)])
            self._thread.join(10)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._request(reader, writer):
                pass
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether the connection stays open."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if path == "/health":
            return await _send(writer, 200, "")
        if path == "/v1/models" and self.lists_models:
            return await _send(writer, 200, json.dumps({"object": "list", "data": [{"id": self.model}]}))
        if path != "/v1/chat/completions" or method != "POST":
            return await _send(writer, 404, json.dumps({"detail": "Not Found"}))
        self.keys.append(headers.get("authorization", ""))
        self._under_way += 1
        self.most_at_once = max(self.most_at_once, self._under_way)
        try:
            return await self._chat(writer, json.loads(body))
        finally:
            self._under_way -= 1

    async def _chat(self, writer: asyncio.StreamWriter, body: JsonObject) -> bool:
        self.bodies.append(body)
        digest = sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        fault = self._fault(digest)
        if self.fails_at is not None and self.fails_at in json.dumps(body["messages"]):
            fault = "error"
        await asyncio.sleep(int(digest[:2], 16) / 25600)  # up to 10 ms, so that answers overtake each other
        if fault == "disconnect":
            return False
        if fault == "hang":
            await asyncio.sleep(3600)
        if fault in _ERRORS:
            status, message = _ERRORS[fault]
            return await self._error(writer, status, message)
        if fault == "garbage":
            return await _send(writer, 200, "<html>gateway</html>")
        if fault == "no_choices":
            return await _send(writer, 200, '{"choices":[]}')
        if body["model"] != self.model:
            return await self._error(writer, 404, f"The model `{body['model']}` does not exist.")
        if self.decoding == "refuses" and "response_format" in body:
            return await self._error(writer, 400, "response_format is not supported")
        text = answer(body, random.Random(digest), obeys=self.decoding == "constrains")
        finish = "stop"
        if fault == "truncated":
            text, finish = text[: len(text) // 2], "length"
        elif fault == "wrong_schema":
            text = '{"note":"wrong"}'
        elif fault == "surrogate":
            text = text.replace("e", "\ud800", 1)
        elif fault == "no_turns":
            text = "I cannot do that."
        usage = {"prompt_tokens": len(json.dumps(body["messages"]).split()), "completion_tokens": len(text.split())}
        reply = {"role": "assistant", "content": text, "reasoning_content": "[doctor] thought [patient] thought"}
        choice = {"index": 0, "message": reply, "finish_reason": finish}
        return await _send(writer, 200, json.dumps({"object": "chat.completion", "choices": [choice], "usage": usage}))

    def _fault(self, digest: str) -> Fault | None:
        fault = next(iter(self.faults), None) or self.always
        if fault is None and self.once is not None and digest not in self._seen:
            fault = self.once
        self._seen.add(digest)
        return fault

    async def _error(self, writer: asyncio.StreamWriter, status: int, message: str) -> bool:
        extra = {"Retry-After": self.retry_after} if self.retry_after else {}
        return await _send(writer, status, json.dumps({"error": {"message": message, "code": status}}), extra)


async def _send(writer: asyncio.StreamWriter, status: int, text: str, extra: dict[str, str] | None = None) -> bool:
    content = text.encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(content)), **(extra or {})}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + content)
    await writer.drain()
    return True


def answer(body: JsonObject, rng: random.Random, *, obeys: bool) -> str:
    """Return what the pretended model says: an instance of the request's schema where the server obeys it, else what
    the prompt asks for."""
    messages = body["messages"]
    assert isinstance(messages, list)
    prompt = "".join(str(message["content"]) for message in messages if isinstance(message, dict))
    wanted = body.get("response_format")
    if obeys and isinstance(wanted, dict):
        schema = wanted["json_schema"]
        assert isinstance(schema, dict)
        inner = schema["schema"]
        assert isinstance(inner, dict)
        properties = inner.get("properties")
        if isinstance(properties, dict) and "turns" in properties:
            return json.dumps({"turns": [{"speaker": s, "text": t} for s, t in _dialogue(rng)]})
        return json.dumps(instance(inner, inner, rng))
    if '"$defs"' in prompt:
        schema = json.loads(prompt[prompt.index('{"description"') : prompt.rindex("Transcript\n")])
        return f"```json\n{json.dumps(instance(schema, schema, rng))}\n```"
    if "[doctor]" in prompt:
        return "Here it is:\n\n" + "\n".join(f"[{speaker}] {text}" for speaker, text in _dialogue(rng))
    return "The sea is wide and blue."


def instance(schema: JsonObject, root: JsonObject, rng: random.Random) -> JsonValue:
    """Return a value that holds under the keywords that a decoding schema, or the contract it comes from, uses."""
    if "$ref" in schema:
        found: JsonValue = root
        for step in str(schema["$ref"]).removeprefix("#/").split("/"):
            assert isinstance(found, dict)
            found = found[step]
        assert isinstance(found, dict)
        return instance(found, root, rng)
    for key in ("enum", "anyOf"):
        options = schema.get(key)
        if isinstance(options, list):
            chosen = rng.choice(options)
            return instance(chosen, root, rng) if key == "anyOf" and isinstance(chosen, dict) else chosen
    match schema["type"], schema.get("properties"), schema.get("items"):
        case "object", dict(properties), _:
            return {name: instance(sub, root, rng) for name, sub in properties.items() if isinstance(sub, dict)}
        case "array", _, dict(items):
            low, high = schema.get("minItems", 0), schema["maxItems"]
            assert isinstance(low, int)
            assert isinstance(high, int)
            return [instance(items, root, rng) for _ in range(rng.randint(low, min(high, low + 3)))]
        case "number", _, _:
            return rng.choice([1, 2.5, 40, 112])
        case "boolean", _, _:
            return rng.random() < 0.5
    pattern, high = str(schema["pattern"]), schema.get("maxLength", 10_000)
    assert isinstance(high, int)
    texts = [" ".join(rng.choices(_WORDS, k=rng.randint(2, 8))) for _ in range(4)] + rng.sample(_TEXTS, len(_TEXTS))
    return next(text for text in [*texts, "E11"] if re.search(pattern, text) and len(text) <= high)


def _dialogue(rng: random.Random) -> list[tuple[str, str]]:
    speakers = ("doctor", "patient")
    return [(speakers[i % 2], " ".join(rng.choices(_WORDS, k=rng.randint(3, 12)))) for i in range(rng.randint(4, 10))]


def main() -> None:
    """Serve until stopped; the flags that vLLM has and this lacks are ignored."""
    parser = argparse.ArgumentParser(description="Serve the OpenAI API without a model.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--served-model-name", default="fake-1")
    parser.add_argument("--die", help="print this as a vLLM traceback and end with status 1")
    parser.add_argument("--never-up", action="store_true")
    parser.add_argument("--stubborn", action="store_true", help="ignore SIGTERM, and have a child that does")
    arguments, _ = parser.parse_known_args()
    print("INFO 11-21 10:00:00 [api_server.py:1] loading", flush=True)
    if arguments.die:
        print(f"(EngineCore pid=7) ERROR 11-21 10:00:01 [core.py:1] ValueError: {arguments.die}", flush=True)
        print("(APIServer pid=6) RuntimeError: Engine core initialization failed. See root cause above.", flush=True)
        sys.exit(1)
    if arguments.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen([sys.executable, "-c", _STUBBORN_CHILD])
        print(f"child {child.pid}", flush=True)
    if arguments.never_up:
        time.sleep(600)
    with FakeServer(arguments.served_model_name, port=arguments.port):
        threading.Event().wait()


if __name__ == "__main__":
    main()
