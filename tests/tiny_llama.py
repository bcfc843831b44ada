"""A random Llama of about a million parameters, made on the spot: ``python -m tests.tiny_llama DIR``.

It writes nonsense, in short strings. Served by a real vLLM it shows that the server starts, that its decoding is
constrained, and that every candidate is decided; nothing else can be read from what it writes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from synth.packs import load_pack
from synth.scenarios import sample_scenario

CONTEXT = 16384
"""Positions, in tokens: the prompts take some 4,000 with this small vocabulary."""
_CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_SPECIAL = ["<|pad|>", "<|begin|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]


def _corpus() -> Iterator[str]:
    """Yield texts with the words of scenarios and the punctuation of JSON, for the tokenizer to learn from."""
    pack = load_pack("endocrinology")
    for index in range(200):
        scenario = sample_scenario(pack, 0, index)
        for fact in scenario.facts:
            yield json.dumps(fact.model_dump(), separators=(",", ":"))
    yield from (root.read_text("utf-8") for root in sorted(Path(__file__).parent.glob("golden/prompts/*.md")))


def make_tiny_llama(folder: Path, vocabulary: int = 1024, seed: int = 0) -> Path:
    """Write configuration, weights (safetensors) and tokenizer of a random Llama into a folder; return the folder."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=_SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(_corpus(), trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<|pad|>",
        bos_token="<|begin|>",
        eos_token="<|end|>",
        model_max_length=CONTEXT,
    )
    fast.chat_template = _CHAT_TEMPLATE
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=64,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=False,
        bos_token_id=fast.bos_token_id,
        eos_token_id=fast.eos_token_id,
        pad_token_id=fast.pad_token_id,
        dtype=torch.bfloat16,
    )
    folder.mkdir(parents=True, exist_ok=True)
    model = LlamaForCausalLM(config)
    ends = [i for token, i in fast.get_vocab().items() if token.startswith(('"', "]"))]
    placeholders = [i for token, i in fast.get_vocab().items() if "{{" in token or "}}" in token]
    with torch.no_grad():
        # One hidden dimension is the same everywhere and stands for "end what is open": without it nearly every string
        # would run to its bound, and a note take thousands of tokens.
        model.model.embed_tokens.weight[:, 0] = 1.0
        model.lm_head.weight[:, 0] = 0.0
        model.lm_head.weight[ends, 0] = 0.25
        # The prompts teach the tokenizer the brackets of placeholders; written at random, they reject the encounter.
        model.lm_head.weight[placeholders, 0] = -1.0
    model.bfloat16()
    model.save_pretrained(folder, safe_serialization=True)
    fast.save_pretrained(folder)
    return folder


def main() -> None:
    """Make the model in the folder named on the command line, and print the folder."""
    parser = argparse.ArgumentParser(description="Make a random tiny Llama.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--vocabulary", type=int, default=1024)
    arguments = parser.parse_args()
    print(make_tiny_llama(arguments.folder, arguments.vocabulary))


if __name__ == "__main__":
    main()
