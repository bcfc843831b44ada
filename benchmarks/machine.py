"""When and where a benchmark runs, in one line."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from os import cpu_count
from pathlib import Path


def machine() -> str:
    """Return date, processor, cores and Python."""
    model = platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        named = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        model = named[0] if named else model
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"{now}; {model}, {cpu_count()} cores; Python {platform.python_version()}"
