"""Every rule of ``synth specialties --check`` finds what it is for, and finds nothing in the packs that there are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.packs import load_pack, pack_names
from synth.packs.checks import check_pack, missing_codes
from synth.packs.checks.values import loinc_holds
from synth.packs.loading import duplicate_keys
from synth.packs.vocabulary import vocabulary
from synth.vetting import different
from tests.packs import Change, Content, child, example, only


def put(*path: str | int, value: Any) -> Change:
    """Return a change that writes a value at a path of the pack."""

    def change(content: Content) -> None:
        place: Any = content
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return change


def at(key: str, value: Any) -> Change:
    """Return a change that writes a value into the only presentation."""
    return lambda content: only(content).update({key: value})


def diagnosis(**values: Any) -> Change:
    return lambda content: only(content)["diagnosis"].update(values)


def both(*changes: Change) -> Change:
    def change(content: Content) -> None:
        for one in changes:
            one(content)

    return change


PREGNANT = {"category": "medical", "pregnant": True, "says": ["I'm pregnant", "I'm expecting", "we're having a baby"]}
RANGE = {"mean": 4.2, "sd": 0.3, "min": 3.6, "max": 4.9}
RULES: dict[str, tuple[Change, str]] = {
    "label as guideline": (put("conditions", "hypertension", "sources", value=["fda-lisinopril"]), "is a drug label"),
    "old guideline": (put("citations", "acc-aha-2017", "year", value=1899), "is of 1899"),
    "no title": (put("citations", "abim-2024", "title", value=" "), "is incomplete"),
    "unused": (put("findings", "left ear red", value={"says": ["a left", "b left", "c left"]}), "is used nowhere"),
    "dose unit": (put("drugs", "lisinopril", "unit", value="mgs"), "unknown unit 'mgs' (did you mean mg?)"),
    "route": (put("drugs", "lisinopril", "route", value="orally"), "unknown route 'orally' (did you mean oral?)"),
    "class": (put("drugs", "lisinopril", "classes", value=["ACE inhibitor"]), "unknown class 'ACE inhibitor' (did you"),
    "no class": (put("drugs", "lisinopril", "classes", value=[]), "belongs to no class"),
    "frequency": (put("drugs", "lisinopril", "ladder", 0, "frequency", value="now and then"), "unknown frequency"),
    "falling ladder": (put("drugs", "lisinopril", "ladder", 2, "dose", value=15), "does not rise"),
    "no dose": (put("drugs", "lisinopril", "ladder", 0, "dose", value=0), "is no dose"),
    "over the daily dose": (put("drugs", "lisinopril", "limits", "daily", value=30), "40 mg a day is above the 30 mg"),
    "over the single dose": (put("drugs", "amlodipine", "limits", "single", value=5), "10 mg a dose is above the 5 mg"),
    "over the weekly dose": (put("drugs", "amlodipine", "limits", "weekly", value=60), "70 mg a week is above"),
    "no limits": (put("drugs", "lisinopril", "limits", value=None), "has no limits"),
    "empty contraindication": (
        put("drugs", "lisinopril", "contraindications", 0, "problems", value=[]),
        "states nothing",
    ),
    "open bound": (
        put("drugs", "lisinopril", "contraindications", 0, "values", value={"potassium": {}}),
        "without below or above",
    ),
    "no allergens": (
        put("history", "prior angioedema", "category", value="allergy"),
        "names no allergens",
    ),
    "no allergy": (
        put("history", "prior angioedema", "allergens", value=["latex"]),
        "make its category",
    ),
    "unknown allergen": (
        put("history", "prior angioedema", value=PREGNANT | {"allergens": ["penicilins"], "category": "allergy"}),
        "unknown allergen 'penicilins' (did you mean penicillins?)",
    ),
    "unknown unit": (put("labs", "potassium", "unit", value="meq/L"), "unknown unit 'meq/L' (did you mean mEq/L?)"),
    "no plausible limits": (put("labs", "potassium", "plausible", value=None), "has no plausible limits"),
    "inverted plausible limits": (put("labs", "potassium", "plausible", value=[9, 1]), "are inverted"),
    "inverted range": (put("labs", "potassium", "reference", value={"any": [5.0, 3.5]}), "5.0 to 3.5 is inverted"),
    "open range": (put("labs", "potassium", "reference", value={"any": [None, None]}), "is open at both ends"),
    "impossible range": (put("labs", "potassium", "reference", value={"any": [3.5, 50]}), "outside of the plausible"),
    "inverted child's range": (
        put("labs", "potassium", "reference_under", value=[{"under": 1, "reference": {"any": [6, 4]}}]),
        "6 to 4 is inverted",
    ),
    "check digit": (put("labs", "potassium", "loinc", value="2823-4"), "LOINC 2823-4 is misspelt"),
    "impossible value": (at("labs", {"potassium": RANGE | {"max": 12.0}}), "3.6 to 12 mEq/L leaves the plausible"),
    "mean outside": (at("labs", {"potassium": RANGE | {"mean": 6.0}}), "cannot be drawn"),
    "too many decimals": (at("labs", {"potassium": RANGE | {"max": 4.95}}), "has more decimals than the 1"),
    "pressures meet": (
        lambda content: only(content)["vitals"]["diastolic blood pressure"].update({"max": 150}),
        "diastolic up to 150 meets systolic from 142",
    ),
    "pressures apart": (
        lambda content: only(content)["vitals"]["diastolic blood pressure"].update({"latent": "other"}),
        "share no latent",
    ),
    "no sex": (put("conditions", "hypertension", "female", value=1.5), "is no share"),
    "no weight": (put("conditions", "hypertension", "weight", value=0), "is no share of visits"),
    "nothing for men": (at("sex", "female"), "50% of its patients are male, but no presentation is for them"),
    "nobody": (
        both(at("sex", "female"), put("conditions", "hypertension", "female", value=0.0)),
        "of whom the condition has none",
    ),
    "ages": (put("conditions", "hypertension", "age", "min", value=70), "age cannot be drawn"),
    "too old": (put("conditions", "hypertension", "age", "max", value=140), "are not those of patients"),
    "infants in years": (put("conditions", "hypertension", "age", "min", value=1), "with unit months"),
    "pregnant men": (
        put("history", "prior angioedema", value=PREGNANT | {"min_age": 18, "max_age": 45}),
        "not female would be pregnant",
    ),
    "pregnant at any age": (
        put("history", "prior angioedema", value=PREGNANT | {"sex": "female"}),
        "pregnant at 0 to 120 years",
    ),
    "pregnant presentation": (at("pregnant", True), "not female would be pregnant"),
    "code of pregnancy": (diagnosis(icd10cm="O10.013"), "is a code of pregnancy"),
    "code of men": (diagnosis(icd10cm="N40.1"), "is a code of male patients only"),
    "code of women": (diagnosis(icd10cm="N80.0"), "is a code of female patients only"),
    "complaint that is not asked": (at("symptoms", {}), "is not among its symptoms"),
    "complaint without duration": (at("complaints", [{"name": "headache"}]), "has no durations"),
    "symptom of nobody": (put("symptoms", "headache", "max_age", value=20), "fits none of its patients"),
    "certain, but not for all": (
        both(put("history", "prior angioedema", "min_age", value=60), at("history", [{"prior angioedema": 1.0}])),
        "is certain here, but does not fit all",
    ),
    "ages the wrong way round": (
        both(put("symptoms", "headache", "min_age", value=50), put("symptoms", "headache", "max_age", value=40)),
        "min_age 50 is above max_age 40",
    ),
    "chance above 1": (put("background", 0, "no known drug allergies", value=1.2), "is not from 0 to 1"),
    "chances above 1": (
        put("background", 0, value={"no known drug allergies": 0.8, "prior angioedema": 0.4}),
        "add up to more than 1",
    ),
    "findings above 1": (at("findings", [{"regular heart rhythm, no murmurs": 1.4}]), "add up to more than 1"),
    "starts what is taken": (
        at("medications", [{"lisinopril": {"probability": 0.5, "rungs": [0, 1]}}]),
        "starts lisinopril, which its medications hold",
    ),
    "stops what nobody takes": (
        lambda content: only(content)["plan"].append({"action": "stop", "drug": "amlodipine"}),
        "would stop amlodipine, which its medications do not hold",
    ),
    "no room": (
        both(
            at("medications", [{"amlodipine": {"probability": 1.0, "rungs": [1, 1]}}]),
            lambda content: only(content)["plan"].append({"action": "increase", "drug": "amlodipine"}),
        ),
        "has no room to increase amlodipine",
    ),
    "uncertain increase": (
        both(
            at("medications", [{"amlodipine": {"probability": 0.5, "rungs": [0, 0]}}]),
            lambda content: only(content)["plan"].append({"action": "increase", "drug": "amlodipine"}),
        ),
        "both the drug and the item must be certain",
    ),
    "contraindicated by history": (
        both(
            at("history", [{"prior angioedema": 1.0}]),
            lambda content: only(content)["plan"][0].pop("otherwise"),
        ),
        "contraindicated after angioedema",
    ),
    "contraindicated by a value": (
        both(
            put("drugs", "lisinopril", "contraindications", 0, "problems", value=[]),
            put("drugs", "lisinopril", "contraindications", 0, "values", value={"potassium": {"above": 4.5}}),
            lambda content: only(content)["plan"][0].pop("otherwise"),
        ),
        "contraindicated after angioedema",
    ),
    "plan in other words": (
        lambda content: only(content)["plan"].append(
            only(content)["plan"][1] | {"says": ["in one month", "back in a month", "a month from now"]}
        ),
        "stands elsewhere with other words",
    ),
    "finding that can never be": (
        put("findings", "regular heart rhythm, no murmurs", "needs", value={"systolic blood pressure": {"above": 190}}),
        "no systolic blood pressure here is as it needs",
    ),
    "finding with a lab": (
        put("findings", "regular heart rhythm, no murmurs", "needs", value={"potassium": {"above": 4}}),
        "needs potassium, which is known only after the examination",
    ),
    "occasion with values": (
        put("occasions", "high blood pressure on home readings", "needs", value={"potassium": {"above": 4}}),
        "needs values, but one comes before",
    ),
    "symptom of women": (
        both(
            put("symptoms", "irregular periods", value={"says": ["a", "b"], "asks": ["c"]}),
            at("symptoms", {"headache": 0.2, "irregular periods": 0.1}),
        ),
        "symptom 'irregular periods' would be said of male patients, too; give it sex: female",
    ),
    "diagnosis of men": (diagnosis(name="benign prostatic hyperplasia"), "would be said of female patients, too"),
    "no ASCII": (put("symptoms", "headache", "says", 0, value="my head aches…"), "is not plain speech"),
    "full stop": (put("symptoms", "headache", "says", 0, value="my head aches."), "ends with a mark"),
    "said twice": (put("symptoms", "headache", "says", 1, value="my head aches"), "says the same thing twice"),
    "too few says": (put("symptoms", "headache", "says", value=["my head aches", "I get headaches"]), "has 2 says"),
    "too few denies": (put("symptoms", "headache", "denies", value=[]), "has 0 denies"),
    "a note's words": (put("symptoms", "headache", "says", 0, value="patient has a headache"), "is not what a patient"),
    "not in the first person": (
        put("symptoms", "headache", "says", value=["headaches", "head pain", "the head aches", "my head aches"]),
        "most of its says are not in the first person",
    ),
    "asks a question": (put("symptoms", "headache", "asks", 0, value="do you get headaches"), "does not follow 'any'"),
    "denies nothing": (put("symptoms", "headache", "denies", value=["my head", "headaches"]), "denies nothing"),
    "slot without caregiver": (put("symptoms", "headache", "says", 0, value="{his} head aches"), "voice: caregiver"),
    "doctor as patient": (
        put("findings", "regular heart rhythm, no murmurs", "says", 0, value="i've had a regular heart"),
        "is said by a patient",
    ),
    "number lost": (
        lambda content: only(content)["plan"][1].update({"text": "follow up in 3 months"}),
        "3 is not heard in",
    ),
    "side lost": (
        both(
            put("findings", "left ear red", value={"says": ["it's red", "red ear there", "your left ear is red"]}),
            at("findings", [{"left ear red": 0.5}]),
        ),
        'left is not heard in "it\'s red"',
    ),
    "long status": (diagnosis(status="new " * 40), "is longer than 120 characters"),
}


def test_the_example_of_the_guide_is_without_fault() -> None:
    assert check_pack(example()) == []
    assert check_pack(child()) == []


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_finds_what_it_is_for(rule: str) -> None:
    change, expected = RULES[rule]
    found = [str(problem) for problem in check_pack(example(change))]
    assert any(expected in line for line in found), found
    assert all("\n" not in line and line.startswith("example: ") for line in found)


def test_a_code_that_breaks_its_form_does_not_load() -> None:
    with pytest.raises(ValueError, match="icd10cm"):
        example(diagnosis(icd10cm="E1165"))


def test_caregivers_speak_of_the_child() -> None:
    def first_person(content: Content) -> None:
        content["symptoms"]["fever"]["says"] = ["a fever", "fever all day", "just fever", "fever at night"]

    found = [str(problem) for problem in check_pack(child(first_person))]
    assert any("third person, with {he} or {his}" in line for line in found), found

    def unknown(content: Content) -> None:
        content["symptoms"]["fever"]["says"][0] = "{she} has a fever"

    assert any("holds an unknown slot" in str(problem) for problem in check_pack(child(unknown)))


def test_a_childs_dose_by_weight_has_a_limit() -> None:
    def too_much(content: Content) -> None:
        content["drugs"]["amoxicillin"]["ladder"][0]["per_kg"] = 60

    found = [str(problem) for problem in check_pack(child(too_much))]
    assert any("120 mg/kg a day is above the 90 mg/kg" in line for line in found), found


@pytest.mark.parametrize("name", pack_names())
def test_the_packs_are_without_fault(name: str) -> None:
    pack = load_pack(name)
    assert [str(problem) for problem in (*check_pack(pack), *different(pack))] == []
    assert duplicate_keys(name) == []


def test_labs_without_a_code_are_named() -> None:
    assert missing_codes(example()) == []
    assert missing_codes(example(put("labs", "potassium", "loinc", value=None))) == ["potassium"]


@pytest.mark.parametrize("code", ["2951-2", "2160-0", "4548-4", "98979-8", "17861-6"])
def test_loinc_codes_that_exist_hold(code: str) -> None:
    assert loinc_holds(code)


@given(st.integers(min_value=1, max_value=99_999))
def test_one_check_digit_of_ten_holds_and_a_changed_digit_is_found(number: int) -> None:
    holding = [digit for digit in range(10) if loinc_holds(f"{number}-{digit}")]
    assert len(holding) == 1
    text = str(number)
    for i, digit in enumerate(text):
        other = str((int(digit) + 1) % 10)
        if i == 0 and other == "0":
            continue
        assert not loinc_holds(f"{text[:i]}{other}{text[i + 1 :]}-{holding[0]}")


@pytest.mark.parametrize(
    ("frequency", "times"),
    [
        ("once daily", 1),
        ("twice daily with meals for 10 days", 2),
        ("every 4 to 6 hours as needed for pain", 6),
        ("as needed for severe low blood sugar", 1),
        ("every 3 weeks", 0.0476),
        ("once daily in the left eye at bedtime", 1),
        ("once dailyish", None),
        ("twice daily on Mondays", None),
        ("", None),
    ],
)
def test_frequencies_are_read(frequency: str, times: float | None) -> None:
    assert vocabulary().doses_a_day(frequency) == times


def test_every_unit_has_a_ucum_code_and_no_class_is_in_both_lists() -> None:
    known = vocabulary()
    assert all(known.measures.values())
    assert max(map(len, known.measures)) <= 20, "the contract of the note has no room for it"
    assert not known.drug_classes.alone & known.drug_classes.together


def test_a_key_that_stands_twice_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "twice.yaml").write_text("a: 1\nb:\n  c: 1\n  c: 2\n", "utf-8")
    monkeypatch.setattr("synth.packs.loading.FOLDER", tmp_path)
    assert duplicate_keys("twice") == ["line 4: 'c' stands twice; keep one"]


@pytest.mark.parametrize(
    "frequency",
    [
        "every 5 minutes as needed for chest pain",
        "as needed before exercise",
        "twice daily on days 1 to 14 of each 21-day cycle",
        "once 1 hour before the procedure",
        "every 3 weeks for 4 cycles",
        "once daily 30 minutes before breakfast",
    ],
)
def test_frequencies_of_other_specialties_are_read(frequency: str) -> None:
    assert vocabulary().doses_a_day(frequency) is not None
