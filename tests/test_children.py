"""Children: ages in months, growth, doses by weight, and a caregiver who speaks."""

from __future__ import annotations

import re
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.catalog import load_task
from synth.packs import Regimen
from synth.packs.growth import growth_charts
from synth.packs.voice import voiced, voices
from synth.records import PatientFact, PlanFact, Scenario, Sex, VitalFact
from synth.scenarios import sample_scenario
from synth.teachers.grammar import load_grammar
from synth.teachers.note import aged, person
from synth.teachers.prompts import Prompts
from synth.teachers.simulator import Simulator
from synth.vetting import sampled
from tests.packs import child

PACK = child()
SIMULATOR = Simulator(PACK, load_task("note"))
SEXES: tuple[Sex, Sex] = ("female", "male")


def patient(scenario: Scenario) -> PatientFact:
    return next(fact for fact in scenario.facts if isinstance(fact, PatientFact))


def test_scenarios_of_children_keep_the_rules() -> None:
    assert list(sampled(PACK, 600)) == []


@pytest.mark.parametrize(
    ("kind", "sex", "months", "median"),
    # Medians as the charts of the National Center for Health Statistics print them.
    [("weight", "male", 24, 12.67), ("weight", "female", 0, 3.40), ("height", "male", 24, 86.45)],
)
def test_growth_is_that_of_the_charts(
    kind: Literal["weight", "height"], sex: Sex, months: float, median: float
) -> None:
    assert growth_charts().value(kind, sex, months, 0.0) == pytest.approx(median, abs=0.005)


def test_percentiles_are_those_of_the_charts() -> None:
    # 3rd and 97th percentile of weight of boys at 24 months: 10.38 kg and 15.60 kg.
    assert growth_charts().value("weight", "male", 24, -1.88079) == pytest.approx(10.382, abs=0.01)
    assert growth_charts().value("weight", "male", 24, 1.88079) == pytest.approx(15.596, abs=0.01)


@given(st.sampled_from(SEXES), st.integers(min_value=0, max_value=204), st.floats(min_value=-2.5, max_value=2.5))
def test_children_grow(sex: Sex, months: int, z: float) -> None:
    charts = growth_charts()
    assert charts.value("weight", sex, months + 12, z) > charts.value("weight", sex, months, z)
    assert charts.value("height", sex, months + 12, z) > charts.value("height", sex, months, z)


def test_ages_are_in_months_under_two_years_and_vitals_hold_weight_and_length() -> None:
    for index in range(100):
        scenario = sample_scenario(PACK, 2, index)
        who = patient(scenario)
        vitals = {fact.name: float(fact.value) for fact in scenario.facts if isinstance(fact, VitalFact)}
        assert (who.age_months is None) == (who.age >= 2)
        assert ("length" if who.age < 2 else "height") in vitals
        assert 5 < vitals["weight"] < 20
        if who.age_months is not None:
            assert who.age == who.age_months // 12


def test_doses_go_by_weight_in_steps_and_never_above_the_full_dose() -> None:
    for index in range(100):
        scenario = sample_scenario(PACK, 2, index)
        weight = next(float(f.value) for f in scenario.facts if isinstance(f, VitalFact) and f.name == "weight")
        dose = next(f.medication.dose for f in scenario.facts if isinstance(f, PlanFact) and f.medication)
        assert dose % 50 == 0
        assert 45 * weight - 50 < dose <= 45 * weight or dose == 1000
    regimen = Regimen(dose=1000, per_kg=45, step=50, frequency="twice daily")
    assert [regimen.dose_for(kg) for kg in (None, 10, 40, 0.5)] == [1000, 450, 1000, 50]
    assert Regimen(dose=2, per_kg=0.15, step=0.5, frequency="once daily").dose_for(10) == 1.5


def test_an_adults_record_has_no_months() -> None:
    adult = PatientFact(id="patient-1", age=45, sex="male")
    assert "age_months" not in adult.model_dump_json()
    assert (aged(adult), person(adult)) == ("45-year-old", "man")
    infant = PatientFact(id="patient-1", age=0, sex="female", age_months=8)
    assert PatientFact.model_validate_json(infant.model_dump_json()) == infant
    assert (aged(infant), person(infant)) == ("8-month-old", "girl")


def test_a_caregiver_speaks_of_a_girl_as_she_and_of_a_boy_as_he() -> None:
    heard = dict.fromkeys(SEXES, "")
    for index in range(60):
        encounter = SIMULATOR.encounter(sample_scenario(PACK, 2, index))
        text = encounter.source.text
        assert not re.search(r"\{(he|his|him|himself|boy|son)\}", text)
        assert "$" not in text
        heard[patient(encounter.scenario).sex] += text
        note = str(encounter.target)
        who = patient(encounter.scenario)
        assert f"{aged(who)} {person(who)}" in note
    assert not re.search(r"\b(he|his|him)\b", heard["female"], flags=re.IGNORECASE)
    assert not re.search(r"\b(she|her)\b", heard["male"], flags=re.IGNORECASE)
    for text in heard.values():
        assert not re.search(r"\[doctor\][^\n]*\b(do you smoke|are you taking|your lungs|your weight)\b", text)


def test_the_caregivers_grammar_replaces_rules_that_there_are() -> None:
    whole, caregiver = load_grammar("encounter"), load_grammar("caregiver")
    assert caregiver.rules.keys() == whole.rules.keys()
    assert caregiver.revision != whole.revision
    assert SIMULATOR.identity.revision == caregiver.revision


def test_a_pack_in_which_the_patient_speaks_is_left_as_it_is() -> None:
    adult = child(lambda content: content.update(voice="patient"))
    assert voiced(adult, "female") is adult
    girl = voiced(PACK, "female")
    assert girl.symptoms["ear pulling"].says[0] == "she keeps pulling at her ear"
    assert girl.conditions.keys() == PACK.conditions.keys()
    assert voices(adult) == (adult,)
    assert voices(PACK) == (girl, voiced(PACK, "male"))


def test_the_prompt_says_who_speaks() -> None:
    scenario = sample_scenario(PACK, 2, 0)
    text = str(Prompts(load_task("note"), PACK).source(scenario, constrained=True))
    who = patient(scenario)
    assert f"patient: {aged(who)} {person(who)}" in text
    assert "mother or father speaks for the child" in text
