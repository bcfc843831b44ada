"""The validation loss of any contender's student: one interpreter, one plain forward pass over every position.

Called as ``python -m benchmarks.training.loss BASE RUN STUDENT``; prints nats a completion token. BASE as the STUDENT
gives the loss before training. With ``--pairs FILE`` in the STUDENT's place it writes the train split for the peers.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.training.job import CONTEXT, Pair, write_pairs
from distill.datasets import Fitted, chat_text, examples, fit
from distill.generation import stop_tokens

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from synth.records import Split


def tokenised(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, run: Path, split: Split) -> Fitted:
    """Return the examples of a split in tokens."""
    return fit(examples(run, split, "json"), tokenizer, stop_tokens(model, tokenizer), CONTEXT)


def pairs_of(base: Path, run: Path) -> list[Pair]:
    """Return the train split as every contender is to have it."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(base, local_files_only=True)
    kept = tokenised(model, tokenizer, run, "train").kept
    rows = examples(run, "train", "json")
    return [
        Pair(
            chat_text(tokenizer, row.prompt, generation_prompt=True),
            row.completion[0]["content"],
            str(tokenizer.eos_token),
            tokens.input_ids,
            tokens.completion_start,
        )
        for row, tokens in zip(rows, kept, strict=True)
    ]


def validation_loss(model: torch.nn.Module, fitted: Fitted) -> float:
    """Return the mean negative log-likelihood of the completions' tokens, in nats."""
    import torch

    model.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for tokens in fitted.kept:
            ids, labels = torch.tensor([tokens.input_ids]), torch.tensor(tokens.labels[1:])
            logits = model(input_ids=ids, use_cache=False).logits[0, :-1].float()
            total += float(torch.nn.functional.cross_entropy(logits, labels, ignore_index=-100, reduction="sum"))
            count += tokens.completion_length
    return total / count


def student_loss(base: Path, run: Path, student: Path) -> float:
    """Return the loss of an adapter on the base, or of a whole model, in float32."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    adapter = (student / "adapter_config.json").is_file()
    model = AutoModelForCausalLM.from_pretrained(
        base if adapter else student, dtype=torch.float32, local_files_only=True
    )
    tokenizer = AutoTokenizer.from_pretrained(base, local_files_only=True)
    fitted = tokenised(model, tokenizer, run, "validation")
    return validation_loss(PeftModel.from_pretrained(model, str(student)) if adapter else model, fitted)


if __name__ == "__main__":
    where, data, last = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[-1])
    if sys.argv[3] == "--pairs":
        write_pairs(last, pairs_of(where, data))
    else:
        print(student_loss(where, data, last))
