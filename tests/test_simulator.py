"""The simulator: pure, valid, audible, varied."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from synth.assets import canonical_json, load_schema
from synth.catalog import load_task
from synth.identities import marks, unknown
from synth.identities import spoken as spoken_marks
from synth.numerals import number_words
from synth.packs import Pack, load_pack
from synth.records import (
    ComplaintFact,
    DiagnosisFact,
    Encounter,
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
from synth.scenarios import sample_scenario
from synth.teachers.base import Candidate
from synth.teachers.chart import chart_places, charted
from synth.teachers.grammar import load_grammar
from synth.teachers.simulator import Simulator

MANY = 1500
_NUMBER_WORD = (
    "zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen"
    "|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|point|minus"
)
_NUMBER = re.compile(rf"\d+(?:\.\d+)?|\b(?:{_NUMBER_WORD})(?:[ -](?:{_NUMBER_WORD}))*\b")
_UNIT_SAID = {"mcg": "microgram", "mg": "milligram", "units": "unit", "g": "gram", "mL": "milliliter"}


def simulator() -> Simulator:
    """Return a simulator of the endocrinology pack."""
    return Simulator(load_pack("endocrinology"), load_task("note"))


@cache
def encounters(count: int) -> tuple[Encounter, ...]:
    """Return the first encounters of the stream of seed 11."""
    pack, teacher = load_pack("endocrinology"), simulator()
    return tuple(teacher.encounter(sample_scenario(pack, 11, index)) for index in range(count))


def spoken(encounter: Encounter) -> str:
    """Return all that was said, in lower case."""
    return " ".join(turn.text for turn in encounter.turns).lower()


def hears(text: str, phrases: Sequence[str]) -> bool:
    """Return whether one of the phrases was said."""
    return any(phrase.lower() in text for phrase in phrases)


def hears_number(text: str, value: Number) -> bool:
    """Return whether a number was said, in digits or in words."""
    size = abs(value)
    ways = [rf"(?<![\d.]){re.escape(str(size))}(?!\.?\d)"]
    if size < 1000:
        ways.append(rf"\b{number_words(size)}\b")
    return any(re.search(way, text) for way in ways)


def names_of(pack: Pack, medication: Medication) -> tuple[str, ...]:
    """Return what a drug may be called."""
    return (medication.name, *pack.drugs[medication.name].brands)


def hears_regimen(pack: Pack, text: str, medication: Medication) -> bool:
    """Return whether drug, dose, unit, route (where it is not by mouth) and frequency were said."""
    grammar = load_grammar("encounter").spoken
    return (
        hears(text, names_of(pack, medication))
        and hears_number(text, medication.dose)
        and _UNIT_SAID.get(medication.unit, medication.unit) in text
        and hears(text, grammar.frequencies.get(medication.frequency, (medication.frequency,)))
        and (medication.route == "oral" or hears(text, grammar.routes[medication.route]))
    )


def unheard(pack: Pack, encounter: Encounter) -> Iterator[str]:
    """Yield the facts of an encounter that its transcript does not carry."""
    text = spoken(encounter)
    for fact in encounter.scenario.facts:
        match fact:
            case PatientFact():
                woman = "woman" if fact.sex == "female" else "man"
                heard = hears_number(text, fact.age) and bool(re.search(rf"\b({fact.sex}|{woman})\b", text))
            case ComplaintFact():
                lexicon = pack.symptoms.get(fact.name) or pack.occasions[fact.name]
                heard = hears(text, lexicon.says)
                if fact.duration is not None:
                    count, _, unit = fact.duration.partition(" ")
                    heard = heard and (f"{count} {unit}" in text or f"{number_words(int(count))} {unit}" in text)
            case SymptomFact():
                symptom = pack.symptoms[fact.name]
                heard = hears(text, symptom.says if fact.present else symptom.asks)
            case HistoryFact():
                heard = hears(text, pack.history[fact.name].says)
            case MedicationFact():
                heard = hears_regimen(pack, text, fact.medication)
            case VitalFact():
                heard = hears_number(text, fact.value)
            case LabFact():
                lab = pack.labs[fact.name]
                heard = hears(text, lab.says) and hears_number(text, fact.value)
                heard = heard and (fact.value == 1 or lab.unit_says.lower() in text)
            case StudyFact():
                heard = hears(text, pack.studies[fact.name][fact.result].says)
            case FindingFact():
                heard = hears(text, pack.findings[fact.name].says)
            case DiagnosisFact():
                presentation = pack.conditions[encounter.scenario.condition].presentations[
                    encounter.scenario.presentation
                ]
                heard = hears(text, presentation.diagnosis.says)
            case PlanFact(medication=None):
                heard = hears(text, pack.plan_says[fact.text])
            case PlanFact(medication=Medication() as medication):
                heard = hears(text, names_of(pack, medication))
                heard = heard and (fact.action == "stop" or hears_regimen(pack, text, medication))
        if not heard:
            yield f"{encounter.id}: {fact}"


def phrases_of(pack: Pack, scenario: Scenario) -> set[str]:
    """Return every phrase that a scenario may bring into its transcript from the pack."""
    grammar = load_grammar("encounter").spoken
    phrases = {"blood pressure"}
    for words in (*grammar.frequencies.values(), *grammar.routes.values()):
        phrases.update(words)
    phrases.update(grammar.units.values(), *(pair for pair in grammar.vitals.values()))
    for vital in pack.vitals.values():
        phrases.update(vital.says, (vital.unit_says,))
    for fact in scenario.facts:
        match fact:
            case SymptomFact() | ComplaintFact() if fact.name in pack.symptoms:
                symptom = pack.symptoms[fact.name]
                phrases.update(symptom.says, symptom.denies, symptom.asks)
                phrases.update(ask.replace("your ", "my ") for ask in symptom.asks)
            case ComplaintFact():
                phrases.update(pack.occasions[fact.name].says)
            case HistoryFact():
                phrases.update(pack.history[fact.name].says)
            case MedicationFact() | PlanFact(medication=Medication()):
                assert fact.medication is not None
                phrases.update(names_of(pack, fact.medication))
            case LabFact():
                phrases.update(pack.labs[fact.name].says, (pack.labs[fact.name].unit_says,))
            case StudyFact():
                phrases.update(pack.studies[fact.name][fact.result].says, (fact.name,))
            case FindingFact():
                phrases.update(pack.findings[fact.name].says)
            case PlanFact():
                phrases.update(pack.plan_says[fact.text])
            case _:
                pass
    phrases.update(pack.conditions[scenario.condition].presentations[scenario.presentation].diagnosis.says)
    return {phrase.lower() for phrase in phrases if phrase}


def templates(pack: Pack, encounter: Encounter) -> set[str]:
    """Return the sentences of an encounter of four words and more, with numbers and the pack's phrases masked."""
    text = "\n".join(turn.text for turn in encounter.turns).lower()
    text = re.sub(r"(?:(?:dr|ms|mr|mrs)\. |doctor |miss )?\{\{\w+\}\}", "X", text)
    for phrase in sorted(phrases_of(pack, encounter.scenario), key=len, reverse=True):
        text = re.sub(rf"\b{re.escape(phrase)}\b", "X", text) if len(phrase) < 6 else text.replace(phrase, "X")
    text = _NUMBER.sub("N", text).replace("N over N", "N")
    sentences = (re.sub(r"[^\w{}' -]", "", sentence).strip() for sentence in re.split(r"[.?!\n]+", text))
    return {sentence for sentence in sentences if len(sentence.split()) >= 4}


