"""Scenarios are pure and order-free, and every one of them is coherent."""

from __future__ import annotations

import math
from collections import Counter
from functools import cache
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.draws import Draws
from synth.packs import load_pack
from synth.packs.vocabulary import vocabulary
from synth.records import (
    ComplaintFact,
    Fact,
    FindingFact,
    HistoryFact,
    LabFact,
    Medication,
    MedicationFact,
    Number,
    PatientFact,
    PlanFact,
    Scenario,
    StudyFact,
    SymptomFact,
    VitalFact,
)
from synth.sampling import interpret, plan_text, to_number
from synth.scenarios import sample_scenario
from tests.test_packs import CONDITIONS

F = TypeVar("F", bound=Fact)
PACK = load_pack("endocrinology")
HEIGHT_M = {"female": (1.49, 1.75), "male": (1.62, 1.90)}
"""Two standard deviations around the means that the sampler uses."""
SCENARIOS = st.builds(
    lambda seed, index: sample_scenario(PACK, seed, index),
    st.integers(min_value=0, max_value=2**31),
    st.integers(min_value=0, max_value=999_999),
)


@cache
def stream() -> tuple[Scenario, ...]:
    """Return the scenarios that the tests of frequencies count."""
    return tuple(sample_scenario(PACK, 11, i) for i in range(4000))


def of(scenario: Scenario, kind: type[F]) -> list[F]:
    """Return the facts of one kind."""
    return [fact for fact in scenario.facts if isinstance(fact, kind)]


def daily(medication: Medication) -> float:
    """Return the dose of a day."""
    times = vocabulary().doses_a_day(medication.frequency)
    assert times is not None
    return float(medication.dose) * times


def test_an_index_gives_the_same_scenario_whatever_runs_beside_it() -> None:
    indices = list(range(200))
    forward = {i: sample_scenario(PACK, 7, i) for i in indices}
    shuffled = {i: sample_scenario(PACK, 7, i) for i in Draws("test order").shuffled(indices)}
    assert forward == shuffled
    assert forward[42].id == "endocrinology-7-000042"


def test_a_scenario_survives_its_json() -> None:
    scenario = sample_scenario(PACK, 7, 3)
    assert Scenario.model_validate_json(scenario.model_dump_json()) == scenario


def test_seeds_and_indices_differ() -> None:
    texts = {tuple(sample_scenario(PACK, seed, i).facts) for seed in (1, 2, 3) for i in range(300)}
    assert len(texts) == 900


def test_every_condition_and_presentation_appears() -> None:
    assert {s.condition for s in stream()[:600]} == CONDITIONS
    known = {(name, label) for name, c in PACK.conditions.items() for label in c.presentations}
    assert {(s.condition, s.presentation) for s in stream()} == known


def test_conditions_come_in_their_shares() -> None:
    counts = Counter(s.condition for s in stream())
    total = sum(c.weight for c in PACK.conditions.values())
    for name, condition in PACK.conditions.items():
        share = condition.weight / total
        assert abs(counts[name] / len(stream()) - share) < 5 * math.sqrt(share * (1 - share) / len(stream())), name


def test_labs_of_one_latent_go_together() -> None:
    pairs = []
    for scenario in stream():
        if scenario.presentation == "new Hashimoto thyroiditis":
            labs = {lab.name: float(lab.value) for lab in of(scenario, LabFact)}
            pairs.append((labs["TSH"], labs["free T4"]))
    assert len(pairs) > 50
    mean = [sum(values) / len(pairs) for values in zip(*pairs, strict=True)]
    covariance = sum((a - mean[0]) * (b - mean[1]) for a, b in pairs)
    spread = [math.sqrt(sum((pair[k] - mean[k]) ** 2 for pair in pairs)) for k in (0, 1)]
    assert covariance / (spread[0] * spread[1]) < -0.4


@given(SCENARIOS)
@settings(max_examples=150, deadline=None)
def test_ids_are_unique_and_the_essentials_are_there(scenario: Scenario) -> None:
    ids = [fact.id for fact in scenario.facts]
    assert len(set(ids)) == len(ids)
    kinds = Counter(fact.kind for fact in scenario.facts)
    assert kinds["patient"] == kinds["complaint"] == kinds["diagnosis"] == 1
    assert kinds["vital"] == len(PACK.vitals) + 1
    assert kinds["plan"] >= 2
    assert kinds["lab"] + kinds["study"] >= 1
    assert 18 <= of(scenario, PatientFact)[0].age <= 88
    assert sum(entry.category == "allergy" for entry in of(scenario, HistoryFact)) == 1


@given(SCENARIOS)
@settings(max_examples=150, deadline=None)
def test_values_are_in_their_range_and_read_rightly(scenario: Scenario) -> None:
    presentation = PACK.conditions[scenario.condition].presentations[scenario.presentation]
    sex = of(scenario, PatientFact)[0].sex
    for lab in of(scenario, LabFact):
        distribution = presentation.labs[lab.name]
        assert distribution.min <= lab.value <= distribution.max
        assert (lab.low, lab.high) == PACK.labs[lab.name].range_for(sex)
        below = lab.low is not None and lab.value < lab.low
        above = lab.high is not None and lab.value > lab.high
        assert lab.interpretation == ("low" if below else "high" if above else "normal")
    vitals = {vital.name: float(vital.value) for vital in of(scenario, VitalFact)}
    for name, vital in PACK.vitals.items():
        distribution = presentation.vitals.get(name, vital.usual)
        assert distribution.min <= vitals[name] <= distribution.max
    assert vitals["diastolic blood pressure"] < vitals["systolic blood pressure"]
    low, high = HEIGHT_M[sex]
    assert low - 0.01 <= math.sqrt(vitals["weight"] / vitals["body mass index"]) <= high + 0.01


