"""How fast the simulator writes, and how much memory it takes, on one core.

Speed is CPU time (``time.process_time``), so that neighbours on the machine matter little. It is given in encounters a
second, and as a multiple of what ``sample_scenario`` takes in the same run, which compares between machines.
Run with ``python -m benchmarks.simulator``.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable

from synth.catalog import load_task
from synth.packs import load_pack
from synth.scenarios import sample_scenario
from synth.teachers.simulator import Simulator


def cpu_seconds(work: Callable[[int], object], count: int) -> float:
    """Return the CPU seconds that a piece of work takes for the indices from 0 to ``count``."""
    start = time.process_time()
    for index in range(count):
        work(index)
    return time.process_time() - start


def peak_bytes(work: Callable[[int], object], count: int) -> int:
    """Return the peak of memory that Python allocated while the work ran and its results were dropped."""
    tracemalloc.start()
    for index in range(count):
        work(index)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def main(count: int = 2000) -> None:
    """Print speed, and peak memory for ``count`` and five times as many encounters."""
    pack = load_pack("endocrinology")
    simulator = Simulator(pack, load_task("note"))

    def sample(index: int) -> object:
        return sample_scenario(pack, 0, index)

    def write(index: int) -> object:
        return simulator.encounter(sample_scenario(pack, 0, index))

    cpu_seconds(write, 50)
    alone, both = cpu_seconds(sample, count), cpu_seconds(write, count)
    print(f"encounters per CPU second (scenario, transcript, note): {count / both:.0f}")
    print(f"time of an encounter over time of its scenario alone: {both / alone:.2f}")
    for many in (count, 5 * count):
        print(f"peak memory over {many} encounters: {peak_bytes(write, many) / 2**20:.2f} MiB")


if __name__ == "__main__":
    main()