def test_same_scenario_same_encounter() -> None:
    pack = load_pack("endocrinology")
    first = [simulator().encounter(sample_scenario(pack, 3, index)) for index in range(20)]
    teacher = simulator()
    again = [teacher.encounter(sample_scenario(pack, 3, index)) for index in reversed(range(20))]
    assert first == again[::-1]


def test_write_is_encounter() -> None:
    teacher, scenario = simulator(), sample_scenario(load_pack("endocrinology"), 5, 0)
    written = asyncio.run(teacher.write(Candidate(scenario)))
    asyncio.run(teacher.close())
    assert written == teacher.encounter(scenario)
    assert (written.id, written.index, written.attempts) == (scenario.id, 0, 1)
    assert teacher.identity.revision == load_grammar("encounter").revision


def test_notes_hold_under_the_contract() -> None:
    schema = load_schema("note")
    validator = Draft202012Validator(schema)
    for encounter in encounters(300):
        validator.validate(encounter.target)
        assert list(encounter.target) == schema["required"]
        assert "\n" not in canonical_json(encounter.target)


def test_every_fact_is_heard() -> None:
    pack = load_pack("endocrinology")
    missing = [line for encounter in encounters(300) for line in unheard(pack, encounter)]
    assert missing == []


def test_note_says_what_the_scenario_holds() -> None:
    for encounter in encounters(300):
        note = canonical_json(encounter.target)
        for fact in encounter.scenario.facts:
            match fact:
                case PatientFact():
                    assert f"{fact.age}-year-old" in note
                case MedicationFact(medication=medication):
                    assert f'"name":"{medication.name}","dose":{medication.dose},' in note
                case LabFact() | VitalFact():
                    assert f'"name":"{fact.name}","value":{fact.value},"unit":"{fact.unit}"' in note
                case PlanFact() | StudyFact():
                    assert (fact.text if isinstance(fact, PlanFact) else fact.result) in note
                case _:
                    assert getattr(fact, "name", "") in note


