"""TRL's SFTTrainer with the LM head on completion positions only, where TRL itself would score every position."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from trl.trainer.sft_trainer import SFTTrainer

from distill.last_layer import only

if TYPE_CHECKING:
    from torch.utils.data import DataLoader
    from transformers.trainer_utils import EvalLoopOutput

IGNORED = -100


class CompletionTrainer(SFTTrainer):
    """Trains on the labelled positions, one example a row, padded, or several packed; on a CPU the head sees no others.

    Off Triton, TRL builds the logits of prompt and padding too, and with a small student the head is the larger part of
    the work. On CUDA TRL's own fused head already leaves them out.
    """

    own_loss = False
    """The loss is ``row_losses`` on every device; else TRL's fused head has it on CUDA."""
    tokens_seen = 0
    """Tokens of all forward passes of training in this process, padding left out."""
    _evaluated: torch.Tensor
    """Negative log-likelihood and number of the tokens evaluated so far, over all processes."""

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor | tuple[torch.Tensor, object]:
        """Return the sum of the labelled tokens' negative log-likelihoods over their number in the optimiser step.

        That number is counted over all processes; their gradients are then averaged, so each loss is multiplied by the
        number of processes, and the step is that of one process with all the examples.
        """
        if model.training:
            mask = inputs.get("attention_mask")
            self.tokens_seen += int(inputs["input_ids"].numel() if mask is None else mask.sum())
        if not self.own_loss and (inputs["labels"].is_cuda or self.aux_loss_enabled or return_outputs):
            loss: torch.Tensor = super().compute_loss(  # type: ignore[no-untyped-call]  # trl types none of it
                model, inputs, return_outputs, num_items_in_batch
            )
            return loss
        sums: torch.Tensor = self.row_losses(model, inputs).sum(dim=0)
        total, count = sums[0], sums[1]
        if num_items_in_batch is None:
            return total / count.clamp(min=1)
        ranks: int = self.accelerator.num_processes
        return total / torch.as_tensor(num_items_in_batch).clamp(min=1) * ranks

    def _run_epoch(self, *given: object, **said: object) -> None:
        """Make the steps of an epoch; none where a resumed training has all of its steps behind it, in the middle of an
        epoch: Trainer looks at their number after a step only."""
        if self.state.global_step >= self.state.max_steps:
            self.control.should_training_stop = True
        else:
            super()._run_epoch(*given, **said)  # type: ignore[no-untyped-call]  # transformers types none of it

    def row_losses(self, model: torch.nn.Module, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return, for each row of a batch, the sum of the losses of its labelled tokens and their number."""
        return row_losses(model, inputs)

    def prediction_step(
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[torch.Tensor, None, None]:
        """Return the mean loss of a batch's labelled tokens, and add them up for the mean over all of them."""
        del prediction_loss_only, ignore_keys
        prepared: dict[str, torch.Tensor] = self._prepare_inputs(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            rows = self.row_losses(model, prepared)
        # Where the batches do not come out even, ranks get an example twice; the gathering drops it again.
        self._evaluated += self.accelerator.gather_for_metrics(rows).double().sum(dim=0)
        return rows[:, 0].sum() / rows[:, 1].sum().clamp(min=1), None, None

    def evaluation_loop(
        self,
        dataloader: DataLoader[dict[str, torch.Tensor]],
        description: str,
        prediction_loss_only: bool | None = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> EvalLoopOutput:
        """Evaluate; the loss is the mean over tokens, whatever the batches, where Trainer takes the mean of means."""
        self._evaluated = torch.zeros(2, dtype=torch.float64, device=self.args.device)
        output: EvalLoopOutput = super().evaluation_loop(
            dataloader, description, prediction_loss_only, ignore_keys, metric_key_prefix
        )
        total, count = self._evaluated.tolist()
        if output.metrics is not None:
            output.metrics[f"{metric_key_prefix}_loss"] = total / max(count, 1)
        return output


def row_losses(model: torch.nn.Module, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return, for each row of a batch, the sum of its labelled tokens' negative log-likelihoods (nats) and their
    number."""
    logits, kept = completion_logits(model, inputs)
    losses = torch.nn.functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]), kept.reshape(-1), ignore_index=IGNORED, reduction="none"
    ).view(kept.shape)
    return torch.stack([losses.sum(dim=1), (kept != IGNORED).sum(dim=1).float()], dim=1)


def completion_logits(model: torch.nn.Module, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the logits of the positions that are followed by a labelled token in any row, in float32, and those
    tokens, -100 where a row has none there."""
    targets = inputs["labels"][:, 1:]
    columns = (targets != IGNORED).any(dim=0).nonzero().flatten()
    with only(columns):
        logits = model(
            **{name: value for name, value in inputs.items() if name != "labels"},
            use_cache=False,
            logits_to_keep=columns,
        ).logits
    return logits.float(), targets[:, columns]
