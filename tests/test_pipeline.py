"""The pipeline gives exactly N, in index order, whatever the timing; and stops and resumes cleanly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from synth.clock import Traffic
from synth.config import RunConfig, TeacherConfig
from synth.errors import TeacherUnavailable, UserError
from synth.ledger import ENCOUNTERS, REJECTIONS, Position
from synth.pipeline import CandidateBudgetSpent, Execution, generate
from synth.records import Encounter, Rejection, TeacherIdentity
from synth.runs import read_encounters, read_manifest
from synth.scheduling import window
from synth.teachers.base import Candidate, TeacherRequest
from tests.running import all_bytes
from tests.samples import encounter


class UnevenTeacher:
    """Writes late encounters early and early ones late; rejects every fourth; can be told to fail at a call."""

    def __init__(
        self, fail_at: int | None = None, reject: Callable[[int], bool] = lambda index: index % 4 == 1
    ) -> None:
        self.identity = TeacherIdentity(name="simulator", model=None, revision=None)
        self.attempts = 1
        self.constrained: bool | None = None
        self.traffic = Traffic()
        self.calls: list[int] = []
        self.under_way = 0
        self.most_under_way = 0
        self.closed = False
        self.began: bool | None = None
        self._fail_at = fail_at
        self._reject = reject

    async def write(self, candidate: Candidate) -> Encounter | Rejection:
        scenario = candidate.scenario
        candidate.attempts = {"source": 1, "target": 1}
        self.calls.append(scenario.index)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(0.001 * (7 - scenario.index % 8))
        self.under_way -= 1
        if self._fail_at == scenario.index:
            raise TeacherUnavailable("the server went away")
        if self._reject(scenario.index):
            return candidate.rejection("source", "no_turns", "nothing that reads as a dialogue")
        return encounter().model_copy(update={"id": scenario.id, "index": scenario.index, "scenario": scenario})

    async def close(self) -> None:
        self.closed = True


def run(
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    teacher: UnevenTeacher,
    n: int = 30,
    concurrency: int = 8,
    budget: int = 500,
) -> Position:
    async def opened(request: TeacherRequest) -> UnevenTeacher:
        teacher.began = request.constrained
        return teacher

    monkeypatch.setattr("synth.pipeline.running.open_teacher", opened)
    config = RunConfig(
        specialty="endocrinology", n=n, seed=3, teacher=TeacherConfig(name="simulator"), checks=("schema",)
    )
    return generate(config, Execution(out=out, concurrency=concurrency, max_candidates=budget))


def test_concurrency_changes_nothing_but_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for concurrency in (1, 5, 64):
        teacher = UnevenTeacher()
        out = tmp_path / str(concurrency)
        position = run(out, monkeypatch, teacher, concurrency=concurrency)
        assert position.accepted == 30
        assert teacher.most_under_way <= window(concurrency).under_way
        assert teacher.closed
        results.append(all_bytes(out))
    assert results[0] == results[1] == results[2]
    assert {"dataset/train.parquet", "README.md", "report.html", "manifest.json", "config.yaml"} <= set(results[0])


def test_no_candidate_is_started_that_cannot_be_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    teacher = UnevenTeacher(reject=lambda _index: False)
    run(tmp_path / "run", monkeypatch, teacher, n=10, concurrency=64)
    assert sorted(teacher.calls) == list(range(10))


def test_a_teacher_that_goes_away_leaves_a_run_that_resumes_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path / "whole", monkeypatch, UnevenTeacher())
    with pytest.raises(TeacherUnavailable):
        run(tmp_path / "broken", monkeypatch, UnevenTeacher(fail_at=17))
    kept = [e.index for e in read_encounters(tmp_path / "broken")]
    assert kept == [i for i in range(17) if i % 4 != 1]
    again = UnevenTeacher()
    run(tmp_path / "broken", monkeypatch, again)
    assert min(again.calls) == 17
    assert all_bytes(tmp_path / "broken") == all_bytes(tmp_path / "whole")


def test_a_resumed_run_tells_its_teacher_what_decoding_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = UnevenTeacher(fail_at=25)
    first.constrained = True
    with pytest.raises(TeacherUnavailable):
        run(tmp_path / "run", monkeypatch, first)
    assert first.began is None
    assert read_manifest(tmp_path / "run").constrained is True
    second = UnevenTeacher()
    second.constrained = True
    run(tmp_path / "run", monkeypatch, second)
    assert second.began is True


def test_extending_a_run_gives_the_bytes_of_the_longer_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path / "grown", monkeypatch, UnevenTeacher(), n=12)
    run(tmp_path / "grown", monkeypatch, UnevenTeacher(), n=30)
    run(tmp_path / "whole", monkeypatch, UnevenTeacher(), n=30)
    assert all_bytes(tmp_path / "grown") == all_bytes(tmp_path / "whole")


def test_a_complete_run_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path / "run", monkeypatch, UnevenTeacher())
    before = all_bytes(tmp_path / "run")
    idle = UnevenTeacher()
    run(tmp_path / "run", monkeypatch, idle)
    assert idle.calls == []
    assert all_bytes(tmp_path / "run") == before


def test_a_spent_budget_names_the_reason_and_can_be_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        CandidateBudgetSpent,
        match=r"only 15 of 30 .* 20 candidates; .* by the teacher, writing the source \(5, of them source/no_turns 5",
    ):
        run(tmp_path / "run", monkeypatch, UnevenTeacher(), budget=20)
    assert read_manifest(tmp_path / "run").status == "running"
    assert run(tmp_path / "run", monkeypatch, UnevenTeacher(), budget=60).accepted == 30


def test_the_ledger_accounts_for_every_candidate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    position = run(tmp_path / "run", monkeypatch, UnevenTeacher())
    accepted = [e.index for e in read_encounters(tmp_path / "run")]
    rejected = [Rejection.model_validate_json(line).index for line in (tmp_path / "run" / REJECTIONS).open()]
    assert sorted(accepted + rejected) == list(range(position.next_index))
    counts = read_manifest(tmp_path / "run").counts
    assert counts is not None
    assert (counts.accepted, counts.rejected) == (30, len(rejected))
    assert sum(counts.splits.values()) == 30
    assert counts.reasons == {"source/no_turns": len(rejected)}


def test_another_seed_does_not_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path / "run", monkeypatch, UnevenTeacher(), n=3)
    log = (tmp_path / "run" / ENCOUNTERS).read_bytes()
    config = RunConfig(specialty="endocrinology", n=3, seed=4, teacher=TeacherConfig(name="simulator"))
    with pytest.raises(UserError, match="was made with"):
        generate(config, Execution(out=tmp_path / "run", max_candidates=10))
    assert (tmp_path / "run" / ENCOUNTERS).read_bytes() == log
