"""The draws of one scenario: facts in the order of a note, coherent with one another and with what rules a drug out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from synth.draws import Draws
from synth.packs import Age, Condition, Distribution, History, Pack, PlanItem, Presentation, Spoken
from synth.packs.growth import growth_charts
from synth.packs.renal import creatinine
from synth.packs.safety import Patient, objection, objections
from synth.population import Cell
from synth.records import (
    ADULT,
    ComplaintFact,
    DiagnosisFact,
    Fact,
    FindingFact,
    HistoryFact,
    Interpretation,
    LabFact,
    Medication,
    MedicationFact,
    Number,
    PatientFact,
    PlanAction,
    PlanFact,
    Sex,
    StudyFact,
    SymptomFact,
    VitalFact,
)

K = TypeVar("K")
_HEIGHT_CM = {"female": (162.0, 6.5), "male": (176.0, 7.0)}
"""Mean and standard deviation of adult height; means rounded from NHANES 2015–2018 (Fryar et al., Vital Health Stat
3(46),
2021)."""
_IN_MONTHS = 24
"""Months up to which age is said in months, and height is length, measured lying (2000 CDC growth charts)."""
_GROWTH = Distribution(mean=0, sd=0.9, min=-1.8, max=1.8, latent="build", rho=0.8)
"""Weight and height for age of a child whose growth is ordinary, in standard deviations."""


def pick(draws: Draws, weights: Mapping[K, float]) -> K:
    """Return a key, with its weight as its share."""
    total = sum(weights.values())
    chosen = draws.weighted({key: weight / total for key, weight in weights.items()})
    return chosen if chosen is not None else list(weights)[-1]


def to_number(value: float, decimals: int) -> Number:
    """Return a value rounded to so many decimals, an int where nothing is behind the point."""
    rounded = round(value, decimals)
    return int(rounded) if rounded == int(rounded) else rounded


def interpret(value: Number, low: Number | None, high: Number | None) -> Interpretation:
    """Return where a value lies against its reference range; the ends belong to the range."""
    if low is not None and value < low:
        return "low"
    return "high" if high is not None and value > high else "normal"


class Sampler:
    """The draws of one scenario, with what they have settled so far.

    What the presentation is about comes first: a drug that it takes or starts stays, and whatever of the background
    would rule that drug out is left out.
    """

    def __init__(
        self, pack: Pack, draws: Draws, sex: Sex, condition: str, presentation: str, cell: Cell | None = None
    ) -> None:
        """``cell`` settles the age, where there is one."""
        self._cell = cell
        self._pack = pack
        self._draws = draws
        self._sex: Sex = sex
        self._condition: Condition = pack.conditions[condition]
        self._presentation: Presentation = self._condition.presentations[presentation]
        self._latents: dict[str, float] = {}
        self._taken: dict[str, int] = {}
        """Drug → rung."""
        plan = self._presentation.plan
        self._planned = {item.drug for item in plan if item.action == "start" and item.drug and not item.otherwise}
        self._started = {item.drug for item in plan if item.action == "start"}
        self._stopped = {item.drug for item in plan if item.action == "stop"}
        self._patient = Patient(sex, 0, self._presentation.pregnant, {condition})
        self._months = 0
        self._weight: Number | None = None
        """Of a child, in kilograms."""

    def facts(self) -> Iterator[Fact]:
        """Yield the facts in the order of a note."""
        draws, pack, presentation = self._draws, self._pack, self._presentation
        yield self._who(presentation.age or self._condition.age)
        fits = {name: pack.symptoms[name].fits(self._sex, self._patient.age) for name in presentation.symptoms}
        options = {i: c.weight for i, c in enumerate(presentation.complaints) if self._comes_with(c.name)}
        complaint = presentation.complaints[pick(draws, options)]
        duration = draws.pick(complaint.durations) if complaint.durations else None
        yield ComplaintFact(id="complaint-1", name=complaint.name, duration=duration)
        symptoms = {name: name == complaint.name or draws.chance(p) for name, p in presentation.symptoms.items()}
        for i, (name, present) in enumerate(((n, p) for n, p in symptoms.items() if fits[n]), 1):
            yield SymptomFact(id=f"symptom-{i}", name=name, present=present)
        self._patient.values = self._possible_values()
        self._take_medications()
        for i, (name, entry) in enumerate(self._histories(), 1):
            yield HistoryFact(id=f"history-{i}", category=entry.category, name=name)
        for i, (drug, rung) in enumerate(self._taken.items(), 1):
            yield MedicationFact(id=f"medication-{i}", medication=pack.drugs[drug].medication(drug, rung, self._weight))
        self._patient.values = {}
        yield from self._vitals()
        for i, group in enumerate(presentation.findings, 1):
            finding = draws.weighted({f: p for f, p in group.items() if pack.findings[f].matches(symptoms)})
            if finding is not None and self._agrees(pack.findings[finding]):
                yield FindingFact(id=f"finding-{i}", name=finding)
        yield from self._labs()
        for i, (study, results) in enumerate(presentation.studies.items(), 1):
            result = draws.weighted(results)
            if result is not None and self._agrees(pack.studies[study][result]):
                yield StudyFact(id=f"study-{i}", name=study, result=result)
        diagnosis = presentation.diagnosis
        yield DiagnosisFact(id="diagnosis-1", name=diagnosis.name, icd10cm=diagnosis.icd10cm, status=diagnosis.status)
        items = (fact for item in presentation.plan if (fact := self._plan(item)) is not None)
        for i, (action, text, medication) in enumerate(items, 1):
            yield PlanFact(id=f"plan-{i}", problem="diagnosis-1", action=action, text=text, medication=medication)

    def _agrees(self, entry: Spoken) -> bool:
        """Return whether a finding or a result fits the patient, and the values that were measured."""
        return entry.fits(self._sex, self._patient.age) and entry.agrees(self._patient.values)

    def _comes_with(self, complaint: str) -> bool:
        entry = self._pack.symptoms.get(complaint) or self._pack.occasions[complaint]
        return entry.fits(self._sex, self._patient.age)

    def _who(self, ages: Age) -> PatientFact:
        drawn = int(self._draw(ages, 0)) if self._cell is None else self._cell.drawn
        age = drawn // 12 if ages.unit == "months" else drawn
        self._months = drawn if ages.unit == "months" else 12 * drawn + 6
        self._patient.age = age
        if age < ADULT:
            z = float(self._draw(self._presentation.weight_z or _GROWTH, 3))
            self._weight = to_number(growth_charts().value("weight", self._sex, self._months, z), 1)
        in_months = self._months if ages.unit == "months" and self._months < _IN_MONTHS else None
        return PatientFact(id="patient-1", age=age, sex=self._sex, age_months=in_months)

    def _draw(self, distribution: Distribution, decimals: int) -> Number:
        """Return a draw from a cut normal distribution, correlated through its latent."""
        latent = self._latents.get(distribution.latent)
        if latent is None:
            latent = self._latents[distribution.latent] = self._draws.normal()
        rho = distribution.rho
        for _ in range(8):
            z = rho * latent + (1 - rho * rho) ** 0.5 * self._draws.normal()
            value = distribution.mean + distribution.sd * z
            if distribution.min <= value <= distribution.max:
                return to_number(value, decimals)
        return to_number(min(max(distribution.mean, distribution.min), distribution.max), decimals)

    def _possible_values(self) -> dict[str, tuple[Number, Number]]:
        """Return between what ends each value of the presentation will lie, before it is drawn."""
        years = self._months / 12
        drawn = {name: vital.usual_at(years) for name, vital in self._pack.vitals.items()}
        drawn |= self._presentation.vitals | self._presentation.labs
        return {name: (distribution.min, distribution.max) for name, distribution in drawn.items()}

    def _allowed(self, drugs: Mapping[str, float]) -> Mapping[str, float]:
        """Return the drugs that this patient may have; together they are as likely as all were."""
        allowed = {name: share for name, share in drugs.items() if self._may_have(name)}
        if len(allowed) in (0, len(drugs)):
            return drugs if allowed else {}
        scale = min(sum(drugs.values()), 1.0) / (sum(allowed.values()) or 1.0)
        return {name: share * scale for name, share in allowed.items()}

    def _may_have(self, drug: str) -> bool:
        """Return whether the patient may take a drug, now and beside what will be started, and does not take what will
        be started; what the plan stops may be taken for whatever reason it is stopped."""
        if drug in self._started:
            return False
        if drug in self._stopped:
            return True
        self._patient.drugs = {*self._taken}
        if objection(self._pack, drug, self._patient) is not None:
            return False
        self._patient.drugs = self._afterwards()
        return objection(self._pack, drug, self._patient) is None

    def _afterwards(self) -> set[str]:
        """Return the drugs that the patient will take after the visit."""
        return {*self._taken, *self._planned} - self._stopped

    def _take_medications(self) -> None:
        plan = self._presentation.plan
        raised = {item.drug for item in plan if item.action == "increase"}
        lowered = {item.drug for item in plan if item.action == "decrease"}
        for group in self._presentation.medications:
            drug = self._draws.weighted(self._allowed({name: use.probability for name, use in group.items()}))
            if drug is None:
                continue
            first, last = group[drug].rungs
            top = len(self._pack.drugs[drug].ladder) - 1
            first = max(first, 1) if drug in lowered else first
            last = min(last, top - 1) if drug in raised else last
            self._taken[drug] = first + self._draws.below(last - first + 1)

    def _histories(self) -> Iterator[tuple[str, History]]:
        """Yield the patient's history; drugs taken for it are added to what the patient takes."""
        groups: list[Mapping[str, float]] = []
        for layer in (self._presentation.history, self._condition.history, self._pack.background):
            settled = {name for group in groups for name in group}
            groups += [group for group in layer if settled.isdisjoint(group)]
        for group in groups:
            name = self._draws.weighted(group)
            if name is not None and not self._may_join(name):
                # What is drawn again is drawn as if the entry were not there: a patient who cannot have the allergy
                # is asked about allergies all the same.
                others = {other: share for other, share in group.items() if self._may_join(other)}
                known = 1 - sum(group.values()) + sum(others.values())
                again = {other: share / known for other, share in others.items()}
                name = self._draws.weighted(again) if again else None
            if name is None:
                continue
            entry = self._pack.history[name]
            self._patient.join(self._pack, name)
            drug = self._draws.weighted(self._allowed(entry.medications))
            if drug is not None and drug not in self._taken:
                self._taken[drug] = self._draws.below(len(self._pack.drugs[drug].ladder))
            yield name, entry

    def _may_join(self, name: str) -> bool:
        """Return whether this patient may have an entry of the history, and it rules out none of the drugs that are
        settled."""
        if not self._pack.history[name].fits(self._sex, self._patient.age):
            return False
        if name not in self._pack.weighed_history:
            return True
        with_it = self._patient.with_history(self._pack, name)
        for drugs in ({*self._taken}, self._afterwards()):
            self._patient.drugs = with_it.drugs = drugs
            for drug in drugs:
                if {*objections(self._pack, drug, with_it)} - {*objections(self._pack, drug, self._patient)}:
                    return False
        return True

    def _vitals(self) -> Iterator[VitalFact]:
        """Yield the vital signs; an adult's weight follows from the body mass index and a height drawn for the sex, a
        child's is that of the growth charts."""
        ours, child = self._presentation.vitals, self._patient.age < ADULT
        for i, (name, measure) in enumerate(self._pack.vitals.items(), 1):
            if child and name == "body mass index":
                continue
            if name not in ours and self._months / 12 < measure.from_age:
                continue
            value = self._draw(ours.get(name, measure.usual_at(self._months / 12)), measure.decimals)
            yield self._vital(f"vital-{i}", name, value, measure.unit)
            if name == "body mass index":
                mean, sd = _HEIGHT_CM[self._sex]
                metres = (mean + sd * max(-2.0, min(2.0, self._draws.normal()))) / 100
                yield self._vital("vital-weight", "weight", to_number(value * metres**2, 0), "kg")
        if child and self._weight is not None:
            yield self._vital("vital-weight", "weight", self._weight, "kg")
            z = float(self._draw(self._presentation.height_z or _GROWTH, 3))
            tall = growth_charts().value("height", self._sex, self._months, z)
            name = "length" if self._months < _IN_MONTHS else "height"
            yield self._vital("vital-height", name, to_number(tall, 0), "cm")

    def _vital(self, key: str, name: str, value: Number, unit: str) -> VitalFact:
        self._patient.values[name] = (value, value)
        return VitalFact(id=key, name=name, value=value, unit=unit)

    def _labs(self) -> Iterator[LabFact]:
        drawn: dict[str, tuple[int, Number]] = {}
        for i, (name, distribution) in enumerate(self._presentation.labs.items(), 1):
            if self._draws.chance(distribution.probability):
                drawn[name] = i, self._draw(distribution, self._pack.labs[name].decimals)
        if "creatinine" in drawn and "eGFR" in drawn and self._patient.age >= ADULT:
            belongs = creatinine(float(drawn["eGFR"][1]), self._patient.age, self._sex)
            drawn["creatinine"] = drawn["creatinine"][0], to_number(belongs, self._pack.labs["creatinine"].decimals)
        for name, (i, value) in drawn.items():
            measure = self._pack.labs[name]
            low, high = measure.range_for(self._sex, self._months / 12)
            self._patient.values[name] = (value, value)
            yield LabFact(
                id=f"lab-{i}",
                name=name,
                value=value,
                unit=measure.unit,
                low=low,
                high=high,
                interpretation=interpret(value, low, high),
                loinc=measure.loinc,
            )

    def _plan(self, item: PlanItem) -> tuple[PlanAction, str, Medication | None] | None:
        """Return action, words and regimen of a plan item; None where it does not apply to this patient."""
        if item.sex not in (None, self._sex) or not self._draws.chance(item.probability):
            return None
        if not self._patient.problems.isdisjoint(item.unless):
            return None
        if item.drug is None:
            return item.action, item.text or "", None
        name, rung = item.drug, self._taken.get(item.drug)
        if (rung is None) != (item.action == "start"):
            return None
        if rung is None:
            choices = [(name, item.rung or 0), *((choice.drug, choice.rung) for choice in item.otherwise)]
            allowed = next((c for c in choices if c[0] not in self._taken and self._may_start(c[0])), None)
            if allowed is None:
                return None
            name, rung = allowed
            self._planned.add(name)
        else:
            rung += {"increase": 1, "decrease": -1}.get(item.action, 0)
        medication = self._pack.drugs[name].medication(name, rung, self._weight)
        return item.action, plan_text(item.action, medication), medication

    def _may_start(self, drug: str) -> bool:
        """Return whether a drug may be started beside what the patient goes on taking."""
        self._patient.drugs = self._afterwards()
        return objection(self._pack, drug, self._patient) is None


def plan_text(action: PlanAction, medication: Medication) -> str:
    """Return a drug's plan item in the words of a note, such as ``increase metformin to 1000 mg oral twice daily``."""
    if action == "stop":
        return f"stop {medication.name}"
    link = " to " if action in ("increase", "decrease") else " "
    regimen = f"{medication.amount} {medication.route} {medication.frequency}"
    return f"{action} {medication.name}{link}{regimen}"
