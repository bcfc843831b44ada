"""Facts that only some tasks need, sampled after those of every scenario and without a change to them.

A task names them (``extras: [differential]``). What samples them is found by name, as checks and teachers are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from synth.catalog import Requires, resolve
from synth.draws import Draws
from synth.errors import UserError
from synth.extras.promises import ANY, promises
from synth.facts import Fact
from synth.packs import Pack
from synth.packs.model import Presentation
from synth.records import Scenario

EXTRAS: Mapping[str, str] = {
    "differential": "synth.extras.differential:DIFFERENTIAL",
    "question": "synth.extras.question:QUESTION",
    "answer_under_test": "synth.extras.under_test:UNDER_TEST",
    "office_procedure": "synth.extras.procedures:OFFICE",
    "operation": "synth.extras.procedures:OPERATION",
    "oncology": "synth.extras.oncology:ONCOLOGY",
    "oncology-where-known": "synth.extras.oncology:ONCOLOGY_WHERE_KNOWN",
}


class Extra(Protocol):
    """Samples the further facts of a scenario."""

    def usable(self, presentation: Presentation) -> bool:
        """Return whether a pack knows enough of a presentation."""

    def facts(self, pack: Pack, scenario: Scenario, draws: Draws) -> Sequence[Fact]:
        """Return the further facts of a scenario of a usable presentation; pure."""


def load_extra(name: str) -> Extra:
    """Return what samples the facts of a name; UserError with a suggestion for an unknown one."""
    return resolve("extras", name, EXTRAS)  # type: ignore[return-value]  # what the table names


def restricted(pack: Pack, extras: Sequence[str], requires: Requires = ANY) -> Pack:
    """Return a pack with the presentations alone that all of some further facts can be sampled for, and that promise
    what a task requires.

    UserError where there is none.
    """
    if not extras and requires == ANY:
        return pack
    known = [load_extra(name) for name in extras]
    conditions = {}
    for name, condition in pack.conditions.items():
        kept = {
            key: presentation
            for key, presentation in condition.presentations.items()
            if all(extra.usable(presentation) for extra in known)
            and promises(pack, f"{name} / {key}", presentation, requires)
        }
        if kept:
            sexes = {presentation.sex for presentation in kept.values()}
            female = condition.female if len(sexes) > 1 or None in sexes else float("female" in sexes)
            conditions[name] = condition.model_copy(update={"presentations": kept, "female": female})
    if not conditions:
        wanted = f"to sample {' and '.join(extras)} from" if extras else "of what the task requires"
        raise UserError(f"{pack.specialty} has nothing {wanted}; take another specialty")
    return pack.model_copy(update={"conditions": conditions})
