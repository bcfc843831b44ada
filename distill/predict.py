"""Items become predictions: batched generation with a base, or with a base and its adapter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from jinja2 import TemplateError

from distill.datasets import prefix_ids, student_prompt
from distill.generation import Continuation, Loaded, Steering, continuations
from distill.hub import quiet_hub
from distill.methods import load_quantised
from distill.records import BenchmarkItem, Finish, Prediction
from distill.student import find_student, load_model, load_tokenizer, pick_device
from distill.trained import base_of, read_trained
from synth.assets import render_prompt
from synth.catalog import load_task
from synth.records import JsonObject
from synth.serving.replies import UnusableReply, json_object, unfenced

if TYPE_CHECKING:
    from transformers import PreTrainedModel

HEADROOM = 1.25
"""A prediction may be this much longer than the longest completion that was trained on."""


def load_base(name: str, *, max_new_tokens: int = 1024, device: str | None = None) -> Loaded:
    """Return a student's base without any adapter; UserError where it is unknown or not on this machine."""
    student = find_student(name)
    model = load_model(student, device=device or pick_device())
    return Loaded(f"{student.name} (base)", model.eval(), load_tokenizer(student), max_new_tokens)


def load_student(adapter: Path, *, base: str | None = None, device: str | None = None) -> Loaded:
    """Return a base with its adapter, quantised as in training, or the base that was trained whole; ``base`` says where
    it is if not where the student's name leads.

    Raises UserError where the adapter or its base is missing, or the base is not the one that the adapter was trained
    on.
    """
    trained = read_trained(adapter)
    place = device or pick_device()
    limit = int(trained.longest_completion * HEADROOM)
    if trained.method == "full":
        whole = trained.student.model_copy(update={"folder": str(adapter.resolve()), "quantisation": None})
        return Loaded(whole.name, load_model(whole, device=place).eval(), load_tokenizer(whole), limit)
    student = base_of(adapter, trained, base)
    if trained.quantisation is None:
        model = load_model(student, device=place)
    else:
        model = load_quantised(student, trained.quantisation, place, "bf16" if place.startswith("cuda") else "fp32")
    quiet_hub()
    from peft import PeftModel

    adapted = cast("PreTrainedModel", PeftModel.from_pretrained(model, str(adapter), use_safetensors=True))
    return Loaded(student.name, adapted.eval(), load_tokenizer(student), limit)


def predict(
    system: Loaded,
    items: Sequence[BenchmarkItem],
    *,
    task: str = "note",
    max_new_tokens: int | None = None,
    batch_size: int = 16,
    on_written: Callable[[Prediction], None] | None = None,
    steering: Steering | None = None,
) -> list[Prediction]:
    """Return one prediction an item, in the order of the items, each asked as its own task, or as ``task`` where it has
    none.

    In batches of similar length, padded on the left; greedily unless ``steering`` has it otherwise. ``max_new_tokens``
    is the system's own limit unless given. ``on_written`` hears each prediction as it comes. Raises
    UserError as ``continuations`` does.
    """
    tokenizer = system.tokenizer
    found: dict[int, Prediction] = {}

    def keep(number: int, said: Continuation) -> None:
        raw = str(tokenizer.decode(said.ids, skip_special_tokens=True))
        finish: Finish = "too_long" if said.too_long else "stop" if said.ended else "length"
        found[number] = as_prediction(items[number].id, raw, finish, items[number].task or task)
        if on_written is not None:
            on_written(found[number])

    continuations(
        system,
        [prefix_ids(tokenizer, student_prompt(item.task or task, item.prompt)) for item in items],
        max_new_tokens=max_new_tokens or system.max_new_tokens,
        batch_size=batch_size,
        on_written=keep,
        steering=steering,
    )
    return [found[number] for number in range(len(items))]


def as_prediction(item: str, raw: str, finish: Finish, task: str, *, fenced: bool = False) -> Prediction:
    """Return an output as a prediction: parsed and rendered where it can be, else as it came, half characters aside,
    which become U+FFFD.

    ``fenced`` says that one Markdown code fence around all of it is no part of it, as it is with models that chat.
    """
    raw = raw.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    target = parse_object(unfenced(raw) if fenced else raw)
    text = raw
    if target is not None:
        try:
            text = render_prompt(load_task(task).renderer, target=target)
        except (TemplateError, TypeError):
            # Valid JSON of another shape; the schema metric says so, the text metrics see what was written.
            text = raw
    # Nothing is left to check: validation would walk every value of a target that has just been parsed.
    return Prediction.model_construct(id=item, raw=raw, text=text, target=target, finish=finish)


def parse_object(raw: str) -> JsonObject | None:
    """Return the JSON object that a text is, white space around it aside; None for anything else, numbers that no
    double holds and escapes of half a character included."""
    try:
        return json_object(raw)
    except UnusableReply:
        return None
