"""A task is data: one in a folder of the user's own runs from facts to data set without a line of code."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from synth.assets import ASSETS, asset_hashes, load_schema
from synth.catalog import load_task
from synth.checks.answer import AnswerCheck
from synth.config import resolve_config
from synth.errors import UserError
from synth.packs import load_pack
from synth.pipeline import Execution, generate, preview
from synth.records import Documents, Encounter, JsonObject, Rejection
from synth.scenarios import sample_scenario
from synth.teachers.simulator import Simulator

OWN = Path(__file__).parent / "assets" / "own"


@pytest.fixture(autouse=True)
def _own_assets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ASSETS, str(OWN))


def settings(n: int = 12) -> dict[str, object]:
    return {"specialty": "endocrinology", "task": "handover", "n": n, "teacher": {"name": "simulator"}}


def written(index: int = 0) -> Encounter:
    pack = load_pack("endocrinology")
    return Simulator(pack, load_task("handover")).encounter(sample_scenario(pack, 0, index))


def test_a_task_of_ones_own_makes_a_data_set(tmp_path: Path) -> None:
    config = resolve_config(settings())  # type: ignore[arg-type]  # what YAML would hold
    position = generate(config, Execution(out=tmp_path / "run", max_candidates=100))
    assert position.accepted == 12
    rows = [row for split in ("train", "validation", "test") for row in read(tmp_path / "run", split)]
    assert len(rows) == 12
    for row in rows:
        target = json.loads(row["target"])
        assert row["source"].startswith("# Chart\nPatient: ")
        assert row["text"].startswith(f"{target['who']}: {target['problem']}")
        assert "{{" not in row["source"]
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert {"handover.yaml", "prompts/handover/source.md.j2", "schemas/handover.schema.json"} <= manifest[
        "assets"
    ].keys()


def read(run: Path, split: str) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = pq.read_table(run / "dataset" / f"{split}.parquet").to_pylist()
    return rows


def test_a_folder_of_ones_own_adds_tasks_and_takes_none_away(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_task("handover").documents == ("Chart",)
    assert load_task("note").source_kind == "transcript"
    monkeypatch.delenv(ASSETS)
    with pytest.raises(UserError, match="unknown task 'handover'"):
        load_task("handover")
    with pytest.raises(FileNotFoundError, match=r"handover\.schema\.json"):
        load_schema("handover")
    assert not asset_hashes("handover", ("handover",), ())


def test_a_wrong_answer_is_a_rejection_with_what_is_right() -> None:
    one, check = written(), AnswerCheck(load_task("handover"))
    assert check(one) is one
    assert not isinstance(check(changed(one, problem=str(one.target["problem"]).upper())), Rejection)
    outcome = check(changed(one, problem="gout"))
    assert isinstance(outcome, Rejection)
    assert (outcome.stage, outcome.reason, outcome.part) == ("answer", "wrong_answer", "target")
    assert "gout" in outcome.detail
    assert str(one.target["problem"]) in outcome.detail


def changed(one: Encounter, **values: str) -> Encounter:
    target: JsonObject = {**one.target, **values}
    return one.model_copy(update={"target": target})


def test_the_answer_is_checked_where_a_task_has_one() -> None:
    assert resolve_config(settings()).checks == (  # type: ignore[arg-type]  # what YAML would hold
        *("schema", "phi", "faithfulness", "answer", "identities", "duplicates"),
    )
    assert "answer" not in resolve_config(settings() | {"task": "note"}).checks  # type: ignore[arg-type]  # the same


def test_documents_are_read_back_as_they_are_written() -> None:
    source = written().source
    assert isinstance(source, Documents)
    assert Documents.model_validate_json(source.model_dump_json()) == source
    for text, (start, end) in zip(source.passages, source.spans, strict=True):
        assert source.text[start:end] == text
    assert source.saying(["other"]).text == "# Chart\nother"


def test_what_documents_do_not_say_is_found() -> None:
    config = resolve_config(settings(1))  # type: ignore[arg-type]  # what YAML would hold
    one = preview(config, Execution(out=Path("unused"), max_candidates=1), 1)[0]
    assert all(rejection is None for _, rejection in one.verdicts)
    from synth.checks.faithfulness import FaithfulnessCheck

    invented = changed(written(), status="above goal on prednisone 40 mg once daily")
    outcome = FaithfulnessCheck(load_task("handover"))(invented)
    assert isinstance(outcome, Rejection)
    assert outcome.reason.startswith("invented_")


def test_a_task_without_a_rubric_cannot_be_judged() -> None:
    with pytest.raises(UserError, match="no rubric for 'handover'"):
        resolve_config(settings() | {"judge": {"model": "m"}})  # type: ignore[arg-type]  # what YAML would hold
