"""From a run directory to tokens: what the student reads, what carries loss, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from distill.datasets import (
    Example,
    examples,
    fit,
    held_out_items,
    held_out_lines,
    prefix_ids,
    student_prompt,
    tokenize,
)
from distill.records import BenchmarkItem
from distill.student import find_student, load_tokenizer
from synth.errors import UserError
from tests.students import SPLITS, encounters, write_base, write_run

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("run") / "run")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerBase:
    return load_tokenizer(find_student(str(write_base(tmp_path_factory.mktemp("base")))))


def stops(tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    assert isinstance(tokenizer.eos_token_id, int)
    return frozenset({tokenizer.eos_token_id})


def test_examples_are_the_rows_of_the_split_in_order(run: Path) -> None:
    found = examples(run, "train", "json")
    written = encounters(SPLITS["train"])
    assert [example.id for example in found] == [encounter.id for encounter in written]
    for example, encounter in zip(found, written, strict=True):
        assert encounter.source.text in example.prompt[0]["content"]
        assert json.loads(example.completion[0]["content"]) == encounter.target


def test_format_text_trains_on_what_people_read(run: Path) -> None:
    content = examples(run, "train", "text")[0].completion[0]["content"]
    assert content.startswith("CHIEF COMPLAINT")


def test_loss_falls_on_the_completion_and_its_end_alone(run: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    for example in examples(run, "train", "json"):
        tokens = tokenize(example, tokenizer, stops(tokenizer))
        labelled = tokens.input_ids[tokens.completion_start :]
        assert tokenizer.decode(labelled) == example.completion[0]["content"] + "<|end|>"
        before = tokenizer.decode(tokens.input_ids[: tokens.completion_start])
        assert before == f"<|user|>{example.prompt[0]['content']}<|end|><|assistant|>"


def test_a_template_that_writes_no_end_gets_one(run: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    kept = tokenizer.chat_template
    try:
        tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}|{% endfor %}"
        tokens = tokenize(examples(run, "train", "json")[0], tokenizer, stops(tokenizer))
    finally:
        tokenizer.chat_template = kept
    assert tokens.input_ids[-1] == tokenizer.eos_token_id


def test_prediction_starts_where_training_did(run: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    example = examples(run, "train", "json")[0]
    tokens = tokenize(example, tokenizer, stops(tokenizer))
    assert prefix_ids(tokenizer, example.prompt) == tokens.input_ids[: tokens.completion_start]


def test_digits_are_single_tokens(tokenizer: PreTrainedTokenizerBase) -> None:
    pieces = tokenizer.convert_ids_to_tokens(tokenizer("glucose 112.5 mg, 3rd of 2024")["input_ids"])
    assert all(len(piece) == 1 for piece in pieces if any(letter.isdigit() for letter in piece))


def test_text_survives_the_tokenizer(tokenizer: PreTrainedTokenizerBase) -> None:
    text = 'naïve "µg" — {"a":[1.5,null]}\n\t😀  x'
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_what_does_not_fit_is_refused_and_counted(tokenizer: PreTrainedTokenizerBase) -> None:
    def example(number: int, words: int) -> Example:
        answer = [{"role": "assistant", "content": "{}"}]
        return Example(str(number), "note", student_prompt("note", "[doctor] " + "hello " * words), answer)

    found = [example(i, 5) for i in range(39)] + [example(39, 5000)]
    fitted = fit(found, tokenizer, stops(tokenizer), 200)
    assert fitted.refused == ("39",)
    assert len(fitted.kept) == 39
    with pytest.raises(UserError, match="2 of 39 examples are longer than 200 tokens"):
        fit([*found[2:], example(40, 5000)], tokenizer, stops(tokenizer), 200)


def test_an_example_of_exactly_max_length_is_kept(run: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    example = examples(run, "train", "json")[:1]
    length = len(tokenize(example[0], tokenizer, stops(tokenizer)).input_ids)
    assert fit(example, tokenizer, stops(tokenizer), length).refused == ()
    with pytest.raises(UserError, match="1 of 1"):
        fit(example, tokenizer, stops(tokenizer), length - 1)


def test_held_out_items_carry_reference_and_scenario(run: Path) -> None:
    items = held_out_items(run, "test")
    for item, encounter in zip(items, encounters(SPLITS["test"]), strict=True):
        assert (item.id, item.source, item.target) == (encounter.id, encounter.source.text, encounter.target)
        assert item.scenario == encounter.scenario
        assert item.reference.startswith("CHIEF COMPLAINT")


def test_held_out_lines_are_the_items_as_json(run: Path, tmp_path: Path) -> None:
    expected = held_out_items(run, "test")
    found = list(held_out_lines(run, "test"))
    assert [line.decode() for line, _ in found] == [item.model_dump_json() for item in expected]
    assert [row["id"] for _, row in found] == [item.id for item in expected]
    # JSON of any layout stays one line.
    rows = [{**row, "target": json.dumps(json.loads(row["target"]), indent=1)} for _, row in found]
    (tmp_path / "dataset").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "dataset" / "test.parquet")
    for (line, _), item in zip(held_out_lines(tmp_path, "test"), expected, strict=True):
        assert b"\n" not in line
        assert BenchmarkItem.model_validate_json(line) == item


def test_a_missing_split_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train.parquet is missing"):
        examples(tmp_path, "train", "json")


def test_a_broken_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "train.parquet").write_bytes(b"not parquet")
    with pytest.raises(UserError, match="not a readable Parquet file"):
        examples(tmp_path, "train", "json")


def test_another_table_is_one_line(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (tmp_path / "dataset").mkdir()
    pq.write_table(pa.table({"id": ["1"]}), tmp_path / "dataset" / "train.parquet")
    with pytest.raises(UserError, match="lacks the columns task, source"):
        examples(tmp_path, "train", "json")
