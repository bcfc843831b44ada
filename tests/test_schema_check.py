"""The contract check: what passes, what falls and where, and that no JSON makes it raise."""

from __future__ import annotations

import copy
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import JsonValue

from synth.assets import load_schema
from synth.catalog import load_task
from synth.checks.schema import SchemaCheck, comparable, contract, first_violation, pointer
from synth.records import Encounter, JsonObject, Rejection, Scenario, TeacherIdentity, Transcript, Turn, Usage

CHECK = SchemaCheck(load_task("note"))
DIALOGUE = (Turn(speaker="doctor", text="what brings you in?"), Turn(speaker="patient", text="I'm tired."))
TARGET: JsonObject = {
    "subjective": {
        "chief_complaint": "fatigue",
        "history_of_present_illness": "Tired for three months.",
        "medical_history": ["hypothyroidism"],
        "medications": [
            {"name": "levothyroxine", "dose": 75, "unit": "mcg", "route": "oral", "frequency": "once daily"}
        ],
        "allergies": [],
        "family_history": [],
        "social_history": ["never smoker"],
        "review_of_systems": {"positive": ["fatigue"], "negative": []},
    },
    "objective_exam": {"vitals": [{"name": "heart rate", "value": 72, "unit": "/min"}], "findings": []},
    "objective_results": {
        "labs": [{"name": "TSH", "value": 11.2, "unit": "mIU/L", "interpretation": "high"}],
        "studies": [],
    },
    "assessment_and_plan": [
        {"problem": "hypothyroidism", "icd10cm": "E03.9", "status": "under-replaced", "plan": ["repeat TSH in 6 weeks"]}
    ],
}


def encounter(target: JsonObject, turns: tuple[Turn, ...] = DIALOGUE) -> Encounter:
    scenario = Scenario(
        id="endocrinology-1-000000",
        specialty="endocrinology",
        seed=1,
        index=0,
        condition="hypothyroidism",
        presentation="under-replaced",
        visit="new",
        facts=(),
        sources=(),
    )
    return Encounter(
        id=scenario.id,
        index=0,
        task="note",
        scenario=scenario,
        source=Transcript(turns=turns),
        target=target,
        teacher=TeacherIdentity(name="simulator", model=None, revision=None),
        attempts=1,
        usage=Usage(),
    )


def changed(path: list[str | int], value: JsonValue) -> JsonObject:
    """Return the valid target with one value replaced."""
    target = copy.deepcopy(TARGET)
    place: JsonValue = target
    for step in path[:-1]:
        place = place[step]  # type: ignore[index]  # the paths below are those of TARGET
    place[path[-1]] = value  # type: ignore[index]  # as above
    return target


def test_a_valid_note_passes_unchanged() -> None:
    candidate = encounter(TARGET)
    assert CHECK(candidate) is candidate


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (["assessment_and_plan", 0, "icd10cm"], "E3.9", "/assessment_and_plan/0/icd10cm: pattern"),
        (["assessment_and_plan"], [], "/assessment_and_plan: minItems"),
        (["subjective", "medications", 0, "dose"], 0, "/subjective/medications/0/dose: exclusiveMinimum"),
        (["subjective", "medications", 0, "dose"], "75", "/subjective/medications/0/dose: type"),
        (["subjective", "chief_complaint"], "x" * 5000, "/subjective/chief_complaint: maxLength"),
        (["subjective", "chief_complaint"], "two\nlines", "/subjective/chief_complaint: pattern"),
        (["subjective", "nickname"], "Bo", "/subjective: additionalProperties"),
        (
            ["objective_results", "labs", 0, "interpretation"],
            "raised",
            "/objective_results/labs/0/interpretation: enum",
        ),
    ],
)
def test_a_violation_is_located_but_not_quoted(path: list[str | int], value: JsonValue, where: str) -> None:
    outcome = CHECK(encounter(changed(path, value)))
    assert isinstance(outcome, Rejection)
    assert (outcome.stage, outcome.reason, outcome.detail) == ("schema", "not_valid_under_contract", where)
    assert outcome.sha256
    assert outcome.part == "target"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["subjective", "chief_complaint"], "fatigue\n"),
        (["subjective", "chief_complaint"], "fatigue\ud800"),
        (["objective_results", "labs", 0, "value"], math.nan),
        (["objective_results", "labs", 0, "value"], math.inf),
    ],
)
def test_what_python_would_let_through_is_rejected(path: list[str | int], value: JsonValue) -> None:
    """A stock validator passes the line end, the half character and ``NaN``: none of them can stand in a JSON log."""
    assert isinstance(CHECK(encounter(changed(path, value))), Rejection)


def test_the_stock_validator_does_let_a_line_end_through() -> None:
    stock = Draft202012Validator(load_schema("note"))
    assert stock.is_valid(changed(["subjective", "chief_complaint"], "fatigue\n"))


