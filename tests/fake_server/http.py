"""HTTP/1.1 for one connection, by hand: a request's head and body go to a handler, its answer comes back in bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

_REASONS = {200: b"OK", 400: b"Bad Request", 401: b"Unauthorized", 404: b"Not Found", 411: b"Length Required"}
_DRIP_PAUSE = 0.05
"""Seconds between the pieces of a slow drip."""


class Connection(asyncio.Protocol):
    """Takes one request at a time; what a client sends meanwhile waits."""

    __slots__ = ("_busy", "_closing", "_handle", "_need", "_open", "_pieces", "_size", "_transport", "lost")

    def __init__(self, handle: Callable[[Connection, bytes, bytes], None], opened: set[Connection]) -> None:
        """``handle`` takes the connection, a request's head and its body, and sees that it is answered; ``opened``
        holds the connection as long as it is open."""
        self._handle = handle
        self._open = opened
        self._pieces: list[bytes] = []
        self._size = 0
        self._need = 0
        self._busy = False
        self._closing = False
        self.lost: Callable[[], None] | None = None
        """Called when the client goes while its request is under way."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the protocol's signature
        """Tell whoever answers the request that is under way."""
        self._open.discard(self)
        lost, self.lost = self.lost, None
        if lost is not None:
            lost()

    def data_received(self, data: bytes) -> None:
        """Collect a request, and hand it on once it is whole."""
        if self._pieces or self._busy:
            self._pieces.append(data)
            self._size += len(data)
            if self._busy or self._size < self._need:
                return
            data = b"".join(self._pieces)
            self._pieces.clear()
        self._take(data)

    def _take(self, data: bytes) -> None:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self._hold(data, 0)
            return
        head = data[: end + 2]
        lower = head.lower()
        at, length = lower.find(b"\r\ncontent-length:"), 0
        if at >= 0:
            length = int(lower[at + 17 : lower.index(b"\r\n", at + 17)])
        total = end + 4 + length
        if len(data) < total:
            self._hold(data, total)
            return
        if len(data) > total:
            self._hold(data[total:], 0)
        self._busy = True
        self._closing = b"\r\nconnection: close" in lower
        if b"\r\ntransfer-encoding:" in lower:
            self._closing = True
            self.send(response(411, b"", "text/plain"))
        else:
            self._handle(self, head, data[end + 4 : total])

    def _hold(self, data: bytes, need: int) -> None:
        self._pieces, self._size, self._need = [data], len(data), need

    def send(self, data: bytes) -> None:
        """Answer the request."""
        self._transport.write(data)
        self.lost = None
        self._busy = False
        if self._closing:
            self._transport.close()
        elif self._pieces:
            waiting = b"".join(self._pieces)
            self._pieces.clear()
            asyncio.get_running_loop().call_soon(self._take, waiting)

    def break_off(self, data: bytes = b"") -> None:
        """Close the connection after some bytes of an answer, or none."""
        self.lost = None
        self._transport.write(data)
        self._transport.close()

    def abort(self) -> None:
        """Close the connection at once."""
        self._transport.abort()

    def drip(self, data: bytes, seconds: float, done: Callable[[], None]) -> None:
        """Answer the request in pieces over so many seconds, the head at once, then call ``done``."""
        body = data.index(b"\r\n\r\n") + 4
        self._transport.write(data[:body])
        loop = asyncio.get_running_loop()
        steps = max(2, round(seconds / _DRIP_PAUSE))
        size = -(-(len(data) - body) // steps)

        def piece(start: int) -> None:
            if self._transport.is_closing():
                return
            if start + size >= len(data):
                self.send(data[start:])
                done()
                return
            self._transport.write(data[start : start + size])
            loop.call_later(seconds / steps, piece, start + size)

        loop.call_later(seconds / steps, piece, body)


def response(
    status: int, content: bytes, kind: str = "application/json", extra: Mapping[str, str] | None = None
) -> bytes:
    """Return an answer in bytes."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in (extra or {}).items())
    head = f"Content-Type: {kind}\r\nContent-Length: {len(content)}\r\n{lines}\r\n"
    return b"HTTP/1.1 %d %b\r\n%b%b" % (status, _REASONS.get(status, b"Error"), head.encode(), content)
