"""LoRA, QLoRA and full fine-tuning go one way: trained, saved, loaded again, and written with."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from pathlib import Path

import pytest

from distill.approaches import FULL_RATE
from distill.datasets import held_out_items
from distill.device import bf16_is_real, resolve_precision
from distill.predict import load_student, predict
from distill.settings import TrainSettings, adjusted
from distill.student import Student, find_student, load_model
from distill.train import train
from distill.trained import read_trained
from synth.errors import UserError
from tests.students import write_base, write_run

NEEDS_BITSANDBYTES = pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed")
METHODS = [
    pytest.param(TrainSettings(method="lora", steps=2, accumulation=1), id="lora"),
    pytest.param(TrainSettings(method="full", steps=2, accumulation=1), id="full"),
    pytest.param(TrainSettings(method="qlora", steps=2, accumulation=1), id="nf4", marks=NEEDS_BITSANDBYTES),
    pytest.param(
        TrainSettings(method="qlora", quantisation="int8", steps=2, accumulation=1),
        id="int8",
        marks=NEEDS_BITSANDBYTES,
    ),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("methods")
    write_run(folder / "run", {"train": range(2), "validation": range(8, 9), "test": range(10, 11)})
    write_base(folder / "base")
    return folder


@pytest.mark.parametrize("settings", METHODS)
def test_a_method_trains_saves_loads_and_writes(place: Path, settings: TrainSettings) -> None:
    import torch

    out = place / f"{settings.method}{settings.quantisation}"
    metrics = train(place / "run", str(place / "base"), out, settings, device="cpu", quiet=True).metrics
    trained = read_trained(out)
    assert trained.method == metrics.method == settings.method
    assert trained.quantisation == (settings.quantisation if settings.method == "qlora" else None)
    weights = "model.safetensors" if settings.method == "full" else "adapter_model.safetensors"
    assert (out / weights).is_file()
    assert not [path for path in out.rglob("*") if path.suffix in {".bin", ".pt", ".pkl"}]
    loaded = load_student(out, base=str(place / "base"), device="cpu")
    kinds = {type(module).__name__ for module in loaded.model.modules()}
    if settings.method == "qlora":
        assert ("Linear4bit" if settings.quantisation == "nf4" else "Linear8bitLt") in kinds
    base = load_model(find_student(str(place / "base")))
    items = held_out_items(place / "run", "test")
    assert predict(loaded, items, max_new_tokens=3)[0].finish in {"length", "stop"}
    ids = torch.tensor([loaded.tokenizer(items[0].source)["input_ids"][:64]])
    with torch.no_grad():
        assert not torch.equal(loaded.model(input_ids=ids).logits, base(input_ids=ids).logits), "nothing was learned"


@pytest.mark.parametrize(("method", "whole"), [("lora", ()), ("lora", ("embed_tokens",)), ("full", ())])
def test_the_loaded_student_has_the_loss_that_training_says(
    place: Path, method: str, whole: tuple[str, ...], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way round, where the best student is not the last: what lies on disk scores what the card claims."""
    import torch

    from distill.datasets import examples, fit
    from distill.generation import stop_tokens
    from distill.sft import row_losses

    base = find_student(str(place / "base"))
    student = base.model_copy(update={"lora": base.lora.model_copy(update={"modules_to_save": whole})})
    said = {"method": method, "steps": 4, "eval_every": 1, "accumulation": 1, "learning_rate": 0.3, "precision": "fp32"}
    out = place / f"again-{method}{len(whole)}"
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    metrics = train(place / "run", student, out, TrainSettings.model_validate(said), device="cpu", quiet=True).metrics
    assert metrics.best_step != metrics.steps, "the last student is the best: the test shows nothing"
    assert not [record.message for record in caplog.records if "keys in the checkpoint" in record.message]
    loaded = load_student(out, base=str(place / "base"), device="cpu")
    held_out = examples(place / "run", "validation", "json")
    fitted = fit(held_out, loaded.tokenizer, stop_tokens(loaded.model, loaded.tokenizer), 4096)
    with torch.no_grad():
        rows = [
            row_losses(loaded.model, {"input_ids": torch.tensor([t.input_ids]), "labels": torch.tensor([t.labels])})
            for t in fitted.kept
        ]
    total, count = torch.cat(rows).sum(dim=0).tolist()
    assert total / count == pytest.approx(metrics.validation_loss, abs=2e-4)


