"""A run directory becomes prompt/completion examples, and benchmark items for the splits that are held out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from distill.records import BenchmarkItem
from distill.tasks import answer_of
from synth.assets import load_yaml, render_prompt
from synth.catalog import load_task
from synth.errors import UserError
from synth.records import Scenario, Split
from synth.styles import Style, read_style

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Format = Literal["json", "text"]
COLUMNS = ("id", "task", "source", "target", "text", "scenario")
"""What is read of the columns of ``dataset/<split>.parquet``; all of them hold strings."""
_BATCH = 256
"""Rows of a Parquet file that are read at once."""
REFUSED_SHARE = 0.05
"""Where more examples than this share do not fit, the set-up is wrong and nothing is trained."""

Message = dict[str, str]


@dataclass(frozen=True, slots=True)
class Example:
    """A conversation of one prompt and one completion."""

    id: str
    task: str
    prompt: list[Message]
    completion: list[Message]
    rejected: list[Message] | None = None
    """The completion that this one is to be preferred to; None where there is no such pair."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """An example as the student sees it."""

    id: str
    input_ids: list[int]
    """Prompt and completion as the chat template writes them, up to the token that ends the turn."""
    completion_start: int
    """Index of the first token that carries loss; all that follow it do."""
    rejected_ids: list[int] | None = None
    """The rejected completion after the same prompt, up to the token that ends the turn; None where there is none."""

    @property
    def labels(self) -> list[int]:
        """The tokens that carry loss in their places, and -100 in those of the prompt."""
        return [-100] * self.completion_start + self.input_ids[self.completion_start :]

    @property
    def completion_length(self) -> int:
        """Number of tokens that carry loss."""
        return len(self.input_ids) - self.completion_start


@dataclass(frozen=True, slots=True)
class Fitted:
    """Examples that fit into the student's ``max_length``, and the ids of those that do not."""

    kept: tuple[Tokens, ...]
    refused: tuple[str, ...]


def read_split(run: Path, split: Split) -> list[dict[str, str]]:
    """Return the rows of a split; UserError where the run has none or the file is not one of this project's."""
    return list(_split_rows(run, split))


def _split_rows(run: Path, split: Split) -> Iterator[dict[str, str]]:
    path = run / "dataset" / f"{split}.parquet"
    if not path.is_file():
        raise UserError(
            f"{run} holds no {split} split ({path.name} is missing); make one with: synth generate --out {run}"
        )
    yield from _rows(path, COLUMNS)


def read_rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Return these columns of a Parquet file of a run; UserError where it is not one of this project's."""
    return list(_rows(path, columns))


