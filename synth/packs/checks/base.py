"""What the rules share: a problem, and walks over a pack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from synth.packs.lexicon import Age, Distribution, Phrases
from synth.packs.model import Condition, Presentation
from synth.packs.pack import Pack
from synth.records import Sex

Found = Iterator[tuple[str, str]]
"""Entry of the pack, and what is wrong with it and what to do."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend in a pack."""

    pack: str
    entry: str
    what: str

    def __str__(self) -> str:
        return f"{self.pack}: {self.entry}: {self.what}"


@dataclass(frozen=True, slots=True)
class Line:
    """A presentation with the condition that it belongs to."""

    where: str
    """``condition/presentation``."""
    name: str
    condition: Condition
    presentation: Presentation

    @property
    def ages(self) -> Age:
        """The ages of its patients."""
        return self.presentation.age or self.condition.age

    @property
    def sexes(self) -> tuple[Sex, ...]:
        """The sexes that it can have."""
        shares: tuple[tuple[Sex, float], ...] = (
            ("female", self.condition.female),
            ("male", 1 - self.condition.female),
        )
        return tuple(sex for sex, share in shares if share > 0 and self.presentation.sex in (None, sex))

    def history_groups(self, pack: Pack) -> list[Mapping[str, float]]:
        """Return the groups of history that a patient is drawn from, with what replaces what settled."""
        groups: list[Mapping[str, float]] = []
        for layer in (self.presentation.history, self.condition.history, pack.background):
            settled = {name for group in groups for name in group}
            groups += [group for group in layer if settled.isdisjoint(group)]
        return groups

    def vitals(self, pack: Pack) -> dict[str, Distribution]:
        """Return the distributions of the vital signs, those of the youngest and the oldest where they differ."""
        youngest, oldest = self.ages.years
        found: dict[str, Distribution] = {}
        for name, vital in pack.vitals.items():
            usual = vital.usual_at(float(youngest)), vital.usual_at(float(oldest))
            ours = self.presentation.vitals.get(name)
            low, high = (ours, ours) if ours is not None else usual
            found[name] = low.model_copy(update={"min": min(low.min, high.min), "max": max(low.max, high.max)})
        return found


def lines(pack: Pack) -> Iterator[Line]:
    """Yield every presentation of the pack."""
    for name, condition in pack.conditions.items():
        for label, presentation in condition.presentations.items():
            yield Line(f"{name}/{label}", name, condition, presentation)


def spoken(pack: Pack) -> Iterator[tuple[str, Phrases]]:
    """Yield every text that somebody may say, with what it is said for."""
    for name, symptom in pack.symptoms.items():
        yield f"symptom {name}", symptom.says
        yield f"symptom {name}", symptom.asks
        yield f"symptom {name}", symptom.denies
    for kind, entries in (("occasion", pack.occasions), ("finding", pack.findings), ("history", pack.history)):
        yield from ((f"{kind} {name}", entry.says) for name, entry in entries.items())
    for study, results in pack.studies.items():
        yield from ((f"study {study}, {result}", entry.says) for result, entry in results.items())
    yield from ((line.where, line.presentation.diagnosis.says) for line in lines(pack))
    yield from ((f"plan {text!r}", says) for text, says in pack.plan_says.items())


def missing_codes(pack: Pack) -> list[str]:
    """Return the labs without a LOINC code."""
    return [name for name, lab in pack.labs.items() if lab.loinc is None]
