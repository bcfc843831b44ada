"""Runs with a judge, as a user has them: exactly N, every verdict accounted for, the same bytes whatever happens."""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pydantic import JsonValue

from synth.ledger import ENCOUNTERS, REJECTIONS
from synth.records import Encounter, JsonObject, Rejection
from synth.runs import read_encounters, read_manifest
from synth.status import read_status
from tests.fake_server import FakeServer
from tests.fake_server.words import graded
from tests.running import all_bytes, at, command, environment, errors, here

N = 8
PROBES = 3 + 2
"""Requests before the first candidate: the teacher's, then the judge's."""


def marked(prompt: str) -> bool:
    """Return whether an encounter is one of the half that a judge is to treat badly."""
    mark = prompt.partition("under the mark ")[2].rstrip(".\n")
    return bool(mark) and int(mark, 16) % 2 == 0


def by_grade(prompt: str, number: int) -> JsonValue:
    """Return low grades for half of the encounters, with repeats that differ."""
    answer = graded(prompt, number)
    assert isinstance(answer, dict)
    if not marked(prompt):
        return answer
    return answer | {"factual_correctness": 1 + number % 3}


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "settings.yaml"
    path.write_text("checks: [schema]\n")
    return path


def judged(server: FakeServer, out: Path, settings: Path, **flags: object) -> subprocess.CompletedProcess[str]:
    given = {"config": settings, "judge": server.endpoint, "judge_model": "fake-1", **flags}
    return here(*at(server, out, N, **given))


def rejections(out: Path) -> list[Rejection]:
    return [Rejection.model_validate_json(line) for line in (out / REJECTIONS).open()]


def judge_requests(server: FakeServer) -> list[JsonObject]:
    return [body for body in server.bodies[PROBES:] if "You grade one encounter" in json.dumps(body["messages"])]


def test_without_a_judge_nothing_of_one_is_asked_or_written(tmp_path: Path, settings: Path) -> None:
    with FakeServer(bank=12) as server:
        assert here(*at(server, tmp_path / "run", N, config=settings)).returncode == 0
    assert not judge_requests(server)
    for name, content in all_bytes(tmp_path / "run").items():
        assert b"judge" not in content, name


def test_a_run_ends_with_exactly_n_and_every_verdict_of_the_judge_is_in_the_ledger(
    tmp_path: Path, settings: Path
) -> None:
    out = tmp_path / "run"
    with FakeServer(bank=40, grades=by_grade) as server:
        result = judged(server, out, settings, attempts=1)
    assert result.returncode == 0, result.stderr
    assert errors(result) == []
    accepted = list(read_encounters(out))
    fell = rejections(out)
    assert len(accepted) == N
    assert sorted([one.index for one in accepted] + [one.index for one in fell]) == list(range(N + len(fell)))
    assert fell
    assert {(one.stage, one.reason, one.part) for one in fell} == {("judge", "low_factual_correctness", "target")}
    everyone: list[Encounter | Rejection] = [*accepted, *fell]
    for one in everyone:
        assert one.judgement is not None
        assert len(one.judgement.scores) == 3
        median = one.judgement.dimensions["factual_correctness"].median
        assert (median >= 4) == isinstance(one, Encounter)
        assert one.usage.judge_prompt_tokens > 0
    assert all(one.detail.startswith("factual correctness: median ") for one in fell)
    seeds = {body["seed"] for body in judge_requests(server) if isinstance(body["seed"], int)}
    assert len(seeds) == 3 * (N + len(fell))

    manifest = read_manifest(out)
    assert manifest.judge is not None
    assert (manifest.judge.model, manifest.judge_constrained) == ("fake-1", True)
    status = read_status(out)
    assert (status.judge, status.stages[0].stage) == ("fake-1", "judge")
    assert status.judge_tokens == sum(
        one.usage.judge_prompt_tokens + one.usage.judge_completion_tokens for one in everyone
    )
    card, report = ((out / name).read_text("utf-8") for name in ("README.md", "report.html"))
    said = f"rejected {len(fell)} of {N + len(fell)} candidates"
    assert said in card
    assert said in report
    mean = sum(one.judgement.dimensions["structure"].median for one in accepted if one.judgement) / N
    spread = sum(one.judgement.dimensions["structure"].spread for one in accepted if one.judgement) / N
    assert f"| structure | at least 3 | {mean:.2f} | {spread:.2f} |" in card
    table = pq.read_table(out / "dataset" / "train.parquet")
    assert table.column_names[-1] == "judgement"
    scores = {row["id"]: json.loads(row["judgement"]) for row in table.to_pylist()}
    kept = {one.id: json.loads(one.judgement.model_dump_json()) for one in accepted if one.judgement}
    assert scores.items() <= kept.items()


