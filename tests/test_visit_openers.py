"""How a patient comes out with the complaint, and who sent him, fits a first visit or a known condition."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

import pytest

from synth.catalog import load_task
from synth.packs import load_pack
from synth.records import (
    ComplaintFact,
    Encounter,
    FindingFact,
    Length,
    Manner,
    PatientFact,
    PlanFact,
    Scenario,
)
from synth.scenarios import sample_scenario
from synth.teachers.grammar import load_grammar
from synth.teachers.simulator import Simulator
from synth.teachers.steps import reasons

_FIRST = re.compile(
    r"get it looked at|should see somebody|get it checked|not sure what (?:it is|'s going on)|putting (?:this|it) off"
    r"|thought I should come in|time to come|made me call",
    re.IGNORECASE,
)
_SENT = re.compile(r"insisted I|made me call|got me to come|sent me|telling me to|stop saying to|time to come")
_NEEDED = re.compile(r"refill would be good|could use one,|running low|getting low|(?:I.d|I.ll) need more")
_PACKS = ("endocrinology", "pulmonology", "pediatrics")


@cache
def visits(specialty: str, length: Length = "usual") -> tuple[Encounter, ...]:
    return tuple(_visits(specialty, length))


def _visits(specialty: str, length: Length) -> Iterator[Encounter]:
    pack = load_pack(specialty)
    teacher = Simulator(pack, load_task("note"))
    for index in range(120):
        scenario = sample_scenario(pack, 7, index)
        manner = (scenario.manner or Manner()).model_copy(update={"length": length})
        yield teacher.encounter(scenario.model_copy(update={"manner": manner}))


def heard(encounter: Encounter) -> str:
    return " ".join(turn.text for turn in encounter.turns if turn.speaker == "patient")


@pytest.mark.parametrize("specialty", _PACKS)
def test_nobody_opens_a_follow_up_as_if_the_condition_were_news(specialty: str) -> None:
    follow_ups = [encounter for encounter in visits(specialty) if encounter.scenario.visit == "follow-up"]
    assert len(follow_ups) > 20
    for encounter in follow_ups:
        assert not _FIRST.search(heard(encounter)), (encounter.id, heard(encounter))


@pytest.mark.parametrize("specialty", _PACKS)
def test_what_began_days_ago_has_not_been_put_off(specialty: str) -> None:
    for encounter in visits(specialty):
        complaint = next(fact for fact in encounter.scenario.facts if isinstance(fact, ComplaintFact))
        if "day" in (complaint.duration or ""):
            assert not re.search(r"putting (?:this|it) off", heard(encounter)), (encounter.id, heard(encounter))


@pytest.mark.parametrize("specialty", _PACKS[:2])
def test_who_was_sent_does_not_say_that_nobody_told_him_to(specialty: str) -> None:
    told = [text for encounter in visits(specialty, "long") if "Nobody told me to" in (text := heard(encounter))]
    assert told
    assert not [text for text in told if _SENT.search(text)]


def test_a_refill_that_is_needed_is_answered() -> None:
    needed = 0
    for encounter in (encounter for specialty in _PACKS for encounter in visits(specialty, "long")):
        turns = encounter.turns
        for turn, reply in pairwise(turns):
            if turn.speaker == "patient" and _NEEDED.search(turn.text):
                needed += 1
                assert re.search("pharmacy|send it|you.ll have it", reply.text), reply.text
    assert needed


def test_nobody_asks_why_that_one_of_a_drug_that_is_stopped() -> None:
    stops = [
        fact
        for encounter in visits("endocrinology")
        for fact in encounter.scenario.facts
        if isinstance(fact, PlanFact) and fact.action == "stop" and fact.medication is not None
    ]
    assert stops
    assert not any(reasons(stop) for stop in stops)


@pytest.mark.parametrize("grammar", ["encounter", "caregiver"])
def test_a_follow_up_has_an_opener_of_its_own(grammar: str) -> None:
    assert {"complaint", "complaint_back", "complaint_late", "sent_by_back"} <= load_grammar(grammar).rules.keys()


def scenarios(specialty: str, condition: str) -> list[Scenario]:
    """Return the scenarios of a condition among the first of a pack."""
    pack = load_pack(specialty)
    return [s for index in range(1500) if (s := sample_scenario(pack, 7, index)).condition == condition]


def test_a_woman_who_starts_methimazole_hears_of_pregnancy() -> None:
    started = 0
    for scenario in scenarios("endocrinology", "hyperthyroidism"):
        plans = [fact for fact in scenario.facts if isinstance(fact, PlanFact)]
        starts = any(p.action == "start" and p.medication and p.medication.name == "methimazole" for p in plans)
        patient = next(fact for fact in scenario.facts if isinstance(fact, PatientFact))
        if starts and patient.sex == "female" and patient.age <= 50:
            started += 1
            assert any("pregnant" in p.text for p in plans), scenario.presentation
    assert started


def test_a_flare_of_copd_has_a_lung_finding() -> None:
    flares = [e for e in scenarios("pulmonology", "COPD") if e.presentation == "acute exacerbation"]
    assert flares
    for scenario in flares:
        findings = [fact.name for fact in scenario.facts if isinstance(fact, FindingFact)]
        assert any("breath sounds" in name or "wheezes" in name for name in findings), scenario.presentation
