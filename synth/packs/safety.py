"""Which drugs a patient must not have: contraindications, allergies, two drugs of one class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field

from synth.packs.lexicon import Contraindication
from synth.packs.pack import Pack
from synth.packs.vocabulary import vocabulary
from synth.records import Number, Sex


@dataclass(slots=True)
class Patient:
    """What is known of a patient where a drug is weighed."""

    sex: Sex
    age: int
    """Years."""
    pregnant: bool = False
    problems: set[str] = field(default_factory=set)
    """Entries of the history, and the condition."""
    drugs: set[str] = field(default_factory=set)
    allergens: set[str] = field(default_factory=set)
    values: dict[str, tuple[Number, Number]] = field(default_factory=dict)
    """Results and vital signs by name, each between two ends; both are the value itself where it is known."""

    def join(self, pack: Pack, name: str) -> None:
        """Add an entry of the history."""
        entry = pack.history[name]
        self.pregnant = self.pregnant or entry.pregnant
        self.problems.add(name)
        self.allergens.update(entry.allergens)

    def with_history(self, pack: Pack, name: str) -> Patient:
        """Return the patient as he or she would be with a further entry of the history."""
        values = dict(self.values)
        other = Patient(self.sex, self.age, self.pregnant, {*self.problems}, {*self.drugs}, {*self.allergens}, values)
        other.join(pack, name)
        return other


def objection(pack: Pack, name: str, patient: Patient) -> str | None:
    """Return the first reason against a drug in a patient; None where there is none. The drugs that the patient has
    already are weighed both ways."""
    return next(objections(pack, name, patient), None)


def objections(pack: Pack, name: str, patient: Patient) -> Iterator[str]:
    """Yield every reason against a drug in a patient."""
    drug = pack.drugs[name]
    if drug.sex not in (None, patient.sex):
        yield f"{name} is not for a {patient.sex} patient"
    for allergen in sorted(patient.allergens & {name, *drug.classes}):
        yield f"{name} despite an allergy to {allergen}"
    for entry in drug.contraindications:
        if _holds(pack, entry, patient, patient.drugs - {name}):
            yield f"{name}: {entry.why}"
    for other in sorted(patient.drugs - {name}):
        for entry in pack.drugs[other].contraindications:
            if entry.drugs and _holds(pack, entry, patient, {name}):
                yield f"{name} beside {other}: {entry.why}"
        for shared in sorted(vocabulary().drug_classes.alone & {*drug.classes} & {*pack.drugs[other].classes}):
            yield f"{name} beside {other}: both are {shared}"


def _holds(pack: Pack, entry: Contraindication, patient: Patient, drugs: Set[str]) -> bool:
    """Return whether all that a contraindication states is true of a patient beside the given drugs."""
    return (
        entry.sex in (None, patient.sex)
        and (entry.under is None or patient.age < entry.under)
        and (entry.over is None or patient.age > entry.over)
        and (not entry.pregnancy or patient.pregnant)
        and (not entry.problems or not patient.problems.isdisjoint(entry.problems))
        and (not entry.drugs or not names_of(pack, drugs).isdisjoint(entry.drugs))
        and (not entry.values or _crossed(entry, patient.values))
    )


def _crossed(entry: Contraindication, values: Mapping[str, tuple[Number, Number]]) -> bool:
    return any(any(map(bound.crossed, values.get(name, ()))) for name, bound in entry.values.items())


def names_of(pack: Pack, drugs: Iterable[str]) -> set[str]:
    """Return drugs with the classes that they belong to."""
    return {name for drug in drugs for name in (drug, *pack.drugs[drug].classes)}
