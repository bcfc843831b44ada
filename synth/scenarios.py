"""Scenarios: ``(pack, seed, index) → Scenario``, pure, so that index i is the same whatever runs beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from synth.draws import Draws
from synth.packs import Condition, Distribution, History, Pack, PlanItem, Presentation
from synth.records import (
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
    Scenario,
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


def sample_scenario(pack: Pack, seed: int, index: int) -> Scenario:
    """Return the scenario at an index of the stream that a seed opens in a pack."""
    draws = Draws("scenario", pack.specialty, seed, index)
    condition_id = _pick(draws, {name: c.weight for name, c in pack.conditions.items()})
    condition = pack.conditions[condition_id]
    sex: Sex = "female" if draws.chance(condition.female) else "male"
    options = {name: p.weight for name, p in condition.presentations.items() if p.sex in (None, sex)}
    presentation_id = _pick(draws, options)
    presentation = condition.presentations[presentation_id]
    sampler = _Sampler(pack, draws, sex)
    return Scenario(
        id=f"{pack.specialty}-{seed}-{index:06d}",
        specialty=pack.specialty,
        seed=seed,
        index=index,
        condition=condition_id,
        presentation=presentation_id,
        visit=presentation.visit,
        facts=tuple(sampler.facts(condition, presentation)),
        sources=condition.sources,
    )


def _pick(draws: Draws, weights: Mapping[K, float]) -> K:
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


class _Sampler:
    """The draws of one scenario, with what they have settled so far."""

    def __init__(self, pack: Pack, draws: Draws, sex: Sex) -> None:
        self._pack = pack
        self._draws = draws
        self._sex: Sex = sex
        self._latents: dict[str, float] = {}
        self._taken: dict[str, int] = {}
        """Drug → rung."""

    def facts(self, condition: Condition, presentation: Presentation) -> Iterator[Fact]:
        """Yield the facts in the order of a note."""
        draws, pack = self._draws, self._pack
        age = int(self._draw(presentation.age or condition.age, 0))
        yield PatientFact(id="patient-1", age=age, sex=self._sex)
        complaint = presentation.complaints[
            _pick(draws, {i: option.weight for i, option in enumerate(presentation.complaints)})
        ]
        duration = draws.pick(complaint.durations) if complaint.durations else None
        yield ComplaintFact(id="complaint-1", name=complaint.name, duration=duration)
        symptoms = {name: name == complaint.name or draws.chance(p) for name, p in presentation.symptoms.items()}
        for i, (name, present) in enumerate(symptoms.items(), 1):
            yield SymptomFact(id=f"symptom-{i}", name=name, present=present)
        self._take_medications(presentation)
        for i, (name, entry) in enumerate(self._histories(condition, presentation, age), 1):
            yield HistoryFact(id=f"history-{i}", category=entry.category, name=name)
        for i, (drug, rung) in enumerate(self._taken.items(), 1):
            yield MedicationFact(id=f"medication-{i}", medication=pack.drugs[drug].medication(drug, rung))
        yield from self._vitals(presentation)
        for i, group in enumerate(presentation.findings, 1):
            finding = draws.weighted(group)
            if finding is not None:
                yield FindingFact(id=f"finding-{i}", name=finding)
        yield from self._labs(presentation)
        for i, (study, results) in enumerate(presentation.studies.items(), 1):
            result = draws.weighted(results)
            if result is not None:
                yield StudyFact(id=f"study-{i}", name=study, result=result)
        diagnosis = presentation.diagnosis
        yield DiagnosisFact(id="diagnosis-1", name=diagnosis.name, icd10cm=diagnosis.icd10cm, status=diagnosis.status)
        items = (fact for item in presentation.plan if (fact := self._plan(item)) is not None)
        for i, (action, text, medication) in enumerate(items, 1):
            yield PlanFact(id=f"plan-{i}", problem="diagnosis-1", action=action, text=text, medication=medication)

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

    def _take_medications(self, presentation: Presentation) -> None:
        raised = {item.drug for item in presentation.plan if item.action == "increase"}
        lowered = {item.drug for item in presentation.plan if item.action == "decrease"}
        for group in presentation.medications:
            drug = self._draws.weighted({name: use.probability for name, use in group.items()})
            if drug is None or self._pack.drugs[drug].sex not in (None, self._sex):
                continue
            first, last = group[drug].rungs
            top = len(self._pack.drugs[drug].ladder) - 1
            first = max(first, 1) if drug in lowered else first
            last = min(last, top - 1) if drug in raised else last
            self._taken[drug] = first + self._draws.below(last - first + 1)

    def _histories(self, condition: Condition, presentation: Presentation, age: int) -> Iterator[tuple[str, History]]:
        """Yield the patient's history; drugs taken for it are added to what the patient takes."""
        groups: list[Mapping[str, float]] = []
        for layer in (presentation.history, condition.history, self._pack.background):
            settled = {name for group in groups for name in group}
            groups += [group for group in layer if settled.isdisjoint(group)]
        for group in groups:
            name = self._draws.weighted(group)
            if name is None:
                continue
            entry = self._pack.history[name]
            if not entry.min_age <= age <= entry.max_age or entry.sex not in (None, self._sex):
                continue
            drug = self._draws.weighted(entry.medications)
            if drug is not None and drug not in self._taken:
                self._taken[drug] = self._draws.below(len(self._pack.drugs[drug].ladder))
            yield name, entry

    def _vitals(self, presentation: Presentation) -> Iterator[VitalFact]:
        """Yield the vital signs; weight follows from the body mass index and a height drawn for the sex."""
        for i, (name, measure) in enumerate(self._pack.vitals.items(), 1):
            value = self._draw(presentation.vitals.get(name, measure.usual), measure.decimals)
            yield VitalFact(id=f"vital-{i}", name=name, value=value, unit=measure.unit)
            if name == "body mass index":
                mean, sd = _HEIGHT_CM[self._sex]
                metres = (mean + sd * max(-2.0, min(2.0, self._draws.normal()))) / 100
                yield VitalFact(id="vital-weight", name="weight", value=to_number(value * metres**2, 0), unit="kg")

    def _labs(self, presentation: Presentation) -> Iterator[LabFact]:
        for i, (name, distribution) in enumerate(presentation.labs.items(), 1):
            if not self._draws.chance(distribution.probability):
                continue
            measure = self._pack.labs[name]
            low, high = measure.range_for(self._sex)
            value = self._draw(distribution, measure.decimals)
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
        if item.drug is None:
            return item.action, item.text or "", None
        drug, rung = self._pack.drugs[item.drug], self._taken.get(item.drug)
        if drug.sex not in (None, self._sex) or (rung is None) != (item.action == "start"):
            return None
        rung = (item.rung or 0) if rung is None else rung + {"increase": 1, "decrease": -1}.get(item.action, 0)
        medication = drug.medication(item.drug, rung)
        return item.action, plan_text(item.action, medication), medication


def plan_text(action: PlanAction, medication: Medication) -> str:
    """Return a drug's plan item in the words of a note, such as ``increase metformin to 1000 mg oral twice daily``."""
    if action == "stop":
        return f"stop {medication.name}"
    link = " to " if action in ("increase", "decrease") else " "
    regimen = f"{medication.dose} {medication.unit} {medication.route} {medication.frequency}"
    return f"{action} {medication.name}{link}{regimen}"
