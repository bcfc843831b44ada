"""The fake server as a context manager: an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.fake_server.http import Connection
from tests.fake_server.service import Service
from tests.fake_server.settings import Settings


@dataclass(slots=True)
class FakeServer(Settings):
    """One server on the loopback; what it counted can be read while and after it serves."""

    _loop: asyncio.AbstractEventLoop | None = None
    _thread: threading.Thread | None = None

    @property
    def endpoint(self) -> str:
        """Base URL."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def most_at_once(self) -> int:
        """Most chat requests that were under way at once."""
        return self.stats.most_at_once

    def __enter__(self) -> Self:
        """Serve from here on; ValueError for rates that cannot be, OSError where the port is taken."""
        loop = asyncio.new_event_loop()
        service = Service(self, loop)
        connections: set[Connection] = set()

        listening = loop.create_server(
            lambda: Connection(service.handle, connections), "127.0.0.1", self.port, backlog=2048
        )
        server = loop.run_until_complete(listening)
        self.port = server.sockets[0].getsockname()[1]

        def run() -> None:
            loop.run_forever()
            server.close()
            for connection in connections:
                connection.abort()
            loop.call_soon(loop.stop)
            loop.run_forever()
            loop.close()

        self._loop, self._thread = loop, threading.Thread(target=run, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Break all connections and stop."""
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
