"""A model as judge beside people, and beside its own output."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import JsonValue

from distill.judging.identity import own_output
from distill.judging.judge import Request
from distill.judging.records import JudgeIdentity
from distill.judging.rubric import load_rubric
from distill.judging.table import judge_lines
from distill.scoring import score_predictions
from distill.student import find_student
from distill.trained import STUDENT_FILE, TrainedStudent
from synth.errors import UserError
from tests.fake_server import FakeServer
from tests.judging import ITEMS, grades, judged, part, write_csv

pytestmark = pytest.mark.usefixtures("fixture_benchmarks")


def human(tmp_path: Path, rows: list[tuple[object, ...]]) -> Path:
    return write_csv(tmp_path / "human.csv", rows)


def test_a_judge_is_held_against_people_and_a_constant(run: Request, tmp_path: Path) -> None:
    people = {("writer", item): 2 + i % 4 for i, item in enumerate(ITEMS)} | {("copy", item): 2 for item in ITEMS}
    path = human(tmp_path, [("id", "system", "structure"), *((i, s, score) for (s, i), score in people.items())])

    def near(output: str, _number: int) -> int:
        found = re.search(r"visit-\d", output)
        if found is None:
            return 1
        return people["writer" if output.startswith("Note") else "copy", found[0]]

    with FakeServer(grades=grades(near)) as server:
        results = judged(server, Request(run=run.run, data=run.data, human=path))
        found = results.human["structure"]
        assert list(results.human) == ["structure"]
        assert found.n == 8
        assert found.mean_absolute_error is not None
        assert found.mean_absolute_error.value == 0.0
        assert found.spearman == pytest.approx(1.0)
        assert found.weighted_kappa is not None
        assert found.weighted_kappa.value == pytest.approx(1.0)
        assert found.constant == 2
        assert found.constant_error is not None
        assert found.constant_error.value == pytest.approx((0 + 1 + 2 + 3) / 8)
        server.grades = grades(lambda _output, _number: 2)
        flat = judged(server, Request(run=run.run, data=run.data, human=path, out=tmp_path / "flat"))
    constant = flat.human["structure"]
    assert constant.mean_absolute_error == constant.constant_error
    assert constant.p_constant == 1.0
    assert constant.spearman is None
    assert "no nearer to people than a judge that always says the same: structure" in judge_lines(
        flat, load_rubric("transcription")
    )


def test_several_people_are_averaged_and_a_composite_follows(run: Request, tmp_path: Path) -> None:
    names = ("factual_correctness", "completeness", "structure")
    rows = [
        ("id", "rater", *names),
        ("visit-1", "a", 1, 2, 3),
        ("visit-1", "b", 3, 4, 5),
        ("visit-2", "a", "", 5, "NA"),
    ]
    path = human(tmp_path, [*rows, ("elsewhere", "a", 1, 1, 1)])
    with FakeServer(grades=grades(lambda _output, _number: 3)) as server:
        found = judged(server, Request(run=run.run, data=run.data, systems=("writer",), human=path)).human
    assert {name: agreement.n for name, agreement in found.items()} == {
        "factual_correctness": 1,
        "completeness": 2,
        "structure": 1,
        "composite": 1,
    }
    assert found["composite"].bias == pytest.approx(0.0)
    assert found["completeness"].bias == pytest.approx(-1.0)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([("id", "system", "structure")], "no scores in it"),
        ([("name", "system", "structure"), ("visit-1", "copy", 3)], "no column with ids"),
        (
            [("id", "system", "structur"), ("visit-1", "copy", 3)],
            r"'structur' is no dimension .*did you mean structure",
        ),
        ([("id", "system"), ("visit-1", "copy")], "no scores; transcription has"),
        ([("id", "structure"), ("visit-1", 3)], "a column 'system'"),
        ([("id", "system", "structure"), ("visit-1", "copy", "good")], "row 1: structure 'good' is no number"),
        ([("id", "system", "structure"), ("visit-1", "copy", 7)], "row 1: structure 7 is not from 1 to 5"),
        ([("id", "system", "structure"), ("visit-9", "copy", 3)], "no score of what is judged"),
    ],
)
def test_human_scores_that_do_not_fit_are_one_line(
    rows: list[tuple[object, ...]], says: str, run: Request, tmp_path: Path
) -> None:
    with FakeServer() as server, pytest.raises(UserError, match=says) as caught:
        judged(server, Request(run=run.run, data=run.data, human=human(tmp_path, rows)))
    assert "\n" not in str(caught.value)
    assert server.bodies == []


def test_answers_that_people_have_scored_are_judged_beside_their_scores(tmp_path: Path) -> None:
    data = tmp_path / "data"
    answers = [
        ("id", "source", "reference"),
        ("a", "True disease: gout\n\nIt is gout.", "4.5"),
        ("b", "It is flu.", "2"),
    ]
    write_csv(data / "visits.csv", answers)
    written = write_csv(tmp_path / "other.csv", [("id", "prediction"), ("a", "3"), ("b", "3")])
    score_predictions("scored-answers", written, data, tmp_path / "run")

    def answer(prompt: str, _number: int) -> JsonValue:
        assert "4.5" not in part(prompt, "output")
        assert "<<<reference" not in prompt
        return {"score": 4.5 if "gout" in part(prompt, "output") else 3}

    request = Request(run=tmp_path / "run", data=data, rubric="decision")
    with FakeServer(grades=answer) as server:
        with pytest.raises(UserError, match="one human score from 1 to 5 an answer, letters has not"):
            judged(server, Request(run=tmp_path / "run", data=data, rubric="letters"))
        found = judged(server, request)
    assert list(found.systems) == ["answers"]
    error = found.human["score"].mean_absolute_error
    assert error is not None
    assert error.value == pytest.approx(0.5)


def warned(
    judge: str, run: Path, systems: tuple[str, ...], revision: str | None = None, **settings: object
) -> list[str]:
    return [one.system for one in own_output(JudgeIdentity(model=judge, revision=revision), run, systems, settings)]


def test_a_judge_is_known_by_name_whatever_stands_around_it(tmp_path: Path) -> None:
    systems = ("gpt-oss-20b run 1", "gpt-oss-20b run 2", "Qwen3-8B (file)", "copy")
    assert warned("openai/GPT-OSS-20B", tmp_path, systems) == ["gpt-oss-20b run 1", "gpt-oss-20b run 2"]
    assert warned("qwen3-8b@abc", tmp_path, systems) == ["Qwen3-8B (file)"]
    assert warned("gpt-oss-120b", tmp_path, systems) == []
    told = own_output(JudgeIdentity(model="m", revision="two"), tmp_path, ("org/m",), {"model": "m", "revision": "one"})
    assert "at revision one and not two" in told[0].why


def test_a_judge_that_is_a_student_s_base_is_told(tmp_path: Path) -> None:
    adapter = tmp_path / "my-student"
    (adapter / "eval").mkdir(parents=True)
    student = find_student("llama-3.2-1b")
    trained = TrainedStudent(student=student, base_sha256=None, format="json", tasks=("note",), longest_completion=9)
    (adapter / STUDENT_FILE).write_text(trained.model_dump_json())
    systems = ("llama-3.2-1b", "llama-3.2-1b (base)", "copy")
    assert student.repository is not None
    for judge in (student.repository, "llama-3.2-1b"):
        assert warned(judge, adapter / "eval", systems) == ["llama-3.2-1b", "llama-3.2-1b (base)"]
    assert warned("my-student", adapter / "eval", systems) == ["llama-3.2-1b"]
    why = own_output(JudgeIdentity(model=student.repository, revision=None), adapter / "eval", systems, {})[0].why
    assert "it is the base of 'llama-3.2-1b'" in why