@given(SCENARIOS)
@settings(max_examples=150, deadline=None)
def test_exclusive_things_exclude_each_other(scenario: Scenario) -> None:
    condition = PACK.conditions[scenario.condition]
    presentation = condition.presentations[scenario.presentation]
    patient = of(scenario, PatientFact)[0]
    histories = [entry.name for entry in of(scenario, HistoryFact)]
    assert len(set(histories)) == len(histories)
    for group in (*presentation.history, *condition.history, *PACK.background):
        assert len(set(group) & set(histories)) <= 1
    for name in histories:
        assert PACK.history[name].sex in (None, patient.sex)
        assert PACK.history[name].min_age <= patient.age <= PACK.history[name].max_age
    findings = [finding.name for finding in of(scenario, FindingFact)]
    assert len(set(findings)) == len(findings)
    for group in presentation.findings:
        assert len(set(group) & set(findings)) <= 1
    for study in of(scenario, StudyFact):
        assert study.result in presentation.studies[study.name]
    drugs = [fact.medication.name for fact in of(scenario, MedicationFact)]
    assert len(set(drugs)) == len(drugs)
    for uses in presentation.medications:
        assert len(set(uses) & set(drugs)) <= 1
    for name in histories:
        assert len(set(PACK.history[name].medications) & set(drugs)) <= 1
    assert all(PACK.drugs[name].sex in (None, patient.sex) for name in drugs)


@given(SCENARIOS)
@settings(max_examples=150, deadline=None)
def test_the_complaint_is_a_present_symptom_or_an_occasion(scenario: Scenario) -> None:
    complaint = of(scenario, ComplaintFact)[0]
    symptoms = {symptom.name: symptom.present for symptom in of(scenario, SymptomFact)}
    if complaint.name in PACK.symptoms:
        assert symptoms[complaint.name]
        assert complaint.duration
    else:
        assert complaint.name in PACK.occasions


@given(SCENARIOS)
@settings(max_examples=150, deadline=None)
def test_plans_change_doses_in_the_direction_that_they_say(scenario: Scenario) -> None:
    taken = {fact.medication.name: fact.medication for fact in of(scenario, MedicationFact)}
    for medication in taken.values():
        ladder = PACK.drugs[medication.name].ladder
        assert (medication.dose, medication.frequency) in [(step.dose, step.frequency) for step in ladder]
    for plan in of(scenario, PlanFact):
        new = plan.medication
        if new is None:
            assert plan.text in PACK.plan_says
            continue
        assert plan.text == plan_text(plan.action, new)
        if plan.action == "start":
            assert new.name not in taken
        elif plan.action == "increase":
            assert daily(new) > daily(taken[new.name])
        elif plan.action == "decrease":
            assert daily(new) < daily(taken[new.name])
        else:
            assert new == taken[new.name]


@given(SCENARIOS)
@settings(max_examples=150, deadline=None)
def test_absurd_combinations_do_not_occur(scenario: Scenario) -> None:
    sex = of(scenario, PatientFact)[0].sex
    condition, histories = scenario.condition, {entry.name for entry in of(scenario, HistoryFact)}
    drugs = {fact.medication.name for fact in of(scenario, MedicationFact)}
    drugs |= {plan.medication.name for plan in of(scenario, PlanFact) if plan.medication and plan.action != "stop"}
    codes = [fact.icd10cm for fact in scenario.facts if fact.kind == "diagnosis"]
    if condition == "polycystic ovary syndrome":
        assert sex == "female"
    if condition in ("type 1 diabetes", "type 2 diabetes"):
        assert not {"type 2 diabetes", "prediabetes"} & histories or scenario.presentation == "newly diagnosed"
    if "norgestimate-ethinyl estradiol" in drugs:
        assert not {"current smoker", "migraine"} & histories
    if "propranolol" in drugs:
        assert "asthma" not in histories
    if "glimepiride" in drugs:
        assert "sulfonamide antibiotic allergy with hives" not in histories
    if "alendronate" in drugs:
        assert "gastroesophageal reflux disease" not in histories
    assert not {"sertraline", "duloxetine"} <= drugs
    for lab in of(scenario, LabFact):
        if lab.name == "eGFR":
            assert lab.value >= 60
    bmi = next(float(v.value) for v in of(scenario, VitalFact) if v.name == "body mass index")
    bounds = {"E66.811": (30, 35), "E66.812": (35, 40), "E66.813": (40, 100)}
    low, high = bounds.get(codes[0], (0, 100))
    assert low <= bmi < high


@pytest.mark.parametrize(
    ("value", "decimals", "expected"),
    [(7.04, 1, 7), (7.06, 1, 7.1), (128.4, 0, 128), (-2.46, 1, -2.5), (0.014, 2, 0.01)],
)
def test_numbers_are_rounded_and_whole_ones_are_int(value: float, decimals: int, expected: Number) -> None:
    number = to_number(value, decimals)
    assert number == expected
    assert type(number) is type(expected)


@pytest.mark.parametrize(
    ("value", "low", "high", "expected"),
    [(4.0, 0.5, 4.0, "normal"), (4.1, 0.5, 4.0, "high"), (0.4, 0.5, 4.0, "low"), (0, None, 5.6, "normal")],
)
def test_the_ends_belong_to_the_range(value: float, low: float | None, high: float | None, expected: str) -> None:
    assert interpret(value, low, high) == expected


def test_plan_texts_read_as_a_note() -> None:
    medication = PACK.drugs["metformin"].medication("metformin", 3)
    assert plan_text("increase", medication) == "increase metformin to 1000 mg oral twice daily"
    assert plan_text("start", medication) == "start metformin 1000 mg oral twice daily"
    assert plan_text("stop", medication) == "stop metformin"
