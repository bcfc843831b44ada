"""The gate against contamination: planted benchmark text is rejected, exactly, and never told."""

from __future__ import annotations

import csv
import pickle
import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from synth.assets import render_prompt
from synth.catalog import load_task
from synth.checks.contamination import ContaminationCheck, HeldOutIndex, held_out_index
from synth.checks.workers import CheckWorkers, open_checks
from synth.config import HeldOut, RunConfig, TeacherConfig, resolve_config
from synth.corpora import read_corpus
from synth.errors import TeacherUnavailable, UserError
from synth.ledger import REJECTIONS
from synth.packs import load_pack
from synth.pipeline import Execution, generate
from synth.records import Encounter, Rejection, Transcript, Turn
from synth.runs import read_encounters, read_manifest
from synth.scenarios import sample_scenario
from synth.shingles import word_hashes, words
from synth.teachers.base import Candidate, TeacherRequest
from synth.teachers.simulator import Simulator
from tests.bench import aci_bench
from tests.running import all_bytes, here
from tests.test_pipeline import UnevenTeacher

HELD_OUT = (HeldOut(name="exam", items=2, sha256="0" * 64),)
CONFIG = RunConfig(specialty="endocrinology", n=1, seed=0, teacher=TeacherConfig(name="simulator"), hold_out=HELD_OUT)
SECRET = (
    "[doctor] so marlene , walk me through what happened when the ladder slid away from the gutter last thursday ?\n"
    "[patient] well , i had one boot on the top rung and then i was lying in the hydrangeas with my wrist bent under"
)
NOTE = "Marlene fell from a ladder into a bed of hydrangeas and presents with a bent and swollen wrist since Thursday."


@cache
def simulated(index: int) -> Encounter:
    pack = load_pack("endocrinology")
    return Simulator(pack, load_task("note")).encounter(sample_scenario(pack, 0, index))


def check(texts: Sequence[tuple[str, str]], config: RunConfig = CONFIG) -> ContaminationCheck:
    return ContaminationCheck(load_task("note"), config, held_out_index(texts, config.contamination.words))


def saying(index: int, *texts: str) -> Encounter:
    """Return an encounter in which these texts are said amid the rest."""
    turns = list(simulated(index).turns)
    turns[3:3] = [Turn(speaker="doctor", text=text) for text in texts]
    return simulated(index).model_copy(update={"source": Transcript(turns=tuple(turns))})


_WORD = st.sampled_from(["a", "b", "c"])
_TEXT = st.lists(_WORD, max_size=25)


@settings(max_examples=200, deadline=None)
@given(st.lists(_TEXT, min_size=1, max_size=5), _TEXT, st.integers(3, 13))
def test_ngrams_in_common_are_those_of_the_definition(held: list[list[str]], text: list[str], n: int) -> None:
    def grams(said: list[str]) -> set[tuple[str, ...]]:
        return {tuple(said[i : i + n]) for i in range(len(said) - n + 1)}

    index = held_out_index([(str(i), " ".join(one)) for i, one in enumerate(held)], n)
    count, label = index.shared(word_hashes(text))
    shared = [len(grams(text) & grams(one)) for one in held]
    assert count == max(shared)
    assert label == ("" if count == 0 else str(shared.index(count)))


def test_the_cosine_is_that_of_the_definition() -> None:
    """Three words by hand: idf ln((1+2)/(1+df))+1, tf 1+ln(count), as scikit-learn's smooth_idf and sublinear_tf."""
    index = held_out_index([("one", "fever fever cough"), ("two", "cough rash")], 3)
    rare, common, unseen = 1.4054651081081644, 1.0, 2.09861228866811
    fever = 1.6931471805599454 * rare
    one, two = (fever**2 + common**2) ** 0.5, (common**2 + rare**2) ** 0.5
    assert index.nearest(word_hashes(["cough", "rash"])) == (1.0, "two")
    assert index.nearest(word_hashes(["fever"])) == (round(fever / one, 4), "one")
    assert index.nearest(word_hashes(["cough", "zebra"])) == (round(1 / (1 + unseen**2) ** 0.5 / two, 4), "two")
    assert index.nearest(word_hashes([])) == (0.0, "one")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=12), min_size=1, max_size=5), st.data())
def test_a_text_is_nearest_to_itself(held: list[list[str]], data: st.DataObject) -> None:
    index = held_out_index([(str(i), " ".join(one)) for i, one in enumerate(held)], 3)
    chosen = data.draw(st.sampled_from(held))
    shuffled = data.draw(st.permutations(chosen))
    assert index.nearest(word_hashes(shuffled))[0] == 1.0


@pytest.mark.parametrize("cut", [0, 5])
def test_thirteen_words_in_a_row_are_enough_and_twelve_are_not(cut: int) -> None:
    gate = check([("exam q1", SECRET)])
    said = words(SECRET)[20 + cut :]
    outcome = gate(saying(0, " ".join(said[:13])))
    assert isinstance(outcome, Rejection)
    assert (outcome.stage, outcome.reason, outcome.part) == ("contamination", "shared_ngrams", "source")
    assert outcome.detail == "exam q1: 1 word 13-grams in common"
    assert isinstance(gate(saying(0, " ".join(said[:12]))), Encounter)