def test_what_the_judge_rejects_is_written_again_with_the_failure_named(tmp_path: Path, settings: Path) -> None:
    out = tmp_path / "run"
    with FakeServer(grades=by_grade) as server:
        assert judged(server, out, settings, attempts=9).returncode == 0
    again = [one for one in read_encounters(out) if one.attempts > 1]
    assert again
    told = [str(body["messages"]) for body in server.bodies if "A reader found your last note wrong" in str(body)]
    assert all("median 1 of" in one or "median 2 of" in one or "median 3 of" in one for one in told)
    assert told
    first = next(one for one in read_encounters(out) if one.attempts == 1)
    for one in again:  # every judging is paid for, that of an earlier attempt, too
        assert one.usage.judge_completion_tokens > 1.5 * first.usage.judge_completion_tokens


def test_the_judge_sees_only_what_the_checks_accept(tmp_path: Path, settings: Path) -> None:
    out = tmp_path / "run"
    with FakeServer(bank=12, rates={"wrong_schema": 0.2}) as server:
        assert judged(server, out, settings, attempts=1).returncode == 0
    asked = {str(body["messages"]) for body in judge_requests(server)}
    fell = Counter(one.stage for one in rejections(out))
    assert fell["schema"] or fell["target"] or fell["source"]
    assert len(asked) == N + fell["judge"]


@pytest.mark.slow
def test_the_judge_sees_an_encounter_as_it_is_kept(tmp_path: Path) -> None:
    settings, out = tmp_path / "settings.yaml", tmp_path / "run"
    settings.write_text("checks: [schema, phi]\nphi: {policy: redact, quarantine: []}\n")
    with FakeServer(bank=12, rates={"phi": 0.3}) as server:
        assert judged(server, out, settings, attempts=1).returncode == 0
    assert [one for one in read_encounters(out) if one.findings]
    asked = {str(body["messages"]) for body in judge_requests(server)}
    assert not any("555-01" in one for one in asked)
    assert any("[PHONE]" in one for one in asked)


def test_replies_that_cannot_be_read_reject_in_the_end_and_nothing_is_written_anew(
    tmp_path: Path, settings: Path
) -> None:
    def speechless(prompt: str, number: int) -> JsonValue:
        return {"remark": "very good, 5 of 5"} if marked(prompt) else graded(prompt, number)

    out = tmp_path / "run"
    with FakeServer(bank=40, grades=speechless) as server:
        assert judged(server, out, settings).returncode == 0
    fell = [one for one in rejections(out) if one.reason == "no_judgement"]
    assert fell
    for one in fell:
        assert (one.stage, one.attempts) == ("judge", 1)
        assert one.detail == "0 of 3 repeats could be read (not_valid_under_contract 9)"
        assert one.judgement is not None
        assert one.judgement.unread == {"not_valid_under_contract": 9}
    card = (out / "README.md").read_text("utf-8")
    assert f"{len(fell)} of them because too few of its replies could be read" in card
    assert f"not_valid_under_contract {9 * len(fell)}" in card
    assert "very good" not in json.dumps([one.model_dump() for one in rejections(out)])


