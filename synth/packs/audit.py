"""What is wrong in a scenario, by the same rules as its pack's, found in the facts alone and not in how they were
drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from synth.packs.checks.doses import too_much
from synth.packs.checks.patients import FERTILE
from synth.packs.growth import growth_charts
from synth.packs.lexicon import ForWhom, Spoken
from synth.packs.pack import Pack
from synth.packs.renal import egfr
from synth.packs.safety import Patient, objections
from synth.packs.vocabulary import vocabulary
from synth.records import ADULT, Fact, LabFact, Medication, Number, PatientFact, Scenario, VitalFact

_WIDEST = 3.0
"""Standard deviations of weight for age beyond which a child of these packs is a slip."""
_ROUNDING = 0.006
"""Half of the last digit of a creatinine in mg/dL, and a little."""


@dataclass(slots=True)
class _Chart:
    """The facts of a scenario, as far as the rules weigh them."""

    patient: PatientFact
    observed: list[tuple[str, Spoken]] = field(default_factory=list)
    """Findings and results in words."""
    history: set[str] = field(default_factory=set)
    taken: dict[str, Medication] = field(default_factory=dict)
    planned: dict[str, Medication] = field(default_factory=dict)
    """What the plan starts, changes or continues."""
    stopped: set[str] = field(default_factory=set)
    values: dict[str, Number] = field(default_factory=dict)


def scenario_problems(pack: Pack, scenario: Scenario) -> Iterator[str]:
    """Yield one line for each rule that a scenario of the pack breaks."""
    chart = _Chart(next(fact for fact in scenario.facts if isinstance(fact, PatientFact)))
    for fact in scenario.facts:
        yield from _fact(pack, chart, fact)
    yield from _together(chart)
    yield from _who(pack, scenario, chart)
    yield from _drugs(pack, scenario, chart)


def _fact(pack: Pack, chart: _Chart, fact: Fact) -> Iterator[str]:
    """Read a fact into the chart; yield what is wrong with it alone."""
    sex, age = chart.patient.sex, chart.patient.age
    entry: ForWhom | None = None
    match fact.kind:
        case "history":
            chart.history.add(fact.name)
            entry = pack.history[fact.name]
        case "symptom":
            entry = pack.symptoms[fact.name]
        case "complaint":
            entry = pack.symptoms.get(fact.name) or pack.occasions[fact.name]
        case "finding":
            entry = pack.findings[fact.name]
            chart.observed.append((fact.name, entry))
        case "study":
            entry = pack.studies[fact.name][fact.result]
            chart.observed.append((fact.result, entry))
        case "medication":
            chart.taken[fact.medication.name] = fact.medication
        case "plan" if fact.medication is not None:
            if (fact.medication.name in chart.taken) == (fact.action == "start"):
                taken = "taken already" if fact.action == "start" else "not taken"
                yield f"would {fact.action} {fact.medication.name}, which is {taken}"
            if fact.action == "stop":
                chart.stopped.add(fact.medication.name)
            else:
                chart.planned[fact.medication.name] = fact.medication
        case "lab" | "vital":
            chart.values[fact.name] = fact.value
            yield from _value(pack, fact)
        case _:
            pass
    if entry is not None and not entry.fits(sex, age):
        name = getattr(fact, "name", fact.id)
        yield f"{fact.kind} {name!r} in a {sex} patient of {age} years"


def _value(pack: Pack, fact: LabFact | VitalFact) -> Iterator[str]:
    measure = pack.labs.get(fact.name) if isinstance(fact, LabFact) else pack.vitals.get(fact.name)
    if measure is not None:
        least, most = measure.plausible or (fact.value, fact.value)
        if not least <= fact.value <= most:
            yield f"{fact.name} {fact.value} {fact.unit} is impossible"
    if fact.unit not in vocabulary().measures:
        yield f"{fact.name} has the unknown unit {fact.unit!r}"
    if isinstance(fact, LabFact) and fact.low is not None and fact.high is not None and fact.low >= fact.high:
        yield f"{fact.name} has the inverted range {fact.low} to {fact.high}"


def _together(chart: _Chart) -> Iterator[str]:
    """Yield values that cannot be those of one patient."""
    values, patient = chart.values, chart.patient
    systolic, diastolic = values.get("systolic blood pressure"), values.get("diastolic blood pressure")
    if systolic is not None and diastolic is not None and systolic <= diastolic:
        yield f"systolic {systolic} is not above diastolic {diastolic}"
    creatinine, filtration = values.get("creatinine"), values.get("eGFR")
    if creatinine is not None and filtration is not None and patient.age >= ADULT:
        most = egfr(max(float(creatinine) - _ROUNDING, 0.01), patient.age, patient.sex)
        least = egfr(float(creatinine) + _ROUNDING, patient.age, patient.sex)
        if not least - 1 <= filtration <= most + 1:
            yield f"eGFR {filtration} does not belong to creatinine {creatinine} (CKD-EPI 2021)"
    for name, entry in chart.observed:
        if not entry.agrees({measured: (value, value) for measured, value in values.items()}):
            found = ", ".join(f"{measured} {values[measured]}" for measured in entry.needs if measured in values)
            yield f"{name!r} does not go with {found}"
    weight = values.get("weight")
    if weight is not None and patient.age < ADULT:
        # Within a year of age the month is not known, so either end of it counts.
        months, either = (patient.age * 12 + 6, 6) if patient.age_months is None else (patient.age_months, 0)
        charts = growth_charts()
        least = charts.value("weight", patient.sex, months - either, -_WIDEST)
        most = charts.value("weight", patient.sex, months + either, _WIDEST)
        if not least <= weight <= most:
            yield f"weight {weight} kg is not that of a child of {months} months"


def _who(pack: Pack, scenario: Scenario, chart: _Chart) -> Iterator[str]:
    """Yield a pregnancy, or a diagnosis, that the patient cannot have."""
    patient, codes = chart.patient, vocabulary().codes
    presentation = pack.conditions[scenario.condition].presentations[scenario.presentation]
    icd10cm = presentation.diagnosis.icd10cm
    pregnant = _pregnant(pack, scenario, chart) or icd10cm.startswith(codes.pregnancy)
    if pregnant and (patient.sex != "female" or not FERTILE[0] <= patient.age <= FERTILE[1]):
        yield f"a {patient.sex} patient of {patient.age} years is pregnant"
    other = codes.male if patient.sex == "female" else codes.female
    if icd10cm.startswith(other):
        yield f"{icd10cm} in a {patient.sex} patient"


def _pregnant(pack: Pack, scenario: Scenario, chart: _Chart) -> bool:
    presentation = pack.conditions[scenario.condition].presentations[scenario.presentation]
    return presentation.pregnant or any(pack.history[name].pregnant for name in chart.history)


def _drugs(pack: Pack, scenario: Scenario, chart: _Chart) -> Iterator[str]:
    """Yield doses out of range, and drugs that the patient must not have: taken, or after the visit."""
    weight = chart.values.get("weight") if chart.patient.age < ADULT else None
    kilograms = None if weight is None else float(weight)
    for medication in (*chart.taken.values(), *chart.planned.values()):
        limits = pack.drugs[medication.name].limits
        if limits is None:
            continue
        for what in too_much(medication.unit, limits, float(medication.dose), medication.frequency, weight=kilograms):
            yield f"{medication.name}: {what}"
    patient = Patient(chart.patient.sex, chart.patient.age, _pregnant(pack, scenario, chart))
    patient.problems = {*chart.history, scenario.condition}
    patient.allergens = {allergen for name in chart.history for allergen in pack.history[name].allergens}
    patient.values = {name: (value, value) for name, value in chart.values.items()}
    now = {*chart.taken}
    for drugs in (now, (now | {*chart.planned}) - chart.stopped):
        patient.drugs = drugs
        for drug in sorted(drugs - chart.stopped):
            yield from objections(pack, drug, patient)
