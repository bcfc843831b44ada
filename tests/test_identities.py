"""Placeholders are filled with one consistent identity that nobody has, and where each identifier stands is known."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.catalog import load_task
from synth.checks.identities import IdentitiesCheck
from synth.checks.phi import SAFE_HARBOR
from synth.fields import strings_of
from synth.filling import MODES, Filled, fill
from synth.identities import catalogue, mark_of, spoken, stand_in, unknown
from synth.records import Encounter, JsonObject, PatientFact, PlanFact, Rejection, Sex, Turn
from tests.samples import encounter, note

ALL = list(catalogue().placeholders)
SURNAMES = {"patient_last_name", "clinician_last_name"}


def saying(*words: str, index: int = 0, target: JsonObject | None = None) -> Encounter:
    """Return an encounter in which these words are said, by turns."""
    turns = (Turn(speaker=("doctor", "patient")[i % 2], text=text) for i, text in enumerate(words))
    return encounter(index, turns=tuple(turns), target=target)


def with_patient(written: Encounter, age: int, sex: Sex, plan: str | None = None) -> Encounter:
    facts = [PatientFact(id="patient-1", age=age, sex=sex), *written.scenario.facts[1:]]
    if plan is not None:
        facts.append(PlanFact(id="plan-1", problem="diagnosis-1", action="follow-up", text=plan, medication=None))
    return written.model_copy(update={"scenario": written.scenario.model_copy(update={"facts": tuple(facts)})})


def values(written: Encounter, *names: str) -> list[str]:
    """Return what the surrogates of these placeholders are in an encounter."""
    said = written.model_copy(update={"source": saying("; ".join("{{" + name + "}}" for name in names), "Yes.").source})
    return fill(said, "surrogate").source.passages[0].split("; ")


def published(filled: Filled) -> dict[str, str]:
    return {"source": filled.source.text, **strings_of(filled.target)}


placeholder = st.builds(mark_of, st.sampled_from(ALL), st.integers(1, 99))
words = st.lists(placeholder | st.text(st.characters(codec="utf-8", exclude_characters="{}\n"), max_size=9)).map(
    "".join
)


@settings(max_examples=60, deadline=None)
@given(said=st.lists(words.filter(str.strip), min_size=2, max_size=5), noted=words, mode=st.sampled_from(MODES))
def test_spans_are_where_the_identifiers_are_and_nothing_else_changes(said: list[str], noted: str, mode: str) -> None:
    target = note()
    assert isinstance(target["subjective"], dict)
    target["subjective"]["chief_complaint"] = noted
    written = saying(*said, target=target)
    filled = fill(written, mode)  # type: ignore[arg-type]  # one of MODES
    assert filled == fill(written, mode)  # type: ignore[arg-type]  # as above
    before = {"source": written.source.text, **strings_of(target)}
    for field, text in published(filled).items():
        marks = [found for found in filled.identifiers if found.field == field]
        back = text
        for found in reversed(marks):
            back = f"{back[: found.start]}{{{{{found.placeholder}}}}}{back[found.end :]}"
        assert back == before[field]
        if mode == "tag":
            assert all(re.fullmatch(r"\[[A-Z_]+(_\d+)?\]", text[found.start : found.end]) for found in marks)


def test_an_identity_is_the_same_throughout_and_its_values_differ() -> None:
    wanted = [mark_of(name, number) for name in ALL for number in (1, 2, 3)]
    written = saying(" ".join(wanted), " ".join(reversed(wanted)))
    filled = fill(written, "surrogate")
    by_placeholder: dict[str, set[str]] = {}
    for found in filled.identifiers:
        by_placeholder.setdefault(found.placeholder, set()).add(filled.source.text[found.start : found.end])
    assert all(len(found) == 1 for found in by_placeholder.values())
    fixed = {name for name in ALL if catalogue().placeholders[name].make == "fixed"}
    different = [text for name, found in by_placeholder.items() if name.rstrip("_23") not in fixed for text in found]
    assert len(set(different)) == len(different)


def test_parts_of_a_name_agree_and_the_sex_is_the_patients() -> None:
    full, first, last = values(encounter(), "patient_name", "patient_first_name", "patient_last_name")
    assert full == f"{first} {last}"
    women = {values(with_patient(encounter(i), 50, "female"), "patient_name")[0] for i in range(40)}
    men = {values(with_patient(encounter(i), 50, "male"), "patient_name")[0] for i in range(40)}
    assert len(women) == len(men) == 40
    assert len(women & men) < 12  # some names are of both sexes, and romanised ones are not told apart


def test_names_come_from_many_places_in_plain_letters() -> None:
    names = [values(encounter(i), "patient_name", "clinician_name") for i in range(200)]
    assert len({tuple(pair) for pair in names}) == 200
    assert all(re.fullmatch(r"[A-Za-z' -]+", name) for pair in names for name in pair)


def test_a_relative_is_of_the_sex_that_is_said_and_may_share_the_surname() -> None:
    shared = 0
    for index in range(60):
        wife = saying("Who is with you?", "My wife {{relative_name}}, and {{patient_name}} is me.", index=index)
        husband = saying("Who is with you?", "My husband {{relative_name}}, and {{patient_name}} is me.", index=index)
        she, he = (fill(said, "surrogate").source.passages[1] for said in (wife, husband))
        assert she.split()[2] != he.split()[2] or index > 0
        surname = she.partition(",")[0].split()[-1]
        shared += f"{surname} is me" in she
    assert 20 < shared < 55


@given(age=st.integers(0, 115), index=st.integers(0, 400))
@settings(max_examples=80, deadline=None)
def test_the_date_of_birth_gives_the_age_on_the_day_of_the_visit(age: int, index: int) -> None:
    written = with_patient(encounter(index), age, "female")
    born = datetime.strptime(values(written, "date_of_birth")[0], "%B %d, %Y").date()
    from synth.surrogates import Identity

    visit = Identity(written)._visit
    assert visit.year - born.year - ((visit.month, visit.day) < (born.month, born.day)) == age
    assert visit.weekday() < 5


def test_a_follow_up_is_when_the_plan_says() -> None:
    from synth.surrogates import Identity

    for index in range(30):
        written = with_patient(encounter(index), 50, "male", "return for a visit in 6 weeks")
        identity = Identity(written)
        said = values(written, "follow_up_date")[0]
        days = [(identity._visit.toordinal() + 42 + late) for late in range(3)]
        assert any(f"{datetime.fromordinal(day):%B} {datetime.fromordinal(day).day}" in said for day in days)


def test_a_follow_up_on_a_day_that_another_date_has_is_a_little_later() -> None:
    """Each of the others is drawn from some 180 days, so among 60 encounters the plan's own day is taken in some."""
    from synth.surrogates import Identity

    taken = 0
    for index in range(60):
        written = with_patient(encounter(index), 50, "female", "follow up in 3 months")
        alone = Identity(written).value("follow_up_date", 1)
        identity = Identity(written)
        others = [identity.value("follow_up_date", number) for number in range(2, 30)]
        again = identity.value("follow_up_date", 1)
        assert again not in others
        assert (again == alone) == (alone not in others)
        taken += alone in others
    assert taken


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("phone", r"[2-9]0[2-9]-555-01\d\d"),
        ("fax", r"[2-9]0[2-9]-555-01\d\d"),
        ("ssn", r"9\d\d-0\d-\d{4}"),
        ("npi", r"9\d{9}"),
        ("mrn", r"00\d{6}"),
        ("email", r"[a-z]+\.[a-z]+@example\.(org|com|net)"),
        ("url", r"www\.[a-z]+\.example\.(org|com|net)"),
        ("ip_address", r"(192\.0\.2|198\.51\.100|203\.0\.113)\.\d{1,3}"),
        ("other_id", r"SYN-\d{6}"),
    ],
)
def test_numbers_and_addresses_are_nobodys(name: str, pattern: str) -> None:
    for index in range(30):
        assert all(re.fullmatch(pattern, value) for value in values(encounter(index), name, f"{name}_2"))


