"""What of TRL serves each objective: the trainer, its settings, and the examples as it reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trl.trainer.dpo_config import DPOConfig
from trl.trainer.sft_config import SFTConfig

from distill.approaches import APPROACHES, Objective
from distill.datasets import Fitted, Tokens
from distill.dpo import PreferenceTrainer
from distill.generation import stop_tokens
from distill.settings import TrainSettings
from distill.sft import CompletionTrainer
from distill.student import Student

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Trainer = CompletionTrainer | PreferenceTrainer
Row = dict[str, list[int]]
ON_POLICY = 0.5
"""Share of what the student writes itself where nobody says; TRL's, and the middle of the paper's."""


@dataclass(frozen=True, slots=True)
class Parts:
    """One objective's."""

    trainer: Callable[..., Trainer]
    config: Callable[..., SFTConfig | DPOConfig]
    said: dict[str, object] = field(default_factory=dict)
    """To the configuration, besides what all are told."""
    given: dict[str, object] = field(default_factory=dict)
    """To the trainer, likewise."""
    row: Callable[[Tokens], Row] = lambda tokens: {"input_ids": tokens.input_ids, "labels": tokens.labels}
    """An example as the trainer reads it; the label -100 keeps a token out of the loss."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What an objective may need to know."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    student: Student
    settings: TrainSettings
    fitted: Fitted
    device: str
    packing: bool
    row: int
    """Tokens that a row has at most."""

    @property
    def beta(self) -> float | None:
        """That of the settings, else of the method."""
        return self.settings.beta if self.settings.beta is not None else APPROACHES[self.settings.method].beta


def _sft(setting: Setting) -> Parts:
    said: dict[str, object] = {
        "max_length": setting.row,
        "packing": setting.packing,
        "eval_packing": False,
    }
    return Parts(CompletionTrainer, SFTConfig, said)


def _gkd(setting: Setting) -> Parts:
    from trl.experimental.gkd import GKDConfig
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    from distill.gkd import TeacherTrainer, load_teacher

    settings = setting.settings
    assert settings.teacher is not None
    longest = max(tokens.completion_length for tokens in setting.fitted.kept)
    return Parts(
        TeacherTrainer,
        GKDConfig,
        {
            "max_length": setting.student.max_length,
            "lmbda": ON_POLICY if settings.on_policy is None else settings.on_policy,
            "beta": setting.beta,
            "temperature": 1.0,
            "max_new_tokens": longest,
        },
        {
            "teacher_model": load_teacher(settings.teacher, setting.tokenizer, setting.model, setting.device),
            "data_collator": DataCollatorForLanguageModeling(pad_token_id=setting.tokenizer.pad_token_id),
            "stops": stop_tokens(setting.model, setting.tokenizer),
        },
    )


def _dpo(setting: Setting) -> Parts:
    return Parts(
        PreferenceTrainer,
        DPOConfig,
        # What is longer than max_length has been refused; TRL would cut it.
        {"max_length": None, "beta": setting.beta},
        row=_pair,
    )


def _pair(tokens: Tokens) -> Row:
    assert tokens.rejected_ids is not None
    return {
        "prompt_ids": tokens.input_ids[: tokens.completion_start],
        "chosen_ids": tokens.input_ids[tokens.completion_start :],
        "rejected_ids": tokens.rejected_ids,
    }


_OBJECTIVES: Mapping[Objective, Callable[[Setting], Parts]] = {"sft": _sft, "gkd": _gkd, "dpo": _dpo}


def parts_for(setting: Setting) -> Parts:
    """Return what of TRL serves the method of the settings; UserError where its teacher is missing."""
    return _OBJECTIVES[APPROACHES[setting.settings.method].objective](setting)
