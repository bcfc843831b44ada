"""Language level and difficulty show in the simulator's speech and in the prompts."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.catalog import load_task
from synth.control import LENGTHS, Control, Shares
from synth.packs import load_pack
from synth.population import Population
from synth.records import Difficulty, LanguageLevel, Length
from synth.scenarios import sample_scenario
from synth.teachers.prompts import Prompts
from synth.teachers.register import in_register
from synth.teachers.simulator import Simulator

PACK = load_pack("endocrinology")
TASK = load_task("note")
SIMULATOR = Simulator(PACK, TASK)
SAYS = ("I'm tired", "I feel exhausted all day", "exhaustion overwhelms everything", "my get up and go is gone")


def letters_of_patients(level: LanguageLevel) -> float:
    """Return the mean length of a word that a patient says."""
    asked = Population(PACK, Control(language_level=level))
    words = [
        word
        for index in range(80)
        for turn in SIMULATOR.encounter(sample_scenario(PACK, 6, index, asked)).turns
        if turn.speaker == "patient"
        for word in turn.text.split()
    ]
    return sum(map(len, words)) / len(words)


def test_educated_patients_use_longer_words_than_plain_ones() -> None:
    plain, usual, educated = (letters_of_patients(level) for level in ("plain", "usual", "educated"))
    assert plain < usual < educated


@given(st.lists(st.text("ab ", min_size=1).filter(str.strip), max_size=8), st.sampled_from(["plain", "educated"]))
def test_a_register_takes_from_what_there_is_and_never_everything_away(says: list[str], level: LanguageLevel) -> None:
    kept = in_register(says, level)
    assert set(kept) <= set(says)
    assert bool(kept) == bool(says)


def test_the_plainest_half_has_the_shortest_words() -> None:
    assert set(in_register(SAYS, "plain")) == {"I'm tired", "my get up and go is gone"}
    assert set(in_register(SAYS, "educated")) == {"exhaustion overwhelms everything", "I feel exhausted all day"}
    assert in_register(SAYS, "usual") == SAYS


def corrections(difficulty: Difficulty) -> int:
    asked = Population(PACK, Control(difficulty=difficulty))
    texts = [SIMULATOR.encounter(sample_scenario(PACK, 6, index, asked)).source.text for index in range(120)]
    marks = ("no, wait", "I got that wrong", "I misread that", "let me get this right", "hang on", "I tell a lie")
    return sum(text.count(mark) for text in texts for mark in marks)


def test_hard_encounters_hold_more_corrections_and_easy_ones_fewer() -> None:
    easy, usual, hard = (corrections(difficulty) for difficulty in ("easy", "usual", "hard"))
    assert easy < usual < hard


@pytest.mark.parametrize(
    ("control", "said"),
    [
        (Control(language_level="plain"), "speaks very plainly"),
        (Control(language_level="educated"), "is well educated"),
        (Control(difficulty="easy"), "an easy visit"),
        (Control(difficulty="hard"), "a hard visit"),
        (Control(length="brief"), "a brief visit"),
        (Control(length="long"), "a long visit"),
    ],
)
def test_the_prompt_asks_for_the_manner(control: Control, said: str) -> None:
    prompts = Prompts(TASK, PACK)
    asked = sample_scenario(PACK, 6, 0, Population(PACK, control))
    assert said in str(prompts.source(asked, constrained=False))
    usual = sample_scenario(PACK, 6, 0, Population(PACK, Control(length="usual")))
    assert said not in str(prompts.source(usual, constrained=False))


def test_a_brief_visit_is_shorter_and_a_long_one_longer() -> None:
    words: dict[Length, list[int]] = {}
    for length in LENGTHS:
        asked = Population(PACK, Control(length=length))
        encounters = [SIMULATOR.encounter(sample_scenario(PACK, 6, index, asked)) for index in range(60)]
        words[length] = [sum(len(turn.text.split()) for turn in encounter.turns) for encounter in encounters]
    brief, usual, long = (sum(words[length]) / 60 for length in LENGTHS)
    assert 300 < brief < 440 < usual < 640
    assert 1100 < long < 1400


def test_lengths_come_in_their_shares_and_stay_with_the_index() -> None:
    for control in (Control(), Control(shares=Shares(length={"brief": 0.5, "long": 0.5}))):
        asked = Population(PACK, control)
        drawn = [sample_scenario(PACK, 6, index, asked).manner for index in range(400)]
        counted = Counter(manner.length for manner in drawn if manner is not None)
        for length, share in control.lengths.items():
            assert abs(counted[length] / 400 - share) < 0.01
        assert sample_scenario(PACK, 6, 399, asked).manner == drawn[399]


def test_lengths_leave_the_patients_as_they_are() -> None:
    shares = Population(PACK, Control(shares=Shares(length={"long": 1.0})))
    assert not shares.control.chooses
    assert sample_scenario(PACK, 6, 3, shares).facts == sample_scenario(PACK, 6, 3).facts
