"""A model as judge: every answer is kept once, none is made up, and what they are worth is told."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from pydantic import JsonValue

from distill.judging.judge import Request
from distill.judging.records import JudgeResults
from distill.judging.rubric import load_rubric
from distill.judging.table import judge_lines
from distill.statistics import icc
from synth.errors import TeacherUnavailable, UserError
from tests.fake_server import FakeServer, Fault
from tests.judging import ITEMS, OUT, PROBE, grades, judged, lines_of, part, wavering

pytestmark = pytest.mark.usefixtures("fixture_benchmarks")


def test_every_output_is_graded_as_often_as_asked_and_nobody_is_named(run: Request) -> None:
    with FakeServer(grades=grades(wavering)) as server:
        found = judged(server, run, repeats=4, temperature=0.7, max_tokens=99)
    asked = server.bodies[PROBE:]
    assert len(asked) == len(lines_of(run.run / OUT)) == 2 * 4 * 4
    assert len({str(body["seed"]) for body in asked}) == 32
    assert all("response_format" in body for body in asked)
    assert {(body["temperature"], body["max_tokens"]) for body in asked} == {(0.7, 99)}
    prompts = {json.dumps(body["messages"]) for body in asked}
    assert len(prompts) == 8
    assert not any("writer" in prompt or "copy" in prompt for prompt in prompts)
    assert list(found.systems) == ["writer", "copy"]
    assert found.prompt_tokens > 0
    assert found.completion_tokens > 0
    assert JudgeResults.model_validate_json((run.run / OUT / "judge.json").read_text("utf-8")) == found


def test_means_counts_composite_and_stability_are_those_of_the_lines(run: Request) -> None:
    with FakeServer(grades=grades(wavering)) as server:
        found = judged(server, run)
    for system, row in found.systems.items():
        table = np.zeros((len(ITEMS), 3))
        for line in lines_of(run.run / OUT):
            if line["system"] == system:
                assert isinstance(line["scores"], dict)
                structure = line["scores"]["structure"]
                assert isinstance(structure, float)
                table[ITEMS.index(str(line["id"])), int(str(line["repeat"]))] = structure
        for name in ("factual_correctness", "completeness", "structure", "composite"):
            dimension = row.dimensions[name]
            assert dimension.mean is not None
            assert dimension.mean.value == pytest.approx(table.mean())
            assert dimension.mean.n == len(ITEMS)
            expected = icc(table.tolist())
            for mine, theirs in ((dimension.icc_single, expected.single), (dimension.icc_average, expected.average)):
                assert (mine is None) == (theirs is None)
                if mine is not None and theirs is not None:
                    assert mine.value == pytest.approx(theirs.value)
            assert dimension.unanimous == pytest.approx((np.ptp(table, axis=1) == 0).mean())
        major = row.dimensions["major_hallucinations"]
        assert major.any is not None
        assert major.any.value == pytest.approx(((5 - table > 0).sum(axis=1) > 1.5).mean())
    cell = found.differences["writer"]["copy"]["structure"]
    assert cell.mean is not None
    assert cell.mean.value > 0
    assert cell.p is not None
    assert cell.p == cell.p_holm == pytest.approx(0.125)  # 4 items: 2 of 2**4 ways to set the signs


def test_what_was_answered_is_not_asked_again_and_the_bytes_are_those_of_an_unbroken_run(
    run: Request, tmp_path: Path
) -> None:
    with FakeServer(grades=grades(wavering)) as server:
        judged(server, Request(run=run.run, data=run.data, out=tmp_path / "whole"))
    whole = (tmp_path / "whole" / "judgements.jsonl").read_bytes()
    log = run.run / OUT / "judgements.jsonl"
    breaks: list[Fault | None] = [None] * (PROBE + 9)
    with (
        FakeServer(grades=grades(wavering), faults=[*breaks, *["unavailable"] * 999]) as server,  # type: ignore[list-item]
        pytest.raises(TeacherUnavailable, match="run the same command to resume"),
    ):
        judged(server, run)
    kept = log.read_bytes()
    assert 0 < kept.count(b"\n") <= 9
    assert set(kept.splitlines()) < set(whole.splitlines())
    log.write_bytes(kept + whole.splitlines()[23][:40])  # as a kill in mid-write leaves it
    with FakeServer(grades=grades(wavering)) as server:
        found = judged(server, run)
        assert len(server.bodies) == PROBE + 24 - kept.count(b"\n")
        assert log.read_bytes() == whole
        assert (run.run / OUT / "judge.json").read_bytes() == (tmp_path / "whole" / "judge.json").read_bytes()
        # More repeats cost what is new, fewer cost nothing.
        before = len(server.bodies)
        judged(server, run, repeats=5)
        assert len(server.bodies) - before == PROBE + 16
    again = judged(server, run, model="fake-1")  # nobody serves there any more
    assert again == found
    assert len(lines_of(run.run / OUT)) == 40


@pytest.mark.parametrize("what", ["temperature", "prediction", "model"])
def test_answers_to_other_questions_are_not_taken_for_these(what: str, run: Request) -> None:
    out = run.run / OUT
    with FakeServer() as server:
        judged(server, run)
        others: dict[str, object] = {}
        if what == "temperature":
            others["temperature"] = 0.5
        elif what == "model":
            server.model = "fake-2"
        else:
            path = run.run / "predictions.jsonl"
            path.write_text(path.read_text("utf-8").replace("Note of visit-3", "Another note of visit-3"), "utf-8")
        with pytest.raises(UserError, match=r"answers to other questions .* give another --out") as caught:
            judged(server, Request(run=run.run, data=run.data, out=out), 3, **others)
    assert ("'visit-3' is the first" in str(caught.value)) is (what == "prediction")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("malformed", "not_json"), ("truncated", "truncated"), ("wrong_schema", "not_valid_under_contract")],
)
def test_a_reply_that_cannot_be_read_is_counted_and_asked_for_again(fault: Fault, reason: str, run: Request) -> None:
    with FakeServer(faults=[None] * PROBE + [fault], grades=grades(wavering)) as server:
        found = judged(server, run)
    assert sum(sum(row.unread.values()) for row in found.systems.values()) == 1
    assert next(row.unread for row in found.systems.values() if row.unread) == {reason: 1}
    assert len(server.bodies) == PROBE + 25
    assert len({str(body["seed"]) for body in server.bodies[PROBE:]}) == 25
    assert all(row.dimensions["structure"].mean is not None for row in found.systems.values())


def test_what_is_no_score_is_never_made_into_one(run: Request) -> None:
    good = grades(lambda _output, _number: 4)

    def answer(prompt: str, number: int) -> JsonValue:
        scores = good(prompt, number)
        assert isinstance(scores, dict)
        if part(prompt, "output") == "Note of visit-2.":
            wrong: list[JsonValue] = [6, "5", 4.5, None, True]
            return {**scores, "structure": wrong[number % 5]}
        return scores

    with FakeServer(grades=answer) as server:
        found = judged(server, run)
    writer, copy = found.systems["writer"], found.systems["copy"]
    assert writer.without == ("visit-2",)
    assert writer.unread == {"not_valid_under_contract": 9}  # three repeats of three attempts
    assert writer.dimensions["structure"].mean is not None
    assert writer.dimensions["structure"].mean.n == 3
    assert writer.dimensions["structure"].mean.value == 4.0
    assert (copy.without, copy.unread) == ((), {})
    assert [line["scores"] for line in lines_of(run.run / OUT) if line["unread"]] == [None] * 3
    table = "\n".join(judge_lines(found, load_rubric("transcription")))
    assert re.search(r"items unread +1 of 4 +0 of 4", table)
    assert "writer: 9 replies that could not be read (not_valid_under_contract 9)" in table
    assert "no readable reply for visit-2: in no mean" in table


def test_where_nothing_could_be_read_there_is_no_number(run: Request) -> None:
    with FakeServer(grades=lambda _prompt, _number: {"structure": 5}) as server:
        found = judged(server, run)
    for row in found.systems.values():
        assert row.without == ITEMS
        assert all(dimension.mean is None for dimension in row.dimensions.values())
        assert all(dimension.icc_average is None for dimension in row.dimensions.values())
    assert found.differences["writer"]["copy"]["structure"].mean is None
    assert "unread" in "\n".join(judge_lines(found, load_rubric("transcription")))


def test_too_long_an_item_is_not_asked_for_again(run: Request) -> None:
    with FakeServer(faults=[None] * PROBE + ["too_long"] * 99) as server:
        found = judged(server, run)
    assert len(server.bodies) == PROBE + 24
    assert found.systems["writer"].unread == {"too_long": 12}


def test_what_does_not_apply_is_no_score_and_not_unread(run: Request) -> None:
    names = [dimension.name for dimension in load_rubric("pdsqi9").dimensions]

    def answer(prompt: str, _number: int) -> JsonValue:
        scores: dict[str, JsonValue] = dict.fromkeys(names, 1)
        return scores | {"synthesized": None if "visit-1" in part(prompt, "output") else 4}

    with FakeServer(grades=answer) as server:
        found = judged(server, Request(run=run.run, data=run.data, rubric="pdsqi9"))
    dimension = found.systems["writer"].dimensions["synthesized"]
    assert found.systems["writer"].without == ()
    assert dimension.mean is not None
    assert (dimension.mean.n, dimension.mean.value, dimension.not_applicable) == (3, 4.0, 1)


@pytest.mark.parametrize("decoding", ["ignores", "refuses"])
def test_without_constrained_decoding_answers_are_read_all_the_same(decoding: str, run: Request) -> None:
    with FakeServer(decoding=decoding, grades=grades(wavering)) as server:  # type: ignore[arg-type]  # a parameter
        found = judged(server, run)
    assert found.settings["constrained"] is False
    assert all(row.without == () for row in found.systems.values())
