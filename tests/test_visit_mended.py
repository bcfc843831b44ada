"""What three nurses found in the simulator's visits, held for all packs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache

import pytest

from synth.catalog import load_task
from synth.packs import Pack, load_pack, pack_names
from synth.packs.model import Condition, Presentation
from synth.records import Encounter, Length, Manner, Medication, PlanFact
from synth.scenarios import sample_scenario
from synth.teachers.simulator import Simulator
from synth.teachers.steps import reasons
from tests.packs import Content, example, only

_VACCINE = re.compile(r"^give .*(?:vaccin|booster)")


def presentations(pack: Pack) -> Iterator[tuple[str, Condition, Presentation]]:
    for name, condition in pack.conditions.items():
        for which, presentation in condition.presentations.items():
            yield f"{name}/{which}", condition, presentation


@cache
def visits(specialty: str, length: Length, count: int = 60) -> tuple[Encounter, ...]:
    """Return the first encounters of a pack in the stream of seed 6, of a length."""
    pack = load_pack(specialty)
    teacher = Simulator(pack, load_task("note"))
    scenarios = (sample_scenario(pack, 6, index) for index in range(count))
    return tuple(teacher.encounter(s.model_copy(update={"manner": Manner(length=length)})) for s in scenarios)


def plan(action: str, text: str, medication: Medication | None = None) -> PlanFact:
    return PlanFact.model_validate(
        {"id": "plan-1", "problem": "diagnosis-1", "action": action, "text": text, "medication": medication}
    )


def drug(route: str, frequency: str, unit: str = "mg") -> Medication:
    return Medication(name="a drug", dose=1, unit=unit, route=route, frequency=frequency)


@pytest.mark.parametrize("name", pack_names())
def test_nobody_starts_a_drug_or_is_vaccinated_without_being_asked_for_allergies(name: str) -> None:
    pack = load_pack(name)
    allergies = {entry for entry, history in pack.history.items() if history.category == "allergy"}
    for where, condition, presentation in presentations(pack):
        gives = any(i.action == "start" or _VACCINE.search(i.text or "") for i in presentation.plan)
        groups = [*presentation.history]
        for others in (condition.history, pack.background):
            named = {entry for group in groups for entry in group}
            groups += [group for group in others if named.isdisjoint(group)]
        asked = max((sum(w for e, w in g.items() if e in allergies) for g in groups), default=0.0)
        assert not gives or asked == pytest.approx(1.0), where


@pytest.mark.parametrize("name", pack_names())
def test_every_visit_has_something_to_examine(name: str) -> None:
    for where, _, presentation in presentations(load_pack(name)):
        assert max(sum(group.values()) for group in presentation.findings) == pytest.approx(1.0), where


def test_nobody_is_called_to_the_table_where_nothing_is_examined() -> None:
    def nothing(content: Content) -> None:
        only(content)["findings"] = []

    pack, opened = example(nothing), 0
    teacher = Simulator(pack, load_task("note"))
    for index in range(60):
        text = " ".join(teacher.encounter(sample_scenario(pack, 3, index)).source.passages)
        opened += bool(re.search(r"examine you|hop up|on the table|quick exam", text, re.IGNORECASE))
    assert opened < 60


@pytest.mark.parametrize(
    ("step", "asked"),
    [
        (plan("order", "measure both eyes for the lens implant"), False),
        (plan("order", "schedule cataract surgery of the right eye"), False),
        (plan("order", "repeat hemoglobin A1c in 3 months"), True),
        (plan("order", "order an echocardiogram"), True),
    ],
)
def test_only_of_a_test_is_asked_what_it_will_tell(step: PlanFact, asked: bool) -> None:
    assert ("order_what" in reasons(step)) is asked


@pytest.mark.parametrize(
    ("medication", "asked"),
    [
        (drug("oral", "twice daily with food"), True),
        (drug("oral", "once daily at bedtime"), True),
        (drug("oral", "twice daily for 7 days"), False),
        (drug("oral", "once weekly"), False),
        (drug("subcutaneous", "once weekly"), False),
        (drug("inhaled", "twice daily"), False),
        (drug("topical", "twice daily"), False),
        (drug("oral", "once daily", "g"), False),
    ],
)
def test_a_box_with_the_days_on_it_is_for_tablets_of_every_day(medication: Medication, asked: bool) -> None:
    assert ("drug_forget" in reasons(plan("start", "start a drug", medication))) is asked


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("walk briskly for 150 minutes a week", True),
        ("follow a diet low in saturated fat", True),
        ("wear a medical alert bracelet", False),
        ("double hydrocortisone during fever", False),
        ("put to sleep on the back in an own crib", False),
        ("may cause sleepiness, not to be stopped suddenly", False),
    ],
)
def test_only_of_a_habit_is_asked_whether_it_makes_a_difference(text: str, asked: bool) -> None:
    assert ("advise_why" in reasons(plan("advise", text))) is asked


def test_who_says_back_the_medicines_alone_was_asked_for_them_alone() -> None:
    whole = re.compile(r"what(?:'s| is) the plan\?|what we agreed\b|the gist|what we're going to do|the short version")
    seen = 0
    for name in ("surgery", "cardiology", "endocrinology"):
        for encounter in visits(name, "usual"):
            steps = [f for f in encounter.scenario.facts if isinstance(f, PlanFact) and f.action != "follow-up"]
            if any(step.medication is None for step in steps):
                seen += 1
                assert not whole.search(" ".join(turn.text for turn in encounter.turns))
    assert seen > 100


def test_a_diagnosis_is_put_into_other_words_for_who_asks() -> None:
    again = re.compile(r"(?:Once more, then|once more, slowly|In other words|Let me put it another way|is this): ")
    said = 0
    for encounter in visits("gastroenterology", "long"):
        pack = load_pack("gastroenterology")
        scenario = encounter.scenario
        says = pack.conditions[scenario.condition].presentations[scenario.presentation].diagnosis.says
        for turn in encounter.turns:
            if found := again.search(turn.text):
                rest = turn.text[found.end() :]
                said += any(rest.startswith(say) for say in says)
    assert said >= 3


def test_what_can_be_counted_has_its_article() -> None:
    for encounter in visits("surgery", "long"):
        text = " ".join(turn.text for turn in encounter.turns)
        assert not re.search(r"(?:because of|came in with|in is|told me about) (?:lump|bulge|rash|cough)\b", text)


@pytest.mark.parametrize("name", ["surgery", "pediatrics", "pulmonology"])
def test_what_comes_along_is_not_said_of_the_person(name: str) -> None:
    for encounter in visits(name, "usual"):
        history = json.dumps(encounter.target["subjective"])
        assert not re.search(r"(?:wo)?man, (?:along|together|associated|accompanied|and also)", history), history
        assert "notable for no " not in history
        assert "significant for no " not in history


@pytest.mark.parametrize("name", pack_names())
def test_nobody_complains_of_what_is_under_control(name: str) -> None:
    quiet = re.compile(r"^(?:well controlled|stable (?:on|under)|resolved|in remission|at goal (?:on|without))")
    pack = load_pack(name)
    for where, _, presentation in presentations(pack):
        if quiet.search(presentation.diagnosis.status):
            assert not [c.name for c in presentation.complaints if c.name in pack.symptoms], where


@pytest.mark.parametrize(
    ("mark", "symptom"),
    [
        ("compressive symptoms", "difficulty swallowing"),
        ("frequent hypoglycemia", "episodes of shakiness"),
        ("painful neuropathy", "burning pain in the feet"),
        ("compressing the optic chiasm", "loss of side vision"),
    ],
)
def test_a_symptom_of_which_the_status_speaks_is_there(mark: str, symptom: str) -> None:
    spoken = [p for _, _, p in presentations(load_pack("endocrinology")) if mark in p.diagnosis.status]
    assert spoken
    assert all(presentation.symptoms[symptom] == 1.0 for presentation in spoken)


def said_at(encounter: Encounter, phrases: tuple[str, ...]) -> int:
    """Return where the first of the phrases is said; -1 where none is."""
    text = " ".join(turn.text for turn in encounter.turns).lower()
    return min((text.find(say.lower()) for say in phrases if say.lower() in text), default=-1)


def test_a_swab_has_its_result_after_the_examination() -> None:
    pack, seen = load_pack("gynaecology"), 0
    for encounter in visits("gynaecology", "usual", 150):
        facts = encounter.scenario.facts
        smear = [pack.studies[f.name][f.result].says for f in facts if f.kind == "study" and f.name == "wet mount"]
        looked = [said_at(encounter, pack.findings[f.name].says) for f in facts if f.kind == "finding"]
        if smear and min(looked) >= 0:
            seen += 1
            assert max(looked) < said_at(encounter, smear[0])
    assert seen > 5


def test_a_mood_is_not_examined_before_the_patient_is_asked_about_suicide() -> None:
    pack, seen = load_pack("primary_care"), 0
    asks = pack.symptoms["thoughts of suicide"].asks
    for encounter in visits("primary_care", "usual", 250):
        facts = encounter.scenario.facts
        if any(fact.kind == "symptom" and fact.name == "thoughts of suicide" for fact in facts):
            looked = [said_at(encounter, pack.findings[f.name].says) for f in facts if f.kind == "finding"]
            if (asked := said_at(encounter, asks)) >= 0 and min(looked) >= 0:
                seen += 1
                assert asked < min(looked)
    assert seen > 5


def test_who_asks_why_a_drug_is_given_hears_what_for() -> None:
    asked = re.compile(r"(?:Why that one|the reason for that|the thinking behind that)[^?]*\?")
    heard = 0
    for encounter in visits("cardiology", "long"):
        names = [fact.name for fact in encounter.scenario.facts if fact.kind == "diagnosis"]
        for turn, answer in zip(encounter.turns, encounter.turns[1:], strict=False):
            if turn.speaker == "patient" and asked.search(turn.text):
                named = any(name in answer.text for name in names)
                assert named or re.search(r"no more\b|less of it|It fits", answer.text)
                heard += named
    assert heard
