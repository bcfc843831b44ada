"""What a nurse would spot: a visit whose parts contradict one another, or that nobody would speak so."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache

import pytest

from synth.catalog import load_task
from synth.draws import Draws
from synth.packs import Pack, load_pack
from synth.packs.checks.values import value_problems
from synth.records import Encounter, Medication, PatientFact, PlanFact, SymptomFact, VitalFact
from synth.sampling import plan_text
from synth.scenarios import sample_scenario
from synth.teachers.grammar import Expansion, load_grammar
from synth.teachers.people import comes_back, has_date
from synth.teachers.script import Script, capitalise
from synth.teachers.simulator import Simulator
from synth.teachers.speech import Speech
from tests.packs import Content, child, example, only

_LIGHT = re.compile(
    r"knock on wood|thankfully|luckily|thank goodness|happy to say|I'd remember|Nope|Nah|never had that"
)


@cache
def visits(specialty: str, count: int = 150) -> tuple[Encounter, ...]:
    """Return the first encounters of a pack in the stream of seed 5."""
    return tuple(_visits(load_pack(specialty), count))


def _visits(pack: Pack, count: int) -> Iterator[Encounter]:
    teacher = Simulator(pack, load_task("note"))
    return (teacher.encounter(sample_scenario(pack, 5, index)) for index in range(count))


def heard(encounter: Encounter) -> str:
    return " ".join(turn.text for turn in encounter.turns)


def replies(encounter: Encounter, asked: str) -> list[str]:
    """Return what was answered to turns of the doctor's that hold a phrase."""
    turns = encounter.turns
    return [turns[i + 1].text for i, turn in enumerate(turns[:-1]) if turn.speaker == "doctor" and asked in turn.text]


def plan(text: str) -> PlanFact:
    return PlanFact(id="plan-1", problem="diagnosis-1", action="follow-up", text=text, medication=None)


@pytest.mark.parametrize(
    ("text", "booked"),
    [
        ("follow up in 3 months", True),
        ("follow up tomorrow", True),
        ("follow up at the next well-child visit", True),
        ("follow up the day after surgery", True),
        ("follow up as needed", False),
        ("continue with primary care, return as needed", False),
        ("follow up in 3 days if not better", False),
        ("return at once for shortness of breath, chest pain or confusion", False),
    ],
)
def test_what_hangs_on_how_it_goes_is_not_booked(text: str, booked: bool) -> None:
    assert comes_back([plan(text)], load_grammar("encounter").spoken) is booked


@pytest.mark.parametrize(
    ("text", "dated"),
    [
        ("follow up in 3 months", True),
        ("follow up at the next well-child visit", True),
        ("follow up in 4 weeks with the biopsy results", True),
        ("follow up the day after surgery", False),
        ("follow up with the CT result", False),
        ("follow up 4 weeks after radiation", False),
        ("follow up within 2 days of discharge", False),
        ("follow up in 3 days if not better", False),
    ],
)
def test_what_hangs_on_another_event_has_no_date(text: str, dated: bool) -> None:
    assert has_date([plan(text)], load_grammar("encounter").spoken) is dated


@pytest.mark.parametrize("specialty", ["radiology", "surgery", "pediatrics", "ophthalmology", "radiation_oncology"])
def test_no_date_is_set_where_nobody_comes_back(specialty: str) -> None:
    spoken = load_grammar("encounter").spoken
    dates = {True: 0, False: 0}
    for encounter in visits(specialty):
        plans = [fact for fact in encounter.scenario.facts if isinstance(fact, PlanFact)]
        text = heard(encounter)
        back = comes_back(plans, spoken)
        dates[has_date(plans, spoken)] += "follow_up_date" in text
        assert back or not re.search(r"(see you|until) (both )?(next time|then|soon|at the next visit)", text, re.I)
    assert dates[True] > 10
    assert dates[False] == 0


def test_blood_pressure_is_taken_from_three_years_on_or_where_it_is_asked_for() -> None:
    young = {True: 0, False: 0}
    for encounter in visits("pediatrics"):
        vitals = {fact.name for fact in encounter.scenario.facts if isinstance(fact, VitalFact)}
        who = next(fact for fact in encounter.scenario.facts if isinstance(fact, PatientFact))
        young[who.age < 3] += 1
        assert ("systolic blood pressure" in vitals) is (who.age >= 3)
        assert who.age >= 3 or not re.search(r"\bBP\b|pressure|\d over \d", heard(encounter))
    assert min(young.values()) > 20

    def asked_for(content: Content) -> None:
        content["vitals"]["heart rate"] |= {"from_age": 3, "sources": ["aap-otitis-2013"]}
        only(content)["vitals"]["heart rate"] = {"mean": 130, "sd": 5, "min": 120, "max": 140}

    scenario = sample_scenario(child(asked_for), 2, 0)
    assert "heart rate" in {fact.name for fact in scenario.facts if isinstance(fact, VitalFact)}


