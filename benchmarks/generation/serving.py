"""The fake server in a process of its own, with the latency and capacity that make its ceiling."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Shape:
    """What the server and the clients are held to."""

    in_flight: int
    """The most requests that a client may have under way, and that the server serves at once."""
    latency: float
    """Seconds that each request takes."""

    @property
    def ceiling(self) -> float:
        """Pairs a second where every place is taken all the time: two requests a pair."""
        return self.in_flight / self.latency / 2


@dataclass(frozen=True, slots=True)
class Served:
    """What the server saw of a client."""

    answered: int
    most_at_once: int
    seconds: float
    """From the first arrival to the last answer."""


class Server:
    """A running fake server."""

    def __init__(self, port: int) -> None:
        self._port = port

    @property
    def endpoint(self) -> str:
        """Base URL."""
        return f"http://127.0.0.1:{self._port}/v1"

    def served(self) -> Served:
        """Return what was served so far."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            connection.request("GET", "/stats")
            stats = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return Served(stats["answered"], stats["most_at_once"], stats["seconds"] or 0.0)


@contextmanager
def serving(shape: Shape, model: str, bank: int = 200) -> Iterator[Server]:
    """Start a server that answers from a bank of encounters, and stop it.

    It ignores ``response_format``, so that all clients send the same prompts and get the same kind of reply.
    """
    options = {
        "--port": "0",
        "--served-model-name": model,
        "--latency": str(shape.latency),
        "--capacity": str(shape.in_flight),
        "--bank": str(bank),
        "--decoding": "ignores",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fake_server", *(part for option in options.items() for part in option)],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith("port "):
            raise RuntimeError(f"the fake server did not start: {line.strip() or 'it said nothing'}")
        yield Server(int(line.split()[1]))
    finally:
        process.terminate()
        process.wait(10)
