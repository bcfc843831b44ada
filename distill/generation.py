"""Token ids in, token ids out: batched continuation of prompts of unequal length."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from distill.datasets import after_answer
from synth.errors import UserError

if TYPE_CHECKING:
    import torch
    from transformers import LogitsProcessor, PreTrainedModel, PreTrainedTokenizerBase

Steering = Callable[[Sequence[int]], "list[LogitsProcessor]"]
"""Numbers of the prompts of one batch, in its order → what is done to their scores before the likeliest token is
taken."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A system that is ready to write."""

    name: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    max_new_tokens: int


@dataclass(frozen=True, slots=True)
class Continuation:
    """What a system wrote after a prompt."""

    ids: list[int]
    """Without the token that ended it."""
    ended: bool
    """Whether it ended by itself; else it ran into the limit."""
    too_long: bool = False
    """Whether nothing was written, because the prompt leaves no room in the context."""


def stop_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Return the tokens that end a generation: the tokenizer's own, those of the base's generation settings, and the
    one that the chat template ends an answer with."""
    said = model.generation_config.eos_token_id if model.generation_config is not None else None
    listed = [said] if isinstance(said, int) else list(said or [])
    ending = [token for token in after_answer(tokenizer)[:1] if token in tokenizer.added_tokens_decoder]
    return frozenset(token for token in (*listed, *ending, tokenizer.eos_token_id) if token is not None)


def context_length(model: PreTrainedModel) -> int | None:
    """Return how many tokens a model can read and write together; None where its configuration does not say."""
    length = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return length if isinstance(length, int) and length > 0 else None


def continuations(
    system: Loaded,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    batch_size: int = 16,
    on_written: Callable[[int, Continuation], None] | None = None,
    steering: Steering | None = None,
) -> list[Continuation]:
    """Return what a system writes after each prompt, in the order of the prompts; greedily unless ``steering`` has it
    otherwise.

    In batches of similar length, padded on the left, with a key-value cache. Where a GPU's memory does not hold a
    batch, it and all after it are halved. A prompt without room for a token after it is ``too_long``; one with less
    room than ``max_new_tokens`` is continued to the end of the context. ``on_written`` hears the number of each prompt
    and what became of it. Raises UserError where not even one prompt fits the memory.
    """
    written: dict[int, Continuation] = {}

    def keep(number: int, said: Continuation) -> None:
        written[number] = said
        if on_written is not None:
            on_written(number, said)

    context = context_length(system.model)
    rooms = [max_new_tokens if context is None else min(max_new_tokens, context - len(prompt)) for prompt in prompts]
    for number, room in enumerate(rooms):
        if room <= 0:
            keep(number, Continuation([], ended=False, too_long=True))
    write = _Writer(system, prompts, steering)
    waiting = deque(_batches(prompts, rooms, max_new_tokens, batch_size))
    while waiting:
        rows = waiting.popleft()
        found = write.batch(rows, rooms[rows[0]])
        if found is None:
            if len(rows) == 1:
                raise UserError(
                    f"{system.name}: a prompt of {len(prompts[rows[0]])} tokens does not fit the GPU's memory, even "
                    "alone; take a GPU with more, or fewer --max-new-tokens"
                )
            waiting.appendleft(rows)
            waiting = deque(_halved(waiting, len(rows) // 2))
            continue
        for number, said in zip(rows, found, strict=True):
            keep(number, said)
    return [written[number] for number in range(len(prompts))]


def _batches(
    prompts: Sequence[Sequence[int]], rooms: Sequence[int], max_new_tokens: int, batch_size: int
) -> list[list[int]]:
    """Return the numbers of the prompts that have room, shortest first; those with less than full room alone, because
    all of a batch write to one limit."""
    order = sorted((i for i, room in enumerate(rooms) if room > 0), key=lambda i: len(prompts[i]))
    full = [i for i in order if rooms[i] == max_new_tokens]
    alone = [[i] for i in order if rooms[i] < max_new_tokens]
    return [full[first : first + batch_size] for first in range(0, len(full), batch_size)] + alone


def _halved(batches: Sequence[list[int]], size: int) -> list[list[int]]:
    return [rows[first : first + size] for rows in batches for first in range(0, len(rows), size)]


class _Writer:
    """Writes one batch after the other."""

    def __init__(self, system: Loaded, prompts: Sequence[Sequence[int]], steering: Steering | None) -> None:
        self._model = system.model
        self._prompts = prompts
        self._steering = steering
        self._pad = system.tokenizer.pad_token_id
        self._stops = stop_tokens(system.model, system.tokenizer)

    def batch(self, rows: Sequence[int], limit: int) -> list[Continuation] | None:
        """Return what is written after some prompts; None where the GPU's memory does not hold them."""
        import torch

        try:
            return self._written(rows, limit)
        except torch.OutOfMemoryError:
            pass
        # Outside the handler, whose traceback holds on to the tensors of the failed batch.
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return None

    def _written(self, rows: Sequence[int], limit: int) -> list[Continuation]:
        import torch
        from transformers import GenerationConfig, LogitsProcessorList

        generate = cast("Callable[..., torch.Tensor]", self._model.generate)
        config = GenerationConfig(
            do_sample=False,
            max_new_tokens=limit,
            eos_token_id=sorted(self._stops),
            pad_token_id=self._pad,
            use_cache=True,
        )
        width = max(len(self._prompts[i]) for i in rows)
        padding = [width - len(self._prompts[i]) for i in rows]
        device = self._model.device
        ids = torch.tensor(
            [[self._pad] * pad + list(self._prompts[i]) for i, pad in zip(rows, padding, strict=True)], device=device
        )
        mask = torch.tensor([[0] * pad + [1] * (width - pad) for pad in padding], device=device)
        steered = LogitsProcessorList(self._steering(rows) if self._steering is not None else [])
        with torch.inference_mode():
            output = generate(input_ids=ids, attention_mask=mask, generation_config=config, logits_processor=steered)
        found = []
        for row in output[:, width:].tolist():
            end = next((k for k, token in enumerate(row) if token in self._stops), None)
            found.append(Continuation(row[:end], end is not None))
        return found
