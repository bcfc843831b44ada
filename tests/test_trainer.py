"""The trainer: which tokens carry loss in its batches, and that its loss is the plain one, padded or packed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedConfig

from distill.datasets import Example, Fitted, Tokens, examples, fit
from distill.generation import stop_tokens
from distill.packed import APART
from distill.settings import TrainSettings, adjusted
from distill.sft import CompletionTrainer, row_losses
from distill.steps import packed_rows, shown, step_of, unlike_the_recipe
from distill.student import Recipe, find_student, load_model, load_tokenizer
from distill.trainer import examples_a_step, make_trainer, packs
from tests.students import write_base, write_run


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trainer")
    write_run(folder / "run")
    write_base(folder / "base")
    return folder


def _found(place: Path) -> list[Example]:
    return examples(place / "run", "train", "json")


def _trainer(place: Path, settings: TrainSettings, fitted: Fitted | None = None) -> CompletionTrainer:
    student = adjusted(find_student(str(place / "base")), settings)
    tokenizer, model = load_tokenizer(student), load_model(student)
    fitted = fitted or fit(_found(place), tokenizer, stop_tokens(model, tokenizer), student.max_length)
    trainer = make_trainer(
        model,
        tokenizer,
        student,
        settings,
        fitted,
        Fitted((), ()),
        place / "out",
        device="cpu",
        precision="fp32",
        callbacks=[],
    )
    assert isinstance(trainer, CompletionTrainer)
    return trainer


@pytest.mark.parametrize("packing", [False, True])
def test_the_trainer_puts_loss_on_completion_and_end_alone(place: Path, packing: bool) -> None:
    """Reads the labels where they arrive: in the batch that the real trainer feeds to the model."""
    trainer = _trainer(place, TrainSettings(packing=packing, max_length=8192))
    tokenizer = load_tokenizer(find_student(str(place / "base")))
    wanted = sorted(example.completion[0]["content"] + "<|end|>" for example in _found(place))
    written = []
    for batch in trainer.get_train_dataloader():
        for ids, labels in zip(batch["input_ids"], batch["labels"], strict=True):
            carries = labels != -100
            assert labels[carries].tolist() == ids[carries].tolist()
            written += [f"{text}<|end|>" for text in str(tokenizer.decode(ids[carries])).split("<|end|>")[:-1]]
    assert sorted(written) == wanted


def test_the_loss_is_that_of_the_whole_forward_pass(place: Path) -> None:
    """The head on completion positions alone gives what transformers' own loss over all labels gives, with padding."""
    trainer = _trainer(place, TrainSettings(batch_size=3, max_length=8192))
    batch = next(iter(trainer.get_train_dataloader()))
    assert int(batch["attention_mask"].min()) == 0
    model = load_model(find_student(str(place / "base"))).eval()
    with torch.no_grad():
        whole = model(**batch).loss
        assert trainer.model is not None
        trainer.model.eval()
        ours = trainer.compute_loss(trainer.model, dict(batch))
    assert isinstance(ours, torch.Tensor)
    assert ours.item() == pytest.approx(whole.item(), rel=1e-5)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_packed_examples_do_not_see_each_other(place: Path, attention: str) -> None:
    """Each example's logits in a packed row are those that it has alone."""
    trainer = _trainer(place, TrainSettings(packing=True, max_length=16384))
    batch = next(iter(trainer.get_train_dataloader()))
    model = load_model(find_student(str(place / "base"))).eval()
    model.set_attn_implementation(attention)
    starts = [*(batch["position_ids"][0] == 0).nonzero().flatten().tolist(), batch["input_ids"].shape[1]]
    assert len(starts) > 2, "the row holds one example alone"
    with torch.no_grad():
        packed = model(input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False).logits
        for first, end in pairwise(starts):
            alone = model(input_ids=batch["input_ids"][:, first:end], use_cache=False).logits
            assert float((packed[:, first:end] - alone).abs().max()) <= 1e-5


def test_packed_and_padded_rows_have_the_same_loss(place: Path) -> None:
    packed, padded = (_trainer(place, TrainSettings(packing=said, max_length=8192)) for said in (True, False))
    sums = []
    for trainer in (packed, padded):
        assert trainer.model is not None
        config = trainer.model.config
        assert isinstance(config, PreTrainedConfig)
        assert (config._attn_implementation == APART) is (trainer is packed)
        trainer.model.eval()
        with torch.no_grad():
            rows = torch.cat([row_losses(trainer.model, dict(batch)) for batch in trainer.get_train_dataloader()])
        sums.append(rows.sum(dim=0).tolist())
    assert sums[0] == pytest.approx(sums[1], rel=1e-5)


def test_a_packed_row_leaves_no_example_out_and_cuts_none(place: Path) -> None:
    trainer = _trainer(place, TrainSettings(packing=True, max_length=8192))
    student = find_student(str(place / "base"))
    tokenizer = load_tokenizer(student)
    fitted = fit(_found(place), tokenizer, stop_tokens(load_model(student), tokenizer), 8192)
    rows = [
        piece.tolist()
        for batch in trainer.get_train_dataloader()
        for piece in torch.tensor_split(
            batch["input_ids"][0], (batch["position_ids"][0] == 0).nonzero().flatten().tolist()[1:]
        )
    ]
    assert sorted(rows) == sorted(tokens.input_ids for tokens in fitted.kept)


def _lengths(lengths: Sequence[int]) -> Fitted:
    return Fitted(tuple(Tokens(str(i), [0] * length, 1) for i, length in enumerate(lengths)), ())


NONE = Fitted((), ())
EIGHT = Recipe(learning_rate=1e-4, epochs=1, batch_size=1, accumulation=8)


