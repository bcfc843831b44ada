"""Specialty packs load or say in one line why not; what is in them is vetted by test_pack_rules.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

import synth.packs.loading
from synth.errors import UserError
from synth.packs import Condition, Pack, Presentation, load_pack

CONDITIONS = {
    "type 1 diabetes",
    "type 2 diabetes",
    "hypothyroidism",
    "hyperthyroidism",
    "thyroid nodule",
    "osteoporosis",
    "polycystic ovary syndrome",
    "adrenal insufficiency",
    "Cushing syndrome",
    "primary hyperparathyroidism",
    "pituitary adenoma",
    "obesity",
}
PACK = load_pack("endocrinology")


def presentations() -> Iterator[tuple[str, Condition, Presentation]]:
    """Yield ``condition/presentation`` with both."""
    for name, condition in PACK.conditions.items():
        for label, presentation in condition.presentations.items():
            yield f"{name}/{label}", condition, presentation


def test_every_condition_is_there_and_names_a_guideline() -> None:
    assert set(PACK.conditions) == CONDITIONS
    for name, condition in PACK.conditions.items():
        guideline = PACK.citations[condition.sources[0]]
        assert len(condition.presentations) >= 4, name
        assert guideline.year >= 2008
        assert "prescribing information" not in guideline.title


@pytest.mark.parametrize("section", ["citations", "drugs", "labs", "symptoms", "findings", "studies", "history"])
def test_a_dangling_reference_is_refused(section: str) -> None:
    with pytest.raises(ValidationError, match="unknown"):
        Pack.model_validate(PACK.model_dump() | {section: {}})


def test_a_rung_off_the_ladder_is_refused() -> None:
    drugs = PACK.model_dump()["drugs"]
    drugs["levothyroxine"]["ladder"] = drugs["levothyroxine"]["ladder"][:2]
    with pytest.raises(ValidationError, match="rung of levothyroxine is not on its ladder"):
        Pack.model_validate(PACK.model_dump() | {"drugs": drugs})


def test_a_broken_file_is_one_line_for_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synth.packs.loading, "FOLDER", tmp_path)
    (tmp_path / "broken.yaml").write_text("specialty: broken\nversion: 1\n", "utf-8")
    with pytest.raises(UserError, match=r"^broken\.yaml: citations: ") as caught:
        load_pack("broken")
    assert "\n" not in str(caught.value)


def test_an_unknown_specialty_suggests() -> None:
    with pytest.raises(UserError, match="did you mean endocrinology"):
        load_pack("endocrinolgy")


def test_codes_exist_in_shape_and_fit_the_condition() -> None:
    chapters = {
        "type 1 diabetes": "E10",
        "type 2 diabetes": "E11",
        "hyperthyroidism": "E05",
        "thyroid nodule": "E04",
        "polycystic ovary syndrome": "E28.2",
        "adrenal insufficiency": "E27",
        "Cushing syndrome": "E24",
        "primary hyperparathyroidism": "E21.0",
        "obesity": "E66.81",
    }
    for name, condition in PACK.conditions.items():
        for presentation in condition.presentations.values():
            assert presentation.diagnosis.icd10cm.startswith(chapters.get(name, ("E", "M8", "D35.2"))), name


def test_patients_of_endocrinology_are_adults_and_present_in_four_ways_at_least() -> None:
    for where, condition, presentation in presentations():
        first, last = (presentation.age or condition.age).years
        assert 18 <= first < last <= 88, where
        assert 4 <= len(presentation.symptoms) <= 7, where


def test_units_and_terms_fit_the_contract_of_the_note() -> None:
    units = [m.unit for m in (*PACK.labs.values(), *PACK.vitals.values())] + [d.unit for d in PACK.drugs.values()]
    assert all(0 < len(unit) <= 20 for unit in units)
