"""The faithfulness check: rejects an encounter whose source or target is not true to its scenario's facts, or whose
target says what its source does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from synth.catalog import Carried, Task
from synth.checks.base import reject
from synth.checks.faithfulness.examination import examine
from synth.checks.faithfulness.findings import KINDS, FactVerdict, Faithfulness, Reached, of_kind
from synth.config import FaithfulnessConfig, RunConfig
from synth.records import Encounter, Part, Rejection

_ALL = Carried()
_NAMED = 3
"""The most findings that a detail names; the rest is counted."""
_QUOTED = 80
"""The most characters of a target that a detail quotes."""


class FaithfulnessCheck:
    """Rejects an encounter by the first that is wrong: ``contradicted_fact`` or ``missing_fact`` of the source, the
    same of the target, then ``invented_<kind>``; the settings are ``FaithfulnessConfig``'s."""

    name = "faithfulness"

    def __init__(self, task: Task, config: RunConfig | None = None) -> None:
        self._task = task
        self._settings = config.faithfulness if config is not None else FaithfulnessConfig()

    def __call__(self, encounter: Encounter) -> Encounter | Rejection:
        """Return the encounter unchanged, or its rejection."""
        found = examine(encounter)
        first = next(violations(found, self._settings, self._task.carried), None)
        if first is None:
            return encounter
        reason, detail, part = first
        return reject(encounter, self.name, reason, detail, part=part)


def violations(
    found: Faithfulness, settings: FaithfulnessConfig, carried: Carried = _ALL
) -> Iterator[tuple[str, str, Part]]:
    """Yield reason, detail and part at fault of all that the settings do not let pass among the kinds of facts
    that each side carries, the source's first: a target cannot be true to a source that is not."""
    sides: tuple[tuple[Part, Callable[[FactVerdict], Reached], float, tuple[str, ...]], ...] = (
        ("source", lambda fact: fact.source, settings.source, carried.source),
        ("target", lambda fact: fact.target, settings.target, carried.target),
    )
    for part, side, least, kinds in sides:
        facts = [fact for fact in found.facts if not kinds or of_kind(fact.kind, kinds)]
        against = [fact for fact in facts if side(fact).verdict == "contradicted"]
        if len(against) > settings.contradicted:
            told = [f"{fact.text} ({side(fact).why})" for fact in against]
            yield "contradicted_fact", f"the {part} contradicts {_listed(told)}", part
        missing = [fact for fact in facts if side(fact).verdict == "missing"]
        needed = [fact for fact in missing if of_kind(fact.kind, settings.required)]
        too_few = len(facts) - len(missing) < least * len(facts)
        if needed or too_few:
            told = [f"{fact.kind} {fact.text}" for fact in (needed or missing)]
            yield "missing_fact", f"the {part} lacks {_listed(told)}", part
    counts = Counter(one.kind for one in found.invented)
    for kind in KINDS:
        most = settings.invented.get(kind, 0)
        if most is not None and counts[kind] > most:
            told = [one.text for one in found.invented if one.kind == kind]
            yield f"invented_{kind}", f"the source does not back {_listed(told)}", "target"


def _listed(items: list[str]) -> str:
    short = [item if len(item) <= _QUOTED else f"{item[: _QUOTED - 1]}…" for item in dict.fromkeys(items)]
    more = len(short) - _NAMED
    return "; ".join(short[:_NAMED]) + (f"; and {more} more" if more > 0 else "")
