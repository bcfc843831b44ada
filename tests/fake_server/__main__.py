"""``python -m tests.fake_server``: serve until stopped; the flags that vLLM has and this lacks are ignored."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import threading
import time

from tests.fake_server.faults import CONTENT, TRANSIENT, Fault
from tests.fake_server.server import FakeServer

_STUBBORN_CHILD = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description="Serve the OpenAI API without a model.", allow_abbrev=False)
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one, told in the first line: port N")
    parser.add_argument("--served-model-name", default="fake-1")
    parser.add_argument("--decoding", choices=["constrains", "ignores", "refuses"], default="constrains")
    parser.add_argument("--latency", type=float, help="seconds; as it comes up to 10 ms, by the request")
    parser.add_argument("--capacity", type=int, help="requests served at once; any number where absent")
    parser.add_argument("--overflow", choices=["queue", "busy"], default="queue")
    parser.add_argument("--retry-after", help="the header Retry-After of errors")
    parser.add_argument("--rates", type=_rates, default={}, help="such as busy=0.1,error=0.05")
    parser.add_argument("--seed", type=int, default=0, help="of the faults")
    parser.add_argument("--bank", type=int, default=0, help="encounters that the simulator writes for the answers")
    parser.add_argument("--drip", type=float, default=30.0, help="seconds of a slow drip")
    parser.add_argument("--die", help="print this as a vLLM traceback and end with status 1")
    parser.add_argument("--never-up", action="store_true")
    parser.add_argument("--stubborn", action="store_true", help="ignore SIGTERM, and have a child that does")
    arguments, _ = parser.parse_known_args()
    server = FakeServer(
        arguments.served_model_name,
        decoding=arguments.decoding,
        port=arguments.port,
        latency=arguments.latency,
        capacity=arguments.capacity,
        overflow=arguments.overflow,
        retry_after=arguments.retry_after,
        rates=arguments.rates,
        seed=arguments.seed,
        bank=arguments.bank,
        drip=arguments.drip,
        record=False,
    )
    if arguments.port == 0:
        with server:
            print(f"port {server.port}", flush=True)
            threading.Event().wait()
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
    with server:
        threading.Event().wait()


def _rates(text: str) -> dict[Fault, float]:
    """Return ``busy=0.1,error=0.05`` as a mapping; ArgumentTypeError where it is none."""
    named: dict[str, Fault] = {fault: fault for fault in TRANSIENT + CONTENT}
    try:
        pairs = [part.split("=") for part in text.split(",") if part]
        return {named[name]: float(rate) for name, rate in pairs}
    except (KeyError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not like busy=0.1; faults: {', '.join(named)}") from error


if __name__ == "__main__":
    main()
