"""How numbers, doses, durations and measured values are said aloud."""

from __future__ import annotations

import re
from collections.abc import Sequence

from synth.draws import Draws
from synth.numerals import number_words
from synth.packs import Measure, Pack
from synth.records import LabFact, Medication, Number, PlanFact, StudyFact, VitalFact
from synth.teachers.grammar import Spoken

_IN_WORDS = 0.1
"""Share of the numbers below 100 that a transcript spells out, as transcribers do now and then."""
_LONG = re.compile("[a-z]{6,}")
"""Words of a drug's name by which it may be called for short."""


class Speech:
    """One encounter's way of saying what a pack and its records hold."""

    __slots__ = ("_called", "_draws", "_pack", "_plans", "_spoken", "_told")

    def __init__(
        self, pack: Pack, spoken: Spoken, draws: Draws, plans: Sequence[PlanFact] = (), told: Sequence[str] = ()
    ) -> None:
        """``plans`` of the visit, and what is ``told`` of diagnosis and studies: both may name a drug."""
        self._pack = pack
        self._spoken = spoken
        self._draws = draws
        self._plans = plans
        self._told = told
        self._called: dict[str, str] = {}
        """Drug → its name in this visit."""

    def swabbed(self, studies: Sequence[StudyFact]) -> bool:
        """Return whether a result is of a swab, which is there only once the patient has been examined."""
        return any(study.name in self._spoken.swabs for study in studies)

    def number(self, value: Number) -> str:
        """Return a number as digits, or as words now and then where it is below 100; a sign is said as ``minus``."""
        size = abs(value)
        said = number_words(size) if size < 100 and self._draws.chance(_IN_WORDS) else str(size)
        return f"minus {said}" if value < 0 else said

    def duration(self, text: str) -> str:
        """Return a duration, its number now and then in words."""
        count, _, rest = text.partition(" ")
        return f"{self.number(int(count))} {rest}" if count.isdigit() and rest else text

    def slip(self, text: str) -> str | None:
        """Return a wrong duration, such as ``2 months`` for ``3 months``; None where the right one has no number."""
        count, _, unit = text.partition(" ")
        if not count.isdigit() or not unit or int(count) < 1:
            return None
        wrong = int(count) + 1 if int(count) == 1 or self._draws.chance(0.5) else int(count) - 1
        unit = unit.removesuffix("s") + ("" if wrong == 1 else "s")
        return f"{self.number(wrong)} {unit}"

    def drug(self, name: str) -> str:
        """Return the drug's generic name, or one of its brands: the same throughout a visit, so that nobody hears two
        drugs, and the generic name where another line of the plan has it."""
        called = self._called.get(name)
        if called is None:
            drug = self._pack.drugs.get(name)
            brands = drug.brands if drug is not None and self._draws.chance(0.35) else ()
            called = self._called[name] = self._draws.pick(brands) if brands and not self._named(name) else name
        return called

    def _named(self, name: str) -> bool:
        says = self._pack.plan_says
        words = (name, *_LONG.findall(name))
        texts = [plan.text for plan in self._plans if plan.medication is None]
        lines = (*self._told, *texts, *(say for text in texts for say in says.get(text, ())))
        return any(word in line for line in lines for word in words)

    def dose(self, medication: Medication) -> str:
        """Return dose and unit, such as ``88 micrograms``."""
        unit = medication.amount.partition(" ")[2]
        unit = self._spoken.units.get(unit, unit)
        return f"{self.number(medication.dose)} {_counted(unit, medication.dose)}"

    def other_dose(self, medication: Medication) -> str | None:
        """Return another dose that the drug has, as a number; None where there is none."""
        drug = self._pack.drugs.get(medication.name)
        others = [step.dose for step in drug.ladder if step.dose != medication.dose] if drug is not None else []
        return self.number(self._draws.pick(others)) if others else None

    def is_good_news(self, status: str) -> bool:
        """Return whether a patient is glad to hear a diagnosis's status."""
        spoken = self._spoken
        return any(mark in status for mark in spoken.good_news) and not any(
            mark in status for mark in spoken.no_good_news
        )

    def is_private(self, finding: str) -> bool:
        """Return whether a finding is of a part of the body that is examined last, and only when leave was given."""
        return any(mark in f" {finding}" for mark in self._spoken.private)

    def is_grave(self, name: str) -> bool:
        """Return whether everybody knows a diagnosis to be serious."""
        return any(mark in name for mark in self._spoken.grave)

    def results(self, what: str) -> tuple[str, ...]:
        """Return what results are called: ``labs``, ``studies`` or ``both``."""
        return self._spoken.results[what]

    def frequency(self, medication: Medication) -> str:
        """Return how often a drug is taken, such as ``twice a day``."""
        return self._draws.pick(self._spoken.frequencies.get(medication.frequency, (medication.frequency,)))

    def route(self, medication: Medication) -> str:
        """Return how a drug is given; nothing, as a rule, where it is swallowed."""
        route, spoken = medication.route, self._spoken
        if route == "oral" and self._draws.chance(0.9):
            return ""
        placed = any(re.search(rf"\b{place}s?\b", medication.frequency) for place in spoken.places)
        if placed and route in spoken.routes_placed:
            return self._draws.pick(spoken.routes_placed[route])
        ways = spoken.routes.get(route, (route,))
        named = set(medication.name.split())
        apart = [way for way in ways if named.isdisjoint(way.split())]
        return self._draws.pick(apart or ways)

    def regimen(self, medication: Medication) -> dict[str, str]:
        """Return the slots of a drug: what it is called, its dose, how and how often."""
        route = self.route(medication)
        return {
            "drug": self.drug(medication.name),
            "dose": self.dose(medication),
            "often": f"{route} {self.frequency(medication)}" if route else self.frequency(medication),
        }

    def vital(self, fact: VitalFact) -> tuple[str, str, str]:
        """Return name, value and unit of a vital sign as said; a unit that goes without saying is left out at times."""
        derived = self._spoken.vitals.get(fact.name)
        if fact.name in self._pack.vitals:
            measure = self._pack.vitals[fact.name]
            name, unit = self._draws.pick(measure.says), measure.unit_says
        elif derived is not None:
            name, unit = derived
        else:
            name, unit = fact.name, fact.unit
        if ("minute" in unit or "square" in unit) and self._draws.chance(0.6):
            unit = ""
        return name, self.number(fact.value), _counted(unit, fact.value)

    def lab(self, fact: LabFact) -> dict[str, str]:
        """Return the slots of a result: name, the verbs that agree with it, value, unit."""
        measure: Measure | None = self._pack.labs.get(fact.name)
        name = self._draws.pick(measure.says) if measure is not None else fact.name
        unit = measure.unit_says if measure is not None else fact.unit
        many = plural(name.partition(" at ")[0].partition(" after ")[0])
        return {
            "lab": name,
            "is": "are" if many else "is",
            "was": "were" if many else "was",
            "value": self.number(fact.value),
            "unit": f" {_counted(unit, fact.value)}" if unit else "",
        }

    def near_miss(self, fact: LabFact) -> str:
        """Return a misread value one step of its last digit away from zero."""
        decimals = len(str(fact.value).partition(".")[2])
        wrong = f"{abs(fact.value) + 10**-decimals:.{decimals}f}"
        return f"minus {wrong}" if fact.value < 0 else wrong


def plural(name: str) -> bool:
    """Return whether a result is spoken of as several: ``platelets``, but not ``stiffness`` or ``urinalysis``."""
    return name.endswith("s") and not name.endswith(("ss", "is"))


def _counted(unit: str, value: Number) -> str:
    """Return a unit in the singular where there is one of it, such as ``nanogram per deciliter``."""
    if value != 1:
        return unit
    words = unit.split(" ")
    i = next((i for i, word in enumerate(words) if word.endswith("s")), None)
    if i is not None:
        words[i] = words[i][:-1]
    return " ".join(words)
