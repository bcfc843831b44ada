"""A scenario's facts by kind, in the order of the scenario or in that of a chart."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field

from synth.facts import KINDS
from synth.packs import Pack
from synth.records import (
    ComplaintFact,
    DiagnosisFact,
    Fact,
    FindingFact,
    HistoryFact,
    LabFact,
    MedicationFact,
    PatientFact,
    PlanFact,
    Scenario,
    StudyFact,
    SymptomFact,
    VitalFact,
)

_GENERAL = frozenset(("chronic", "disease", "disorder", "essential", "follow", "infection", "primary", "syndrome"))
"""Long words of a diagnosis that name no illness."""
_WORD = re.compile(r"[a-z]{6,}")
_TRADE = re.compile(r"[a-z]+")
_PLAIN = re.compile(r"[a-z]{5,}")

Places = Mapping[tuple[str, str], int]
"""Place in a chart by kind and name of a fact."""


@dataclass(frozen=True, slots=True)
class Chart:
    """What the transcript and the note are both written from."""

    patient: PatientFact
    complaint: ComplaintFact
    symptoms: list[SymptomFact] = field(default_factory=list)
    history: list[HistoryFact] = field(default_factory=list)
    medications: list[MedicationFact] = field(default_factory=list)
    vitals: list[VitalFact] = field(default_factory=list)
    findings: list[FindingFact] = field(default_factory=list)
    labs: list[LabFact] = field(default_factory=list)
    studies: list[StudyFact] = field(default_factory=list)
    diagnoses: list[DiagnosisFact] = field(default_factory=list)
    plans: list[PlanFact] = field(default_factory=list)

    def comes_diagnosed(self, symptoms: Container[str]) -> bool:
        """Return whether a new patient brings the diagnosis: comes for something that was found, not for one of the
        ``symptoms``, or has the illness in the history."""
        named = {word for fact in self.diagnoses for word in _WORD.findall(fact.name.lower())} - _GENERAL
        past = [fact.name.lower() for fact in self.history if fact.category in ("medical", "surgical")]
        had = {w for name in past for w in _WORD.findall(name)}
        screened = all(fact.icd10cm.startswith("Z") for fact in self.diagnoses)
        return not screened and (self.complaint.name not in symptoms or not named.isdisjoint(had))

    def knows_medicine(self, marks: Container[str]) -> bool:
        """Return whether the patient works in health care: has one of the words in what the social history says of
        work."""
        return any(
            word in marks for fact in self.history if fact.category == "social" for word in _TRADE.findall(fact.name)
        )

    def examined(self, symptom: SymptomFact) -> bool:
        """Return whether a finding is about the same as a symptom: shares a word with it, as ``leg swelling`` and
        ``no swelling of the legs`` do."""
        words = set(_PLAIN.findall(symptom.name))
        return any(not words.isdisjoint(_PLAIN.findall(fact.name)) for fact in self.findings)

    def plans_of(self, diagnosis: DiagnosisFact) -> list[PlanFact]:
        """Return the plan items of a problem."""
        return [plan for plan in self.plans if plan.problem == diagnosis.id]


def chart_places(pack: Pack) -> Places:
    """Return the place in a chart of everything that a pack names."""
    listed: dict[str, Iterable[str]] = {
        "symptom": pack.symptoms,
        "history": pack.history,
        "medication": pack.drugs,
        "finding": pack.findings,
        "lab": pack.labs,
        "study": pack.studies,
    }
    return {(kind, name): place for kind, names in listed.items() for place, name in enumerate(names)}


def charted(places: Places, scenario: Scenario) -> Scenario:
    """Return a scenario with its facts in the order of a chart, which has a place for everything: that of the pack, so
    that what two notes share stands in the same order in both, however the visits went. Vital signs, diagnoses and plan
    keep the scenario's order, and what the pack does not name comes last."""

    def place(fact: Fact) -> tuple[int, int]:
        match fact.kind:
            case "symptom" | "history" | "finding" | "lab" | "study":
                name = fact.name
            case "medication":
                name = fact.medication.name
            case _:
                return KINDS.index(fact.kind), 0
        return KINDS.index(fact.kind), places.get((fact.kind, name), len(places))

    return scenario.model_copy(update={"facts": tuple(sorted(scenario.facts, key=place))})


def read_chart(scenario: Scenario) -> Chart:
    """Return a scenario's chart; StopIteration never, as every scenario has a patient and a complaint."""
    patient = next(fact for fact in scenario.facts if isinstance(fact, PatientFact))
    complaint = next(fact for fact in scenario.facts if isinstance(fact, ComplaintFact))
    chart = Chart(patient, complaint)
    for fact in scenario.facts:
        match fact.kind:
            case "symptom":
                chart.symptoms.append(fact)
            case "history":
                chart.history.append(fact)
            case "medication":
                chart.medications.append(fact)
            case "vital":
                chart.vitals.append(fact)
            case "finding":
                chart.findings.append(fact)
            case "lab":
                chart.labs.append(fact)
            case "study":
                chart.studies.append(fact)
            case "diagnosis":
                chart.diagnoses.append(fact)
            case "plan":
                chart.plans.append(fact)
            case "patient" | "complaint":
                pass
    return chart