@pytest.mark.parametrize(
    "turns",
    [
        (),
        DIALOGUE[:1],
        (DIALOGUE[0], DIALOGUE[0], DIALOGUE[0]),
        (DIALOGUE[0], Turn(speaker="patient", text="  \n")),
    ],
)
def test_what_is_no_dialogue_is_rejected(turns: tuple[Turn, ...]) -> None:
    outcome = CHECK(encounter(TARGET, turns))
    assert isinstance(outcome, Rejection)
    assert (outcome.reason, outcome.detail) == ("no_dialogue", f"{len(turns)} turns, not of two speakers")
    assert outcome.part == "source"


def test_a_lone_surrogate_in_the_transcript_is_rejected() -> None:
    outcome = CHECK(encounter(TARGET, (DIALOGUE[0], Turn(speaker="patient", text="\udfff"))))
    assert isinstance(outcome, Rejection)
    assert (outcome.reason, outcome.part) == ("not_unicode", "source")


ANY_TEXT = st.text(st.characters())  # surrogates included
ANY_JSON: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=20,
)
PLACES: list[list[str | int]] = [
    ["subjective"],
    ["subjective", "chief_complaint"],
    ["subjective", "medications"],
    ["subjective", "medications", 0, "dose"],
    ["objective_exam", "vitals", 0],
    ["objective_results", "labs", 0, "value"],
    ["assessment_and_plan"],
    ["assessment_and_plan", 0, "icd10cm"],
]


@settings(deadline=None, derandomize=True)
@given(st.dictionaries(ANY_TEXT, ANY_JSON, max_size=5))
def test_no_json_object_makes_it_raise(target: dict[str, JsonValue]) -> None:
    assert isinstance(CHECK(encounter(target)), Rejection)


@settings(deadline=None, derandomize=True)
@given(st.sampled_from(PLACES), ANY_JSON)
def test_no_json_inside_a_note_makes_it_raise_and_what_passes_can_be_written(
    path: list[str | int], value: JsonValue
) -> None:
    target = changed(path, value)
    outcome = CHECK(encounter(target))
    if isinstance(outcome, Encounter):
        written = json.dumps(target, ensure_ascii=False, allow_nan=False).encode()
        assert first_violation("note", json.loads(written)) is None
    else:
        assert len(outcome.detail) < 200
        assert "\n" not in outcome.detail


ODD_NUMBERS: list[JsonValue] = [
    0,
    -0.0,
    1,
    1.0,
    1000,
    1000.0,
    1000.0000001,
    2**63,
    2**64,
    10**400,
    1e308,
    math.nan,
    math.inf,
]
ODD_TEXTS: list[JsonValue] = [
    "",
    " ",
    "a\n",
    "a\r",
    "a\x00",
    "a\x7f",
    "\ud800",
    "é" * 200,
    "😀" * 201,
    "E03.9\n",
    "high",
]
ODD_OTHERS: list[JsonValue] = [None, True, False, [], {}, [""], ["a"] * 31, [[]], {"\udfff": 1}, -math.inf]
ODD_VALUES = st.sampled_from([*ODD_NUMBERS, *ODD_TEXTS, *ODD_OTHERS])


def places(value: JsonValue, path: tuple[str | int, ...] = ()) -> list[list[str | int]]:
    """Return the path of every value in a target but the target itself."""
    found: list[list[str | int]] = [list(path)] if path else []
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in below:
        found += places(item, (*path, step))
    return found


def slow_violation(target: JsonObject) -> str | None:
    error = next(iter(contract("note").iter_errors(target)), None)
    return None if error is None else f"{pointer(error.absolute_path) or '(root)'}: {error.validator}"


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.sampled_from(places(TARGET)), ODD_VALUES | ANY_JSON, st.sampled_from(["replace", "remove", "add"]))
def test_the_fast_validator_and_the_contract_agree(path: list[str | int], value: JsonValue, how: str) -> None:
    target = changed(path, value)
    place: JsonValue = target
    for step in path[:-1]:
        place = place[step]  # type: ignore[index]  # the paths are those of TARGET
    if how == "remove":
        del place[path[-1]]  # type: ignore[arg-type, union-attr]  # as above
    elif how == "add" and isinstance(place, dict):
        place["added"] = value
    assert first_violation("note", target) == slow_violation(target)


def test_what_is_nested_too_deep_for_the_fast_validator_is_decided_by_the_contract() -> None:
    deep: JsonValue = []
    for _ in range(300):
        deep = [deep]
    assert first_violation("note", changed(["subjective"], deep)) == "/subjective: type"


def test_the_note_is_decided_fast_and_what_the_two_validators_read_differently_is_not() -> None:
    assert comparable(load_schema("note"))
    assert comparable(
        {"type": "array", "items": {"$ref": "#/$defs/a"}, "$defs": {"a": {"pattern": r"^[A-Z]\.\u0041$"}}}
    )
    apart: list[JsonValue] = [
        {"multipleOf": 0.1},
        {"not": {"type": "string"}},
        {"items": {"pattern": r"^\d$"}},
        {"properties": {"a": {"pattern": "^(?!a)"}}},
        {"$defs": {"a": {"oneOf": []}}},
        {"additionalProperties": {"uniqueItems": True}},
        {"$ref": "https://example.org/schema"},
    ]
    assert not any(map(comparable, apart))
