"""What the checks that compare encounters cost, and what they reject of the simulator, on one core.

CPU times of one process (``time.process_time``). Run with ``python -m benchmarks.duplicates [N [NAME=PATH …]]``: N
encounters, and benchmarks to hold out of them.
"""

from __future__ import annotations

import sys
import time
from collections import Counter

from synth.catalog import load_task
from synth.checks.contamination import ContaminationCheck, held_out_index
from synth.checks.duplicates import Duplicates, DuplicatesCheck, fact_ngrams
from synth.config import DuplicatesConfig, HeldOut, RunConfig, TeacherConfig
from synth.corpora import Corpus, read_corpora
from synth.packs import load_pack
from synth.records import Encounter, Rejection
from synth.scenarios import sample_scenario
from synth.shingles import Hashes
from synth.teachers.simulator import Simulator


def compare(simulator: Simulator, count: int) -> None:
    """Print how alike the encounters are, and how long it takes to know."""
    limits = DuplicatesConfig()
    check = DuplicatesCheck(load_task("note"), _config(()))
    duplicates = Duplicates(limits)
    cut = looked_up = 0.0
    shares: list[tuple[float, str, str | None]] = []
    size = 0
    for index in range(count):
        encounter = simulator.encounter(sample_scenario(load_pack("endocrinology"), 0, index))
        start = time.process_time()
        check.shingles(encounter)
        cut += time.process_time() - start
        grams: Hashes = fact_ngrams(encounter, limits.words)
        size += len(grams)
        start = time.process_time()
        share, nearest = duplicates.nearest(grams)
        duplicates.add(encounter.id, grams)
        looked_up += time.process_time() - start
        shares.append((share, encounter.id, nearest))
    share, one, other = max(shares, key=lambda found: found[0])
    rejected = sum(share >= limits.share for share, _, _ in shares)
    print(f"{count:,} encounters, {size / count:.0f} word {limits.words}-grams with facts each")
    print(f"cut in {cut:.1f} s, compared in {looked_up:.1f} s, kept in {8 * size / 2**20:.0f} MiB")
    print(f"near-duplicates at {limits.share:.0%}: {rejected}; the largest share is {share:.1%}, {one} of {other}")


def hold_out(simulator: Simulator, count: int, corpora: tuple[Corpus, ...]) -> None:
    """Print what overlaps with the benchmarks, and how long it takes to know."""
    config = _config(corpora)
    texts = [(f"{c.name} {item.id}", text) for c in corpora for item in c.items for text in (item.dialogue, item.note)]
    start = time.process_time()
    index = held_out_index(texts, config.contamination.words)
    built = time.process_time() - start
    check = ContaminationCheck(load_task("note"), config, index)
    taken = 0.0
    reasons: Counter[str] = Counter()
    largest = 0.0
    for number in range(count):
        encounter = simulator.encounter(sample_scenario(load_pack("endocrinology"), 0, number))
        start = time.process_time()
        outcome = check(encounter)
        taken += time.process_time() - start
        if isinstance(outcome, Rejection):
            reasons[outcome.reason] += 1
        elif isinstance(outcome, Encounter) and outcome.overlap is not None:
            largest = max(largest, outcome.overlap.cosine)
    print(f"{len(texts):,} texts held out, indexed in {built:.1f} s; {1000 * taken / count:.2f} ms an encounter")
    print(f"overlaps: {dict(reasons) or 'none'}; the largest cosine of the others is {largest:.2f}")


def _config(corpora: tuple[Corpus, ...]) -> RunConfig:
    held = tuple(HeldOut(name=one.name, items=len(one.items), sha256=one.sha256) for one in corpora)
    return RunConfig(specialty="endocrinology", n=1, seed=0, teacher=TeacherConfig(name="simulator"), hold_out=held)


def main(count: int, benchmarks: tuple[str, ...]) -> None:
    """Print both."""
    simulator = Simulator(load_pack("endocrinology"), load_task("note"))
    compare(simulator, count)
    if benchmarks:
        hold_out(simulator, count, read_corpora(benchmarks))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000, tuple(sys.argv[2:]))
