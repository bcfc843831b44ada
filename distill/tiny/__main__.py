"""``python -m distill.tiny --out DIR``: makes the tiny base from its seed."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path


def main() -> None:
    """Make the base with one thread, or as many as asked for, and say how it goes."""
    parser = argparse.ArgumentParser(prog="python -m distill.tiny", description="Make the base of the student tiny.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="another number gives other bytes")
    arguments = parser.parse_args()
    from distill.hub import quiet_hub

    quiet_hub()
    import torch

    from distill.tiny.build import Plan, build

    torch.set_num_threads(arguments.threads)
    started = last = time.monotonic()

    def report(stage: str, step: int, steps: int, loss: float) -> None:
        nonlocal last
        if time.monotonic() - last >= 10 or step in (1, steps):
            last = time.monotonic()
            print(f"{last - started:5.0f} s  {stage} {step}/{steps}  loss {loss:.3f}", file=sys.stderr, flush=True)

    build(Plan(seed=arguments.seed), arguments.out, report)
    print(f"{arguments.out}: made in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
