"""The dataset card and the report say what is there, word for word; ``golden/dataset_card.md`` is the card."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from synth.card import write_card
from synth.catalog import load_task
from synth.config import PhiConfig, RunConfig, SplitConfig, TeacherConfig
from synth.filling import MODES
from synth.ledger import decided
from synth.publish import Summary, publish
from synth.records import Counts, IdentityMode
from synth.release import Recall, safe_harbor_release
from synth.report import write_report
from synth.runs import RunDir
from synth.styles import load_style
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


def card(
    made: tuple[Path, Summary],
    teacher: TeacherConfig,
    phi: PhiConfig | None = None,
    recall: Mapping[str, Recall] | None = None,
    identities: IdentityMode = "surrogate",
) -> str:
    path, summary = made
    chosen = config(teacher).model_copy(update={"phi": phi or PhiConfig(), "identities": identities})
    release = safe_harbor_release(path, chosen, summary, recall)
    # Neither the engine's version nor what its lists look for is the card's own.
    release = replace(
        release, versions={"presidio-analyzer": "0"}, rows=tuple(replace(r, how="…") for r in release.rows)
    )
    write_card(path, chosen, manifest(4), COUNTS, summary, load_task("note"), PACK, release)
    return (path / "README.md").read_text("utf-8")


def test_the_card_is_the_golden_one(made: tuple[Path, Summary]) -> None:
    """NOTEWRIGHT_UPDATE_GOLDEN=1 writes it anew."""
    text = card(made, TeacherConfig(name="simulator"), recall={"A": (97, 100, 0.915, 0.99), "D": (30, 30, 0.886, 1.0)})
    if os.environ.get("NOTEWRIGHT_UPDATE_GOLDEN"):
        GOLDEN.write_text(text, "utf-8")
    assert text == GOLDEN.read_text("utf-8")


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("reject", "is rejected, so that nothing"),
        ("redact", "a tag such as `[NAME]`"),
        ("surrogate", "no log and no file"),
    ],
)
def test_the_card_says_what_was_done_with_what_was_found(made: tuple[Path, Summary], policy: str, said: str) -> None:
    phi = PhiConfig.model_validate({"policy": policy, "quarantine": ()})
    text = card(made, TeacherConfig(name="simulator"), phi)
    assert said in text
    assert "no named-entity model" in text
    assert "waits, outside of this folder" not in text
    assert "was not measured" in text


def test_the_card_says_what_stands_for_identifiers(made: tuple[Path, Summary]) -> None:
    said = {mode: card(made, TeacherConfig(name="simulator"), identities=mode) for mode in MODES}
    assert "are surrogates" in said["surrogate"]
    assert "Tags such as `[PATIENT]`" in said["tag"]
    assert "Placeholders such as `{{patient_name}}`" in said["placeholder"]


def test_the_card_names_the_language_of_the_style(made: tuple[Path, Summary]) -> None:
    path, summary = made
    chosen = config(TeacherConfig(name="simulator")).model_copy(update={"style": load_style("german")})
    release = safe_harbor_release(path, chosen, summary, None)
    write_card(path, chosen, manifest(4), COUNTS, summary, load_task("letter"), PACK, release)
    assert (path / "README.md").read_text("utf-8").splitlines()[1] == "language: de"


def test_the_card_of_a_model_does_not_speak_of_the_simulator(made: tuple[Path, Summary]) -> None:
    text = card(made, TeacherConfig(name="server", model="some/model"))
    assert "Written by the simulator" not in text
    assert "What a language model may repeat from its own training data is not measured here." in text


def test_the_report_escapes_what_it_shows_and_asks_nothing_of_a_network(made: tuple[Path, Summary]) -> None:
    path, summary = made
    summary.samples[0] = ("id", "[patient] <script>alert(1)</script>", "a < b")
    chosen = config(TeacherConfig(name="simulator"))
    write_report(path, chosen, COUNTS, summary, safe_harbor_release(path, chosen, summary))
    text = (path / "report.html").read_text("utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "src=" not in text
    assert "href=" not in text
    assert "phi/identifier_found" in text