def test_an_age_from_which_a_sign_is_taken_has_a_source() -> None:
    pack = child(lambda content: content["vitals"]["heart rate"].update(from_age=3))
    assert any("from_age" in str(problem) for problem in value_problems(pack))
    with pytest.raises(ValueError, match="unknown citation 'nobody'"):
        child(lambda content: content["vitals"]["heart rate"].update(sources=["nobody"]))


@pytest.mark.parametrize("specialty", ["radiology", "neurology", "endocrinology", "pediatrics"])
def test_results_are_called_what_they_are(specialty: str) -> None:
    seen = 0
    for encounter in visits(specialty):
        kinds = {fact.kind for fact in encounter.scenario.facts}
        text = heard(encounter)
        if "study" in kinds and "lab" not in kinds:
            seen += 1
            assert not re.search(r"\blabs\b|\blab results\b|\b(your|the|his|her) tests\b", text), text
            if sum(fact.kind == "study" for fact in encounter.scenario.facts) == 1:
                assert not re.search(r"one more result|another result|one more thing came back|that's back too", text)
    assert seen or specialty == "endocrinology"


def test_grave_questions_are_asked_alone_and_answered_plainly() -> None:
    pack, seen = load_pack("primary_care"), 0
    grave = {name: symptom for name, symptom in pack.symptoms.items() if symptom.grave}
    assert "thoughts of suicide" in grave
    for encounter in visits("primary_care", 400):
        facts = [fact for fact in encounter.scenario.facts if isinstance(fact, SymptomFact)]
        others = {ask for fact in facts if fact.name not in grave for ask in pack.symptoms[fact.name].asks}
        for fact in facts:
            for ask in grave[fact.name].asks if fact.name in grave else ():
                turns = [turn.text for turn in encounter.turns if ask in turn.text and turn.speaker == "doctor"]
                for turn in turns:
                    seen += 1
                    question = re.split(r"(?<=[.?!]) ", turn)[-1]
                    assert not any(other in question for other in others), turn
                for reply in replies(encounter, f"any {ask}?"):
                    assert not _LIGHT.search(reply), reply
    assert seen > 20


def test_a_grave_symptom_that_is_there_is_taken_seriously() -> None:
    def present(content: Content) -> None:
        content["symptoms"]["chills"] = {
            "says": ["I've thought of ending it", "I don't want to live", "I want to die", "I think of suicide"],
            "asks": ["thoughts of suicide", "thoughts of ending your life"],
            "grave": True,
        }
        only(content)["symptoms"]["chills"] = 1.0

    for encounter in _visits(example(present), 40):
        answers = [
            r for ask in ("thoughts of suicide", "thoughts of ending your life") for r in replies(encounter, ask)
        ]
        assert len(answers) == 1
        assert re.match(r"Yes|Yeah|I have to say yes|To be honest,( u[hm],)? yes", answers[0])
        assert re.search(r"telling me|told me|open about|said so", heard(encounter))


def test_where_memory_fails_the_patient_reads_from_a_list() -> None:
    def forgetful(content: Content) -> None:
        next(iter(content["conditions"].values()))["recall"] = "notes"

    for encounter in _visits(example(forgetful), 60):
        text = heard(encounter)
        assert re.search(r"my daughter", text, re.I)
        said = " ".join(turn.text for turn in encounter.turns if turn.speaker == "patient")
        assert not re.search(r"no, wait|Actually no", said)
        assert not re.search(r"in your own words (what|so)", text)
    own = [heard(encounter) for encounter in _visits(example(), 60)]
    assert not any(re.search(r"my daughter", text, re.I) for text in own)


@pytest.mark.parametrize(
    ("dose", "unit", "written"),
    [
        (1, "sprays", "1 spray"),
        (1, "puff", "1 puff"),
        (2, "puff", "2 puffs"),
        (1, "drops", "1 drop"),
        (1, "tablets", "1 tablet"),
        (2, "application", "2 applications"),
        (1, "units", "1 unit"),
        (40, "units", "40 units"),
        (1, "mg", "1 mg"),
        (2, "mg", "2 mg"),
    ],
)
def test_the_unit_agrees_with_the_number(dose: int, unit: str, written: str) -> None:
    medication = Medication(name="x", dose=dose, unit=unit, route="nasal", frequency="once daily")
    assert medication.amount == written
    assert plan_text("start", medication) == f"start x {written} nasal once daily"


def speech(seed: int) -> Speech:
    return Speech(load_pack("primary_care"), load_grammar("encounter").spoken, Draws("speech", seed))


