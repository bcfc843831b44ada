"""How long each check takes for an encounter of the simulator, and how long the first one takes, on one core.

CPU times of one process (``time.process_time``), the best of three rounds. Run with ``python -m benchmarks.checks``.
"""

from __future__ import annotations

import time

from synth.catalog import load_task
from synth.checks.base import Check
from synth.checks.faithfulness import FaithfulnessCheck
from synth.checks.phi import PhiCheck, scan_text
from synth.checks.schema import SchemaCheck
from synth.packs import load_pack
from synth.records import Encounter
from synth.scenarios import sample_scenario
from synth.teachers.simulator import Simulator


def seconds(check: Check, encounters: list[Encounter]) -> float:
    """Return the CPU seconds that a check takes for all encounters."""
    started = time.process_time()
    for encounter in encounters:
        check(encounter)
    return time.process_time() - started


def main(count: int = 500) -> None:
    """Print the first call's seconds and milliseconds an encounter, for each check."""
    pack, task = load_pack("endocrinology"), load_task("note")
    simulator = Simulator(pack, task)
    encounters = [simulator.encounter(sample_scenario(pack, 0, index)) for index in range(count)]
    checks: tuple[Check, ...] = (SchemaCheck(task), PhiCheck(task), FaithfulnessCheck(task))
    for check in checks:
        first = seconds(check, encounters[:1])
        best = min(seconds(check, encounters) for _ in range(3))
        print(f"{check.name:<12} first {first:.2f} s, then {1000 * best / count:.3f} ms an encounter")
    started = time.process_time()
    scan_text("MRN: 00482913")
    print(f"the first finding, which loads Presidio: {time.process_time() - started:.2f} s")


if __name__ == "__main__":
    main()
