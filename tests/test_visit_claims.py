"""What a visit claims is carried by what it holds: readings of nurses, held for all packs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise

import pytest

from synth.catalog import load_task
from synth.draws import Draws
from synth.packs import Pack, load_pack, pack_names
from synth.packs.model import Condition, Presentation
from synth.records import ComplaintFact, Encounter, HistoryFact, Length, Manner, MedicationFact, PlanFact, Scenario
from synth.scenarios import sample_scenario
from synth.teachers.grammar import Expansion, load_grammar
from synth.teachers.simulator import Simulator
from tests.packs import Content, example, only
from tests.test_visit_mended import presentations

_TRIED = re.compile(r"despite|not tolerated|\balone\b|in spite of|failed|treatment trials|\bpersist(?:ent|ing) after\b")
_HABITS = (
    (re.compile(r"\bsmok"), re.compile(r"smok"), re.compile(r"never smoker|former smoker")),
    (re.compile(r"\balcohol"), re.compile(r"alcohol|drink|beer"), re.compile(r"no alcohol")),
)
_ALSO_ELSE = re.compile(r"fluids|drive")
_KIN = re.compile(r"\b(?:mother|father)\b")
_NOW = re.compile(
    r"\b(?:mother|father|mom|dad) (?:has|is|takes|gets|needs)\b|\bmy (?:mom|dad)'s had\b|father has it|mother has it"
)
_RED = re.compile(r"^(?:call|go to|come back|return|seek)")


def scenarios(specialty: str, condition: str, presentation: str, count: int = 4000) -> Iterator[Scenario]:
    pack = load_pack(specialty)
    for index in range(count):
        scenario = sample_scenario(pack, 8, index)
        if (scenario.condition, scenario.presentation) == (condition, presentation):
            yield scenario


def encounters(specialty: str, those: list[Scenario], length: Length = "usual") -> list[Encounter]:
    teacher = Simulator(load_pack(specialty), load_task("note"))
    return [teacher.encounter(s.model_copy(update={"manner": Manner(length=length)})) for s in those]


@pytest.mark.parametrize("grammar", ["encounter", "caregiver"])
def test_the_steps_of_a_plan_have_no_order(grammar: str) -> None:
    rules = load_grammar(grammar)
    for rule in ("plan_next", "plan_last"):
        said = {rules.expand(rule, Expansion(Draws(rule, seed)), {"say": "rest"}) for seed in range(400)}
        assert len(said) > 10
        assert not [text for text in said if re.search(r"\bthen\b|after that", text, re.IGNORECASE)]


@pytest.mark.parametrize("name", pack_names())
def test_what_was_tried_is_in_the_history_or_among_the_drugs(name: str) -> None:
    pack = load_pack(name)
    for where, condition, p in presentations(pack):
        if _TRIED.search(p.diagnosis.status):
            groups = (*p.history, *condition.history)
            told = any(
                weight == 1.0 and pack.history[entry].category != "allergy"
                for g in groups
                for entry, weight in g.items()
            )
            takes = any(sum(use.probability for use in group.values()) >= 0.999 for group in p.medications)
            assert told or takes, where


def drawn(pack: Pack, condition: Condition, presentation: Presentation) -> list[Mapping[str, float]]:
    """Return the groups of which a patient's history is drawn."""
    groups: list[Mapping[str, float]] = []
    for layer in (presentation.history, condition.history, pack.background):
        settled = {entry for group in groups for entry in group}
        groups += [group for group in layer if settled.isdisjoint(group)]
    return groups


@pytest.mark.parametrize("name", pack_names())
def test_nobody_smokes_and_has_never_smoked(name: str) -> None:
    for where, condition, p in presentations(pack := load_pack(name)):
        for habit in ("smoker", "alcohol"):
            of = [g for g in drawn(pack, condition, p) if any(w > 0 and habit in entry for entry, w in g.items())]
            assert len(of) <= 1, (where, of)


@pytest.mark.parametrize("name", pack_names())
def test_nobody_is_advised_against_a_habit_that_he_has_not(name: str) -> None:
    for where, condition, p in presentations(pack := load_pack(name)):
        groups = drawn(pack, condition, p)
        for item in p.plan:
            for advised, habit, without in _HABITS:
                text = item.text or ""
                if item.action == "advise" and advised.search(text) and not _ALSO_ELSE.search(text):
                    may = {e for g in groups for e, w in g.items() if w > 0 and habit.search(e) and without.search(e)}
                    assert may <= set(item.unless), (where, text, may)


