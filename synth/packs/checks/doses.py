"""Drugs: doses that exist and that the label allows, and who must not have them."""

from __future__ import annotations

from itertools import pairwise

from synth.catalog import suggest
from synth.packs.checks.base import Found
from synth.packs.lexicon import DoseLimits, Drug
from synth.packs.pack import Pack
from synth.packs.vocabulary import vocabulary
from synth.records import Number


def dose_problems(pack: Pack) -> Found:
    """Yield what is wrong with the drugs of a pack."""
    for name, drug in pack.drugs.items():
        where = f"drug {name}"
        yield from _words(where, drug)
        yield from _ladder(where, drug)
        for entry in drug.contraindications:
            stated = (entry.problems, entry.drugs, entry.pregnancy, entry.sex, entry.under, entry.over, entry.values)
            if not any(value not in ((), {}, None, False) for value in stated):
                yield where, f"contraindication {entry.why!r} states nothing; say who must not have it"
            if any(bound.below is None and bound.above is None for bound in entry.values.values()):
                yield where, f"contraindication {entry.why!r} has a value without below or above"
    known = vocabulary()
    for name, history in pack.history.items():
        if history.allergens and history.category != "allergy":
            yield f"history {name}", "has allergens; make its category allergy"
        if history.category == "allergy" and not history.allergens and not name.startswith("no "):
            yield f"history {name}", "names no allergens; say which drugs or classes of drugs it rules out"
        for allergen in history.allergens:
            if not (allergen in pack.drugs or allergen in known.allergens or known.knows_class(allergen)):
                names = {*pack.drugs, *known.allergens, *known.drug_classes.alone, *known.drug_classes.together}
                yield f"history {name}", f"unknown allergen {allergen!r}{suggest(allergen, names)}"


def _words(where: str, drug: Drug) -> Found:
    known = vocabulary()
    if drug.unit not in known.doses:
        yield where, f"unknown unit {drug.unit!r}{suggest(drug.unit, known.doses)}; see synth/packs/vocabulary.yaml"
    if drug.route not in known.routes:
        yield where, f"unknown route {drug.route!r}{suggest(drug.route, known.routes)}; see synth/packs/vocabulary.yaml"
    if not drug.classes:
        yield where, "belongs to no class; give classes, so that an allergy to the class excludes it"
    for name in drug.classes:
        if not known.knows_class(name):
            names = {*known.drug_classes.alone, *known.drug_classes.together}
            yield where, f"unknown class {name!r}{suggest(name, names)}; see synth/packs/vocabulary.yaml"


def _ladder(where: str, drug: Drug) -> Found:
    daily: list[float] = []
    for step in drug.ladder:
        times = vocabulary().doses_a_day(step.frequency)
        if times is None:
            yield where, f"unknown frequency {step.frequency!r}; see synth/packs/vocabulary.yaml"
            return
        daily.append(float(step.dose) * times)
    if any(later <= earlier for earlier, later in pairwise(daily)):
        yield where, "its ladder does not rise; order the regimens by the dose of a day, each once"
    for step in drug.ladder:
        if step.dose <= 0 or (step.per_kg is not None and (step.per_kg <= 0 or not step.step)):
            yield where, f"dose {step.dose} {drug.unit} is no dose; a dose by weight needs per_kg and step above 0"
        if drug.limits is not None:
            broken = too_much(drug.unit, drug.limits, float(step.dose), step.frequency, step.per_kg)
            yield from ((where, f"{what}; mend the rung or the limit") for what in broken)
    if drug.limits is None:
        yield where, "has no limits; give the largest single, daily or weekly dose of the label with its source"


def too_much(
    unit: str,
    limits: DoseLimits,
    dose: float,
    frequency: str,
    per_kg: Number | None = None,
    weight: float | None = None,
) -> list[str]:
    """Return in words each limit that a regimen breaks; ``weight`` in kilograms where a child takes it."""
    times = vocabulary().doses_a_day(frequency) or 1.0
    found = []
    for most, given, what in (
        (limits.single, dose, "a dose"),
        (limits.daily, dose * times, "a day"),
        (limits.weekly, dose * times * 7, "a week"),
    ):
        # The frequencies of weeks and months are rounded to four decimals in the vocabulary.
        if most is not None and given > float(most) * 1.001:
            found.append(f"{given:g} {unit} {what} is above the {most} {unit} that are allowed")
    heavy = dose / weight if weight else None if per_kg is None else float(per_kg)
    if limits.daily_per_kg is not None and heavy is not None and heavy * times > float(limits.daily_per_kg) * 1.02:
        found.append(f"{heavy * times:g} {unit}/kg a day is above the {limits.daily_per_kg} {unit}/kg that are allowed")
    return found
