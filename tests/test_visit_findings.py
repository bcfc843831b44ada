"""What is found and what is measured keeps to what the patient told and to the patient's own goals."""

from __future__ import annotations

from functools import cache

import pytest

from synth.catalog import load_task
from synth.packs import load_pack
from synth.records import Encounter, FindingFact, SymptomFact
from synth.scenarios import sample_scenario
from synth.teachers.simulator import Simulator

_AT_GOAL = ("where we want", "goal", "on target", "within your target")


@cache
def visits(specialty: str) -> tuple[Encounter, ...]:
    pack = load_pack(specialty)
    teacher = Simulator(pack, load_task("note"))
    return tuple(teacher.encounter(sample_scenario(pack, 11, index)) for index in range(300))


@pytest.mark.parametrize("specialty", ["endocrinology", "pulmonology", "cardiology"])
def test_no_finding_against_what_was_told(specialty: str) -> None:
    pack = load_pack(specialty)
    linked = 0
    for encounter in visits(specialty):
        facts = encounter.scenario.facts
        told = {fact.name: fact.present for fact in facts if isinstance(fact, SymptomFact)}
        for fact in facts:
            if isinstance(fact, FindingFact):
                expected = {name: value for name, value in pack.findings[fact.name].told.items() if name in told}
                linked += bool(expected)
                assert {name: told[name] for name in expected} == expected, (encounter.id, fact.name)
    assert linked > 20


@pytest.mark.parametrize("specialty", ["endocrinology", "cardiology", "primary_care"])
def test_labs_with_a_goal_are_spoken_of_by_the_goal(specialty: str) -> None:
    pack = load_pack(specialty)
    seen = 0
    for encounter in visits(specialty):
        scenario = encounter.scenario
        goals = pack.conditions[scenario.condition].presentations[scenario.presentation].goals
        if goals:
            seen += 1
            said = " ".join(turn.text for turn in encounter.turns if turn.speaker == "doctor")
            assert any(words in said for words in _AT_GOAL), (encounter.id, said)
    assert seen
