"""How much of a real vLLM Notewright gets, beside ``vllm bench serve`` with the very same requests.

    python -m benchmarks.generation.vllm                 # serves a tiny random Llama on the CPU
    python -m benchmarks.generation.vllm --model DIR

Run it with the interpreter of an environment that holds vLLM and Notewright. One server serves all runs; its prefix
cache is emptied before each. In a first run, which is not counted, Notewright's requests are recorded; then Notewright
and ``vllm bench serve`` take turns, the one deciding the same candidates again, the other sending what was recorded,
with the same schemas, seeds and limits and as many requests under way. Rates are the server's own count of generated
tokens. The work is a number of candidates, each tried once and accepted or not, because a random model's are mostly
rejected. ``vllm bench serve`` streams its answers and Notewright does not; targets wait for their sources in Notewright
alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.generation.measure import Cost, run
from benchmarks.generation.meter import Throughput, call, metering, throughput
from benchmarks.generation.prompts import SEED, SPECIALTY
from benchmarks.generation.recording import recording
from benchmarks.machine import machine
from synth.records import JsonObject
from synth.serving.vllm import ManagedVllm

_ROOT = Path(__file__).resolve().parents[2]
_SYNTH = "from synth.cli import main; main()"
_LIMIT = 540.0
"""Seconds for one client."""
_SETTINGS = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    # Without it the server has no /reset_prefix_cache.
    "VLLM_SERVER_DEV_MODE": "1",
}


class Bench:
    """One server, and what is run against it."""

    def __init__(self, server: ManagedVllm, candidates: int, in_flight: int, max_tokens: int, folder: Path) -> None:
        self._server = server
        self._candidates = candidates
        self._in_flight = in_flight
        self._max_tokens = max_tokens
        self._folder = folder
        self._requests = folder / "requests.jsonl"

    def record(self) -> int:
        """Run Notewright once, keep its requests, and return how many there are."""
        with recording(self._server.endpoint) as recorder:
            self._notewright(recorder.endpoint)
        asked = [json.dumps(body) for body in recorder.bodies if _is_work(body)]
        self._requests.write_text("\n".join(asked) + "\n", "utf-8")
        return len(asked)

    def measured(self, client: str) -> tuple[Throughput, Cost]:
        """Run a client, ``notewright`` or ``bench``, and return what the server says of it, and what it cost."""
        call(self._server.endpoint, "POST", "/reset_prefix_cache")
        with metering(self._server.endpoint) as samples:
            cost = self._notewright(self._server.endpoint) if client == "notewright" else self._bench()
        return throughput(samples), cost

    def _notewright(self, endpoint: str) -> Cost:
        out = self._folder / "run"
        shutil.rmtree(out, ignore_errors=True)
        options = {
            "--specialty": SPECIALTY,
            "--seed": str(SEED),
            "-n": str(self._candidates),
            "--endpoint": endpoint,
            "--model": self._server.served_name,
            "--max-tokens": str(self._max_tokens),
            "--attempts": "1",
            "--concurrency": str(self._in_flight),
            "--max-candidates": str(self._candidates),
            "--out": str(out),
        }
        words = [part for option in options.items() for part in option]
        return self._run([sys.executable, "-c", _SYNTH, "generate", "--no-cache", *words], may_fall_short=True)

    def _bench(self) -> Cost:
        options = {
            "--backend": "openai-chat",
            "--base-url": self._server.endpoint.removesuffix("/v1"),
            "--endpoint": "/v1/chat/completions",
            "--model": self._server.served_name,
            "--dataset-name": "custom",
            "--max-concurrency": str(self._in_flight),
            "--ready-check-timeout-sec": "0",
        }
        words = [part for option in options.items() for part in option]
        module = f"{__package__}.bench_serve"
        flags = ["--skip-tokenizer-init", "--disable-tqdm"]
        return self._run([sys.executable, "-m", module, str(self._requests), *words, *flags])

    def _run(self, command: list[str], *, may_fall_short: bool = False) -> Cost:
        """Run a client; RuntimeError where it fails otherwise than by accepting fewer candidates than it tried."""
        cost = run(command, dict(os.environ), _ROOT, self._folder / "client.log", _LIMIT)
        log = (self._folder / "client.log").read_text("utf-8", "replace")
        if cost.timed_out or "Traceback" in log or (cost.status != 0 and not may_fall_short):
            raise RuntimeError(f"a client ended with status {cost.status} after {cost.wall:.0f} s: {log[-1500:]}")
        return cost


def _is_work(body: JsonObject) -> bool:
    """Return whether a request asks for a source or a target; those that probe the server have no system message."""
    messages = body["messages"]
    return isinstance(messages, list) and len(messages) == 2


def line(name: str, one: Throughput, cost: Cost) -> str:
    """Return one run as text."""
    return (
        f"{name:<18} {one.middle:>9.0f} {one.whole:>9.0f} {one.running:>8.1f} {one.requests:>9} "
        f"{one.prompt:>12.0f} {one.output:>12.0f} {cost.cpu:>9.1f} {cost.wall:>7.1f}"
    )


def compare(bench: Bench, rounds: int) -> None:
    """Let the clients take turns and print every run, then the ratios of their medians."""
    names = {"bench": "vllm bench serve", "notewright": "Notewright"}
    runs: dict[str, list[Throughput]] = {key: [] for key in names}
    print(
        f"\n{'output tokens/s':<18} {'middle':>9} {'whole':>9} {'running':>8} {'requests':>9} "
        f"{'prompt/req.':>12} {'output/req.':>12} {'CPU s':>9} {'wall s':>7}"
    )
    for _ in range(rounds):
        for key, name in names.items():
            one, cost = bench.measured(key)
            runs[key].append(one)
            print(line(name, one, cost), flush=True)
    for word in ("middle", "whole"):
        own, other = (median(getattr(one, word) for one in runs[key]) for key in ("notewright", "bench"))
        print(f"\nNotewright / vllm bench serve, {word} of the run, medians: {own / other:.3f}", end="")
    print()


def main() -> None:
    """Start the server, record, compare, and stop it."""
    parser = argparse.ArgumentParser(description="Notewright beside vllm bench serve on one real vLLM.")
    parser.add_argument("--model", type=Path, help="folder of a model [a tiny random Llama]")
    parser.add_argument("--candidates", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--in-flight", type=int, default=32)
    parser.add_argument("--max-tokens", type=int, default=512)
    parser.add_argument("--flags", nargs="*", default=[], help="further flags of the server")
    given = parser.parse_args()
    os.environ.update({key: os.environ.get(key, value) for key, value in _SETTINGS.items()})
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        model = given.model
        if model is None:
            from tests.tiny_llama import make_tiny_llama

            model = make_tiny_llama(folder / "tiny-llama")
        server = ManagedVllm(str(model), folder / "vllm.log", flags=given.flags)
        try:
            asyncio.run(server.start(lambda _seconds, _line: None))
            bench = Bench(server, given.candidates, given.in_flight, given.max_tokens, folder)
            version = json.loads(call(server.endpoint, "GET", "/version"))["version"]
            print(f"{machine()}; vLLM {version}, {server.served_name}, {given.in_flight} in flight")
            print(f"recorded {bench.record()} requests of {given.candidates} candidates", flush=True)
            compare(bench, given.rounds)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
