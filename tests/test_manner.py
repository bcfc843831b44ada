"""Language level and difficulty show in the simulator's speech and in the prompts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.catalog import load_task
from synth.control import Control
from synth.packs import load_pack
from synth.population import Population
from synth.records import Difficulty, LanguageLevel
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
        for turn in SIMULATOR.encounter(sample_scenario(PACK, 6, index, asked)).source.turns
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
    ],
)
def test_the_prompt_asks_for_the_manner(control: Control, said: str) -> None:
    prompts = Prompts(TASK, PACK)
    asked = sample_scenario(PACK, 6, 0, Population(PACK, control))
    assert said in str(prompts.source(asked, constrained=False))
    assert said not in str(prompts.source(sample_scenario(PACK, 6, 0), constrained=False))