def test_every_class_of_safe_harbor_has_a_placeholder_and_every_type_a_stand_in() -> None:
    types = {kind.entity_type for kind in catalogue().placeholders.values()}
    for row in SAFE_HARBOR:
        assert types & set(row.entity_types), row.title
        for entity_type in row.entity_types:
            assert catalogue().placeholders[stand_in(entity_type, "x")].entity_type == entity_type
    assert stand_in("NRP", "x") == "other_id"
    assert [stand_in("LOCATION", text) for text in ("94110", "12 Elm Street", "Elm")] == ["zip", "street", "place"]


def test_the_scanner_passes_every_placeholder() -> None:
    from synth.checks.phi import scan_text

    for name in ALL:
        assert scan_text(f"[doctor] It is {mark_of(name, 1)}, and {mark_of(name, 99)}.") == ()


def test_an_unknown_placeholder_is_named_only_where_it_can_name_nobody() -> None:
    assert unknown({"source": "Hi {{patient_name_2}}, {{mrn}}."}) is None
    line = unknown({"source": "Hi {{doctor_name}}, {{Okonkwo}} and {{ada_lovelace}}"})
    assert line == "3 of no known kind, such as {{doctor_name}}"
    assert unknown({"source": "{{mrn_00482913}}"}) == "1 of no known kind"
    for text in (
        "{{patient_name}",
        "{{patient_name_0}}",
        "{{patient_name_100}}",
        "{{Patient Name}}",
        "{{{mrn}}}",
        "}}",
    ):
        assert unknown({"source": text}) is not None
        with pytest.raises(ValueError, match="does not know"):
            fill(saying(text, "Yes."), "surrogate")


def test_what_cannot_be_filled_is_rejected_whichever_way_is_published() -> None:
    check = IdentitiesCheck(load_task("note"))
    target = note()
    problems = target["assessment_and_plan"]
    assert isinstance(problems, list)
    assert isinstance(problems[0], dict)
    problems[0]["icd10cm"] = "{{mrn}}"
    outcome = check(saying("Hi.", "Hi.", target=target))
    assert isinstance(outcome, Rejection)
    assert (outcome.reason, outcome.part) == ("not_valid_when_filled", "target")
    stray = check(saying("Hi {{nobody}}.", "Hi."))
    assert isinstance(stray, Rejection)
    assert (stray.reason, stray.part) == ("unknown_placeholder", "source")
    fine = saying("Hi {{patient_name}}.", "Hi.")
    assert check(fine) is fine


def test_the_prompt_lists_what_is_said_aloud() -> None:
    marks = [mark for mark, _ in spoken()]
    assert "{{patient_name}}" in marks
    assert "{{ip_address}}" not in marks


def test_filling_needs_no_presidio() -> None:
    code = (
        "import sys; from synth.filling import fill; from tests.samples import encounter; from synth.records import *;"
        "e = encounter(turns=(Turn(speaker='doctor', text='{{patient_name}}'),)); fill(e, 'surrogate');"
        "print([m for m in sys.modules if m.startswith('presidio')], 'faker' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] True"
