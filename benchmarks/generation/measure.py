"""What a client costs: wall time, CPU time and memory of a process with everything that it starts."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_STEP = 0.02
"""Seconds between two looks at whether the process has ended."""
_SAMPLE = 0.5
"""Seconds between two samples of memory; one takes some milliseconds of the kernel's time."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process took, with its children."""

    status: int
    """Exit status; negative where a signal ended it."""
    timed_out: bool
    wall: float
    """Seconds from its start to its end, imports included."""
    cpu: float
    """Seconds of user and system time, of the process and of every child that was waited for (``wait4``)."""
    peak: int
    """Bytes: the largest sum over all processes of the session of their proportional set size (a page that several
    share counts once in all; Linux, ``/proc/PID/smaps_rollup``), sampled twice a second. The kernel's own maximum is
    not used: it counts what the parent held when it forked."""


def run(command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path, limit: float) -> Cost:
    """Run a command to its end, or kill it after ``limit`` seconds; its output goes to ``log``."""
    start = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    peak, sampled, timed_out = 0, start, False
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        now = time.monotonic()
        if pid:
            break
        if now - sampled >= _SAMPLE:
            peak, sampled = max(peak, session_memory(process.pid)), now
        if now - start > limit and not timed_out:
            timed_out = True
            os.killpg(process.pid, signal.SIGKILL)
        time.sleep(_STEP)
    process.returncode = os.waitstatus_to_exitcode(status)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return Cost(process.returncode, timed_out, now - start, usage.ru_utime + usage.ru_stime, peak)


def session_memory(session: int) -> int:
    """Return the proportional set size of all processes of a session in bytes; 0 where there is none."""
    processes = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return sum(_proportional(pid) for pid in processes if _in(pid, session))


def _in(pid: int, session: int) -> bool:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[3]) == session
    except (FileNotFoundError, ProcessLookupError):
        return False


def _proportional(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
