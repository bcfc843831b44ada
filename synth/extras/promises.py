"""What a presentation promises every one of its patients: what a task may require of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from synth.catalog import Requires
from synth.packs import Pack
from synth.packs.lexicon import ForWhom, Spoken
from synth.packs.model import PlanItem, Presentation

ANY = Requires()
_ALMOST = 1 - 1e-9


def promises(pack: Pack, name: str, presentation: Presentation, requires: Requires) -> bool:
    """Return whether every patient of a presentation, which is named with its condition, has what is required."""
    reasons = [complaint.name for complaint in presentation.complaints]
    texts = [item.text for item in presentation.plan if item.text is not None]
    return (
        requires.visit in (None, presentation.visit)
        and (not requires.specialties or pack.specialty in requires.specialties)
        and _found(requires.presentations, name)
        and (not requires.symptomatic or _symptomatic(pack, presentation))
        and sum(lab.probability >= _ALMOST for lab in presentation.labs.values()) >= requires.labs
        and (not requires.studies or _studied(pack, presentation, requires.studies))
        and (not (requires.plan or requires.drugs) or any(_planned(pack, presentation, requires)))
        and (not requires.without or not any(_found(requires.without, text) for text in texts))
        and (not requires.without_reason or not any(_found(requires.without_reason, reason) for reason in reasons))
    )


def _found(pattern: str, text: str) -> bool:
    return re.search(pattern, text, re.IGNORECASE) is not None


def _symptomatic(pack: Pack, presentation: Presentation) -> bool:
    return all(complaint.name in pack.symptoms and complaint.durations for complaint in presentation.complaints)


def _studied(pack: Pack, presentation: Presentation, pattern: str) -> bool:
    """Return whether one of the studies is always there: one of its results always is, and each fits anybody."""
    return any(
        _found(pattern, name)
        and sum(results.values()) >= _ALMOST
        and all(_fits_anybody(pack.studies[name][result]) for result in results)
        for name, results in presentation.studies.items()
    )


def _fits_anybody(entry: Spoken) -> bool:
    return not entry.needs and entry == entry.model_copy(update=ForWhom().model_dump())


def _planned(pack: Pack, presentation: Presentation, requires: Requires) -> Iterator[bool]:
    """Yield whether a plan item that no patient is spared of is one of those required."""
    for item in presentation.plan:
        if not _certain(item):
            continue
        if item.text is not None:
            pattern = requires.plan.get(item.action)
            yield pattern is not None and _found(pattern, item.text)
        else:
            classes = requires.drugs.get(item.action, ())
            yield all(not set(pack.drugs[drug].classes).isdisjoint(classes) for drug in item.drugs)


def _certain(item: PlanItem) -> bool:
    return item.probability >= _ALMOST and item.sex is None and not item.unless