def test_a_planted_note_is_rejected_as_the_target() -> None:
    one = simulated(1)
    subjective = dict(one.target["subjective"])  # type: ignore[arg-type]  # an object under the contract
    target = one.target | {"subjective": subjective | {"history_of_present_illness": NOTE}}
    outcome = check([("exam q1", SECRET), ("exam q1", NOTE)])(one.model_copy(update={"target": target}))
    assert isinstance(outcome, Rejection)
    assert (outcome.reason, outcome.part) == ("shared_ngrams", "target")


def test_a_changed_copy_without_thirteen_words_in_a_row_is_too_similar() -> None:
    chance = random.Random(3)
    held = simulated(5).source
    text = "\n".join(held.passages)
    changed = " ".join(word if i % 9 else chance.choice(["hydrangeas", "gutter"]) for i, word in enumerate(words(text)))
    copy = simulated(6).model_copy(
        update={
            "source": Transcript(turns=(Turn(speaker="doctor", text=changed), Turn(speaker="patient", text="Yes.")))
        }
    )
    outcome = check([("exam q1", text)])(copy)
    assert isinstance(outcome, Rejection)
    assert (outcome.reason, outcome.part) == ("too_similar", "source")
    assert outcome.detail.startswith("exam q1: cosine 0.")


def test_an_accepted_encounter_keeps_how_near_it_comes() -> None:
    outcome = check([("exam q1", SECRET), ("exam q2", NOTE)])(simulated(7))
    assert isinstance(outcome, Encounter)
    assert outcome.overlap is not None
    assert outcome.overlap.ngrams == 0
    assert 0 < outcome.overlap.cosine < 0.75
    assert outcome.model_copy(update={"overlap": None}) == simulated(7)


def test_limits_can_be_set() -> None:
    laxer = CONFIG.model_copy(update={"contamination": CONFIG.contamination.model_copy(update={"shared": 3})})
    said = " ".join(words(SECRET)[:14])
    assert isinstance(check([("exam q1", SECRET)])(saying(0, said)), Rejection)
    assert isinstance(check([("exam q1", SECRET)], laxer)(saying(0, said)), Encounter)


def test_the_check_runs_where_something_is_held_out_and_nowhere_else() -> None:
    settings_: dict[str, JsonValue] = {"specialty": "endocrinology", "n": 1, "teacher": {"name": "simulator"}}
    held: list[JsonValue] = [{"name": "exam", "items": 1, "sha256": "0"}]
    assert "contamination" not in resolve_config({**settings_, "checks": ["schema", "contamination"]}).checks
    checks = resolve_config({**settings_, "hold_out": held, "checks": ["schema", "duplicates"]}).checks
    assert checks == ("schema", "identities", "contamination", "duplicates")
    two: list[JsonValue] = [{"name": name, "items": 1, "sha256": "0"} for name in ("b", "a")]
    assert [one.name for one in resolve_config({**settings_, "hold_out": two}).hold_out] == ["a", "b"]
    with pytest.raises(UserError, match="hold_out: a benchmark is named twice"):
        resolve_config({**settings_, "hold_out": [*held, *held]})
    with pytest.raises(UserError, match="name the benchmarks with --hold-out"):
        open_checks(("contamination",), load_task("note"), CONFIG)


def test_the_index_is_the_same_in_another_process() -> None:
    index: HeldOutIndex = pickle.loads(  # noqa: S301  as the pool of processes does
        pickle.dumps(held_out_index([("exam q1", SECRET)], 13))
    )
    assert index.shared(word_hashes(words(SECRET)))[0] == len(words(SECRET)) - 12


def test_every_dialogue_and_note_of_aci_bench_is_recognised() -> None:
    corpus = read_corpus("aci-bench", aci_bench())
    texts = [(f"aci-bench {item.id}", text) for item in corpus.items for text in (item.dialogue, item.note)]
    gate = check(texts)
    for number, item in enumerate(corpus.items[::9]):
        turns = tuple(
            Turn(
                speaker="doctor" if speaker == "doctor" else "patient", text=text.replace(" ,", ",").replace(" .", ".")
            )
            for speaker, text in item.turns
        )
        outcome = gate(simulated(number).model_copy(update={"source": Transcript(turns=turns)}))
        assert isinstance(outcome, Rejection)
        assert outcome.detail.startswith(f"aci-bench {item.id}: ")
    assert all(isinstance(gate(simulated(number)), Encounter) for number in range(60))


class Leaking(UnevenTeacher):
    """Writes what the simulator writes; every sixth time, with something from the exam."""

    async def write(self, candidate: Candidate) -> Encounter | Rejection:
        await super().write(candidate)
        index = candidate.scenario.index
        return saying(index, SECRET) if index % 6 == 2 else simulated(index)


