"""``distill judge``: what it prints, and what it refuses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from distill.cli import distill
from distill.judging.judge import Request
from distill.judging.records import JudgeResults
from synth.errors import UserError
from synth.serving.endpoint import JUDGE_KEY_VARIABLE, KEY_VARIABLE
from tests.fake_server import FakeServer
from tests.judging import OUT, grades, judged, scored, wavering

pytestmark = pytest.mark.usefixtures("fixture_benchmarks")


def command(server: FakeServer, run: Request, *flags: str) -> tuple[int, str, str]:
    arguments = ["judge", str(run.run), "--data", str(run.data), "--judge", server.endpoint, "--patience", "0.2"]
    result = CliRunner().invoke(distill, [*arguments, *flags])
    if isinstance(result.exception, UserError):
        return 2, result.stdout, str(result.exception)
    return result.exit_code, result.stdout, result.stderr


def test_the_command_prints_tables_and_warns_of_its_own_output(tmp_path: Path) -> None:
    folder, data = scored(tmp_path, "fake-1")
    with FakeServer(grades=grades(wavering)) as server:
        code, out, err = command(server, Request(run=folder, data=data), "--limit", "3")
    assert code == 0
    assert "warning: fake-1 grades its own output: it is the model of 'fake-1'" in err
    lines = out.splitlines()
    assert lines[0].startswith("WARNING: fake-1 grades its own output")
    assert "* graded by itself, or by its base" in lines
    assert re.search(r"^dimension +fake-1 \* +copy$", out, re.MULTILINE)
    assert re.search(r"^composite \(1 to 5\) +\d\.\d\d \[\d\.\d\d, \d\.\d\d\]", out, re.MULTILINE)
    assert re.search(r"^structure +-?\d\.\d\d / -?\d\.\d\d, \d+%", out, re.MULTILINE)
    assert "the first 3 of 4 items only" in lines
    assert "24 of 24" not in err
    assert "18 of 18 judged" in err
    found = JudgeResults.model_validate_json((folder / OUT / "judge.json").read_text("utf-8"))
    assert [warning.system for warning in found.warnings] == ["fake-1"]


def test_the_command_compares_two_systems(run: Request) -> None:
    with FakeServer(grades=lambda _prompt, _number: {"better": "first"}) as server:
        code, out, _ = command(server, run, "--pairwise", "writer", "copy")
    assert code == 0
    assert re.search(r"^neither +4$", out, re.MULTILINE)
    assert "the one that stood first is preferred: 100%" in out


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--pairwise", "writer", "copi"), r"has no system 'copi' \(did you mean copy\?\)"),
        (("--pairwise", "writer", "writer"), "named twice"),
        (("--pairwise", "writer", "copy", "--system", "copy"), "go with scores"),
        (("--system", "nobody"), "has no system 'nobody'"),
        (("--rubric", "letter"), "unknown rubric"),
        (("--judge-model", "fake-9"), "has no model 'fake-9'"),
    ],
)
def test_what_cannot_be_asked_is_one_line(flags: tuple[str, ...], says: str, run: Request) -> None:
    with FakeServer() as server:
        code, _, message = command(server, run, *flags)
    assert code == 2
    assert re.search(says, message)
    assert "\n" not in message.strip()


def test_a_folder_that_holds_no_run_is_one_line(run: Request, tmp_path: Path) -> None:
    with FakeServer() as server:
        with pytest.raises(UserError, match="holds no results"):
            judged(server, Request(run=tmp_path / "data", data=run.data))
        (run.run / "items.jsonl").unlink()
        with pytest.raises(UserError, match="keeps no items; say where the data of visits is: --data"):
            judged(server, Request(run=run.run))
        (run.run / "predictions.jsonl").write_text("{}\n")
        with pytest.raises(UserError, match="line 1 has no system, id and text"):
            judged(server, run)


def test_items_that_a_folder_keeps_need_no_data(run: Request) -> None:
    with FakeServer(grades=grades(wavering)) as server:
        kept = judged(server, Request(run=run.run))
        before = len(server.bodies)
        assert judged(server, run) == kept
        assert len(server.bodies) == before  # the very same questions


def test_a_folder_that_another_process_writes_is_left_alone(run: Request) -> None:
    from distill.judging.log import Log
    from distill.judging.records import Graded

    with Log(run.run / OUT, Graded), FakeServer() as server:
        with pytest.raises(UserError, match="is being written by another process"):
            judged(server, run)
        assert server.bodies == []


def test_the_judge_s_key_goes_to_the_judge(run: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "teacher")
    monkeypatch.setenv(JUDGE_KEY_VARIABLE, "judge")
    with FakeServer() as server:
        judged(server, run)
        assert set(server.keys) == {"Bearer judge"}
