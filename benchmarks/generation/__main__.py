"""Drive one fake server with Notewright and with its peers, and print who is how fast at what cost.

    python -m benchmarks.generation --setup      # once: an environment for each peer
    python -m benchmarks.generation

Every client writes a source from each prompt and a target from each source, with the same prompts, at most so many
requests under way, against a fresh server that takes a fixed time for each request and serves so many at once. Its
ceiling is places / latency / 2 pairs a second; the bare client shows what Python and the loopback leave of it. The rate
is taken by the server, from the first request to the last answer, so imports do not count; they do in CPU time and
wall time. Clients that probe the server first, or rest between the stages, have that in their rate.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.environments import ENVIRONMENTS, install_missing
from benchmarks.generation.clients import PEERS, Client, Task, clients
from benchmarks.generation.environments import install, variables
from benchmarks.generation.job import MODEL
from benchmarks.generation.measure import Cost, run
from benchmarks.generation.prompts import dump_prompts
from benchmarks.generation.report import Row, judged, median, table
from benchmarks.generation.serving import Served, Shape, serving
from benchmarks.machine import machine

_ROOT = Path(__file__).resolve().parents[2]
_LIMIT = 240.0
"""Seconds for one client."""


def measured(client: Client, pairs: int, prompts: Path, shape: Shape, folder: Path, environments: Path) -> Row:
    """Run one client against a server of its own."""
    if not client.python.exists():
        missing = "no environment; make it with python -m benchmarks.generation --setup"
        return Row(client.name, 0, Served(0, 0, 0.0), Cost(0, False, 0.0, 0.0, 0), failure=missing)
    shutil.rmtree(folder, ignore_errors=True)
    out, home, log = folder / "out", folder / "home", folder / "log"
    for each in (out, home):
        each.mkdir(parents=True)
    with serving(shape, MODEL) as server:
        task = Task(server.endpoint, prompts, pairs, shape.in_flight, out)
        command = [str(client.python), *client.command(task)]
        cost = run(command, variables(home, environments), _ROOT, log, _LIMIT)
        served = server.served()
    done, versions = client.result(log, out)
    lines = [line.strip() for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
    return judged(client.name, pairs, done, versions, served, cost, lines[-1][:200] if lines else "it said nothing")


def main() -> None:
    """Run the benchmark; exit status 1 where a client failed."""
    parser = argparse.ArgumentParser(description="Compare generation with the peers, on one fake server.")
    parser.add_argument("--setup", action="store_true", help="make the environments of the peers, and end")
    parser.add_argument("--only", nargs="+", choices=["bare", "notewright", "checked", *PEERS])
    parser.add_argument("--pairs", type=int, default=4500, help="of the bare client and Notewright")
    parser.add_argument("--peer-pairs", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=1, help="the row of each client is its median by rate")
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds a request")
    parser.add_argument("--environments", type=Path, default=ENVIRONMENTS)
    parser.add_argument("--keep", type=Path, help="folder for what the clients write and say")
    given = parser.parse_args()
    environments: Path = given.environments.absolute()
    if given.setup:
        install_missing(environments, PEERS, install)
        return
    chosen = [client for client in clients(environments) if not given.only or client.key in given.only]
    shape = Shape(given.in_flight, given.latency)
    rows: dict[str, list[Row]] = {client.key: [] for client in chosen}
    print(machine())
    print(f"{shape.in_flight} in flight, {1000 * shape.latency:.0f} ms: at most {shape.ceiling:.0f} pairs/s\n")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(given.keep or scratch).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        prompts = folder / "prompts.jsonl"
        dump_prompts(prompts, max(given.pairs, given.peer_pairs))
        for turn in range(given.rounds):
            for client in chosen:
                pairs = given.pairs if client.fast else given.peer_pairs
                row = measured(client, pairs, prompts, shape, folder / client.key, environments)
                rows[client.key].append(row)
                print(f"{turn + 1}: {row.line(shape, None)}", file=sys.stderr, flush=True)
                time.sleep(1.0)  # what the last client left is written out before the next one starts
    result = [median(each) for each in rows.values()]
    print("\n".join(table(result, shape)))
    print("\nversions: " + ", ".join(f"{name} {v}" for row in result for name, v in row.versions.items()))
    sys.exit(any(row.failure for row in result))


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"an environment could not be made: {error}")
