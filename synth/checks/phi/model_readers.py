"""The libraries that run named-entity models, offline: each reader labels stretches of a text of any length.

Loads no pickle and no code that a model brings, and opens no socket. Runs on the CPU unless ``PRESIDIO_DEVICE`` says
otherwise.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

from synth.checks.phi.model_labels import Span, asked, check_labels
from synth.checks.phi.model_source import Reader, Source
from synth.checks.phi.reading import windows

_SPACY_SCORE = 0.85
"""spaCy gives none; Presidio's."""
_SPACY_CHARACTERS, _SPACY_OVERLAP = 3_000, 300
"""Its tokenizer takes quadratic time on a run of signs without a space."""
_TOKENS = 512
"""The most that a Hugging Face model reads at once: beyond it attention costs, and few were trained on more."""
_BATCH = 8
_GLINER_CHARACTERS, _GLINER_OVERLAP = 350, 80
"""GLiNER drops what is beyond its ``max_len`` words, often 384; as many characters are never more words."""
_GLINER_LEAST = 0.3
"""The least score that it is asked for; the thresholds decide above it."""


def device() -> str:
    """Return the torch device that models run on."""
    return os.environ.get("PRESIDIO_DEVICE", "").strip() or "cpu"


def _overlapping(text: str, size: int, overlap: int) -> Iterator[tuple[int, int]]:
    """Yield stretches of at most ``size`` characters, each of which begins ``overlap`` before the last one's end."""
    for start, end in windows(text, size - overlap):
        yield max(0, start - overlap), end


def spacy_reader(source: Source) -> Reader:
    """Return a reader that runs the entity recognisers of a spaCy pipeline."""
    if "transformer" in (source.folder / "config.cfg").read_text("utf-8"):
        import torch  # noqa: F401  thinc looks for it once, when it is imported
    import spacy
    from thinc.api import require_gpu

    if device() != "cpu":
        require_gpu()
    with _offline():
        nlp = spacy.load(source.folder, exclude=["parser", "lemmatizer", "textcat", "textcat_multilabel", "spancat"])
    labels = {
        label
        for name in nlp.pipe_names
        if "doc.ents" in nlp.get_pipe_meta(name).assigns
        for label in nlp.pipe_labels.get(name, ())
    }
    check_labels(source.written, labels)

    def read(text: str) -> Iterator[Span]:
        for start, end in _overlapping(text, _SPACY_CHARACTERS, _SPACY_OVERLAP):
            for entity in nlp(text[start:end]).ents:
                yield start + entity.start_char, start + entity.end_char, entity.label_, _SPACY_SCORE

    return read


def hf_reader(source: Source) -> Reader:
    """Return a reader that runs a token classifier: each token that is labelled is a span."""
    import torch
    from transformers import AutoModelForTokenClassification, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    with _offline():
        tokenizer = AutoTokenizer.from_pretrained(source.folder, local_files_only=True, trust_remote_code=False)
        model, loading = AutoModelForTokenClassification.from_pretrained(
            source.folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            dtype=torch.float32,
        )
    if loading["missing_keys"]:
        raise ValueError(f"weights are missing: {', '.join(sorted(loading['missing_keys']))}")
    if not tokenizer.is_fast:
        raise ValueError("its tokenizer does not say where tokens stand; give a model with a tokenizer.json")
    model.to(device()).eval()
    tokens = min(_TOKENS, tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", _TOKENS))

    def read(text: str) -> Iterator[Span]:
        encoded = tokenizer(
            text,
            truncation=True,
            max_length=tokens,
            stride=tokens // 8,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        pieces = list(zip(encoded["input_ids"], encoded["offset_mapping"], strict=True))
        full = pieces[:-1]  # of one length, so that none needs padding
        for batch in (*(full[i : i + _BATCH] for i in range(0, len(full), _BATCH)), pieces[-1:]):
            with torch.inference_mode():
                logits = model(input_ids=torch.tensor([ids for ids, _ in batch], device=model.device)).logits
            scores, labels = logits.float().softmax(-1).max(-1)
            for (_, places), *best in zip(batch, labels.tolist(), scores.tolist(), strict=True):
                for (start, end), label, score in zip(places, *best, strict=True):
                    if start < end and (name := model.config.id2label[label]) != "O":
                        # No finer than the sums of floats, which depend on the machine.
                        yield start, end, name, round(score, 3)

    return read


def gliner_reader(source: Source) -> Reader:
    """Return a reader that asks a GLiNER model for the labels of ``models.yaml``."""
    from gliner import GLiNER  # type: ignore[import-not-found, unused-ignore]  # an extra

    config = json.loads((source.folder / "gliner_config.json").read_text("utf-8"))
    size = min(_GLINER_CHARACTERS, int(config.get("max_len") or _GLINER_CHARACTERS))
    overlap = min(_GLINER_OVERLAP, size // 4)
    labels = asked()
    with _offline():
        model = GLiNER.from_pretrained(str(source.folder), local_files_only=True, map_location=device())

    def read(text: str) -> Iterator[Span]:
        for start, end in _overlapping(text, size, overlap):
            found = model.predict_entities(text[start:end], labels, flat_ner=True, threshold=_GLINER_LEAST)
            for entity in found:
                yield start + entity["start"], start + entity["end"], entity["label"], round(entity["score"], 3)

    return read


@contextmanager
def _offline() -> Iterator[None]:
    """Keep huggingface_hub off the network in the body, also where a library does not pass ``local_files_only`` on."""
    try:
        from huggingface_hub import constants
    except ImportError:
        yield
        return
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
