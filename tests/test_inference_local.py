"""Local predictions: memory, context, sampling, and decoding under the contract."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from distill.generation import Loaded, continuations
from distill.inference.base import Decoding
from distill.inference.local import LocalPredictor, constraint_of
from distill.inference.sampling import GumbelNoise
from distill.predict import as_prediction, predict
from distill.records import BenchmarkItem, Prediction
from synth.assets import canonical_json
from synth.checks.schema import contract
from synth.errors import UserError
from synth.serving.decoding import Bounds
from tests.students import encounters, held_out, load_small

SMALL = Bounds(items=0, characters=4)
"""So small that a random model comes to the end of a note."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return load_small(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def items() -> list[BenchmarkItem]:
    return held_out(range(6), 100, 250, 400)


def written(
    base: Loaded,
    items: list[BenchmarkItem],
    decoding: Decoding,
    *,
    batch_size: int = 6,
    run: int = 1,
    bounds: Bounds | None = None,
) -> dict[str, Prediction]:
    """Return what a local predictor tells of, by item."""
    predictor = LocalPredictor(
        "base",
        lambda: base,
        {},
        decoding,
        task="note",
        max_new_tokens=decoding.max_new_tokens or 12,
        wants_json=True,
        batch_size=batch_size,
        bounds=bounds,
    )
    found: dict[str, Prediction] = {}
    predictor.write(items, run, lambda prediction: found.__setitem__(prediction.id, prediction))
    return found


