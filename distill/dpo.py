"""TRL's DPOTrainer on pairs that are tokens already.

Rafailov et al., "Direct Preference Optimization" (arXiv 2305.18290).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from peft import PeftModel
from trl.trainer.dpo_trainer import DPOTrainer

if TYPE_CHECKING:
    from datasets import Dataset  # type: ignore[import-untyped]  # datasets ships no types

_TRAINED, _REFERENCE = "default", "ref"
"""The adapters, as PEFT and TRL name them."""


class PreferenceTrainer(DPOTrainer):
    """The reference is the student as it was: a frozen copy of its adapter, or the base without the new one."""

    tokens_seen = 0
    """Tokens of all forward passes of the student in training in this process, padding left out."""

    def _prepare_dataset(self, dataset: Dataset, *_: object) -> Dataset:
        """Return the pairs as they are: prompt, chosen and rejected are tokens, and nothing is cut."""
        return dataset

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        """Return the mean loss of the pairs of a batch."""
        if model.training:
            self.tokens_seen += int(inputs["attention_mask"].sum())
        loss: torch.Tensor = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)  # type: ignore[no-untyped-call]  # trl types none of it
        return loss

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: torch.nn.Module | None = None) -> None:
        """Load the weights of a checkpoint, those of the adapter that is trained among them.

        A checkpoint has that adapter at its root and the reference in a folder below. Trainer looks at the folders
        alone where there are any, and would go on from the weights that training began with.
        """
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        loaded = self.model if model is None else model
        # FSDP writes the active adapter in its own way, and has read it back by now.
        if isinstance(loaded, PeftModel) and _REFERENCE in loaded.peft_config and not self.is_fsdp_enabled:
            loaded.load_adapter(resume_from_checkpoint, _TRAINED, is_trainable=True)
