"""Near-duplicates: found whatever the names, never among different scenarios, the same ones whatever the timing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth import pipeline
from synth.catalog import load_task
from synth.checks.duplicates import Duplicates, DuplicatesCheck, fact_ngrams, fact_words
from synth.clock import Traffic
from synth.config import DuplicatesConfig, RunConfig, TeacherConfig
from synth.errors import TeacherUnavailable
from synth.ledger import REJECTIONS, Decided, Position, decided
from synth.packs import load_pack
from synth.pipeline import Execution, generate
from synth.records import Encounter, Rejection, TeacherIdentity, Transcript, Turn
from synth.runs import read_encounters
from synth.scenarios import sample_scenario
from synth.shingles import ngrams, touched, word_hashes, words
from synth.teachers.base import Candidate, TeacherRequest
from synth.teachers.simulator import Simulator
from tests.running import all_bytes, here

CONFIG = RunConfig(specialty="endocrinology", n=1, seed=0, teacher=TeacherConfig(name="simulator"))


@cache
def simulated(index: int) -> Encounter:
    pack = load_pack("endocrinology")
    return Simulator(pack, load_task("note")).encounter(sample_scenario(pack, 0, index))


def said(turns: tuple[Turn, ...]) -> Transcript:
    return Transcript(turns=turns)


def planted(original: int, index: int, *, name: str = "") -> Encounter:
    """Return what one scenario was written, under the id of another; placeholders become a name where one is given."""
    source = simulated(original).source
    if name:
        source = source.saying([text.replace("{{patient_first_name}}", name) for text in source.passages])
    return simulated(index).model_copy(update={"source": source})


def settle(encounters: list[Encounter], config: DuplicatesConfig | None = None) -> list[Decided]:
    """Return the entries of encounters that are committed in this order."""
    duplicates, check = Duplicates(config or DuplicatesConfig()), DuplicatesCheck(load_task("note"), CONFIG)
    return [duplicates.settled(decided(one, shingles=check.shingles(one))) for one in encounters]


def test_words_are_the_same_however_they_are_written() -> None:
    assert words("Don't {{patient_name}}, it's 7.9!") == ["do", "nt", "it", "s", "7.9"]
    assert words("i do n't , it 's 7.9") == ["i", "do", "nt", "it", "s", "7.9"]
    assert words("I CAN’T") == words("i ca n't")


@settings(deadline=None)
@given(st.lists(st.sampled_from("abcd"), max_size=30), st.integers(1, 9))
def test_equal_runs_of_words_have_equal_hashes_and_others_have_not(said: list[str], n: int) -> None:
    runs = [tuple(said[i : i + n]) for i in range(len(said) - n + 1)]
    hashes = ngrams(word_hashes(said), n).tolist()
    assert len(hashes) == len(runs)
    assert len(set(zip(runs, hashes, strict=True))) == len(set(runs)) == len(set(hashes))


@settings(deadline=None)
@given(st.lists(st.booleans(), max_size=30), st.integers(1, 9))
def test_a_run_is_touched_where_one_of_its_words_is_marked(marked: list[bool], n: int) -> None:
    expected = [any(marked[i : i + n]) for i in range(len(marked) - n + 1)]
    assert touched(np.array(marked, dtype=np.bool_), n).tolist() == expected


def test_only_what_says_a_fact_or_a_number_counts() -> None:
    one = simulated(0)
    talk = said(
        tuple(Turn(speaker="doctor", text="Come in and have a seat, tell me how you are doing.") for _ in "abc")
    )
    assert len(fact_ngrams(one.model_copy(update={"source": talk}), 8)) == 0
    number = said((*talk.turns, Turn(speaker="doctor", text="I saw 122.")))
    assert len(fact_ngrams(one.model_copy(update={"source": number}), 8)) == 1
    assert {"glargine", "monofilament", "fatigue"} <= fact_words(one.scenario)
    assert not {"the", "of", "follow-up", "male", "lab-1"} & fact_words(one.scenario)


@pytest.mark.parametrize("name", ["", "Aurelio"])
def test_a_planted_copy_is_found_whoever_it_is_about(name: str) -> None:
    entries = settle([*map(simulated, range(30)), planted(11, 31, name=name), simulated(32)])
    assert [entry.index for entry in entries if entry.reason is not None] == [31]
    rejection = Rejection.model_validate_json(entries[30].line)
    assert (rejection.stage, rejection.reason, rejection.part) == ("duplicates", "near_duplicate", "source")
    assert simulated(11).id in rejection.detail
    assert "word 8-grams" in rejection.detail
    assert rejection.sha256 is not None


def test_a_copy_with_other_talk_around_it_in_another_order_is_found() -> None:
    turns = simulated(4).turns
    half = len(turns) // 2
    talk = Turn(speaker="patient", text="My sister was here last week and she said that you are always late, you know.")
    mixed = (talk, *turns[half:], talk, *turns[:half], talk)
    entries = settle([simulated(4), simulated(5).model_copy(update={"source": said(mixed)})])
    assert entries[1].reason == "duplicates/near_duplicate"


def test_different_scenarios_are_no_duplicates() -> None:
    assert all(entry.reason is None for entry in settle([simulated(index) for index in range(300)]))


def test_a_rejected_encounter_is_compared_with_no_other() -> None:
    """An encounter like a rejected one, and not like an accepted one, stays."""
    turns = {index: simulated(index).turns for index in (1, 2)}
    third = len(turns[1]) // 3
    bridge = said((*turns[1], *turns[2][: len(turns[2]) // 2]))
    other = said(turns[2][:third])
    entries = settle(
        [
            simulated(1),
            simulated(8).model_copy(update={"source": bridge}),
            simulated(9).model_copy(update={"source": other}),
        ]
    )
    assert [entry.reason for entry in entries] == [None, "duplicates/near_duplicate", None]


def shares(encounters: list[Encounter]) -> list[list[float]]:
    """Return the share of every pair by definition, with sets."""
    sets = [set(fact_ngrams(one, 8).tolist()) for one in encounters]
    return [[len(a & b) / max(min(len(a), len(b)), 20) for b in sets] for a in sets]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30), st.integers(1, 60)), min_size=1, max_size=12))
def test_verdicts_are_those_of_the_definition(cuts: list[tuple[int, int, int]]) -> None:
    """Whatever pieces of whatever transcripts are committed, the index finds what comparing all pairs finds."""
    encounters = [
        simulated(index).model_copy(update={"source": said(simulated(original).turns[start : start + length])})
        for index, (original, start, length) in enumerate(cuts)
    ]
    pairs = shares(encounters)
    accepted: list[int] = []
    for index in range(len(encounters)):
        if max((pairs[index][other] for other in accepted), default=0.0) < 0.5:
            accepted.append(index)
    entries = settle(encounters)
    assert [entry.index for entry in entries if entry.reason is None] == [encounters[i].index for i in accepted]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=16), st.integers(0, 16))
def test_taking_up_gives_the_verdicts_of_going_on(originals: list[int], stop: int) -> None:
    encounters = [planted(original, index) for index, original in enumerate(originals)]
    whole = settle(encounters)
    check = DuplicatesCheck(load_task("note"), CONFIG)
    resumed = Duplicates(DuplicatesConfig())
    resumed.take_up(Encounter.model_validate_json(entry.line) for entry in whole[:stop] if entry.reason is None)
    rest = [resumed.settled(decided(one, shingles=check.shingles(one))) for one in encounters[stop:]]
    assert [entry.line for entry in rest] == [entry.line for entry in whole[stop:]]


def test_the_index_merges_many_encounters_without_losing_one() -> None:
    chance = np.random.default_rng(1)
    sets = [np.unique(chance.integers(0, 1 << 63, size=60, dtype=np.uint64)) for _ in range(500)]
    duplicates = Duplicates(DuplicatesConfig())
    for number, grams in enumerate(sets):
        assert duplicates.nearest(grams)[0] == 0.0
        duplicates.add(str(number), grams)
    for number, grams in enumerate(sets):
        assert duplicates.nearest(grams[:40]) == (1.0, str(number))


class Repeating:
    """Writes what the simulator writes for every fifth scenario, over and over, late ones early; can go away."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.identity = TeacherIdentity(name="simulator", model=None, revision=None)
        self.attempts = 1
        self.constrained: bool | None = None
        self.traffic = Traffic()
        self._fail_at = fail_at

    async def write(self, candidate: Candidate) -> Encounter | Rejection:
        index = candidate.scenario.index
        candidate.attempts = {"source": 1, "target": 1}
        await asyncio.sleep(0.001 * (7 - index % 8))
        if index == self._fail_at:
            raise TeacherUnavailable("the server went away")
        return planted(index % 5 * 3, index)

    async def close(self) -> None:
        pass


