"""Students: what the project ships loads, and what is missing is said in one line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis.strategies import text

from distill.doctor import METHODS
from distill.memory import activation_bytes, memory_need
from distill.recipes import as_recipe
from distill.shapes import count_adapter, count_parameters, with_shape
from distill.student import (
    Architecture,
    Method,
    Shape,
    base_context,
    base_folder,
    find_student,
    how_to_find,
    load_model,
    load_tokenizer,
    pinned,
    student_names,
)
from synth.errors import UserError
from tests.students import write_base

EXPECTED = {
    "tiny",
    "llama-3.2-1b",
    "llama-3.2-3b",
    "llama-3-8b",
    "llama-3.1-8b",
    "qwen3-0.6b",
    "qwen3-1.7b",
    "qwen3-4b",
    "qwen3-8b",
    "gemma-3-1b",
    "gemma-3-4b",
    "smollm2-135m",
    "smollm2-360m",
    "smollm2-1.7b",
    "phi-4-mini",
    "gpt-oss-20b",
}
PUBLISHED = {
    "llama-3.2-1b": 1_235_814_400,
    "llama-3.2-3b": 3_212_749_824,
    "llama-3-8b": 8_030_261_248,
    "llama-3.1-8b": 8_030_261_248,
    "qwen3-8b": 8_190_735_360,
    "gemma-3-1b": 999_885_952,
    "gemma-3-4b": 4_300_079_472,
    "smollm2-135m": 134_515_008,
    "smollm2-360m": 361_821_120,
    "smollm2-1.7b": 1_711_376_384,
    "phi-4-mini": 3_836_021_760,
}
"""Parameters as the hub counts them in the repositories' safetensors files."""


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
        assert re.fullmatch("[0-9a-f]{40}", student.revision)
    assert student.template is not None
    assert student.context is not None
    assert student.max_length <= student.context


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_the_counts_follow_from_the_sizes(name: str) -> None:
    student = find_student(name)
    assert student.shape is not None
    assert count_parameters(student.shape) == student.shape.parameters
    assert count_adapter(student.shape, student.lora) == student.shape.adapter_parameters
    assert student.shape.parameters == PUBLISHED.get(name, student.shape.parameters)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_the_real_architecture_has_these_sizes(name: str) -> None:
    """Builds the model without weights."""
    from tests.architectures import on_meta

    shape = find_student(name).shape
    assert shape is not None
    assert on_meta(shape).num_parameters() == shape.parameters


ONE_OF_EACH = ("gemma-3-1b", "gemma-3-4b", "gpt-oss-20b", "phi-4-mini", "qwen3-4b", "smollm2-135m", "tiny")


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        *((name, 2) for name in ONE_OF_EACH),
        *(pytest.param(name, None, marks=pytest.mark.slow) for name in sorted(EXPECTED)),
    ],
)
def test_the_real_architecture_takes_this_adapter(name: str, layers: int | None) -> None:
    """PEFT puts the student's adapter on the model, as training does; one of each architecture with two layers, and
    all of them whole among the slow tests."""
    from peft import get_peft_model

    from distill.methods import lora_config
    from tests.architectures import on_meta

    student = find_student(name)
    assert student.shape is not None
    shape = student.shape.model_copy(update={"layers": layers or student.shape.layers})
    model = on_meta(shape)
    names = {parameter for parameter, _ in model.named_parameters()}
    for target in student.lora.target_parameters:
        assert any(parameter.endswith(target) for parameter in names), target
    adapted = get_peft_model(model, lora_config(student))
    trained = {name: p.numel() for name, p in adapted.named_parameters() if p.requires_grad}
    # The head of tiny is its embeddings' transpose, and PEFT lists both.
    twice = shape.vocabulary * shape.hidden if student.lora.modules_to_save else 0
    assert sum(trained.values()) in (count_adapter(shape, student.lora), count_adapter(shape, student.lora) + twice)
    assert not [name for name in trained if "vision" in name or "projector" in name]


@pytest.mark.parametrize(("name", "billions"), [("llama-3.2-1b", 0.0113), ("llama-3.1-8b", 0.0419)])
def test_adapter_sizes_are_those_that_are_published(name: str, billions: float) -> None:
    shape = find_student(name).shape
    assert shape is not None
    assert shape.adapter_parameters / 1e9 == pytest.approx(billions, rel=0.01)


def test_the_memory_need_in_each_file_is_what_the_formula_gives() -> None:
    folder = Path(__file__).resolve().parent.parent / "distill" / "students"
    for name in EXPECTED:
        student = find_student(name)
        text = (folder / f"{name}.yaml").read_text("utf-8")
        for method in METHODS if student.quantisations else ("lora", "full"):
            need = memory_need(student, method, cuda=name != "tiny")
            assert need is not None
            assert f"{method} {need.gigabytes:.1f} GB" in text, name


