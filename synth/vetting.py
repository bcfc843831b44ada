"""``synth specialties``: the packs that there are, and what is wrong in them.

A pack is checked as it is written (``synth.packs.checks``) and as it is sampled: every scenario goes through the same
rules again (``synth.packs.audit``), so that what only a draw can bring together is found too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from synth.errors import UserError
from synth.packs import Pack, load_pack, pack_names, pack_path
from synth.packs.audit import scenario_problems
from synth.packs.checks import Problem, check_pack, missing_codes
from synth.packs.loading import duplicate_keys
from synth.scenarios import sample_scenario

SAMPLES = 10_000
_SEED = 0


def packs_named(names: Sequence[str]) -> list[str]:
    """Return the names of packs, all of them where none is given; UserError with a suggestion for an unknown one."""
    for name in names:
        pack_path(name)
    return list(names) or pack_names()


def vet(name: str, samples: int = SAMPLES) -> tuple[list[Problem], list[str]]:
    """Return what is wrong in a pack, and what is no error but missing, one line each. A pack that cannot be loaded
    is one problem."""
    try:
        pack = load_pack(name)
    except UserError as error:
        return [Problem(name, "file", str(error))], []
    problems = [Problem(name, "file", what) for what in duplicate_keys(name)] + check_pack(pack) + different(pack)
    problems += list(sampled(pack, samples))
    notes = [f"{name}: lab {lab}: has no LOINC code; add it where you are certain of it" for lab in missing_codes(pack)]
    return problems, notes


def sampled(pack: Pack, samples: int, seed: int = _SEED) -> Iterator[Problem]:
    """Yield what the scenarios of a stream break: each rule once, with how often, and the first index."""
    counts: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], int] = {}
    for index in range(samples):
        scenario = sample_scenario(pack, seed, index)
        where = f"{scenario.condition}/{scenario.presentation}"
        for what in scenario_problems(pack, scenario):
            counts[where, what] += 1
            first.setdefault((where, what), index)
    for (where, what), n in counts.items():
        index = first[where, what]
        yield Problem(
            pack.specialty,
            where,
            f"{what} ({n} of {samples} scenarios, first index {index} of seed {seed}); exclude it",
        )


def different(pack: Pack) -> list[Problem]:
    """Return where a lab or a drug is another thing than in a pack that comes before it: unit, LOINC code, limits."""
    found = []
    for name in pack_names():
        if name >= pack.specialty:
            break
        try:
            other = load_pack(name)
        except UserError:
            continue
        for lab in sorted(pack.labs.keys() & other.labs.keys()):
            ours, theirs = pack.labs[lab], other.labs[lab]
            if ours.unit != theirs.unit or (ours.loinc and theirs.loinc and ours.loinc != theirs.loinc):
                what = (
                    f"{ours.unit}, LOINC {ours.loinc}, but {theirs.unit}, LOINC {theirs.loinc} in {name}; make them one"
                )
                found.append(Problem(pack.specialty, f"lab {lab}", what))
        for drug in sorted(pack.drugs.keys() & other.drugs.keys()):
            mine, its = pack.drugs[drug], other.drugs[drug]
            if (mine.unit, mine.route) == (its.unit, its.route) and {*mine.classes} != {*its.classes}:
                found.append(
                    Problem(pack.specialty, f"drug {drug}", f"is of other classes than in {name}; make them one")
                )
    return found