def test_note_is_in_the_order_of_a_chart() -> None:
    """What two notes share stands in the same order in both, though visits tell it in any."""
    pack = load_pack("endocrinology")
    named = {
        "findings": list(pack.findings),
        "medical_history": list(pack.history),
        "social_history": list(pack.history),
        "negative": list(pack.symptoms),
    }
    shown = untold = 0
    for encounter in encounters(200):
        text = spoken(encounter)
        exam, subjective = encounter.target["objective_exam"], encounter.target["subjective"]
        assert isinstance(exam, dict)
        assert isinstance(subjective, dict)
        review = subjective["review_of_systems"]
        assert isinstance(review, dict)
        for key, order in named.items():
            listed = {**exam, **subjective, **review}[key]
            assert isinstance(listed, list)
            places = [order.index(name) for name in listed if isinstance(name, str)]
            assert len(places) == len(listed)
            assert places == sorted(places), encounter.id
            shown += len(places) > 1
            if key == "findings":
                phrases = [pack.findings[order[place]].says for place in places]
                said = [text.find(phrase.lower()) for group in phrases for phrase in group if phrase.lower() in text]
                untold += said != sorted(said)
    assert shown > 300
    assert untold > 50


@given(shuffle=st.randoms(use_true_random=False))
def test_a_chart_has_all_facts_in_one_order_whatever_theirs_was(shuffle: Random) -> None:
    pack = load_pack("endocrinology")
    scenario = sample_scenario(pack, 7, shuffle.randrange(50))
    movable = [fact for fact in scenario.facts if fact.kind not in ("vital", "diagnosis", "plan")]
    rest = [fact for fact in scenario.facts if fact not in movable]
    shuffle.shuffle(movable)
    other = scenario.model_copy(update={"facts": (*movable, *rest)})
    places = chart_places(pack)
    assert charted(places, other) == charted(places, scenario)
    assert set(charted(places, scenario).facts) == set(scenario.facts)


def test_turns_are_clean() -> None:
    for encounter in encounters(300):
        turns = encounter.turns
        assert turns[0].speaker == "doctor"
        assert all(one.speaker != two.speaker for one, two in pairwise(turns))
        text = encounter.source.text
        assert text.isascii()
        assert unknown({"source": text}) is None
        assert set(marks(text)) <= {mark for mark, _ in spoken_marks()} | {"{{clinic_2}}", "{{phone_2}}"}
        rest = re.sub(r"\{\{\w+\}\}", "", text)
        assert not set("{}|<>$") & set(rest)
        for turn in turns:
            assert turn.text.strip() == turn.text
            assert turn.text[-1] in ".?-", turn.text
            assert not re.search(r"  | [,.?]|,[,.?]|[.?][.,?]|^[a-z][^A-Z]|(?<![.]m)[.?] [a-z][^A-Z]", turn.text), (
                turn.text
            )


