"""The dataset card and the report say what is there, word for word; ``golden/dataset_card.md`` is the card."""

from __future__ import annotations

from pathlib import Path

import pytest

from synth.card import write_card
from synth.catalog import load_task
from synth.config import RunConfig, SplitConfig, TeacherConfig
from synth.ledger import decided
from synth.publish import Summary, publish
from synth.records import Counts
from synth.report import write_report
from synth.runs import RunDir
from tests.samples import encounter, rejection
from tests.test_runs import manifest
from tests.tiny_pack import PACK

GOLDEN = Path(__file__).parent / "golden" / "dataset_card.md"
COUNTS = Counts(
    candidates=5,
    accepted=4,
    rejected=1,
    reasons={"phi/identifier_found": 1},
    splits={"train": 4, "validation": 0, "test": 0},
)


def config(teacher: TeacherConfig) -> RunConfig:
    return RunConfig(specialty="testing", n=4, seed=1, teacher=teacher)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    """Return a run of four accepted encounters and one rejection, with its summary."""
    run = RunDir(tmp_path_factory.mktemp("card") / "run", manifest(4), "")
    for index in range(4):
        run.commit(decided(encounter(index)))
    run.commit(decided(rejection(4)))
    run.close()
    return run.path, publish(run.path, load_task("note"), SplitConfig(validation=0, test=0))


def card(made: tuple[Path, Summary], teacher: TeacherConfig) -> str:
    path, summary = made
    write_card(path, config(teacher), manifest(4), COUNTS, summary, load_task("note"), PACK)
    return (path / "README.md").read_text("utf-8")


def test_the_card_is_the_golden_one(made: tuple[Path, Summary]) -> None:
    assert card(made, TeacherConfig(name="simulator")) == GOLDEN.read_text("utf-8")


def test_the_card_of_a_model_does_not_speak_of_the_simulator(made: tuple[Path, Summary]) -> None:
    text = card(made, TeacherConfig(name="server", model="some/model"))
    assert "Written by the simulator" not in text
    assert "What a language model may repeat from its own training data is not measured here." in text


def test_the_report_escapes_what_it_shows_and_asks_nothing_of_a_network(made: tuple[Path, Summary]) -> None:
    path, summary = made
    summary.samples[0] = ("id", "[patient] <script>alert(1)</script>", "a < b")
    write_report(path, config(TeacherConfig(name="simulator")), COUNTS, summary)
    text = (path / "report.html").read_text("utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "src=" not in text
    assert "href=" not in text
    assert "phi/identifier_found" in text
