"""A forwarder on the loopback that keeps the chat requests that pass, so that another client can make the same ones."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from synth.records import JsonObject

_CHAT = b"POST /v1/chat/completions "


@dataclass(slots=True)
class Recorder:
    """Forwards to one server."""

    upstream: str
    """Base URL of the server."""
    port: int = 0
    """Set once it listens."""
    bodies: list[JsonObject] = field(default_factory=list)
    """The chat requests, in order of arrival."""

    @property
    def endpoint(self) -> str:
        """Base URL."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, started: threading.Event) -> None:
        """Forward until cancelled."""
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        async with server:
            await server.serve_forever()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = urlsplit(self.upstream)
        back, forth = await asyncio.open_connection(address.hostname, address.port)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head, body = await _message(reader)
                if head.startswith(_CHAT):
                    self.bodies.append(json.loads(body))
                forth.write(head + body)
                writer.write(b"".join(await _message(back)))
                await writer.drain()
        for end in (writer, forth):
            end.close()


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Return head and body of the next HTTP message, which must tell its length."""
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return head, await reader.readexactly(int(lengths[0].partition(b":")[2])) if lengths else b""


@contextmanager
def recording(upstream: str) -> Iterator[Recorder]:
    """Start a recorder in a thread, and stop it."""
    recorder, started, loop = Recorder(upstream), threading.Event(), asyncio.new_event_loop()
    serving = loop.create_task(recorder.serve(started))

    def run() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(serving)
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    started.wait(10)
    try:
        yield recorder
    finally:
        loop.call_soon_threadsafe(serving.cancel)
        thread.join(10)