def test_no_two_transcripts_alike() -> None:
    assert len({encounter.source.text for encounter in encounters(MANY)}) == MANY


def test_no_template_in_more_than_a_twentieth() -> None:
    pack = load_pack("endocrinology")
    seen = Counter(template for encounter in encounters(MANY) for template in templates(pack, encounter))
    assert [item for item in seen.most_common(5) if item[1] > MANY / 20] == []


def test_order_of_topics_varies() -> None:
    """Allergies, vital signs and results come in every order, each at least now and then."""
    pack = load_pack("endocrinology")
    orders: Counter[str] = Counter()
    for encounter in encounters(300):
        text = spoken(encounter)
        facts = encounter.scenario.facts
        pressure = next(f for f in facts if isinstance(f, VitalFact) and f.name == "systolic blood pressure")
        places = {"vitals": text.find(f"{pressure.value} over")}
        for fact in facts:
            if isinstance(fact, HistoryFact) and fact.category == "allergy":
                places["allergy"] = max(text.find(say.lower()) for say in pack.history[fact.name].says)
            elif isinstance(fact, LabFact):
                found = [at for say in pack.labs[fact.name].says if (at := text.find(say.lower())) >= 0]
                places["labs"] = min(places.get("labs", len(text)), *found)
        if len(places) == 3:
            orders["-".join(sorted(places, key=lambda topic: places[topic]))] += 1
    assert len(orders) == 6
    assert min(orders.values()) >= 3


def test_speech_has_hesitations_cuts_and_corrections() -> None:
    texts = [spoken(encounter) for encounter in encounters(300)]
    shares = {
        mark: sum(bool(re.search(mark, text)) for text in texts) / len(texts)
        for mark in (r"\b(um|uh)\b", r" -( |$)", r"\b(sorry|no), ", r"mm-hmm|uh-huh", r"\bneither\b|\bnone\b")
    }
    assert all(share > 0.05 for share in shares.values()), shares


@pytest.mark.parametrize("kind", ["symptom", "history", "medication", "vital", "finding", "lab", "study", "plan"])
def test_scenario_without_a_kind_of_fact_is_written(kind: str) -> None:
    """Packs differ in what they hold; a visit without medicines, or without results, is still a visit."""
    teacher, validator = simulator(), Draft202012Validator(load_schema("note"))
    for encounter in encounters(40):
        facts = tuple(fact for fact in encounter.scenario.facts if fact.kind != kind)
        written = teacher.encounter(encounter.scenario.model_copy(update={"facts": facts}))
        assert all(turn.text for turn in written.turns)
        assert kind == "plan" or validator.is_valid(written.target)


def test_occasion_with_a_duration_is_asked_after() -> None:
    pack = load_pack("endocrinology")
    complaint = ComplaintFact(id="complaint-1", name=next(iter(pack.occasions)), duration="2 weeks")
    for encounter in encounters(20):
        others = tuple(fact for fact in encounter.scenario.facts if not isinstance(fact, ComplaintFact))
        scenario = encounter.scenario.model_copy(update={"facts": (others[0], complaint, *others[1:])})
        written = simulator().encounter(scenario)
        assert re.search(r"\b(2|two) weeks\b", spoken(written))
        assert "2 weeks ago" in canonical_json(written.target)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), index=st.integers(0, 10**6))
def test_any_scenario_is_written(seed: int, index: int) -> None:
    pack = load_pack("endocrinology")
    scenario = sample_scenario(pack, seed, index)
    encounter = simulator().encounter(scenario)
    assert encounter == simulator().encounter(scenario)
    assert not list(unheard(pack, encounter))
    assert Draft202012Validator(load_schema("note")).is_valid(encounter.target)
