"""What is asked and said fits the age of the patient, and what a plan needs is in the visit: held for all packs."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from synth.draws import Draws
from synth.packs import Pack, load_pack, pack_names
from synth.packs.model import Condition, Presentation
from synth.records import HistoryFact
from synth.scenarios import sample_scenario
from synth.teachers.grammar import Expansion, load_grammar
from tests.test_visit_claims import drawn, encounters, scenarios
from tests.test_visit_mended import presentations

_AGES = (
    ("talks", r"\btalking\b|\blearning\b|\bsays \{his\}|\bcomplain|\btells me\b", 1.5, 120.0),
    ("toilet", r"\btoilet\b|\bunderwear\b|\bunderpants\b|\bpotty\b", 3.0, 120.0),
    ("walks", r"\bwalks\b|\bhops\b|\{he\} runs\b", 1.0, 120.0),
    ("diaper", r"\bdiapers?\b|\bbottle or breast\b|\bcrib\b", 0.0, 3.0),
    ("homework", r"\bhomework\b|\breading\b", 6.0, 120.0),
    ("school", r"\bat school\b|\bin class\b|\bteacher\b", 4.0, 120.0),
)
"""Of children: what the words presume, and from which age to which it is true, in years."""
_GROWN = (
    ("retired", r"\bretire", 50.0, 120.0),
    ("grandchildren", r"\bgrand(?:child|kid|son|daughter)", 40.0, 120.0),
    ("menopause", r"\b(?:went through|since|after|had) (?:the )?menopause\b", 40.0, 120.0),
    ("periods", r"\bmy periods?\b|\bbetween periods\b|\birregular periods\b", 10.0, 56.0),
    ("a baby", r"\btrying for a baby\b|\bget pregnant\b", 12.0, 52.0),
)
"""The same of grown patients."""
_NO_PERIODS = re.compile(r"no periods|haven't had|without a period|stopped")
_LOW = re.compile(r"hemoglobin|blood count|iron|ferritin|anemia|transfus|cobalamin")
_ALARMING = re.compile(
    r"blood in the stool|rectal bleeding|heavy menstrual bleeding|coughing up blood|black stools|fainting"
    r"|abdominal pain$|short(?:ness)? of breath with exertion|chest pain"
)
_WHEN = re.compile(r"\bcall\b|go to the|return if|action plan|admi|ambulance|hospital|911|emergency")
_MOOD = ("thoughts of suicide", "low mood")


def spoken(
    pack: Pack, condition: Condition, presentation: Presentation
) -> Iterator[tuple[float, float, str, tuple[str, ...]]]:
    """Yield the ages, in years, at which an entry of the presentation is heard, with its name and what is said."""
    age = presentation.age or condition.age
    unit = 12 if age.unit == "months" else 1
    least, most = age.min / unit, age.max / unit
    for name, chance in presentation.symptoms.items():
        symptom = pack.symptoms[name]
        says = symptom.asks + (symptom.says if chance > 0 else ()) + (symptom.denies if chance < 1 else ())
        yield max(least, symptom.min_age), min(most, symptom.max_age), name, says
    for complaint in presentation.complaints:
        told = pack.symptoms.get(complaint.name) or pack.occasions[complaint.name]
        yield max(least, told.min_age), min(most, told.max_age), complaint.name, told.says
    for group in presentation.findings:
        for name in group:
            finding = pack.findings[name]
            yield max(least, finding.min_age), min(most, finding.max_age), name, finding.says
    for entries in drawn(pack, condition, presentation):
        for name, chance in entries.items():
            entry = pack.history[name]
            if chance > 0 and entry.min_age <= most and entry.max_age >= least:
                yield max(least, entry.min_age), min(most, entry.max_age), name, entry.says
    for item in presentation.plan:
        yield least, most, item.text or item.drug or "", item.says


@pytest.mark.parametrize("name", pack_names())
def test_words_fit_the_age(name: str) -> None:
    pack, heard = load_pack(name), 0
    for where, condition, presentation in presentations(pack):
        for least, most, entry, says in spoken(pack, condition, presentation):
            for what, words, youngest, oldest in _AGES if pack.voice == "caregiver" else _GROWN:
                those = [say for say in says if re.search(words, say) and not _NO_PERIODS.search(say)]
                heard += bool(those)
                assert not those or (least >= youngest and most <= oldest), (where, what, entry, least, most, those)
    assert heard or name in ("radiology", "surgery", "ophthalmology", "radiation_oncology", "cardiology")


@pytest.mark.parametrize("name", pack_names())
def test_nothing_is_called_unbroken_without_a_film(name: str) -> None:
    pack = load_pack(name)
    for where, _, p in presentations(pack):
        if re.search("osteopor", p.diagnosis.name) and re.search("(?:no|without) .*fracture", p.diagnosis.status):
            hurts = any(p.symptoms.get(symptom, 0) > 0 for symptom in ("back pain", "height loss"))
            film = sum(p.studies.get("lateral spine radiograph", {}).values())
            assert not hurts or film == pytest.approx(1.0), where


@pytest.mark.parametrize("name", pack_names())
def test_a_low_hemoglobin_is_spoken_of(name: str) -> None:
    pack = load_pack(name)
    for where, condition, p in presentations(pack):
        measured = p.labs.get("hemoglobin")
        if measured is not None:
            sexes = [p.sex] if p.sex is not None else (["female"] if condition.female == 1.0 else ["female", "male"])
            years = (p.age or condition.age).years[0]
            floors = [pack.labs["hemoglobin"].range_for(sex, years)[0] for sex in sexes]  # type: ignore[arg-type]
            steps = " ".join(item.text or item.drug or "" for item in p.plan)
            named = _LOW.search(f"{steps} {p.diagnosis.name} {p.diagnosis.status}")
            assert named or all(floor is None or measured.min >= floor for floor in floors), where


@pytest.mark.parametrize("name", pack_names())
def test_who_complains_of_something_alarming_hears_when_to_call(name: str) -> None:
    pack = load_pack(name)
    for where, _, p in presentations(pack):
        has = {complaint.name for complaint in p.complaints} | {s for s, chance in p.symptoms.items() if chance > 0.5}
        alarming = [entry for entry in has if _ALARMING.search(entry) and entry in pack.symptoms]
        steps = " | ".join(item.text or "" for item in p.plan)
        assert not alarming or _WHEN.search(steps) or _elsewhere(p), (where, alarming, steps)


def _elsewhere(p: Presentation) -> bool:
    """Return whether somebody else looks after the complaint: before radiation."""
    return "radiation" in " ".join(item.text or "" for item in p.plan)


@pytest.mark.parametrize("name", pack_names())
def test_mood_is_asked_after_before_an_antidepressant(name: str) -> None:
    pack = load_pack(name)
    for where, _, p in presentations(pack):
        given = [pack.drugs[item.drug] for item in p.plan if item.drug and item.action in ("start", "increase")]
        if any(drug for drug in given if {"SSRIs", "SNRIs"} & set(drug.classes)):
            assert any(symptom in p.symptoms for symptom in _MOOD), where


@pytest.mark.parametrize("name", pack_names())
def test_salt_substitutes_are_named_where_salt_is_cut_on_spironolactone(name: str) -> None:
    for where, _, p in presentations(load_pack(name)):
        steps = [item.text or "" for item in p.plan]
        takes = any(item.drug == "spironolactone" and item.action != "stop" for item in p.plan)
        if takes and any(re.search(r"sodium a day|salty", text) for text in steps) and "cirrhosis" not in where:
            assert any("salt substitutes" in text for text in steps), where


@pytest.mark.parametrize("name", pack_names())
def test_what_a_habit_does_is_not_said_of_leaving_it(name: str) -> None:
    pack = load_pack(name)
    for text, says in pack.plan_says.items():
        assert not [one for one in (text, *says) if re.search(r"stop smoking, (?:which|it) ", one)], text


@pytest.mark.parametrize("name", pack_names())
def test_a_weight_that_is_stable_is_held_against_the_last_one(name: str) -> None:
    for where, _, p in presentations(load_pack(name)):
        if re.search(r"weight stable|stable weight", p.diagnosis.status):
            assert any("weight within 1 kg of the last visit" in group for group in p.findings), where


@pytest.mark.parametrize("grammar", ["encounter", "caregiver"])
def test_nobody_is_asked_whether_the_sex_is_still_true(grammar: str) -> None:
    rules = load_grammar(grammar)
    slots = {
        "age": "24",
        "sex": "male",
        "an_age": "a 24",
        "woman": "man",
        "aged": "2-year-old",
        "an_aged": "a 2-year-old",
    }
    slots |= {"he": "he", "his": "his", "him": "him"}
    said = {rules.expand("identity_ask", Expansion(Draws("identity", seed)), slots) for seed in range(300)}
    assert len(said) > 5
    assert not [text for text in said if "still true" in text]


def test_what_is_private_is_announced() -> None:
    private = re.compile(r"more private")
    those = [*scenarios("gastroenterology", "irritable bowel syndrome", "with constipation", 1200)][:25]
    announced = 0
    for encounter in encounters("gastroenterology", those):
        found = {fact.name for fact in encounter.scenario.facts if fact.kind == "finding"}
        text = " ".join(turn.text for turn in encounter.turns)
        assert bool(private.search(text)) is ("normal rectal examination" in found), encounter.id
        announced += "normal rectal examination" in found
    assert announced > 5


def test_gloves_are_free_of_latex_for_who_is_allergic() -> None:
    def allergic(index: int) -> bool:
        facts = sample_scenario(load_pack("gynaecology"), 8, index).facts
        return any(isinstance(fact, HistoryFact) and "latex" in fact.name for fact in facts)

    those = [sample_scenario(load_pack("gynaecology"), 8, index) for index in range(120) if allergic(index)]
    assert those
    for encounter in encounters("gynaecology", those):
        examined = any(fact.kind == "finding" for fact in encounter.scenario.facts)
        assert not examined or "latex-free" in " ".join(turn.text for turn in encounter.turns)


@pytest.mark.parametrize("grammar", ["encounter", "caregiver"])
@pytest.mark.parametrize("rule", ["teach_start", "teach_increase", "teach_decrease"])
def test_what_changes_is_said_back_with_its_times(grammar: str, rule: str) -> None:
    rules = load_grammar(grammar)
    slots = {"drug": "DRUG", "dose": "DOSE", "often": "OFTEN", "he": "he", "him": "him", "his": "his"}
    for seed in range(200):
        text = rules.expand(rule, Expansion(Draws("teach", seed)), slots)
        assert "DOSE" in text, text
        assert "OFTEN" in text, text
