"""Predictions: parsing, rendering, batches and stopping."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.generation import Loaded
from distill.predict import as_prediction, load_student, parse_object, predict
from distill.records import BenchmarkItem, Prediction
from synth.assets import canonical_json
from synth.errors import UserError
from synth.records import JsonObject
from tests.samples import note
from tests.students import held_out, load_small

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
OBJECTS = st.dictionaries(st.text(), SCALARS | st.lists(SCALARS))


@given(OBJECTS)
def test_every_object_is_read_back_as_it_was_written(value: JsonObject) -> None:
    assert parse_object(canonical_json(value)) == value


@given(st.text())
def test_no_text_raises_and_only_objects_are_targets(text: str) -> None:
    prediction = as_prediction("a", text, "stop", "note")
    assert prediction.raw == text
    assert prediction.target is None or isinstance(prediction.target, dict)


@pytest.mark.parametrize(
    "raw",
    ["", "no JSON", '{"a":1', '{"a":1}}', "[1]", "null", '"text"', '{"a":NaN}', '{"a":"line\nbreak"}', "[" * 100_000],
)
def test_what_does_not_parse_is_no_target_and_keeps_its_text(raw: str) -> None:
    prediction = as_prediction("a", raw, "length", "note")
    assert (prediction.target, prediction.text, prediction.raw) == (None, raw, raw)


def test_a_note_is_rendered() -> None:
    prediction = as_prediction("a", json.dumps(note(), indent=1), "stop", "note")
    assert prediction.target == note()
    assert prediction.text.startswith("CHIEF COMPLAINT\n\nfatigue")


@pytest.mark.parametrize(
    "value",
    [{}, {"subjective": "well"}, {**note(), "objective_exam": None}, {**note(), "assessment_and_plan": 3}],
)
def test_an_object_that_does_not_render_keeps_its_text(value: JsonObject) -> None:
    raw = canonical_json(value)
    prediction = as_prediction("a", raw, "stop", "note")
    assert prediction.target == value
    assert prediction.text == raw


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return load_small(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def items() -> list[BenchmarkItem]:
    return held_out(range(5), 200, 500, 800)


def test_predictions_come_in_the_order_of_the_items(base: Loaded, items: list[BenchmarkItem]) -> None:
    heard: list[Prediction] = []
    written = predict(base, items, batch_size=2, on_written=heard.append)
    assert [prediction.id for prediction in written] == [item.id for item in items]
    assert [prediction.id for prediction in heard] != [prediction.id for prediction in written], "not shortest first"
    assert sorted(heard, key=written.index) == written


def test_batches_and_padding_change_nothing(base: Loaded, items: list[BenchmarkItem]) -> None:
    together = predict(base, items, batch_size=5)
    alone = predict(base, items, batch_size=1)
    assert [prediction.raw for prediction in together] == [prediction.raw for prediction in alone]


def test_generation_stops_at_the_end_token(base: Loaded, items: list[BenchmarkItem]) -> None:
    """The head is made to prefer the end token after anything; nothing of it reaches the text."""
    import torch

    end = base.tokenizer.eos_token_id
    assert isinstance(end, int)
    head = base.model.get_output_embeddings()
    assert isinstance(head, torch.nn.Linear)
    hook = head.register_forward_hook(lambda _m, _i, logits: logits.index_fill(-1, torch.tensor([end]), 1e4))
    try:
        written = predict(base, items[:2])
    finally:
        hook.remove()
    assert [(prediction.finish, prediction.raw) for prediction in written] == [("stop", "")] * 2


def test_a_folder_without_an_adapter_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"student.json is missing"):
        load_student(tmp_path)