def test_neither_concurrency_nor_a_kill_changes_a_byte(tmp_path: Path, settings: Path) -> None:
    with FakeServer(bank=40, grades=by_grade) as server:
        assert judged(server, tmp_path / "whole", settings, attempts=1).returncode == 0
        assert judged(server, tmp_path / "one", settings, attempts=1, concurrency=1).returncode == 0
    with FakeServer(bank=40, grades=by_grade, latency=0.05, capacity=3) as server:
        flags = {"config": settings, "judge": server.endpoint, "judge_model": "fake-1", "attempts": 1}
        words = at(server, tmp_path / "killed", N, **flags)
        process = subprocess.Popen(command(*words), stderr=subprocess.DEVNULL, env=environment())
        log = tmp_path / "killed" / ENCOUNTERS
        deadline = time.monotonic() + 60
        while process.poll() is None and not (log.exists() and log.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.005)
        assert process.poll() is None
        process.kill()
        process.wait()
        assert here(*words).returncode == 0
    whole = all_bytes(tmp_path / "whole")
    assert all_bytes(tmp_path / "one") == whole
    assert all_bytes(tmp_path / "killed") == whole


@pytest.mark.slow
def test_bad_weather_changes_no_byte(tmp_path: Path, settings: Path) -> None:
    with FakeServer(bank=40, grades=by_grade) as server:
        assert judged(server, tmp_path / "calm", settings, attempts=1).returncode == 0
    with FakeServer(bank=40, grades=by_grade, rates={"busy": 0.1, "error": 0.1, "cut": 0.1}) as server:
        assert judged(server, tmp_path / "storm", settings, attempts=1).returncode == 0
    assert all_bytes(tmp_path / "storm") == all_bytes(tmp_path / "calm")


def test_the_repeats_are_not_one_cached_reply_and_cost_nothing_twice(tmp_path: Path, settings: Path) -> None:
    with FakeServer(bank=12) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("NOTEWRIGHT_CACHE", str(tmp_path / "cache" / "replies.sqlite"))
        assert judged(server, tmp_path / "first", settings, no_cache=None).returncode == 0
        assert len(judge_requests(server)) == 3 * N
        server.bodies.clear()
        assert judged(server, tmp_path / "again", settings, no_cache=None).returncode == 0
        assert not judge_requests(server)
        other = judged(server, tmp_path / "more", settings, no_cache=None, judge_repeats=5)
        assert other.returncode == 0
        assert len(judge_requests(server)) == 2 * N  # the first three are known
    assert all_bytes(tmp_path / "first") == all_bytes(tmp_path / "again")


def test_a_teacher_that_grades_itself_is_told_so_everywhere(tmp_path: Path, settings: Path) -> None:
    out = tmp_path / "run"
    with FakeServer(bank=12) as server:
        result = here(*at(server, out, N, config=settings, judge="teacher"))
    assert result.returncode == 0, result.stderr
    assert "judge: fake-1, the teacher itself; a model favours what it wrote itself" in result.stderr
    assert "The judge is the model that wrote the encounters." in (out / "README.md").read_text("utf-8")
    assert "The judge is the model that wrote the encounters" in (out / "report.html").read_text("utf-8")
    assert all(one.judgement for one in read_encounters(out))


def test_a_preview_shows_what_the_judge_says(tmp_path: Path, settings: Path) -> None:
    with FakeServer(bank=12) as server:
        flags = {"config": settings, "judge": server.endpoint, "judge_model": "fake-1", "preview": 2}
        result = here(*at(server, tmp_path / "run", None, **flags))
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert sum(line.startswith(("judge: accepts", "judge: rejects")) for line in lines) == 2
    assert sum(line.startswith("judge, 3 times: factual correctness ") for line in lines) == 2
    assert not (tmp_path / "run").exists()