def run(
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    fail_at: int | None = None,
    n: int = 5,
    concurrency: int = 8,
    workers: int = 0,
    budget: int = 60,
) -> Position:
    async def opened(_request: TeacherRequest) -> Repeating:
        return Repeating(fail_at)

    monkeypatch.setattr("synth.pipeline.running.open_teacher", opened)
    config = CONFIG.model_copy(update={"n": n, "checks": ("schema", "identities", "duplicates")})
    return generate(config, Execution(out=out, concurrency=concurrency, workers=workers, max_candidates=budget))


def rejected(out: Path) -> Iterator[Rejection]:
    return (Rejection.model_validate_json(line) for line in (out / REJECTIONS).open())


def test_neither_concurrency_nor_processes_nor_a_stop_changes_a_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled: dict[str, dict[str, bytes]] = {}
    for name, concurrency, workers in (("one", 1, 0), ("many", 64, 0), ("processes", 16, 2)):
        with pytest.raises(pipeline.CandidateBudgetSpent, match="duplicates check"):
            run(tmp_path / name, monkeypatch, n=6, concurrency=concurrency, workers=workers)
        settled[name] = all_bytes(tmp_path / name)
    for stop in (3, 11, 37):
        with pytest.raises(TeacherUnavailable):
            run(tmp_path / f"stopped {stop}", monkeypatch, n=6, fail_at=stop)
        with pytest.raises(pipeline.CandidateBudgetSpent):
            run(tmp_path / f"stopped {stop}", monkeypatch, n=6)
        settled[f"stopped {stop}"] = all_bytes(tmp_path / f"stopped {stop}")
    first = settled.pop("one")
    assert all(content == first for content in settled.values())
    assert [one.index for one in read_encounters(tmp_path / "one")] == [0, 1, 2, 3, 4]
    assert {one.reason for one in rejected(tmp_path / "one")} == {"near_duplicate"}
    assert sum(1 for _ in rejected(tmp_path / "one")) == 55


def test_the_check_is_on_unless_it_is_turned_off(tmp_path: Path) -> None:
    words_ = ["generate", "--specialty", "endocrinology", "-n", "2", "--teacher", "simulator", "--workers", "0"]
    on = here(*words_, "--duplicates", "0.4", "--out", str(tmp_path / "on"))
    off = here(*words_, "--duplicates", "off", "--out", str(tmp_path / "off"))
    assert (on.returncode, off.returncode) == (0, 0), on.stderr + off.stderr
    assert "share: 0.4" in (tmp_path / "on" / "config.yaml").read_text()
    assert "- duplicates" in (tmp_path / "on" / "config.yaml").read_text()
    assert "- duplicates" not in (tmp_path / "off" / "config.yaml").read_text()
    wrong = here(*words_, "--duplicates", "some", "--out", str(tmp_path / "wrong"))
    assert wrong.returncode == 2
    assert "neither a share such as 0.5 nor 'off'" in wrong.stderr
