"""The patients of the tiny base's exercises: two in three are such as nobody could guess."""

from __future__ import annotations

from collections import Counter

import pytest

from distill.tiny.corpus import Corpus
from distill.tiny.unguessable import unguessable
from synth.packs import load_pack
from synth.packs.loading import pack_names
from synth.records import HistoryFact, Scenario, SymptomFact
from synth.scenarios import sample_scenario


def shares(scenarios: list[Scenario]) -> Counter[str]:
    """Return in which share of the scenarios each entry of a history is."""
    seen = Counter(f.name for one in scenarios for f in one.facts if isinstance(f, HistoryFact))
    return Counter({name: count / len(scenarios) for name, count in seen.items()})


@pytest.mark.parametrize("specialty", pack_names())
def test_every_pack_can_be_evened_out(specialty: str) -> None:
    pack = unguessable(load_pack(specialty))
    for index in range(100):
        sample_scenario(pack, 3, index)


def test_nothing_can_be_guessed() -> None:
    pack = load_pack("endocrinology")
    usual = shares([sample_scenario(pack, 3, index) for index in range(400)])
    scenarios = [sample_scenario(unguessable(pack), 3, index) for index in range(400)]
    open_ = shares(scenarios)
    smokers = ("never smoker", "former smoker", "current smoker")
    assert usual[smokers[0]] > 2 * usual[smokers[2]]
    assert all(0.17 < open_[name] < 0.33 for name in smokers)
    assert open_["no known drug allergies"] < 0.3 < 0.6 < usual["no known drug allergies"]
    assert len(open_) > len(usual)
    told = [fact.present for one in scenarios for fact in one.facts if isinstance(fact, SymptomFact)]
    assert 0.4 < sum(told) / len(told) < 0.6


def test_two_patients_in_three_of_the_corpus_are_such_and_visits_are_as_long_as_in_runs() -> None:
    corpus = Corpus("endocrinology")
    allergies = [shares([corpus.scenario(3 * i + place) for i in range(150)]) for place in range(3)]
    none = [found["no known drug allergies"] for found in allergies]
    assert none[0] > 0.6
    assert max(none[1:]) < 0.4
    lengths = Counter(manner.length for i in range(100) if (manner := corpus.scenario(i).manner) is not None)
    assert {length: round(count, -1) for length, count in lengths.items()} == {"usual": 50, "brief": 30, "long": 20}
