"""Students: what the project ships loads, and what is missing is said in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from distill.student import (
    base_folder,
    find_student,
    load_model,
    load_tokenizer,
    student_names,
)
from synth.errors import UserError
from tests.students import write_base

EXPECTED = {
    "tiny",
    "llama-3.2-1b",
    "llama-3.2-3b",
    "llama-3.1-8b",
    "qwen3-0.6b",
    "gemma-3-1b",
    "smollm2-135m",
    "gpt-oss-20b",
}


@pytest.fixture(autouse=True)
def _no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep whatever the machine has in its cache out of the tests."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def test_the_project_ships_these_students() -> None:
    assert set(student_names()) == EXPECTED


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_student_is_complete(name: str) -> None:
    student = find_student(name)
    assert student.name == name
    assert (student.repository is None) != (student.folder is None)
    if student.repository is not None:
        assert student.revision is not None
        assert len(student.revision) == 40


@pytest.mark.parametrize(("name", "billions"), [("llama-3.2-1b", 0.0113), ("llama-3.1-8b", 0.0419)])
def test_adapter_sizes_are_those_that_are_published(name: str, billions: float) -> None:
    shape = find_student(name).shape
    assert shape is not None
    assert shape.adapter_parameters / 1e9 == pytest.approx(billions, rel=0.01)


def test_the_memory_need_in_each_file_is_what_the_formula_gives() -> None:
    folder = Path(__file__).resolve().parent.parent / "distill" / "students"
    for name in EXPECTED:
        need = find_student(name).memory_gb()
        assert f"= {need:.1f} GB" in (folder / f"{name}.yaml").read_text("utf-8"), name


def test_gpt_oss_trains_its_experts_and_without_dropout() -> None:
    lora = find_student("gpt-oss-20b").lora
    assert lora.target_parameters == ("mlp.experts.gate_up_proj", "mlp.experts.down_proj")
    assert lora.dropout == 0.0


def test_an_unknown_student_is_one_line_with_a_suggestion() -> None:
    with pytest.raises(UserError, match=r"unknown student 'lama-3.2-1b' \(did you mean llama-3.2-1b\?\)"):
        find_student("lama-3.2-1b")


def test_a_folder_without_a_base_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"config\.json is missing"):
        find_student(str(tmp_path))


@pytest.mark.parametrize("load", [load_tokenizer, load_model])
def test_a_gated_base_that_is_missing_says_how_to_get_it(load: object) -> None:
    assert callable(load)
    with pytest.raises(UserError) as caught:
        load(find_student("llama-3.2-1b"))
    line = str(caught.value)
    assert "\n" not in line
    assert "accept the licence" in line
    assert "hf download meta-llama/Llama-3.2-1B-Instruct --revision" in line


def test_an_open_base_that_is_missing_asks_for_no_licence() -> None:
    with pytest.raises(UserError) as caught:
        base_folder(find_student("qwen3-0.6b"))
    assert "licence" not in str(caught.value)
    assert "hf download Qwen/Qwen3-0.6B" in str(caught.value)


def test_a_local_base_loads_in_float32_from_safetensors(tmp_path: Path) -> None:
    student = find_student(str(write_base(tmp_path / "base")))
    assert student.memory_gb() is None
    model = load_model(student)
    assert {str(weights.dtype) for weights in model.parameters()} == {"torch.float32"}


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    import torch

    folder = write_base(tmp_path / "base")
    weights = folder / "model.safetensors"
    torch.save(load_model(find_student(str(folder))).state_dict(), folder / "pytorch_model.bin")
    weights.unlink()
    find_student.cache_clear()
    with pytest.raises(UserError, match="cannot be read"):
        load_model(find_student(str(folder)))


def test_a_tokenizer_without_a_chat_template_is_refused(tmp_path: Path) -> None:
    import json

    folder = write_base(tmp_path / "base")
    config = folder / "tokenizer_config.json"
    settings = json.loads(config.read_text("utf-8"))
    del settings["chat_template"]
    config.write_text(json.dumps(settings), "utf-8")
    with pytest.raises(UserError, match="no chat template"):
        load_tokenizer(find_student(str(folder)))