def test_a_full_fine_tuning_learns_at_a_tenth_of_the_adapters_rate(place: Path) -> None:
    student = find_student(str(place / "base"))
    rate = student.recipe.learning_rate
    assert adjusted(student, TrainSettings(method="full")).recipe.learning_rate == rate * FULL_RATE
    assert adjusted(student, TrainSettings(method="full", learning_rate=3e-4)).recipe.learning_rate == 3e-4
    assert adjusted(student, TrainSettings()).recipe.learning_rate == rate


def test_a_rank_keeps_the_adapters_scale(place: Path) -> None:
    lora = adjusted(find_student(str(place / "base")), TrainSettings(rank=4)).lora
    assert (lora.rank, lora.alpha) == (4, 8)


def test_quantising_without_bitsandbytes_is_one_line(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distill.methods.find_spec", lambda _name: None)
    with pytest.raises(UserError, match=r"pip install 'notewright\[quantised\]'"):
        train(place / "run", str(place / "base"), place / "none", TrainSettings(method="qlora"), quiet=True)


@NEEDS_BITSANDBYTES
def test_a_base_that_is_quantised_already_is_one_line(place: Path) -> None:
    from distill.methods import load_quantised

    student: Student = find_student(str(place / "base")).model_copy(update={"quantisation": "mxfp4"})
    with pytest.raises(UserError, match="comes in mxfp4"):
        load_quantised(student, "nf4", "cpu", "fp32")


@NEEDS_BITSANDBYTES
def test_a_pass_without_gradients_leaves_a_base_in_nf4_as_it_was() -> None:
    """The tiny student's rows are no whole number of blocks of 64, which bitsandbytes cannot pack anew on a CPU with
    AVX-512 BF16."""
    import torch

    from distill.methods import load_quantised

    model = load_quantised(find_student("tiny"), "nf4", "cpu", "fp32").eval()
    before = {name: weights.clone() for name, weights in model.named_parameters()}
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([[5, 6, 7]])).logits
    assert logits.isfinite().all()
    assert all(torch.equal(weights, before[name]) for name, weights in model.named_parameters())


@pytest.mark.parametrize(
    ("flags", "real"), [("fpu avx2", False), ("avx512_bf16", True), ("amx_bf16 amx_tile", True), ("", False)]
)
def test_bf16_is_chosen_where_the_processor_has_it(monkeypatch: pytest.MonkeyPatch, flags: str, real: bool) -> None:
    monkeypatch.setattr("distill.device._cpu_flags", lambda: frozenset(flags.split()))
    assert bf16_is_real("cpu") is real
    assert resolve_precision("auto", "cpu") == ("bf16" if real else "fp32")
    assert resolve_precision("bf16", "cpu") == "bf16"
    assert resolve_precision("fp32", "cpu") == "fp32"


def test_bf16_keeps_what_is_trained_in_float32(place: Path) -> None:
    from safetensors import safe_open

    out = place / "bf16"
    settings = TrainSettings(precision="bf16", steps=1, accumulation=1, max_length=4096)
    metrics = train(place / "run", str(place / "base"), out, settings, device="cpu", quiet=True).metrics
    assert metrics.precision == "bf16"
    with safe_open(out / "adapter_model.safetensors", framework="pt") as weights:
        assert {str(weights.get_tensor(name).dtype) for name in weights.keys()} == {"torch.float32"}  # noqa: SIM118
