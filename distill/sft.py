"""TRL's SFTTrainer with the LM head on completion positions only, where TRL itself would score every position."""

from __future__ import annotations

import torch
from trl.trainer.sft_trainer import SFTTrainer


class CompletionTrainer(SFTTrainer):
    """Trains on the labelled positions; on a CPU the head sees nothing before the first of them.

    Off Triton, TRL builds the logits of prompt and padding too, and with a small student the head is the larger part of
    the work. On CUDA TRL's own fused head already leaves them out.
    """

    tokens_seen = 0
    """Tokens of all forward passes of training, padding left out."""

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor | tuple[torch.Tensor, object]:
        """Return the sum of the labelled tokens' negative log-likelihoods over their number in the optimiser step."""
        if model.training:
            self.tokens_seen += int(inputs["attention_mask"].sum())
        labels = inputs["labels"]
        if labels.is_cuda or self.aux_loss_enabled or return_outputs:
            loss: torch.Tensor = super().compute_loss(  # type: ignore[no-untyped-call]  # trl types none of it
                model, inputs, return_outputs, num_items_in_batch
            )
            return loss
        first = int((labels != -100).any(dim=0).int().argmax())
        keep = labels.shape[1] - first + 1
        logits = model(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            use_cache=False,
            logits_to_keep=keep,
        ).logits
        targets = labels[:, -(keep - 1) :]
        total = torch.nn.functional.cross_entropy(
            logits[:, :-1].reshape(-1, logits.shape[-1]).float(),
            targets.reshape(-1),
            ignore_index=-100,
            reduction="sum",
        )
        count = (targets != -100).sum() if num_items_in_batch is None else torch.as_tensor(num_items_in_batch)
        return total / count.clamp(min=1)