def test_advice_is_left_out_for_whom_it_is_pointless() -> None:
    def advice(content: Content) -> None:
        item = {"action": "advise", "text": "avoid it", "says": ["avoid it", "please avoid it"]}
        only(content)["plan"].append(item | {"unless": ["prior angioedema"]})
        only(content)["history"] = [{"prior angioedema": 0.5}]

    pack, left_out, said = example(advice), 0, 0
    for index in range(60):
        facts = sample_scenario(pack, 3, index).facts
        had = any(isinstance(fact, HistoryFact) and fact.name == "prior angioedema" for fact in facts)
        advised = any(isinstance(fact, PlanFact) and fact.text == "avoid it" for fact in facts)
        assert advised is not had
        left_out, said = left_out + had, said + advised
    assert left_out > 5
    assert said > 5


@pytest.mark.parametrize("name", [name for name in pack_names() if load_pack(name).voice == "patient"])
def test_parents_are_spoken_of_in_the_past(name: str) -> None:
    for entry, history in load_pack(name).history.items():
        if history.category == "family" and _KIN.search(entry):
            assert not [say for say in history.says if _NOW.search(say)], entry


@pytest.mark.parametrize("name", pack_names())
def test_trouble_that_is_there_already_sends_nobody_to_the_emergency_department(name: str) -> None:
    marks = (
        ("shortness of breath", "breath"),
        ("chest pain", "chest pain"),
        ("weakness", "weakness"),
        ("vomiting", "vomit"),
    )
    for where, _, p in presentations(load_pack(name)):
        for item in p.plan:
            text = item.text or ""
            if item.action != "advise" or not _RED.search(text):
                continue
            for symptom, mark in marks:
                has = any(symptom in entry and "brief" not in entry and w > 0 for entry, w in p.symptoms.items())
                kept = re.search(
                    rf"(?:worse|new|more|again|severe|lasting|repeated)\b[^,]*{mark}|{mark}[^,]*(?:worse|rest\b|lasts)",
                    text,
                )
                assert not (has and mark in text and kept is None), (where, symptom, text)


@pytest.mark.parametrize("name", ["ophthalmology", "endocrinology"])
def test_no_goal_is_laid_down_for_a_result_that_has_its_own(name: str) -> None:
    pack, seen = load_pack(name), 0
    those = [s for index in range(120) if _measures(s := sample_scenario(pack, 8, index), "hemoglobin A1c")]
    for encounter in encounters(name, those[:40]):
        for turn in encounter.turns:
            for said in re.findall(r"(?:A1c|A1C|sugar average|average sugar)[^.]*\d[^.]*\.", turn.text):
                seen += 1
                assert "too high" not in said, said
    assert seen > 5


def _measures(scenario: Scenario, lab: str) -> bool:
    return any(fact.kind == "lab" and fact.name == lab for fact in scenario.facts)


def test_a_faint_is_an_event() -> None:
    those = [*scenarios("cardiology", "syncope", "first vasovagal faint")][:12]
    assert those
    for encounter in encounters("cardiology", those):
        complaint = next(fact for fact in encounter.scenario.facts if isinstance(fact, ComplaintFact))
        assert complaint.name == "fainting"
        history = json.dumps(encounter.target["subjective"]["history_of_present_illness"])  # type: ignore[index, call-overload]
        assert f"fainting {complaint.duration} ago" in history, history


def test_who_gets_a_drug_at_the_clinic_says_so_when_asked() -> None:
    those = [*scenarios("pulmonology", "asthma", "severe eosinophilic", 12000)][:60]
    asked = 0
    for encounter in encounters("pulmonology", those):
        for one, other in pairwise(encounter.turns):
            if one.speaker == "doctor" and re.search(
                r"(?:plan for|happens with|doing with|do about|as for|just) the medicines", one.text
            ):
                asked += 1
                assert re.search("mepolizumab|Nucala", other.text), (one.text, other.text)
    assert asked


@pytest.mark.parametrize("name", ["radiation_oncology", "cardiology"])
def test_what_was_found_before_is_not_made_light_of(name: str) -> None:
    pack: Pack = load_pack(name)
    those = [s for index in range(80) if (s := sample_scenario(pack, 8, index)).visit == "new"]
    for encounter in encounters(name, those[:40]):
        complaint = next(fact for fact in encounter.scenario.facts if isinstance(fact, ComplaintFact))
        text = " ".join(turn.text for turn in encounter.turns)
        if complaint.name not in pack.symptoms:
            assert not re.search(r"maybe it's nothing|probably silly|so here I am, you know", text, re.IGNORECASE)


def test_a_drug_for_severe_asthma_is_the_only_one_that_changes() -> None:
    """The premise of the test above: what is said back is what the staff give."""
    (scenario, *_) = scenarios("pulmonology", "asthma", "severe eosinophilic")
    taken = {fact.medication.name for fact in scenario.facts if isinstance(fact, MedicationFact)}
    starts = {
        f.medication.name for f in scenario.facts if isinstance(f, PlanFact) and f.action == "start" and f.medication
    }
    assert starts == {"mepolizumab"}
    assert not starts & taken
