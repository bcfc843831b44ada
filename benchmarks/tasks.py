"""How long ``synth generate`` takes for each task: seconds on the clock, and CPU seconds of all its processes.

The simulator writes, and a run has 500 accepted encounters unless told otherwise. Both figures are also given as
multiples of the plain loop in the same run: ``sample_scenario`` and the simulator for as many scenarios of the task, in
one process, CPU seconds. That compares between machines, and where neighbours slow everything down. The clock's figure
does not, where other work is on; the load average is printed for that.

``python -m benchmarks.tasks [-n N] [TASK ...]``. The first run of a machine also measures what the PHI check finds;
with ``--cold`` every run does.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from synth.catalog import load_task, task_paths
from synth.control import Control
from synth.errors import UserError
from synth.extras import restricted
from synth.packs import load_pack, pack_names
from synth.population import Population
from synth.scenarios import sample_scenario
from synth.teachers.simulator import Simulator

_PREFERRED = "endocrinology"
_ADOPT_ORPHANS = 36
"""``PR_SET_CHILD_SUBREAPER`` of prctl(2): processes whose parent has ended become this one's, and are counted."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a run took, in seconds."""

    wall: float
    cpu: float
    candidates: str
    """As the command tells of them."""


def specialty_of(task: str) -> str:
    """Return the specialty that a task is measured on: endocrinology where it has the task, else the first one."""
    known = load_task(task)
    for name in sorted(pack_names(), key=lambda name: (name != _PREFERRED, name)):
        try:
            restricted(load_pack(name), known.extras, known.requires)
        except UserError:
            continue
        return name
    raise UserError(f"no specialty has the task {task}")


def plain(task: str, specialty: str, count: int) -> float:
    """Return the CPU seconds of sampling and writing alone."""
    known = load_task(task)
    pack = restricted(load_pack(specialty), known.extras, known.requires)
    simulator, population = Simulator(pack, known), Population(pack, Control())
    simulator.encounter(sample_scenario(pack, 0, 0, population, known.extras))
    start = time.process_time()
    for index in range(count):
        simulator.encounter(sample_scenario(pack, 0, index, population, known.extras))
    return time.process_time() - start


def generated(task: str, specialty: str, count: int, *, cold: bool) -> Taken:
    """Return what ``synth generate`` takes; its processes that outlive it are waited for and counted."""
    with TemporaryDirectory() as folder:
        words = ["generate", "--task", task, "--specialty", specialty, "-n", str(count), "--teacher", "simulator"]
        words += ["--out", str(Path(folder) / "run"), *(["--no-cache"] if cold else [])]
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        command = [sys.executable, "-c", "from synth.cli import main; main()", *words]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True)
        wall = time.perf_counter() - start
        while True:
            try:
                os.wait()
            except ChildProcessError:
                break
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Taken(wall, cpu, done.stderr.splitlines()[-1].partition(";")[0])


def main() -> None:
    """Print a line for each task."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("tasks", nargs="*", metavar="TASK", help="all of them where none is named")
    parser.add_argument("-n", type=int, default=500, help="accepted encounters [500]")
    parser.add_argument("--cold", action="store_true", help="measure the PHI check's recall in every run")
    given = parser.parse_args()
    ctypes.CDLL(None).prctl(_ADOPT_ORPHANS, 1, 0, 0, 0)
    print(
        f"{'task':<22} {'specialty':<20} {'wall s':>7} {'CPU s':>7} {'plain':>6} {'wall/':>6} {'CPU/':>6} {'load':>5}"
    )
    for task in given.tasks or sorted(task_paths()):
        specialty = specialty_of(task)
        alone = plain(task, specialty, given.n)
        taken = generated(task, specialty, given.n, cold=given.cold)
        print(
            f"{task:<22} {specialty:<20} {taken.wall:>7.1f} {taken.cpu:>7.1f} {alone:>6.2f} {taken.wall / alone:>6.1f} "
            f"{taken.cpu / alone:>6.1f} {os.getloadavg()[0]:>5.1f}  {taken.candidates}",
            flush=True,
        )


if __name__ == "__main__":
    main()
