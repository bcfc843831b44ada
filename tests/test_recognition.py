"""Transcripts as speech recognition writes them keep their facts: placeholders, numbers and words."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.faithfulness.measuring import encounters, measure
from synth.catalog import load_task
from synth.checks.faithfulness.recognised import with_spoken_marks
from synth.checks.faithfulness.tokens import is_number, tokenize
from synth.checks.workers import open_checks
from synth.filling import fill
from synth.identities import catalogue, mark_of, marks
from synth.recognition import in_style, recognised, recognition
from synth.records import Rejection, Transcript, Turn

BARE, PUNCTUATED, DICTATED = "e-0", "e-1", "e-37"
"""Ids of encounters that each way of recognising falls to."""
SAID = (
    "Okay, so, {{patient_first_name}}. I, um, see 132/80 today - good. Your A1c was 7.9% (it was 8.1%), and you're on "
    "metformin, 1,000 mg, twenty-five units of Lantus. Two. Twelve weeks from now we check again!"
)
WORDS = st.sampled_from(
    [
        *("pain", "no", "I", "Metformin", "the", "um,", "uh", "And", "half", "a", "mg", "point", "percent", "-", "..."),
        *("7.9", "5", "120/80", "1,000", "12%", "-2.5", "minus", "zero", "two", "twenty", "forty-five", "hundred"),
        *("oh", "one", "(see)", '"quoted"', "x-ray", "73-year-old", "Dr.", "period", "0.05", "250000", "e.g.", "007"),
        *("{{patient_name}} said", "{{visit_date}}. So", "({{city_2}}), yes", "{{patient_first_name}}'s", "thousand"),
    ]
)
TEXTS = st.lists(st.tuples(WORDS, st.sampled_from(["", "", "", ".", ",", "?", ";"])), min_size=1, max_size=14).map(
    lambda pieces: " ".join(word + mark for word, mark in pieces)
)
KEYS = st.sampled_from([BARE, PUNCTUATED, DICTATED, *map(str, range(20))])


def said(text: str, key: str) -> str:
    return recognised(Transcript(turns=(Turn(speaker="doctor", text=text),)), key).turns[0].text


def numbers(text: str) -> Counter[str]:
    return Counter(token for token in tokenize(with_spoken_marks(text)) if is_number(token))


def test_the_ids_stand_for_the_three_ways() -> None:
    assert said("Yes. One, two. Three.", BARE) == "yes one hmm two hmm three"
    assert said("Okay, yes. I do. Fine. It is 5.", PUNCTUATED).count("5")
    assert said("Yes, one. I do. Fine.", DICTATED) == "new paragraph yes comma one period i do period fine period"


def test_a_turn_without_marks() -> None:
    assert said(SAID, BARE) == (
        "okay so {{patient_first_name}} i see one thirty two over eighty today good your a1c was seven point nine "
        "percent it was eight . one percent and you're on metformin one thousand mg twenty five units of lantus two "
        "hmm twelve weeks from now we check again"
    )


def test_a_turn_with_some_marks() -> None:
    text = said(SAID, PUNCTUATED)
    assert text == text.lower()
    assert "132/80" in text
    assert "7.9% it was 8.1%" in text
    assert 0 < sum(map(text.count, ".,")) < sum(map(SAID.count, ".,"))


@given(TEXTS, KEYS)
@example("that one 20 milligrams, one time a day. 5. And a half", BARE)
@example("at this point. 5 people, two. Twelve. Oh, nine", BARE)
@example("thousand And 7.9", BARE)
@example("thousand, and seven. 1,000 and seven. 120/100 and seven", BARE)
@example("thousand and, seven. a hundred, um, and 7.9", BARE)
@example("thousand and, 7.9", DICTATED)
@example("minus - 7.9", BARE)
@example("two - twenty. 5 - 7.9. 1,000 - twenty", BARE)
@example("thousand uh thousand. pain. pain.", DICTATED)
@example("the. point two", BARE)
@settings(max_examples=400, deadline=None)
def test_placeholders_and_numbers_stay(text: str, key: str) -> None:
    written = said(text, key)
    assert marks(written) == marks(text)
    assert numbers(written) == numbers(text), written


@given(TEXTS, KEYS)
@example("pain pain Dr. uh. pain", PUNCTUATED)
@example("pain pain Dr. -. pain", PUNCTUATED)
@example("uh. uh. uh.", DICTATED)
@settings(max_examples=400, deadline=None)
def test_it_is_the_same_each_time_and_nothing_is_left_to_do(text: str, key: str) -> None:
    written = said(text, key)
    assert written == said(text, key)
    assert said(written, key) == written
    assert written.strip()


@given(st.text(max_size=60), KEYS)
def test_any_text_can_be_recognised(text: str, key: str) -> None:
    said(text, key)


@pytest.mark.parametrize("name", catalogue().placeholders)
def test_each_placeholder_is_left_as_it_is(name: str) -> None:
    for mark in (mark_of(name, 1), mark_of(name, 2)):
        assert mark in said(f"So, {mark}. And ({mark}), right?", BARE)


def test_the_rates_are_those_that_were_measured() -> None:
    seen = encounters("endocrinology", 150, seed=8, style="asr")
    turns = [turn.text for encounter in seen for turn in encounter.turns]
    words = [word for text in turns for word in text.split()]
    unmarked = [e for e in seen if not any(word[-1] in ".,?" and len(word) > 1 for word in e.source.text.split())]
    assert len(unmarked) / len(seen) == pytest.approx(recognition().recognisers["bare"].share, abs=0.08)
    assert not recognition().fillers.intersection(words)
    assert all(text == text.lower() for text in turns)
    bare = [turn.text.split() for encounter in unmarked for turn in encounter.turns]
    twice = sum(a == b and a in recognition().repeated for turn in bare for a, b in pairwise(turn))
    assert 0.009 < twice / sum(map(len, bare)) < 0.018


def test_a_run_that_asks_for_nothing_has_its_transcripts_as_they_were_written() -> None:
    for encounter in encounters("endocrinology", 3, seed=8):
        assert in_style(encounter) is encounter


def test_what_is_published_is_in_lower_case_where_placeholders_stood() -> None:
    for encounter in encounters("endocrinology", 20, seed=8, style="asr"):
        filled = fill(encounter, "surrogate")
        assert all(said == said.lower() for said in filled.source.passages)
        for one in filled.identifiers:
            if one.field == "source":
                assert filled.source.text[one.start : one.end].strip() == filled.source.text[one.start : one.end]


@pytest.mark.parametrize("specialty", ["endocrinology", "cardiology"])
def test_the_checks_accept_what_the_simulator_says(specialty: str) -> None:
    checks = open_checks(("schema", "phi", "faithfulness", "identities"), load_task("note"))
    seen = encounters(specialty, 100, seed=21, style="asr")
    rejections = [out for encounter in seen for check in checks if isinstance(out := check(encounter), Rejection)]
    assert len(rejections) <= 1, rejections


def test_what_is_planted_is_found() -> None:
    tallies, _ = measure("endocrinology", 60, seed=3, style="asr")
    for kind, tally in tallies.items():
        assert tally.found >= 5, kind
    assert sum(t.right for t in tallies.values()) >= 0.95 * sum(t.findings for t in tallies.values())