@pytest.mark.parametrize(
    ("ranks", "packing", "lengths", "max_length", "passes", "row", "examples"),
    [
        (1, False, [100] * 40, 400, 8, 400, 8),
        (2, False, [100] * 40, 400, 4, 400, 8),
        (3, False, [100] * 40, 400, 3, 400, 9),
        (1, True, [100] * 40, 400, 2, 400, 8),
        (2, True, [100] * 40, 400, 1, 400, 8),
        (1, True, [100] * 8, 4000, 1, 4000, 8),
        (2, True, [100] * 8, 4000, 1, 400, 8),
        (1, True, [100] * 80, 4000, 1, 800, 8),
        (1, True, [1460] * 80, 4096, 4, 4096, 8),
        (4, True, [1460] * 80, 4096, 1, 4096, 8),
        (8, True, [1460] * 80, 4096, 1, 1460, 8),
        (8, True, [1460] * 40 + [700] * 40, 4096, 1, 1460, 8 * 80 / 60),
        (16, True, [1460] * 80, 4096, 1, 1460, 16),
    ],
)
def test_a_step_takes_as_many_examples_as_the_recipe_says_where_rows_can_be_divided(
    monkeypatch: pytest.MonkeyPatch,
    ranks: int,
    packing: bool,
    lengths: list[int],
    max_length: int,
    passes: int,
    row: int,
    examples: float,
) -> None:
    monkeypatch.setenv("WORLD_SIZE", str(ranks))
    step = step_of(EIGHT, _lengths(lengths), NONE, max_length, packing=packing)
    assert step.passes == passes
    assert step.examples == pytest.approx(examples)
    assert packed_rows(lengths, step.row) == packed_rows(lengths, row), f"{step.row} tokens a row"
    line = unlike_the_recipe(step, EIGHT, packing=packing)
    assert (line is None) is (abs(examples - 8) <= 0.8)
    if packing and line is not None:
        assert f"a step takes {shown(examples)} examples, not the recipe's 8" in line
        assert ("; --no-packing takes 8" in line) is (ranks == 8)


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 900), min_size=1, max_size=60),
    validated=st.integers(1, 900),
    more=st.integers(0, 3000),
    ranks=st.integers(1, 12),
    batch=st.integers(1, 4),
    accumulation=st.integers(1, 12),
)
def test_rows_are_never_shorter_than_an_example_nor_a_step_farther_from_the_recipe_than_with_whole_ones(
    lengths: list[int], validated: int, more: int, ranks: int, batch: int, accumulation: int
) -> None:
    longest = max(*lengths, validated)
    recipe = EIGHT.model_copy(update={"batch_size": batch, "accumulation": accumulation})
    wanted = batch * accumulation
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORLD_SIZE", str(ranks))
        step = step_of(recipe, _lengths(lengths), _lengths([validated]), longest + more, packing=True)
    assert longest <= step.row <= longest + more
    assert step.passes >= 1
    a_pass = ranks * len(lengths) / packed_rows(lengths, step.row)
    assert step.examples == pytest.approx(step.passes * a_pass)
    whole = ranks * len(lengths) / packed_rows(lengths, longest + more)
    assert abs(step.examples - wanted) <= abs(max(1, round(wanted / whole)) * whole - wanted) + 1e-9


@pytest.mark.parametrize("count", [1, 7, 1003])
def test_rows_are_counted_as_trl_packs_them(count: int) -> None:
    from datasets import Dataset  # type: ignore[import-untyped]  # datasets ships no types
    from trl.data_utils import pack_dataset

    draws = random.Random(count)
    lengths = [draws.randint(1, 60) for _ in range(count)]
    rows = Dataset.from_list([{"input_ids": [0] * length} for length in lengths])
    for row in (60, 61, 150):
        assert packed_rows(lengths, row) == len(pack_dataset(rows, row))


def test_the_trainer_says_how_many_examples_a_step_takes(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is planned is what the trainer does, and what the metrics have."""
    base = find_student(str(place / "base"))
    tokenizer, model = load_tokenizer(base), load_model(base)
    fitted = fit(_found(place), tokenizer, stop_tokens(model, tokenizer), 16384)
    for asked in (
        TrainSettings(packing=True, max_length=16384, accumulation=2),
        TrainSettings(packing=True, max_length=16384, accumulation=8),
        TrainSettings(batch_size=2, accumulation=3),
    ):
        student = adjusted(base, asked)
        step = step_of(student.recipe, fitted, NONE, student.max_length, packing=bool(asked.packing))
        trainer = _trainer(place, asked)
        assert examples_a_step(trainer, fitted) == pytest.approx(step.examples, abs=0.005)
        assert "a step takes" not in capsys.readouterr().err
    uneven = _lengths([100] * 8 + [1000])
    trainer = _trainer(place, TrainSettings(packing=True, accumulation=1), uneven)
    assert examples_a_step(trainer, uneven) == 4.5
    assert (
        "a step takes 4.5 examples, not the recipe's 1: it takes whole rows, and none is shorter than the longest "
        "example (1,000 tokens); --no-packing takes 1\n"
    ) in capsys.readouterr().err
    monkeypatch.setenv("WORLD_SIZE", "3")
    step = step_of(EIGHT, fitted, NONE, 16384, packing=False)
    assert step.examples == 9
    assert "each of 3 processes takes whole passes of 1" in str(unlike_the_recipe(step, EIGHT, packing=False))


def test_packing_is_for_gpus_unless_asked_for() -> None:
    assert not packs(TrainSettings(), "cpu")
    assert packs(TrainSettings(), "cuda:0")
    assert packs(TrainSettings(packing=True), "cpu")
    assert not packs(TrainSettings(packing=False), "cuda:0")