def _rows(path: Path, columns: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield rows, of which few are in memory at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            missing = [name for name in columns if name not in file.schema_arrow.names]
            if missing:
                raise UserError(f"{path} lacks the columns {', '.join(missing)}; it is not the dataset of a run")
            for batch in file.iter_batches(_BATCH, columns=list(columns)):
                yield from batch.to_pylist()
    except pa.ArrowInvalid as error:
        raise UserError(f"{path} is not a readable Parquet file: {error}") from error


def student_prompt(task: str, source: str) -> list[Message]:
    """Return the messages that a student reads: the task's short instruction and the source."""
    content = render_prompt(f"{load_task(task).prompts}/student.user.md.j2", source=source)
    return [{"role": "user", "content": content}]


def examples(run: Path, split: Split, form: Format) -> list[Example]:
    """Return the examples of a split, with the target as JSON or as the rendered text; UserError where there are
    none."""
    if form not in get_args(Format):
        raise UserError(f"unknown format {form!r}; known: {', '.join(get_args(Format))}")
    column = "target" if form == "json" else "text"
    rows = read_split(run, split)
    if not rows and split == "train":
        raise UserError(f"the train split of {run} is empty; generate more encounters")
    return [
        Example(
            id=row["id"],
            task=row["task"],
            prompt=student_prompt(row["task"], row["source"]),
            completion=[{"role": "assistant", "content": row[column]}],
        )
        for row in rows
    ]


def first_of(found: Sequence[Example], count: int | None, run: Path) -> list[Example]:
    """Return the first so many examples of a train split, all of them for None; UserError where there are fewer."""
    if count is not None and count > len(found):
        raise UserError(
            f"{run} holds {len(found):,} pairs in its train split, not {count:,}; "
            "take fewer (--examples), or generate more encounters"
        )
    return list(found[:count])


def tokenize(example: Example, tokenizer: PreTrainedTokenizerBase, stops: frozenset[int]) -> Tokens:
    """Return an example in tokens.

    The completion starts where prompt alone and whole conversation part, as in TRL: what a template writes between the
    two, such as an empty thought or the name of a channel, is the student's to write. It ends with the token that ends
    the turn, and what a template writes after that is left away. ``stops`` are the tokens that end a generation: a
    template that writes none of them after the completion gets the tokenizer's own, so that the student learns to stop.
    """
    whole, start = _spoken(example.prompt, example.completion, tokenizer, stops)
    if example.rejected is None:
        return Tokens(id=example.id, input_ids=whole, completion_start=start)
    other, other_start = _spoken(example.prompt, example.rejected, tokenizer, stops)
    start = min(start, other_start)
    return Tokens(id=example.id, input_ids=whole, completion_start=start, rejected_ids=other[start:])


def _spoken(
    asked: list[Message], answer: list[Message], tokenizer: PreTrainedTokenizerBase, stops: frozenset[int]
) -> tuple[list[int], int]:
    """Return a conversation in tokens, and the index of the first one that is the student's to write."""
    prompt = _encode(tokenizer, chat_text(tokenizer, asked, generation_prompt=True))
    text = chat_text(tokenizer, asked + answer, generation_prompt=False)
    whole = _encode(tokenizer, text)
    before = broken_off(tokenizer, asked)
    prefix = _encode(tokenizer, before)
    if whole[: len(prefix)] != prefix and text.startswith(before):
        # A token reaches over the seam, which no prediction can write: it starts from the prefix's own tokens.
        whole = prefix + _encode(tokenizer, text[len(before) :])
    start = next(
        (i for i, (a, b) in enumerate(zip(prompt, whole, strict=False)) if a != b), min(len(prompt), len(whole))
    )
    tail = after_answer(tokenizer)
    if tail and tail[0] in stops and whole[-len(tail) :] == tail:
        whole = whole[: len(whole) - len(tail) + 1]
    elif stops.isdisjoint(whole[start:]):
        whole = [*whole, tokenizer.eos_token_id]
    return whole, start


_MARK = "\ue000"
"""Stands for an answer where only what the template writes around it matters."""


def after_answer(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the tokens that the chat template writes after the last word of an answer."""
    messages = [{"role": "user", "content": "?"}, {"role": "assistant", "content": _MARK}]
    whole = chat_text(tokenizer, messages, generation_prompt=False)
    return _encode(tokenizer, whole[whole.rindex(_MARK) + len(_MARK) :])


def chat_text(tokenizer: PreTrainedTokenizerBase, messages: list[Message], *, generation_prompt: bool) -> str:
    """Return messages as the student's chat template writes them; the same text on any day."""
    text = tokenizer.apply_chat_template(
        messages,
        tokenize=False,
        add_generation_prompt=generation_prompt,
        # Llama's templates put today's date into the system message unless they are given one.
        date_string="26 Jul 2024",
    )
    assert isinstance(text, str)
    return text


def prefix_ids(tokenizer: PreTrainedTokenizerBase, prompt: list[Message]) -> list[int]:
    """Return the tokens before the completion's first word, so that a prediction starts exactly where training did.

    Some templates write more than the generation prompt before the words of an answer: an empty thought, the name of a
    channel.
    """
    return _encode(tokenizer, broken_off(tokenizer, prompt))


def broken_off(tokenizer: PreTrainedTokenizerBase, prompt: list[Message], said: str = "") -> str:
    """Return what the chat template writes of a conversation that breaks off in its answer, after what is ``said``."""
    whole = chat_text(tokenizer, [*prompt, {"role": "assistant", "content": said + _MARK}], generation_prompt=False)
    return whole[: whole.rindex(_MARK)]


def _encode(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def fit(found: Sequence[Example], tokenizer: PreTrainedTokenizerBase, stops: frozenset[int], max_length: int) -> Fitted:
    """Return the examples that fit in whole; nothing is ever cut.

    UserError where more than one in twenty does not fit, because the set-up is then wrong.
    """
    kept: list[Tokens] = []
    refused: list[str] = []
    longest = 0
    for example in found:
        tokens = tokenize(example, tokenizer, stops)
        length = max(len(tokens.input_ids), tokens.completion_start + len(tokens.rejected_ids or ()))
        longest = max(longest, length)
        if length <= max_length:
            kept.append(tokens)
        else:
            refused.append(example.id)
    if len(refused) > REFUSED_SHARE * len(found):
        raise UserError(
            f"{len(refused)} of {len(found)} examples are longer than {max_length} tokens (the longest has {longest}); "
            "raise --max-length or take a student with a longer context"
        )
    return Fitted(tuple(kept), tuple(refused))


def run_style(run: Path) -> Style | None:
    """Return the house style of a run, from its ``config.yaml``; None where it has none."""
    file = run / "config.yaml"
    content = load_yaml(file) if file.is_file() else None
    given = content.get("style") if isinstance(content, dict) else None
    return None if given is None else read_style(given, f"style of {run}")


def held_out_items(run: Path, split: Split) -> list[BenchmarkItem]:
    """Return the encounters of a split as benchmark items, with the scenario that each was written from, and the house
    style of the run where it has one."""
    return [BenchmarkItem.model_validate_json(line) for line, _ in held_out_lines(run, split)]


def held_out_lines(run: Path, split: Split) -> Iterator[tuple[bytes, Mapping[str, str]]]:
    """Yield what ``held_out_items`` returns as JSON, each with the row that it is of: scenario and target stay the JSON
    that the run holds, and are checked by whoever reads the line."""
    from pydantic_core import to_json

    style = run_style(run)
    for row in _split_rows(run, split):
        task = load_task(row["task"])
        answer = None if task.answer is None else answer_of(task, Scenario.model_validate_json(row["scenario"]))
        texts = {"id": row["id"], "source": row["source"], "reference": row["text"]}
        rest: dict[str, object] = {"section": None, **({} if style is None else {"style": style}), "groups": {}}
        # Line breaks in JSON stand between its tokens only, never in a text.
        target, scenario = (row[name].replace("\n", " ").encode() for name in ("target", "scenario"))
        line = (
            *(to_json(texts)[:-1], b',"target":', target, b',"scenario":', scenario, b","),
            to_json(rest | {"task": row["task"], "answer": answer})[1:],
        )
        yield b"".join(line), row
