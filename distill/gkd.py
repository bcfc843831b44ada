"""TRL's GKDTrainer: the student learns a teacher's distribution, on the accepted targets and on what it writes itself.

Agarwal et al., "On-Policy Distillation of Language Models" (arXiv 2306.13649).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from transformers import PreTrainedTokenizerBase
from trl.experimental.gkd import GKDConfig, GKDTrainer
from trl.models.utils import unwrap_model_for_generation

from distill.sft import IGNORED, CompletionTrainer, completion_logits
from synth.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Batch = dict[str, torch.Tensor]


class TeacherTrainer(CompletionTrainer, GKDTrainer):
    """TRL's sampling and divergence; both heads see the completion alone, and a step is divided by the tokens that it
    has, where TRL divides what the student wrote by the number of tokens in the targets that it replaces."""

    own_loss = True

    def __init__(self, *, args: GKDConfig, stops: frozenset[int], **given: Any) -> None:
        """``stops`` are the tokens that end the student's answers; ``given`` is what GKDTrainer takes."""
        super().__init__(args=args, **given)
        self._longest, self._max_length = args.max_new_tokens, args.max_length or args.max_new_tokens
        self.generation_config.eos_token_id = sorted(stops)
        # GKDTrainer does without under gradient checkpointing, which is off while the student writes.
        self.generation_config.use_cache = self.generation_kwargs["use_cache"] = True

    def get_batch_samples(
        self, epoch_iterator: Iterator[Batch], num_batches: int, device: torch.device
    ) -> tuple[list[Batch], torch.Tensor | int | None]:
        """Return the batches of an optimiser step, in a share of which the student answers itself, and the number of
        their labelled tokens.

        What is drawn follows from seed, step and rank alone: a training that goes on in the middle of an epoch asks for
        the first batches before it has its generators back.
        """
        batches, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        step = f"on-policy {self.args.seed} {self.state.global_step}"
        # The ranks write in the same passes, so that none waits for another, and not the same draws.
        draws, seeds = random.Random(step), random.Random(f"{step} {self.args.process_index}")
        chosen = []
        for batch in batches:
            own, seed = draws.random() < self.lmbda, seeds.getrandbits(63)
            chosen.append(self._answered(batch, seed) if own else batch)
        return chosen, self._get_num_items_in_batch(chosen, device)

    def training_step(
        self, model: torch.nn.Module, inputs: Batch, num_items_in_batch: torch.Tensor | int | None = None
    ) -> torch.Tensor:
        """Make one pass; GKDTrainer's own would have the student answer here, after the tokens are counted."""
        loss: torch.Tensor = super(GKDTrainer, self).training_step(  # type: ignore[no-untyped-call]  # trl types none of it
            model, inputs, num_items_in_batch
        )
        return loss

    def row_losses(self, model: torch.nn.Module, inputs: Batch) -> torch.Tensor:
        """Return, for each row of a batch, the sum over its labelled tokens of the divergence between the student's and
        the teacher's distribution (nats) and their number."""
        own, kept = completion_logits(model, inputs)
        self.teacher_model.eval()
        with torch.no_grad():
            wanted, _ = completion_logits(self.teacher_model, inputs)
        # TRL leaves the temperature of sampling out of the loss, too.
        divergence: torch.Tensor = self.generalized_jsd_loss(  # type: ignore[no-untyped-call]  # as above
            own, wanted, beta=self.beta, reduction="none"
        ).sum(dim=-1)
        mask = kept != IGNORED
        return torch.stack([(divergence * mask).sum(dim=1), mask.sum(dim=1).float()], dim=1)

    def _answered(self, batch: Batch, seed: int) -> Batch:
        """Return a batch with the student's own answers, sampled by a seed, in place of the targets."""
        prompts = [
            row[: int((labels != IGNORED).nonzero()[0])]
            for row, labels in zip(batch["input_ids"], batch["labels"], strict=True)
        ]
        width = max(map(len, prompts))
        ids = torch.full((len(prompts), width), self.generation_config.pad_token_id, device=self.args.device)
        mask = torch.zeros_like(ids)
        for i, prompt in enumerate(prompts):
            ids[i, width - len(prompt) :] = prompt
            mask[i, width - len(prompt) :] = 1
        room = max(1, self._max_length - width)
        self.generation_config.max_new_tokens = min(self._longest, room)
        with (
            unwrap_model_for_generation(
                self.model_wrapped,
                self.accelerator,
                generation_kwargs=self.generation_kwargs,
                gradient_checkpointing_kwargs=cast("dict[str, object] | None", self.args.gradient_checkpointing_kwargs),
            ) as writing,
            _seeded(seed, ids.device),
        ):
            # As it writes in use, after an evaluation and between two; training_step goes back to training.
            writing.eval()
            if self.args.gradient_checkpointing:
                # Checkpointing hangs a hook on the embeddings whenever it comes back, and takes none off a PEFT model.
                writing.disable_input_require_grads()
            tokens, attended, labels = self.generate_on_policy_outputs(  # type: ignore[no-untyped-call]  # as above
                writing, {"prompts": ids, "prompt_attention_mask": mask}, self.generation_config
            )
        rows = [
            {"input_ids": row[seen.bool()].tolist(), "labels": wanted[seen.bool()].tolist()}
            for row, seen, wanted in zip(tokens, attended, labels, strict=True)
        ]
        padded: Batch = self.data_collator(rows)
        return padded


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Draw by a seed on a device, and leave torch's generators as they were."""
    with torch.random.fork_rng([] if device.type == "cpu" else [device], device_type=device.type):
        torch.manual_seed(seed)
        yield


def load_teacher(name: str, tokenizer: PreTrainedTokenizerBase, model: torch.nn.Module, device: str) -> PreTrainedModel:
    """Return a teacher, a base or a trained student, that reads the same tokens as the student.

    Raises UserError where it is not on this machine or its tokens are others.
    """
    from distill.predict import load_base, load_student
    from distill.trained import is_trained

    loaded = (
        load_student(Path(name).expanduser(), device=device) if is_trained(name) else load_base(name, device=device)
    )
    own = cast("PreTrainedModel", model).config.get_text_config().vocab_size
    theirs = loaded.model.config.get_text_config().vocab_size
    if loaded.tokenizer.get_vocab() != tokenizer.get_vocab() or own != theirs:
        raise UserError(
            f"the teacher {name} has other tokens than the student ({theirs:,} and {own:,}); take a teacher with the "
            "same tokenizer, or let it write the run and train with --method lora"
        )
    return loaded.model