def test_a_batch_that_memory_does_not_hold_is_halved_and_nothing_is_lost(
    base: Loaded, items: list[BenchmarkItem], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = predict(base, items, max_new_tokens=6, batch_size=1)
    generate, sizes = base.model.generate, []

    def small(*, input_ids: torch.Tensor, **rest: object) -> torch.Tensor:
        sizes.append(len(input_ids))
        if len(input_ids) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return generate(input_ids=input_ids, **rest)  # type: ignore[operator, no-any-return]

    monkeypatch.setattr(base.model, "generate", small)
    assert predict(base, items, max_new_tokens=6, batch_size=6) == whole
    assert sizes == [6, 3, 1, 1, 1, 1, 1, 1]


def test_one_prompt_that_memory_does_not_hold_is_one_line(
    base: Loaded, items: list[BenchmarkItem], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_rest: object) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(base.model, "generate", full)
    with pytest.raises(UserError, match="does not fit the GPU's memory, even alone"):
        predict(base, items, max_new_tokens=6)


def test_a_prompt_beyond_the_context_is_told_and_never_cut(base: Loaded) -> None:
    """The context is 4096 tokens: one prompt fills it, one leaves room for two tokens, one for all."""
    prompts = [[5] * 4096, [5] * 4094, [5] * 20, [5] * 5000]
    told: list[int] = []
    found = continuations(base, prompts, max_new_tokens=4, on_written=lambda i, _said: told.append(i))
    assert [said.too_long for said in found] == [True, False, False, True]
    assert [len(said.ids) for said in found if not said.ended] in ([0, 2, 4, 0], [0, 2, 0], [0, 4, 0], [0, 0])
    assert sorted(told) == [0, 1, 2, 3]
    prediction = as_prediction("a", "", "too_long", "note")
    assert (prediction.text, prediction.target, prediction.finish) == ("", None, "too_long")


def test_samples_do_not_depend_on_the_batch_and_differ_between_runs(base: Loaded, items: list[BenchmarkItem]) -> None:
    hot = Decoding(temperature=1.0, seed=7)
    together = written(base, items, hot)
    assert written(base, items, hot, batch_size=2) == together
    assert written(base, items[::-1][:3], hot) == {item.id: together[item.id] for item in items[3:]}
    assert written(base, items, hot, run=2) != together
    assert written(base, items, Decoding()) != together


def test_noise_samples_the_softmax_at_its_temperature() -> None:
    scores = torch.tensor([[2.0, 1.0, 0.0, float("-inf")]]).repeat(4000, 1)
    noise = GumbelNoise(2.0, list(range(4000)), torch.device("cpu"))
    drawn = noise(torch.zeros(4000, 1, dtype=torch.long), scores).argmax(-1)  # type: ignore[arg-type]
    shares = torch.bincount(drawn, minlength=4) / 4000
    expected = torch.softmax(scores[0] / 2.0, -1)
    assert shares[3] == 0
    # Four standard errors of a share near a half among 4000 draws.
    assert torch.allclose(shares, expected, atol=0.032)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_random_model_under_the_contract_writes_nothing_else(
    base: Loaded, items: list[BenchmarkItem], temperature: float
) -> None:
    """What ends is valid; what the limit cuts off is the beginning of what is. The end token only comes where the
    grammar may end, in batches whose rows end at different steps."""
    decoding = Decoding(temperature=temperature, constrained=True, max_new_tokens=180)
    found = written(base, items, decoding, bounds=SMALL)
    ended = [prediction for prediction in found.values() if prediction.finish == "stop"]
    matcher = constraint_of(base, "note", SMALL)
    for prediction in found.values():
        assert prediction.raw.startswith('{"subjective":{"chief_complaint":"')
        ids = base.tokenizer(prediction.raw, add_special_tokens=False)["input_ids"]
        assert matcher.accepted(ids) == (len(ids), prediction.finish == "stop")
    for prediction in ended:
        assert prediction.target == json.loads(prediction.raw)
        assert list(contract("note").iter_errors(prediction.target)) == []
    if temperature:
        assert ended, "nothing ended; the bounds no longer let a random model end"


def test_the_targets_of_the_simulator_hold_under_the_constraint(base: Loaded) -> None:
    constraint = constraint_of(base, "note")
    for encounter in encounters(range(5)):
        ids = base.tokenizer(canonical_json(encounter.target), add_special_tokens=False)["input_ids"]
        assert constraint.accepted(ids) == (len(ids), True)
        assert constraint.accepted(ids[:-1]) == (len(ids) - 1, False)


def test_a_slow_tokenizer_is_one_line(base: Loaded) -> None:
    slow = SimpleNamespace(eos_token_id=1, added_tokens_decoder={}, apply_chat_template=lambda *_a, **_k: "\ue000")
    odd = Loaded("odd", base.model, base.tokenizer, 4)
    object.__setattr__(odd, "tokenizer", _Called(slow))
    with pytest.raises(UserError, match="needs a fast tokenizer"):
        constraint_of(odd, "note")


class _Called:
    """A tokenizer of another kind."""

    def __init__(self, inner: SimpleNamespace) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def __call__(self, _text: str, **_settings: object) -> dict[str, list[int]]:
        return {"input_ids": []}


@pytest.mark.parametrize("raw", ['{"a":1e999}', '{"a":"\\ud800"}'])
def test_numbers_out_of_range_and_half_characters_are_no_json(raw: str) -> None:
    prediction = as_prediction("a", raw, "stop", "note")
    assert prediction.target is None
    assert Prediction.model_validate_json(prediction.model_dump_json()) == prediction


def test_half_a_character_is_replaced_and_a_fence_is_opened_only_for_models_that_chat() -> None:
    assert as_prediction("a", "x\ud800y", "stop", "note").raw == "x\ufffdy"
    fenced = '```json\n{"a": 1}\n```'
    assert as_prediction("a", fenced, "stop", "note").target is None
    chatted = as_prediction("a", fenced, "stop", "note", fenced=True)
    assert (chatted.target, chatted.raw) == ({"a": 1}, fenced)


def test_a_new_predictor_loads_nothing(tmp_path: Path) -> None:
    def load() -> Loaded:
        raise AssertionError(tmp_path)

    predictor = LocalPredictor("a", load, {}, Decoding(), task="note", max_new_tokens=4, wants_json=True, batch_size=1)
    predictor.close()
    assert predictor.identity() == {}