def test_the_near_duplicates_index_knows_nothing_of_what_the_judge_rejected(tmp_path: Path) -> None:
    """The server repeats itself, so that all but the first of each kind are duplicates."""
    settings, out = tmp_path / "settings.yaml", tmp_path / "run"
    settings.write_text("checks: [schema, duplicates]\n")
    with FakeServer(bank=90, grades=by_grade) as server:
        result = judged(server, out, settings, attempts=1, duplicates=None)
    assert result.returncode == 0, result.stderr
    counts = Counter(one.stage for one in rejections(out))
    assert counts["judge"]
    manifest = read_manifest(out)
    assert manifest.counts is not None
    assert manifest.counts.accepted == N
    judged_in_all = N + counts["judge"] + counts["duplicates"]
    assert f"of {judged_in_all} candidates" in (out / "README.md").read_text("utf-8")


# What a user can get wrong

SIMULATED: dict[str, object] = {"endpoint": None, "model": None, "teacher": "simulator"}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"judge": None, "judge_model": "m"}, "--judge-model and --judge-repeats go with --judge URL"),
        ({"judge": None, "judge_model": None, "judge_repeats": 2}, "--judge-model and --judge-repeats go with"),
        ({"judge": "http://127.0.0.1:9", "judge_model": None}, "--judge needs --judge-model NAME"),
        ({"judge": "teacher", "judge_model": "other"}, "leave out --judge-model"),
        (
            {"judge": "teacher", "judge_model": None, "endpoint": None, "model": None, "teacher": "simulator"},
            "no model",
        ),
        ({"judge": "nowhere", "judge_model": "m"}, "--judge 'nowhere' is no http(s) URL"),
        ({"judge_model": "fake-2"}, "has no model 'fake-2' (did you mean fake-1?)"),
    ],
)
def test_flags_that_make_no_sense_get_one_line(
    tmp_path: Path, settings: Path, flags: dict[str, object], said: str
) -> None:
    with FakeServer(bank=1) as server:
        result = judged(server, tmp_path / "run", settings, **flags)
    assert result.returncode == 2
    assert len(errors(result)) == 1
    assert said in errors(result)[0]
    assert not (tmp_path / "run" / "README.md").exists()


def test_a_part_of_the_settings_without_a_model_gets_one_line(tmp_path: Path) -> None:
    settings = tmp_path / "settings.yaml"
    for content in ("{}", "{repeats: 2}", "yes"):
        settings.write_text(f"judge: {content}\n")
        with FakeServer(bank=1) as server:
            result = here(*at(server, tmp_path / "run", N, config=settings))
        assert errors(result) == ["synth: --judge needs --judge-model NAME: the model as the server calls it"]
    settings.write_text("judge: {model: m, temperature: 0}\n")
    with FakeServer(bank=1) as server:
        result = here(*at(server, tmp_path / "run", N, config=settings))
    assert errors(result) == [
        "synth: judge: a judge at temperature 0 repeats itself; raise temperature, or set repeats to 1"
    ]


def test_settings_of_a_judge_are_read_from_the_file_and_belong_to_the_run(tmp_path: Path) -> None:
    settings, out = tmp_path / "settings.yaml", tmp_path / "run"
    settings.write_text("checks: [schema]\njudge: {model: fake-1, repeats: 2, least: {}, most: {}}\n")
    with FakeServer(bank=12, grades=by_grade) as server:
        where = judged(server, out, settings, judge=None, judge_model=None)
        assert errors(where) == [
            "synth: this run is judged by fake-1; say where it is: --judge URL (or --judge teacher)"
        ]
        assert judged(server, out, settings, judge_model=None).returncode == 0
        assert rejections(out) == []
        others = here(*at(server, out, N + 1, config=settings, judge=server.endpoint, judge_repeats=4))
        assert "was made with other settings" in errors(others)[0]
        without = tmp_path / "without.yaml"
        without.write_text("checks: [schema]\n")
        assert "was made with judge fake-1" in errors(here(*at(server, out, N + 1, config=without)))[0]
        # What is published of a complete run needs no judge.
        tags = judged(server, out, settings, judge=None, judge_model=None, identities="tag")
        assert tags.returncode == 0, tags.stderr
    assert server.endpoint not in (out / "config.yaml").read_text() + (out / "manifest.json").read_text()
