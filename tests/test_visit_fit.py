"""What is asked and what is answered fit each other, the patient and the plan: held for all packs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

import pytest

from synth.packs import Pack, load_pack, pack_names
from synth.packs.model import Presentation
from synth.records import DiagnosisFact, Encounter, HistoryFact, Medication, PlanAction, PlanFact
from synth.teachers.chart import read_chart
from synth.teachers.grammar import load_grammar
from synth.teachers.steps import ends, is_habit, reasons
from tests.test_visit_mended import plan, visits

_SPOKEN = load_grammar("encounter").spoken
_HABIT = re.compile(r"trick to it|usually go wrong|said than done|tips for that|make a difference\?|worth the trouble")
_HEARD = re.compile(
    r"(?:heard of|come across) (?:before|already)\?|know about (?:it|that) (?:so far|already)\?|read any"
)
_NO = re.compile(r"(?:Oh, |Um, |Uh, )?(?:No|Nope|Nah)\b", re.IGNORECASE)
_FITTING = (
    (re.compile(r"(?:didn't sound right|Was anything off|I got wrong)\?$"), _NO),
    (
        re.compile(
            r"(?:I left out|add to that|you'd change|anything out|I miss anything)(?:, as far as you can tell)?\?$"
        ),
        _NO,
    ),
    (re.compile(r"How does (?:the|our) plan sound"), re.compile(r"(?!I think so|(?:Yes|Yeah), (?!(?:well, )?sounds))")),
    (re.compile(r"somebody help me with that\?$"), re.compile(r".*\bdesk\b")),
)
"""How a question ends, and how its answer begins."""
_ORGANS = (
    (
        "lungs",
        r"wheez|shortness of breath|trouble breathing|cough(?! stress)|leg swelling",
        r"lung|wheez|breath|crackle|air movement",
    ),
    ("heart", r"palpitation|chest pain|fainting|racing heart", r"heart|rhythm|murmur|pulse"),
    (
        "abdomen",
        r"abdom|belly|bloat|vomit|diarrhea|flank pain|pelvic pain",
        r"abdom|ascites|dullness|quadrant|epigast|bone",
    ),
    ("throat", r"sore throat", r"throat|pharynx|tonsil|palatal"),
    ("ear", r"\bear\b", r"eardrum|tympan"),
)
"""What somebody complains of, and what is then examined."""
_APART = re.compile(r"leakage with coughing|swelling of the right leg|pain relieved")


def presentations(pack: Pack) -> Iterator[tuple[str, Presentation]]:
    for name, condition in pack.conditions.items():
        for which, presentation in condition.presentations.items():
            yield f"{name}/{which}", presentation


@cache
def talks(specialty: str) -> tuple[tuple[Encounter, str], ...]:
    """Return long visits of a pack, each with all that is said."""
    return tuple((e, "\n".join(turn.text for turn in e.turns)) for e in visits(specialty, "long"))


@pytest.mark.parametrize("action", ["start", "increase", "decrease", "continue"])
@pytest.mark.parametrize("name", pack_names())
def test_nobody_is_on_a_course_for_good(name: str, action: PlanAction) -> None:
    for drug, entry in load_pack(name).drugs.items():
        for rung in entry.ladder:
            taken = Medication(name=drug, dose=rung.dose, unit=entry.unit, route=entry.route, frequency=rung.frequency)
            course = re.search(r" for (?:\d+ (?:days|weeks|months|doses))|^once$", rung.frequency) is not None
            assert ends(taken) is course, rung.frequency
            asked = set(reasons(plan(action, f"{action} {drug}", taken)))
            assert not (course and asked & {"drug_long", "drug_know", "drug_forget"}), rung.frequency


@pytest.mark.parametrize("name", pack_names())
def test_nobody_tells_where_something_intimate_was_noticed(name: str) -> None:
    for encounter, text in talks(name):
        complaint = read_chart(encounter.scenario).complaint.name
        assert not re.search(r"were you|you were doing when", text), encounter.id
        if any(mark in complaint for mark in _SPOKEN.intimate):
            assert not re.search(
                r"first notice it|how did it all begin\?|pay attention to it|get(?:ting)? in (?:the|your) way", text
            )


@pytest.mark.parametrize("name", pack_names())
def test_habits_are_for_what_lasts(name: str) -> None:
    for encounter, text in talks(name):
        chart = read_chart(encounter.scenario)
        lasts = "day" not in (chart.complaint.duration or "")
        habits = [p.text for p in chart.plans if p.action == "advise" and is_habit(p.text)]
        assert (lasts and habits) or not _HABIT.search(text), (encounter.id, habits)


@pytest.mark.parametrize(
    ("text", "habit"),
    [
        ("usual diet, no juice or soda, no medicine against the diarrhea", False),
        ("regular diet as tolerated", False),
        ("measure blood pressure at home and bring the readings", False),
        ("take metformin with meals", False),
        ("exercise 150 minutes a week at moderate intensity", True),
        ("stop smoking completely", True),
        ("cut down on caffeine", True),
        ("lose 7 percent of body weight", True),
    ],
)
def test_a_habit_is_what_changes_how_somebody_lives(text: str, habit: bool) -> None:
    assert is_habit(text) is habit


@pytest.mark.parametrize("name", pack_names())
def test_answers_fit_the_questions(name: str) -> None:
    for encounter, text in talks(name):
        assert "How much exercise" not in text
        assert "How active" not in text
        turns = text.split("\n")
        for asked, said in pairwise(turns):
            for question, answer in _FITTING:
                assert not question.search(asked) or answer.match(said), (encounter.id, asked[-90:], said[:90])


@pytest.mark.parametrize("name", pack_names())
def test_nobody_is_asked_what_everybody_has_heard_of(name: str) -> None:
    asked = 0
    for encounter, text in talks(name):
        chart = read_chart(encounter.scenario)
        if _HEARD.search(text):
            asked += 1
            assert not any(mark in chart.diagnoses[0].name.lower() for mark in _SPOKEN.everyday), chart.diagnoses
            assert not chart.knows_medicine(_SPOKEN.health_work), encounter.id
    assert asked or name in ("primary_care", "radiation_oncology", "cardiology"), name


def test_who_works_in_health_care_is_known_by_the_social_history() -> None:
    works = [
        fact.name
        for name in pack_names()
        for encounter, _ in talks(name)
        for fact in encounter.scenario.facts
        if isinstance(fact, HistoryFact) and read_chart(encounter.scenario).knows_medicine(_SPOKEN.health_work)
    ]
    assert "works as a nurse" in works


@pytest.mark.parametrize("name", pack_names())
def test_clots_and_aura_are_asked_after_before_a_combined_pill(name: str) -> None:
    pack = load_pack(name)
    for where, presentation in presentations(pack):
        started = [pack.drugs[item.drug] for item in presentation.plan if item.action == "start" and item.drug]
        if any("combined hormonal contraceptives" in drug.classes and drug.route == "oral" for drug in started):
            for entry in ("no personal or family history of blood clots", "no history of migraine with aura"):
                assert any(group.get(entry) == 1.0 for group in presentation.history) or "relugolix" in where, where


@pytest.mark.parametrize("name", pack_names())
def test_no_headache_is_left_alone_with_a_high_blood_pressure(name: str) -> None:
    for where, presentation in presentations(load_pack(name)):
        if "hypertension" in presentation.diagnosis.name and "intracranial" not in presentation.diagnosis.name:
            assert not any("headache" in complaint.name for complaint in presentation.complaints), where
            assert not presentation.symptoms.get("headache"), where


@pytest.mark.parametrize("name", pack_names())
def test_what_somebody_complains_of_is_examined(name: str) -> None:
    pack = load_pack(name)
    for where, presentation in presentations(pack):
        for complaint in presentation.complaints:
            for organ, complained, examined in _ORGANS:
                if complaint.name not in pack.symptoms or _APART.search(complaint.name):
                    continue
                if re.search(complained, complaint.name):
                    sums = [
                        sum(p for finding, p in group.items() if re.search(examined, finding))
                        for group in presentation.findings
                    ]
                    assert max(sums, default=0.0) == pytest.approx(1.0), (where, complaint.name, organ)


@pytest.mark.parametrize("name", pack_names())
def test_a_drug_has_one_name_throughout_a_visit(name: str) -> None:
    pack, branded = load_pack(name), 0
    for encounter, text in talks(name):
        chart = read_chart(encounter.scenario)
        drugs = {f.medication.name for f in chart.medications} | {
            p.medication.name for p in chart.plans if p.medication
        }
        for drug in drugs:
            said = [brand for brand in pack.drugs[drug].brands if re.search(rf"\b{re.escape(brand)}\b", text)]
            branded += len(said)
            assert not said or not re.search(rf"\b{re.escape(drug)}\b", text), (encounter.id, said, drug)
    assert branded or not any(drug.brands for drug in pack.drugs.values())


def test_a_suspicion_of_cancer_is_no_news_to_shrug_at() -> None:
    cool = re.compile(r"that's clear enough|I expected that|I kind of figured|good to know", re.IGNORECASE)
    for encounter, text in talks("gynaecology"):
        statuses = [f.status for f in encounter.scenario.facts if isinstance(f, DiagnosisFact)]
        assert not (any("suspicious" in status for status in statuses) and cool.search(text)), encounter.id


def test_plans_of_a_course_are_told_from_others() -> None:
    step = PlanFact.model_validate(
        {"id": "plan-1", "problem": "diagnosis-1", "action": "start", "text": "x", "medication": None}
    )
    assert "drug_long" not in reasons(step)
