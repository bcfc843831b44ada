"""A pack in which nothing can be guessed: every draw is as open as its options allow.

In the pack as it is most patients have never smoked and take no drugs, and a base that writes so is right so often that
it learns to read late. Here every symptom is denied as often as it is told, and each entry of a group is as likely as
any other, and as none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from synth.packs import Condition, MedicationUse, Pack, Presentation

_ROOM = 0.999
"""Groups whose shares come to less may leave their draw empty."""
_MORE = ("medical", "surgical", "family")
"""Histories that only some conditions bring, and that anybody may have here."""
_DRAWN = 6
"""Entries in a group of those."""


def unguessable(pack: Pack) -> Pack:
    """Return the pack with all its odds evened out; what rules one draw out after another stays."""
    conditions = {name: _condition(condition) for name, condition in pack.conditions.items()}
    history = {
        name: entry.model_copy(update={"medications": _even(entry.medications)}) for name, entry in pack.history.items()
    }
    background = (*_evened(pack.background), *_strangers(pack))
    return pack.model_copy(update={"conditions": conditions, "history": history, "background": background})


def _condition(condition: Condition) -> Condition:
    presentations = {name: _presentation(one) for name, one in condition.presentations.items()}
    return condition.model_copy(
        update={"weight": 1.0, "history": _evened(condition.history), "presentations": presentations}
    )


def _presentation(presentation: Presentation) -> Presentation:
    return presentation.model_copy(
        update={
            "weight": 1.0,
            "history": _evened(presentation.history),
            "symptoms": dict.fromkeys(presentation.symptoms, 0.5),
            "medications": tuple(_uses(group) for group in presentation.medications),
            "studies": {name: _even(results) for name, results in presentation.studies.items()},
            "findings": _evened(presentation.findings),
        }
    )


def _uses(group: Mapping[str, MedicationUse]) -> dict[str, MedicationUse]:
    even = _even({drug: use.probability for drug, use in group.items()})
    return {drug: use.model_copy(update={"probability": even[drug]}) for drug, use in group.items()}


def _evened(groups: Sequence[Mapping[str, float]]) -> tuple[dict[str, float], ...]:
    return tuple(_even(group) for group in groups)


def _even(group: Mapping[str, float]) -> dict[str, float]:
    """Return a group whose entries are equally likely, and none as likely as each where none was possible."""
    return dict.fromkeys(group, 1 / (len(group) + (sum(group.values()) < _ROOM)) if group else 0.0)


def _strangers(pack: Pack) -> Iterator[dict[str, float]]:
    """Yield groups of the histories that the background does not know."""
    known = {name for group in pack.background for name in group}
    for category in _MORE:
        names = [name for name, entry in pack.history.items() if entry.category == category]
        rest = [name for name in names if name not in known and not name.startswith("no ")]
        yield from (_even(dict.fromkeys(some, 0.0)) for some in _parts(rest))


def _parts(names: Sequence[str]) -> Iterable[Sequence[str]]:
    return (names[start : start + _DRAWN] for start in range(0, len(names), _DRAWN))