@pytest.fixture
def exam(tmp_path: Path) -> Path:
    folder = tmp_path / "private" / "exam"
    folder.mkdir(parents=True)
    with (folder / "exam.csv").open("w", newline="") as out:
        writer = csv.DictWriter(out, ["encounter_id", "dialogue", "note"])
        writer.writeheader()
        writer.writerow({"encounter_id": "Q1", "dialogue": SECRET, "note": NOTE})
    return folder


def run(
    out: Path,
    exam: Path,
    monkeypatch: pytest.MonkeyPatch,
    fail_at: int | None = None,
    concurrency: int = 8,
    workers: int = 0,
) -> None:
    async def opened(_request: TeacherRequest) -> Leaking:
        return Leaking(fail_at, reject=lambda _index: False)

    monkeypatch.setattr("synth.pipeline.running.open_teacher", opened)
    corpus = read_corpus("exam", exam)
    held = (HeldOut(name="exam", items=len(corpus.items), sha256=corpus.sha256),)
    config = RunConfig(
        specialty="endocrinology",
        n=15,
        seed=0,
        teacher=TeacherConfig(name="simulator"),
        checks=("schema", "duplicates"),
        hold_out=held,
    )
    execution = Execution(out, 60, concurrency=concurrency, workers=workers, held_out=(corpus,))
    generate(config, execution)


def test_a_run_says_what_was_held_out_and_never_its_text_or_place(
    tmp_path: Path, exam: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path / "whole", exam, monkeypatch, concurrency=4)
    run(tmp_path / "processes", exam, monkeypatch, concurrency=32, workers=1)
    with pytest.raises(TeacherUnavailable):
        run(tmp_path / "stopped", exam, monkeypatch, fail_at=9)
    run(tmp_path / "stopped", exam, monkeypatch)
    written = all_bytes(tmp_path / "whole")
    assert all_bytes(tmp_path / "processes") == written
    assert all_bytes(tmp_path / "stopped") == written
    rejections = [Rejection.model_validate_json(line) for line in (tmp_path / "whole" / REJECTIONS).open()]
    assert [one.index for one in rejections] == [2, 8, 14]
    assert all(one.detail.startswith("exam Q1: ") for one in rejections)
    for name, content in written.items():
        for hidden in (b"hydrangeas", b"gutter", str(exam).encode(), b"private"):
            assert hidden not in content, name
    corpus = read_corpus("exam", exam)
    card, report = (written[name].decode() for name in ("README.md", "report.html"))
    nearest = max(one.overlap.cosine for one in read_encounters(tmp_path / "whole") if one.overlap)
    assert f"| exam | 1 | `{corpus.sha256}` | 3 | 0 |" in card
    assert f"the largest cosine is {nearest:.2f}, with exam Q1" in card
    assert f"cosine {nearest:.2f} (exam Q1)" in report
    assert "of 15 encounters, drawn by their ids" in report
    assert "self-BLEU-4, 15 texts" in report


def test_another_benchmark_or_none_is_another_run(tmp_path: Path, exam: Path) -> None:
    out, other = tmp_path / "out", tmp_path / "other.txt"
    other.write_text(NOTE)
    words_ = ["generate", "--specialty", "endocrinology", "-n", "2", "--teacher", "simulator", "--workers", "0"]
    first = here(*words_, "--out", str(out), "--hold-out", f"exam={exam}")
    assert first.returncode == 0, first.stderr
    fingerprint = read_manifest(out).fingerprint
    moved = exam.rename(exam.with_name("elsewhere"))
    assert here(*words_, "--out", str(out), "--hold-out", f"exam={moved}").returncode == 0
    assert read_manifest(out).fingerprint == fingerprint
    for others in ((), ("--hold-out", f"exam={other}"), ("--hold-out", f"exam={moved}", "--hold-out", f"more={other}")):
        refused = here(*words_, "--out", str(out), *others)
        assert refused.returncode == 2
        assert "was made with other settings" in refused.stderr
    again = ["generate", "--config", str(out / "config.yaml"), "--teacher", "simulator", "--workers", "0"]
    assert "say where it lies: --hold-out exam=PATH" in here(*again, "--out", str(tmp_path / "b")).stderr
    changed = here(*again, "--out", str(tmp_path / "b"), "--hold-out", f"exam={other}")
    assert "are not those that were held out before" in changed.stderr
    same = here(*again, "--out", str(tmp_path / "b"), "--hold-out", f"exam={moved}")
    assert same.returncode == 0, same.stderr
    assert all_bytes(tmp_path / "b") == all_bytes(out)


def test_the_next_attempt_is_told_why_without_the_text() -> None:
    told = render_prompt("note/retry.md.j2", part="source", reason="shared_ngrams", detail="exam Q1: 3")
    assert "too near to a text" in told
    assert "exam" not in told


def test_workers_refuse_a_gate_without_a_benchmark() -> None:
    with pytest.raises(UserError, match="nothing is held out"):
        CheckWorkers(("schema", "contamination"), load_task("note"), 0, CONFIG)
