"""What a vLLM server did over time, from its Prometheus metrics, and rates from that."""

from __future__ import annotations

import http.client
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from urllib.parse import urlsplit

_EVERY = 0.5
"""Seconds between two samples; one takes some milliseconds of the server's time."""
_LINE = re.compile(r"^vllm:(\w+)(?:\{[^}]*\})? ([-+.\deE]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Sample:
    """The state of the server at one moment."""

    at: float
    """Seconds of a monotonic clock."""
    prompt: float
    """Prompt tokens since the server started, those from the prefix cache included."""
    output: float
    """Generated tokens since the server started."""
    requests: float
    """Finished requests since the server started."""
    running: float
    """Requests in the batch now."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """What a client got out of the server."""

    requests: int
    prompt: float
    """Mean prompt tokens a request."""
    output: float
    """Mean generated tokens a request."""
    running: float
    """Mean requests in the batch over the middle of the run."""
    whole: float
    """Generated tokens a second from the last moment without any to the first with all."""
    middle: float
    """Generated tokens a second between a tenth and nine tenths of them, so that neither the start nor the drained
    end of a short run weighs."""


def parse_metrics(text: str, at: float) -> Sample:
    """Return a sample from the text of ``/metrics``, series of one name added up."""
    totals: dict[str, float] = {}
    for name, value in _LINE.findall(text):
        totals[name] = totals.get(name, 0.0) + float(value)
    names = ("prompt_tokens_total", "generation_tokens_total", "request_success_total", "num_requests_running")
    return Sample(at, *(totals.get(name, 0.0) for name in names))


def throughput(samples: Sequence[Sample]) -> Throughput:
    """Return what happened between the first and the last sample; ValueError where no token was generated."""
    first, last = samples[0], samples[-1]
    tokens, requests = last.output - first.output, last.requests - first.requests
    if tokens <= 0 or requests <= 0:
        raise ValueError("the server generated nothing")
    begin = max(sample.at for sample in samples if sample.output == first.output)
    end = min(sample.at for sample in samples if sample.output == last.output)
    low, high = (_when(samples, first.output + share * tokens) for share in (0.1, 0.9))
    running = [sample.running for sample in samples if low <= sample.at <= high]
    return Throughput(
        requests=int(requests),
        prompt=(last.prompt - first.prompt) / requests,
        output=tokens / requests,
        running=sum(running) / len(running) if running else 0.0,
        whole=tokens / (end - begin),
        middle=0.8 * tokens / (high - low),
    )


def _when(samples: Sequence[Sample], output: float) -> float:
    """Return when the generated tokens reached a number, between two samples in proportion."""
    for before, after in pairwise(samples):
        if before.output <= output <= after.output and after.output > before.output:
            return before.at + (after.at - before.at) * (output - before.output) / (after.output - before.output)
    raise ValueError("the number was never reached")


def call(endpoint: str, method: str, path: str) -> str:
    """Return the body of the server's answer; RuntimeError where its status is not 200."""
    address = urlsplit(endpoint)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{method} {path}: status {answer.status}")
    return text


@contextmanager
def metering(endpoint: str) -> Iterator[list[Sample]]:
    """Sample a server in the background; the list is whole once the block has ended."""
    samples: list[Sample] = []
    ended = threading.Event()

    def sample() -> None:
        samples.append(parse_metrics(call(endpoint, "GET", "/metrics"), time.monotonic()))

    def watch() -> None:
        while not ended.wait(_EVERY):
            sample()

    sample()
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        ended.set()
        thread.join()
        sample()
