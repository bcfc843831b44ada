"""Evaluation: student, base and floors side by side, and a report that a browser can open without a network."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from distill.evaluate import evaluate
from distill.report import overview, table_lines
from distill.settings import TrainSettings
from distill.train import train
from synth.errors import UserError
from tests.students import write_base, write_run

COLUMNS = ["schema_valid", "fact_recall", "facts_in_field", "invented", "rouge1", "rouge2", "rougeLsum"]


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a run, a student trained for two steps, and its evaluation."""
    folder = tmp_path_factory.mktemp("evaluated")
    run = write_run(folder / "run")
    base = write_base(folder / "base")
    train(run, str(base), folder / "student", TrainSettings(steps=2), device="cpu", quiet=True)
    heard: list[tuple[str, int, int]] = []
    evaluate(
        "held-out",
        run,
        folder / "student",
        folder / "eval",
        batch_size=2,
        max_new_tokens=48,
        progress=lambda system, done, items: heard.append((system, done, items)),
    )
    assert heard[0][1:] == (0, 3)
    assert heard[-1][1:] == (3, 3)
    return folder


def test_student_base_and_floors_stand_in_one_table(evaluated: Path) -> None:
    results = json.loads((evaluated / "eval" / "results.json").read_text())
    assert list(results["systems"]) == ["base", "base (base)", "copy", "retrieval"]
    assert results["items"] == 3
    copied = results["systems"]["copy"]["metrics"]
    assert copied["schema_valid"]["mean"] == 0.0
    assert 0.0 < copied["rouge1"]["mean"] < 1.0
    assert copied["invented"]["mean"] is None
    retrieved = results["systems"]["retrieval"]["metrics"]
    assert retrieved["schema_valid"]["mean"] == 1.0
    assert 0.0 < retrieved["facts_in_field"]["mean"] < 1.0
    assert retrieved["invented"]["mean"] > 0.0


def test_every_item_of_every_system_is_kept(evaluated: Path) -> None:
    for name in ("scores.jsonl", "predictions.jsonl"):
        lines = [json.loads(line) for line in (evaluated / "eval" / name).open()]
        assert len(lines) == 12
        assert len({(line["system"], line["id"]) for line in lines}) == 12


def test_the_report_asks_nothing_of_a_network_and_holds_every_item(evaluated: Path) -> None:
    text = (evaluated / "eval" / "report.html").read_text()

    class References(HTMLParser):
        found: list[str]

        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            assert tag not in ("iframe", "img", "link")
            self.found.extend(value or "" for name, value in attributes if name in ("src", "href"))

    references = References()
    references.found = []
    references.feed(text)
    assert references.found == []
    assert text.count('<details class="item"') == 3
    assert text.count("<script>") == 1
    assert "default-src &#39;none&#39;" in text
    assert "written by the simulator" in text
    assert "95 % percentile bootstrap" in text


def test_the_overview_has_its_columns_and_prints_as_lines(evaluated: Path) -> None:
    from distill.results import Results

    results = Results.model_validate_json((evaluated / "eval" / "results.json").read_text())
    columns, rows = overview(results)
    assert columns == COLUMNS
    assert [row.system for row in rows] == list(results.systems)
    lines = table_lines(results)
    assert len(lines) == 5
    assert len({len(line) for line in lines}) == 1
    assert lines[0].split() == ["system", *COLUMNS]


def test_what_is_missing_is_one_line(evaluated: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no student"):
        evaluate("held-out", evaluated / "run", tmp_path, tmp_path / "eval")
    with pytest.raises(UserError, match="unknown benchmark 'held_out'"):
        evaluate("held_out", evaluated / "run", evaluated / "student", tmp_path / "eval")
    with pytest.raises(UserError, match="unknown split 'tset'"):
        evaluate("held-out:tset", evaluated / "run", evaluated / "student", tmp_path / "eval")
    with pytest.raises(UserError, match="holds no test split"):
        evaluate("held-out", tmp_path, evaluated / "student", tmp_path / "eval")


def test_the_report_speaks_of_the_simulator_only_where_it_wrote(evaluated: Path, tmp_path: Path) -> None:
    from distill.benchmarks.held_out import HeldOut
    from distill.report import write_report
    from distill.results import Results

    results = Results.model_validate_json((evaluated / "eval" / "results.json").read_text())
    for simulated in (True, False):
        told = results.model_copy(update={"simulated": simulated})
        write_report(tmp_path / "report.html", told, [], {}, HeldOut.metadata)
        assert ("written by the simulator" in (tmp_path / "report.html").read_text()) is simulated
