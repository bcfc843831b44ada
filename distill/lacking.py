"""What a machine most often lacks for a student, as one line instead of a traceback: memory, and packages."""

from __future__ import annotations

import sys

EXTRAS = {
    "torch": "train",
    "transformers": "train",
    "peft": "train",
    "trl": "train",
    "datasets": "train",
    "accelerate": "train",
    "huggingface_hub": "train",
    "safetensors": "train",
    "tokenizers": "train",
    "rouge_score": "train",
    "scipy": "eval",
    "statsmodels": "eval",
    "textstat": "eval",
    "llguidance": "eval",
    "bert_score": "bertscore",
    "sentencepiece": "bleurt",
    "bitsandbytes": "quantised",
    "vllm": "vllm",
    "gliner": "phi-gliner",
}
"""Module -> the extra of pyproject.toml that brings it; a few come with what is named there."""


def lacking(error: Exception) -> str | None:
    """Return what the machine lacks and what to do, in one line; None where an error is of something else."""
    if _out_of_memory(error):
        return (
            "the device has too little memory; take a smaller --batch-size or --max-length, or train with "
            "--method qlora ('distill doctor' says what fits here)"
        )
    module = _missing(error)
    if module is None:
        return None
    return f"{module} is not installed; install it with: pip install 'notewright[{EXTRAS[module]}]'"


def _out_of_memory(error: Exception) -> bool:
    """Return whether torch, where it is loaded, ran out of a device's memory."""
    kind = getattr(sys.modules.get("torch"), "OutOfMemoryError", None)
    return isinstance(kind, type) and isinstance(error, kind)


def _missing(error: BaseException | None) -> str | None:
    """Return the module of an extra that could not be imported; transformers raises an error of its own from that."""
    while isinstance(error, ImportError):
        if isinstance(error, ModuleNotFoundError) and error.name in EXTRAS:
            return error.name
        error = error.__cause__
    return None
