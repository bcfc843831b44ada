"""The facts metric: a perfect note is perfect, every change is noticed, and no output breaks it."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from distill.metrics.facts import Facts
from distill.metrics.mentions import Text, tokens
from distill.metrics.validity import Validity
from distill.records import BenchmarkItem, Prediction
from synth.assets import canonical_json, render_prompt
from synth.catalog import load_task
from synth.packs import load_pack
from synth.records import (
    ComplaintFact,
    DiagnosisFact,
    Fact,
    FindingFact,
    HistoryFact,
    JsonObject,
    LabFact,
    Medication,
    MedicationFact,
    PatientFact,
    PlanFact,
    Scenario,
    StudyFact,
    SymptomFact,
    VitalFact,
)
from synth.scenarios import sample_scenario
from synth.teachers.simulator import Simulator

METFORMIN = Medication(name="metformin", dose=500, unit="mg", route="oral", frequency="twice daily")
FACTS: tuple[Fact, ...] = (
    PatientFact(id="patient-1", age=57, sex="female"),
    ComplaintFact(id="complaint-1", name="fatigue", duration="3 months"),
    SymptomFact(id="symptom-1", name="fatigue", present=True),
    SymptomFact(id="symptom-2", name="palpitations", present=False),
    HistoryFact(id="history-1", category="medical", name="hypertension"),
    HistoryFact(id="history-2", category="surgical", name="appendectomy"),
    HistoryFact(id="history-3", category="family", name="type 2 diabetes in mother"),
    HistoryFact(id="history-4", category="social", name="never smoker"),
    HistoryFact(id="history-5", category="allergy", name="no known drug allergies"),
    MedicationFact(id="medication-1", medication=METFORMIN),
    VitalFact(id="vital-1", name="systolic blood pressure", value=132, unit="mmHg"),
    FindingFact(id="finding-1", name="thyroid normal in size, no nodules"),
    LabFact(id="lab-1", name="TSH", value=7.9, unit="mIU/L", low=0.5, high=4.0, interpretation="high", loinc="3016-3"),
    LabFact(
        id="lab-2", name="hemoglobin A1c", value=8, unit="%", low=None, high=5.6, interpretation="high", loinc=None
    ),
    StudyFact(id="study-1", name="bone density scan", result="lumbar spine T-score -2.8"),
    DiagnosisFact(id="diagnosis-1", name="hypothyroidism", icd10cm="E03.9", status="newly found"),
    DiagnosisFact(id="diagnosis-2", name="type 2 diabetes", icd10cm="E11.65", status="above goal"),
    PlanFact(
        id="plan-1", problem="diagnosis-1", action="order", text="repeat TSH in 6 weeks; call before", medication=None
    ),
    PlanFact(
        id="plan-2",
        problem="diagnosis-2",
        action="increase",
        text="increase metformin to 1000 mg oral twice daily",
        medication=METFORMIN.model_copy(update={"dose": 1000}),
    ),
)
SCENARIO = Scenario(
    id="endocrinology-1-000000",
    specialty="endocrinology",
    seed=1,
    index=0,
    condition="hypothyroidism",
    presentation="new",
    visit="new",
    facts=FACTS,
    sources=(),
)


def perfect(scenario: Scenario = SCENARIO) -> JsonObject:
    """Return the note that carries the facts of a scenario and nothing else."""
    facts = scenario.facts
    patient = next(fact for fact in facts if isinstance(fact, PatientFact))
    complaint = next(fact for fact in facts if isinstance(fact, ComplaintFact))
    noun = {"female": "woman", "male": "man"}[patient.sex]

    def history(*categories: str) -> list[JsonValue]:
        return [fact.name for fact in facts if isinstance(fact, HistoryFact) and fact.category in categories]

    def symptoms(present: bool) -> list[JsonValue]:
        return [fact.name for fact in facts if isinstance(fact, SymptomFact) and fact.present == present]

    return {
        "subjective": {
            "chief_complaint": complaint.name,
            "history_of_present_illness": (
                f"A {patient.age}-year-old {noun} presents with {complaint.name} for {complaint.duration}."
            ),
            "medical_history": history("medical", "surgical"),
            "medications": [fact.medication.model_dump() for fact in facts if isinstance(fact, MedicationFact)],
            "allergies": history("allergy"),
            "family_history": history("family"),
            "social_history": history("social"),
            "review_of_systems": {"positive": symptoms(True), "negative": symptoms(False)},
        },
        "objective_exam": {
            "vitals": [
                {"name": fact.name, "value": fact.value, "unit": fact.unit}
                for fact in facts
                if isinstance(fact, VitalFact)
            ],
            "findings": [fact.name for fact in facts if isinstance(fact, FindingFact)],
        },
        "objective_results": {
            "labs": [
                {"name": fact.name, "value": fact.value, "unit": fact.unit, "interpretation": fact.interpretation}
                for fact in facts
                if isinstance(fact, LabFact)
            ],
            "studies": [{"name": fact.name, "result": fact.result} for fact in facts if isinstance(fact, StudyFact)],
        },
        "assessment_and_plan": [
            {
                "problem": fact.name,
                "icd10cm": fact.icd10cm,
                "status": fact.status,
                "plan": [plan.text for plan in facts if isinstance(plan, PlanFact) and plan.problem == fact.id],
            }
            for fact in facts
            if isinstance(fact, DiagnosisFact)
        ],
    }


def values(
    target: JsonObject | None, text: str | None = None, scenario: Scenario | None = SCENARIO
) -> dict[str, float | None]:
    item = BenchmarkItem(id="1", source="", reference="", target=None, scenario=scenario)
    shown = text if text is not None else render_prompt("note/note.txt.j2", target=target)
    prediction = Prediction(id="1", raw=shown, text=shown, target=target, finish="stop")
    return Facts()([item], [prediction])[0].values


def test_the_perfect_note_is_perfect() -> None:
    assert values(perfect()) == {"fact_recall": 1.0, "facts_in_field": 1.0, "invented": 0.0}
    prediction = Prediction(id="1", raw="", text="", target=perfect(), finish="stop")
    item = BenchmarkItem(id="1", source="", reference="", target=None, scenario=SCENARIO)
    assert Validity()([item], [prediction])[0].values == {"valid_json": 1.0, "schema_valid": 1.0}


def test_the_simulators_notes_are_perfect() -> None:
    pack, task = load_pack("endocrinology"), load_task("note")
    simulator = Simulator(pack, task)
    for index in range(25):
        encounter = simulator.encounter(sample_scenario(pack, 7, index))
        found = values(encounter.target, scenario=encounter.scenario)
        assert found == {"fact_recall": 1.0, "facts_in_field": 1.0, "invented": 0.0}, encounter.id


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.id)
def test_a_note_of_nothing_carries_no_fact(fact: Fact) -> None:
    scenario = SCENARIO.model_copy(update={"facts": (fact,)})
    assert values({}, "nothing", scenario) == {"fact_recall": 0.0, "facts_in_field": 0.0, "invented": None}


ENTRIES = [
    ("subjective", "medical_history", 0),
    ("subjective", "family_history", 0),
    ("subjective", "medications", 0),
    ("subjective", "allergies", 0),
    ("subjective", "review_of_systems", "negative", 0),
    ("objective_exam", "vitals", 0),
    ("objective_exam", "findings", 0),
    ("objective_results", "labs", 1),
    ("objective_results", "studies", 0),
    ("assessment_and_plan", 1, "plan", 0),
]


def _at(note: JsonValue, path: tuple[str | int, ...]) -> JsonValue:
    for step in path:
        if isinstance(step, int):
            assert isinstance(note, list)
            note = note[step]
        else:
            assert isinstance(note, dict)
            note = note[step]
    return note


@pytest.mark.parametrize("path", ENTRIES, ids=str)
def test_dropping_an_entry_lowers_recall_and_invents_nothing(path: tuple[str | int, ...]) -> None:
    note = copy.deepcopy(perfect())
    entries, position = _at(note, path[:-1]), path[-1]
    assert isinstance(entries, list)
    assert isinstance(position, int)
    entries.pop(position)
    found = values(note)
    share = pytest.approx(1 - 1 / len(FACTS))
    assert found["fact_recall"] == share
    assert found["facts_in_field"] == share
    assert found["invented"] == 0.0


CHANGES: list[tuple[tuple[str | int, ...], str | int, JsonValue]] = [
    (("subjective", "medications", 0), "dose", 850),
    (("subjective", "medications", 0), "frequency", "three times daily"),
    (("subjective", "medications", 0), "dose", "500"),
    (("subjective", "medications"), 0, "metformin 500 mg"),
    (("subjective", "social_history"), 0, "smoker"),
    (("objective_exam", "vitals", 0), "value", 133),
    (("objective_results", "labs", 0), "unit", "IU/L"),
    (("objective_results", "labs", 0), "interpretation", "low"),
    (("objective_results", "studies", 0), "result", "lumbar spine T-score 2.8"),
    (("assessment_and_plan", 0, "plan"), 0, "repeat TSH in 8 weeks"),
    (("assessment_and_plan", 0), "icd10cm", "E03.8"),
]


@pytest.mark.parametrize(("path", "key", "value"), CHANGES, ids=str)
def test_a_changed_value_is_missing_and_invented(path: tuple[str | int, ...], key: str | int, value: JsonValue) -> None:
    note = copy.deepcopy(perfect())
    place = _at(note, path)
    if isinstance(key, int):
        assert isinstance(place, list)
        place[key] = value
    else:
        assert isinstance(place, dict)
        place[key] = value
    found = values(note, "")
    assert found["facts_in_field"] == pytest.approx(1 - 1 / len(FACTS))
    assert found["invented"] == pytest.approx(1 / 17)


def test_true_is_not_one() -> None:
    fact = VitalFact(id="vital-1", name="weight", value=1, unit="kg")
    scenario = SCENARIO.model_copy(update={"facts": (fact,)})
    for value, expected in ((1, (1.0, 0.0)), (1.0, (1.0, 0.0)), (True, (0.0, 1.0))):
        target: JsonObject = {"objective_exam": {"vitals": [{"name": "weight", "value": value, "unit": "kg"}]}}
        found = values(target, "", scenario)
        assert (found["facts_in_field"], found["invented"]) == expected


def test_a_plan_under_another_problem_does_not_count() -> None:
    note = copy.deepcopy(perfect())
    first, second = _at(note, ("assessment_and_plan", 0)), _at(note, ("assessment_and_plan", 1))
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    first["plan"], second["plan"] = second["plan"], first["plan"]
    found = values(note)
    assert found["fact_recall"] == 1.0
    assert found["facts_in_field"] == pytest.approx(1 - 2 / len(FACTS))
    assert found["invented"] == pytest.approx(2 / 17)


def test_what_does_not_parse_is_missing_but_not_scored_as_invention() -> None:
    raw = canonical_json(perfect())[:-1]
    found = values(None, raw)
    assert found["facts_in_field"] == 0.0
    assert found["invented"] is None
    assert 0.5 < (found["fact_recall"] or 0) < 1


def test_items_without_a_scenario_are_not_scored() -> None:
    assert set(values(perfect(), scenario=None).values()) == {None}


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
keys = st.sampled_from(
    ["subjective", "objective_exam", "objective_results", "assessment_and_plan", "medications", "labs", "name", "plan"]
) | st.text(max_size=4)
anything = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5), max_leaves=25
)


@given(target=st.dictionaries(keys, anything, max_size=5), text=st.text(max_size=80))
def test_no_output_breaks_it(target: JsonObject, text: str) -> None:
    for value in values(target, text).values():
        assert value is None or 0 <= value <= 1


NUMBER_WORDS = ["minus", "hundred", "thousand", "and", "point", "one", "nine", "twenty", "-3", "1,000", "n't", "5%"]


@given(text=st.lists(st.sampled_from(NUMBER_WORDS)).map(" ".join))
def test_what_has_been_read_reads_the_same_again(text: str) -> None:
    once = tokens(text)
    if not {"hundred", "thousand", "minus"} & set(text.split()):
        assert tokens(" ".join(once)) == once


@given(n=st.integers(0, 999_999))
def test_every_number_up_to_a_million_can_be_said(n: int) -> None:
    assert tokens(say(n)) == [str(n)]


def say(n: int) -> str:
    """Return an integer in words."""
    small = (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen"
    )
    tens = "twenty thirty forty fifty sixty seventy eighty ninety"
    if n < 20:
        return small.split()[n]
    if n < 100:
        return tens.split()[n // 10 - 2] + (f"-{say(n % 10)}" if n % 10 else "")
    size, word = (1000, "thousand") if n >= 1000 else (100, "hundred")
    return f"{say(n // size)} {word}" + (
        f" and {say(n % size)}" if n % size and n % size < 100 else f" {say(n % size)}" if n % size else ""
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one hundred and twenty-five mg", ["125", "mg"]),
        ("twelve hundred", ["1200"]),
        ("two thousand five hundred", ["2500"]),
        ("seven point two five percent", ["7.25", "%"]),
        ("minus two point eight", ["-2.8"]),
        ("a thousand", ["a", "1000"]),
        ("1,000.50 and 2.0", ["1000.5", "and", "2"]),
        ("120/80", ["120", "80"]),
        ("6-8 weeks", ["6", "8", "weeks"]),
        ("T-score −2.8", ["t", "score", "-2.8"]),
        ("57-year-old", ["57", "year", "old"]),
        ("free T4, 10mg, A1c", ["free", "t4", "10", "mg", "a1c"]),
        ("twenty thirty", ["20", "30"]),
        ("hundreds", ["hundreds"]),
    ],
)
def test_numbers_have_one_spelling(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


@pytest.mark.parametrize(
    ("text", "present", "absent"),
    [
        ("She reports palpitations.", True, False),
        ("She denies palpitations.", False, True),
        ("Negative: fatigue, palpitations", False, True),
        ("No fever. Palpitations since May.", True, False),
        ("No fever but palpitations at night", True, False),
        ("She doesn't have palpitations", False, True),
        ("Nothing of the kind", False, False),
    ],
)
def test_polarity_is_read_from_the_last_cue(text: str, present: bool, absent: bool) -> None:
    for expected, polarity in ((present, True), (absent, False)):
        assert Text(text).says(SymptomFact(id="symptom-1", name="palpitations", present=polarity)) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metformin 500 mg twice a day", True),
        ("she takes five hundred mg of metformin", True),
        ("metformin 850 mg, aspirin 500 mg", False),
        ("metformin 500 mcg", False),
        ("aspirin 500 mg\nmetformin", False),
        ("Metformin, 500.0 mg", True),
    ],
)
def test_the_nearest_number_belongs_to_the_term(text: str, expected: bool) -> None:
    assert Text(text).says(MedicationFact(id="medication-1", medication=METFORMIN)) is expected
