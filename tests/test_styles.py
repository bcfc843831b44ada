"""House styles: doses in their forms, and how far a text keeps to a style."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from synth.packs.cases import Case, Therapy, Tumor
from synth.packs.terms import terms
from synth.records import Course
from synth.styles import Doses, conformity, load_style, style_names

STYLES = [load_style(name) for name in style_names()]
TEXT = """Dear colleague,

We saw this 68-year-old man for a follow-up.

Diagnosis
- Prostate cancer, stage I

Oncologic and treatment history
- We delivered radiotherapy, 60 Gy in 20 fractions; 12 of 20 fractions (36 of 60 Gy) before

Interval history and findings
- No symptoms

Assessment
- Stable

Recommendations
- 8 Gy in a single fraction

Schedule
- Follow up in 6 months

Sincerely, Jane Roe, Radiation Oncologist
"""


def test_a_text_of_the_house_keeps_to_all_of_its_style() -> None:
    assert conformity(load_style("english"), TEXT).score == 1.0


@pytest.mark.parametrize(
    ("old", "new", "part", "value"),
    [
        ("Assessment", "Impression", "headings", 5 / 7),
        ("Sincerely, Jane Roe, Radiation Oncologist", "Yours, Jane Roe", "phrases", 0.5),
        ("60 Gy in 20 fractions", "20 x 3 Gy to 60 Gy", "doses", 2 / 4),
        ("We delivered", "I delivered", "wording", 0.0),
        ("Diagnosis\n", "Schedule\n", "order", 5 / 6),
    ],
)
def test_what_breaks_a_style_is_measured(old: str, new: str, part: str, value: float) -> None:
    assert getattr(conformity(load_style("english"), TEXT.replace(old, new)), part) == pytest.approx(value)


def test_nothing_keeps_to_no_style() -> None:
    found = conformity(load_style("german"), "")
    assert (found.headings, found.order, found.phrases, found.doses) == (0.0, None, 0.0, None)


@given(st.sampled_from(STYLES), st.integers(1, 40), st.integers(1, 2000))
def test_doses_are_written_in_a_form_that_is_recognised(style: object, fractions: int, hundredths: int) -> None:
    doses: Doses = style.doses  # type: ignore[attr-defined]
    each = hundredths / 100
    course = Course(
        target="t", technique="t", dose=round(each * fractions, 2), per_fraction=each, fractions=fractions, intent="i"
    )
    told = doses.told(course)
    assert any(pattern.fullmatch(told) for pattern in doses.patterns)


def test_the_doses_of_a_plan_are_written_anew() -> None:
    german = load_style("german").doses
    assert german.restyled("Bestrahlung, 40 Gy in 15 Fraktionen") == "Bestrahlung, 40,0 Gy à 2,67 Gy"
    assert german.restyled("8 Gy als Einzelfraktion") == "8,0 Gy als Einzelfraktion"
    assert load_style("english-brief").doses.restyled("60 Gy in 20 fractions") == "60 Gy (20 x 3 Gy)"


def test_what_was_given_so_far_is_so_many_fractions_of_their_dose() -> None:
    """Not a share of the whole, which is rounded: 10 times 2.67 Gy are 26.7, not 26.67."""
    breast = Course(target="b", technique="t", dose=40, per_fraction=2.67, fractions=15, given=10, intent="adjuvant")
    assert "26.7 of 40 Gy" in load_style("english").doses.told(breast)
    assert "26,7 von 40,0 Gy" in load_style("german").doses.told(breast)


def test_a_form_without_its_numbers_is_refused() -> None:
    with pytest.raises(ValidationError, match="needs"):
        Doses(course="{fractions} fractions", single="{total} Gy", under_way="{given}/{fractions}")
    with pytest.raises(ValidationError, match="needs"):
        Doses(course="{total} Gy", single="{total} Gy", under_way="{given}/{fractions}")


def course(**more: object) -> dict[str, object]:
    values = {"target": "prostate", "technique": "IMRT", "dose": 60, "per_fraction": 3, "fractions": 20, "intent": "x"}
    return {"modality": "radiotherapy", "name": "radiotherapy", "state": "planned", "course": {**values, **more}}


def test_cases_hold_together() -> None:
    assert Therapy.model_validate(course()).course is not None
    for wrong, why in (
        (course(dose=70), "are not 70"),
        (course(given=12), "under way|ongoing"),
        (course() | {"modality": "surgery"}, "has a course"),
    ):
        with pytest.raises(ValidationError, match=why):
            Therapy.model_validate(wrong)
    for tnm in ("cT1c cN0 cM0", "pT1c pN0(sn) cM0", "cM1b", "ypT2 ypN1a cM0"):
        assert Tumor(site="s", tnm=tnm).tnm == tnm
    for tnm in ("T1cN0M0", "cT5 cN0 cM0", "cT1c cN0 cM0 "):
        with pytest.raises(ValidationError, match="not spelled"):
            Tumor(site="s", tnm=tnm)
    surgery = {
        "modality": "surgery",
        "name": "resection",
        "state": "completed",
        "ago": {"unit": "week", "between": [4, 6]},
    }
    later = surgery | {"ago": {"unit": "week", "between": [6, 8]}}
    with pytest.raises(ValidationError, match="may have been before"):
        Case.model_validate({"tumor": {"site": "s"}, "therapies": [surgery, later], "sources": ["a"]})
    with pytest.raises(ValidationError, match="less than or equal to 5"):
        Case.model_validate(
            {"tumor": {"site": "s"}, "toxicities": [{"term": "t", "grade": 6, "phase": "acute"}], "sources": ["a"]}
        )


def test_german_is_read_back_in_the_words_of_the_facts() -> None:
    german = terms("de")
    assert german.of("6 weeks") == "6 Wochen"
    assert german.of("1 month") == "1 Monat"
    assert german.read("68-jährige Patientin, PSA 6,82 ng/mL") == "68 year old woman, PSA 6.82 ng/mL"
    for name in ("regular heart rhythm, no murmurs", "1.4 cm invasive ductal carcinoma", "healed craniotomy scar"):
        if german.known(name):
            assert german.read(german.of(name)) == name
    assert german.read("Bestrahlung des Tumorbetts, 60,0 Gy à 2,0 Gy") == "radiation to the tumor bed, 60.0 Gy à 2.0 Gy"
