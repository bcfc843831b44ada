"""What Hugging Face's libraries do unasked, switched off."""

from __future__ import annotations

import logging
import os
import sys


def quiet_hub() -> None:
    """Switch off telemetry and every call to the hub; has to run before transformers, trl or peft are imported."""
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # In a log a bar is a line for each of its states.
    if not sys.stderr.isatty():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    # Where bitsandbytes is installed PEFT imports it for any student, and on some CPUs it tells of a kernel on the hub
    # that it would rather have; offline it takes its own.
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    # Threads that spin long at barriers make two of them ten times slower than one as soon as anything else runs, and
    # threads that do not spin at all are slow by themselves; a short spin is quick and safe (docs/PERFORMANCE.md).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "200000")
