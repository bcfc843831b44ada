"""The least that a client can do: what it reaches is what the server, the loopback and Python leave to any client.

It parses a reply for its text and for nothing else, retries nothing, checks nothing and keeps nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from urllib.parse import urlsplit

from benchmarks.generation.job import MAX_TOKENS, TARGET_BEGINS, TEMPERATURE, Job, Prompt, read_job, say_done


class Channel:
    """One connection, one request at a time."""

    def __init__(self, job: Job, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._job = job
        self._reader = reader
        self._writer = writer

    async def ask(self, system: str, user: str) -> str:
        """Return the reply to a prompt; ValueError where the answer has another status than 200."""
        body = json.dumps(
            {
                "model": self._job.model,
                "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
                "temperature": TEMPERATURE,
                "max_tokens": MAX_TOKENS,
            }
        ).encode()
        head = "POST /v1/chat/completions HTTP/1.1\r\nHost: bare\r\nContent-Type: application/json\r\n"
        self._writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        status, *headers = (await self._reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
        length = next(int(h.partition(b":")[2]) for h in headers if h.startswith(b"content-length:"))
        answer = await self._reader.readexactly(length)
        if b" 200 " not in status:
            raise ValueError(f"{status!r}: {answer[:200]!r}")
        text: str = json.loads(answer)["choices"][0]["message"]["content"]
        return text

    async def work(self, prompts: Iterator[Prompt]) -> int:
        """Write pairs until none is left; return how many."""
        done = 0
        for prompt in prompts:
            source = await self.ask(prompt.system, prompt.user)
            done += bool(await self.ask(self._job.target_system, f"{TARGET_BEGINS}{source}\n"))
        self._writer.close()
        return done


async def write_pairs(job: Job) -> int:
    """Return how many pairs were written, over as many connections as requests may be under way."""
    address = urlsplit(job.endpoint)
    prompts = iter(job.prompts)
    channels = [
        Channel(job, *await asyncio.open_connection(address.hostname, address.port)) for _ in range(job.in_flight)
    ]
    return sum(await asyncio.gather(*(channel.work(prompts) for channel in channels)))


if __name__ == "__main__":
    say_done(asyncio.run(write_pairs(read_job())))