@pytest.mark.parametrize("architecture", ["llama", "qwen3", "gemma3_text", "phi3"])
@pytest.mark.parametrize("width", [2, 4])
def test_activations_are_those_that_torch_keeps(architecture: Architecture, width: int) -> None:
    """Measures what one more layer keeps under LoRA."""
    import torch

    from tests.architectures import kept_bytes

    tokens, dtype = 64, torch.bfloat16 if width == 2 else torch.float32

    def shape(layers: int) -> Shape:
        return Shape(
            architecture=architecture, parameters=0, adapter_parameters=0, layers=layers, hidden=512, intermediate=1536,
            heads=8, kv_heads=4, head_dim=64, vocabulary=64, tied=True,
        )  # fmt: skip

    kept = kept_bytes(shape(2), tokens, dtype) - kept_bytes(shape(1), tokens, dtype)
    assert activation_bytes(shape(1), tokens, width) == pytest.approx(kept, rel=0.03)


def test_memory_grows_with_length_and_rank_and_shrinks_with_bits() -> None:
    student = find_student("llama-3.1-8b")

    def need(method: Method, **settings: Any) -> float:
        found = memory_need(student, method, **settings)
        assert found is not None
        return found.gigabytes

    assert need("qlora") < need("qlora", quantisation="int8") < need("lora") < need("full")
    assert need("lora", length=1024) < need("lora") < need("lora", length=16384)
    assert need("lora", rank=64) - need("lora", rank=16) == pytest.approx(16 * 3 * 41_943_040 / 1e9)
    assert need("lora") < need("lora", cuda=False)


def test_gpt_oss_trains_its_experts_and_without_dropout() -> None:
    lora = find_student("gpt-oss-20b").lora
    assert lora.target_parameters == ("mlp.experts.gate_up_proj", "mlp.experts.down_proj")
    assert lora.dropout == 0.0


@settings(max_examples=50, deadline=None)
@given(text())
@example("~0")
@example("\0")
@example("a" * 5000)
@example("")
def test_whatever_is_asked_for_is_a_student_or_a_line(name: str) -> None:
    try:
        student = find_student(name)
    except UserError:
        return
    assert student.repository or student.folder


def test_any_hub_id_is_a_student() -> None:
    student = find_student("ibm-granite/granite-3.3-2b-instruct@main")
    assert (student.repository, student.revision) == ("ibm-granite/granite-3.3-2b-instruct", "main")
    with pytest.raises(UserError) as caught:
        base_folder(find_student("ibm-granite/granite-3.3-2b-instruct"))
    line = str(caught.value)
    assert "hf download ibm-granite/granite-3.3-2b-instruct --exclude" in line
    assert "no folder here, nor in the hub's cache" in line


@pytest.mark.parametrize("name", ["clinic/base", "clinic/base@main"])
def test_a_base_in_the_cache_loads_by_its_hub_id_and_is_pinned_to_its_commit(tmp_path: Path, name: str) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    place = tmp_path / "hub" / "models--clinic--base"
    write_base(place / "snapshots" / commit)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(commit, "utf-8")
    student = find_student(name)
    assert load_model(student).num_parameters() > 0
    assert pinned(student).revision == commit
    said = f"student: clinic/base@{commit}"
    assert said in as_recipe(pinned(student), "again").splitlines(), "the recipe runs again on what was trained on"
    assert pinned(find_student(how_to_find(pinned(student)))).revision == commit


def test_a_base_is_found_again_by_what_is_written_down_of_it(tmp_path: Path) -> None:
    folder = write_base(tmp_path / "tiny")
    for name in ("tiny", "llama-3.2-1b", str(folder), "clinic/base"):
        student = find_student(name)
        assert find_student(how_to_find(student)) == student, "a folder is no student of the catalogue for its name"


def test_the_shape_of_an_own_base_is_read_from_its_configuration(tmp_path: Path) -> None:
    folder = write_base(tmp_path / "base")
    student = with_shape(find_student(str(folder)), folder)
    assert student.shape is not None
    assert student.shape.parameters == load_model(student).num_parameters()
    assert student.context == 4096


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
    assert memory_need(student) is None
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


@pytest.mark.parametrize(
    ("config", "context", "length"),
    [
        ({"max_position_embeddings": 2048}, 2048, 2048),
        ({"max_position_embeddings": 32768}, 32768, 4096),
        ({"text_config": {"max_position_embeddings": 1024}}, 1024, 1024),
        ({"max_position_embeddings": None}, None, 4096),
        ({}, None, 4096),
        ([], None, 4096),
    ],
)
def test_a_base_that_the_user_brought_says_how_much_it_reads(
    tmp_path: Path, config: object, context: int | None, length: int
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config), "utf-8")
    student = find_student(str(tmp_path))
    assert (base_context(student), student.max_length) == (context, length)