def test_route_and_frequency_do_not_say_the_same_twice() -> None:
    nose = Medication(
        name="fluticasone", dose=1, unit="sprays", route="intranasal", frequency="once daily in each nostril"
    )
    eye = Medication(
        name="aflibercept", dose=2, unit="mg", route="intravitreal", frequency="every 4 weeks in the left eye"
    )
    shot = Medication(
        name="cyanocobalamin injection", dose=1000, unit="mcg", route="intramuscular", frequency="once weekly"
    )
    for seed in range(40):
        said = speech(seed).regimen(nose)
        assert not re.search("spray|nose", said["often"])
        assert re.fullmatch("(1|one) spray", said["dose"])
        assert "into the eye" not in speech(seed).regimen(eye)["often"]
        assert "an injection" not in speech(seed).regimen(shot)["often"]
        assert "muscle" in speech(seed).regimen(shot)["often"]


def test_a_change_of_frequency_alone_names_both() -> None:
    seen = 0
    for encounter in visits("cardiology", 400) + visits("endocrinology", 400):
        text = heard(encounter)
        assert not re.search(r"from ([\w-]+),? (?:so it'll be|to) \1 (?:milligram|microgram|unit)", text)
        seen += bool(re.search(r"from (\w+ \w+) [^.]*? to \1 ", text))
    assert seen


def test_a_plan_is_not_said_back_word_for_word() -> None:
    pack, seen = load_pack("radiology"), 0
    for encounter in visits("radiology"):
        turns = encounter.turns
        texts = [fact.text for fact in encounter.scenario.facts if isinstance(fact, PlanFact)]
        says = [say.lower() for text in texts for say in pack.plan_says.get(text, ())]
        seen += len(says)
        assert not any(say in turn.text.lower() for turn in turns if turn.speaker == "patient" for say in says)
    assert seen


@pytest.mark.parametrize(
    ("phrase", "said"),
    [
        ("you have H. pylori", "You have H. pylori. Then we treat it."),
        ("it's C. diff, and E. coli", "It's C. diff, and E. coli. Then we treat it."),
        ("this is hepatitis C", "This is hepatitis C. Then we treat it."),
    ],
)
def test_an_abbreviated_name_does_not_end_a_sentence(phrase: str, said: str) -> None:
    from synth.teachers.grammar import Grammar

    spoken = load_grammar("encounter").spoken
    grammar = Grammar({"one": "$say. then we treat it."}, spoken, "none")
    script = Script(grammar, Expansion(Draws(1)), {})
    script.doctor("one", say=phrase)
    assert [turn.text for turn in script.turns()] == [said]
    assert capitalise("at 8 a.m. on Monday.  then go") == "At 8 a.m. on Monday. Then go"


@pytest.mark.parametrize("grammar", ["encounter", "caregiver"])
@pytest.mark.parametrize("rule", ["ask_one", "ask_two", "ask_three", "ask_exam", "ask_grave"])
def test_what_is_asked_after_stands_behind_any(grammar: str, rule: str) -> None:
    """``asks`` are noun phrases without an article: any lump, not about lump."""
    rules, slots = load_grammar(grammar), {"a": "AAA", "b": "BBB", "c": "CCC", "he": "he", "his": "his", "him": "him"}
    for seed in range(300):
        text = rules.expand(rule, Expansion(Draws("ask", seed)), slots)
        assert re.search(r"\b[Aa]ny AAA", text), text
        assert "BBB" not in text or re.search(r"any BBB|AAA,? (or )?BBB", text), text


ODD: dict[str, Callable[[str], object]] = {
    "a question about school that nobody answers": re.compile(r"go to school|go to daycare").search,
    "a reading that is asked about and never explained": re.compile(
        r"(Is that|Are those) (okay|good|all right)\?"
    ).search,
    "no, twice": re.compile(
        r"\b(No|Nope)[.,] (Um, |Uh, )?no (allerg|drug allerg|alcohol|regular|surgery|known)"
    ).search,
    "relatives who are not healthy, as nobody is ill": re.compile(r"healthy\??\.? (No|Nope)\b").search,
    "never a fever": re.compile(r"that's never been a thing|not ever").search,
    "no ice that is had": re.compile(r"is that something you get").search,
}


@pytest.mark.parametrize("what", ODD)
@pytest.mark.parametrize("specialty", ["pediatrics", "primary_care", "gynaecology"])
def test_nobody_says(specialty: str, what: str) -> None:
    assert [heard(encounter)[:80] for encounter in visits(specialty) if ODD[what](heard(encounter))] == []


def test_births_are_asked_about() -> None:
    for encounter in visits("gynaecology"):
        births = {"two vaginal deliveries", "no prior pregnancies"}
        facts = {fact.name for fact in encounter.scenario.facts if fact.kind == "history"}
        asked = re.search(r"pregnan|child|birth", " ".join(t.text for t in encounter.turns if t.speaker == "doctor"))
        assert not facts & births or asked
