"""A Llama whose weights are random but for an induction circuit in its first two layers.

From weights that are random throughout, a model of this size needs some 1,400 steps of the copy curriculum until
induction heads form (Olsson et al., "In-context Learning and Induction Heads", 2022). Here the two parts that they are
made of are laid in from the start, and the curriculum only has to tune them:

- two heads of the first layer look at the token before (all embeddings share a direction, from which query and key make
a pattern that rotary positions turn by one step) and write its embedding into another subspace; - the heads of the
second layer look for places whose token before is the token that is read now, and write the embedding of the token that
they find there, which is the one that came next the last time.
"""

from __future__ import annotations

import torch
from transformers import LlamaConfig, LlamaForCausalLM

ROPE_THETA = 500_000.0
"""As in Llama 3; slow enough that the slow pairs of a head hardly turn over a whole transcript."""
_FAST_PAIRS = 5
"""Rotary pairs that tell one position from the next."""
_SLOW_FROM = 6
"""First of the pairs that carry content over a distance."""
_PREVIOUS_HEADS = 2
_EMBEDDING, _POSITION, _MATCH, _MOVE, _WRITE, REST = 1.5, 0.6, 1.7, 0.35, 0.5, 0.3
"""Scales: of the embeddings, of the pattern for the token before, of the match, of what the first and the second layer
write, of the random rest. Found by trying: the circuit copies 86 % of spans of 8 tokens before any training."""


def induction_llama(
    *, vocabulary: int, hidden: int, layers: int, heads: int, intermediate: int, context: int, pad: int, end: int
) -> LlamaForCausalLM:
    """Return the model; the global generator of torch decides what is random. ``hidden`` is at least 4 heads wide."""
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=heads,
            intermediate_size=intermediate,
            max_position_embeddings=context,
            rope_parameters={"rope_type": "default", "rope_theta": ROPE_THETA},
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=end,
            pad_token_id=pad,
        )
    )
    with torch.no_grad():
        for weights in model.parameters():
            if weights.ndim == 2:
                torch.nn.init.normal_(weights, std=REST / weights.shape[1] ** 0.5)
        basis, _ = torch.linalg.qr(torch.randn(hidden, hidden))
        shared = basis[:, -1]
        tokens = torch.randn(vocabulary, hidden) / hidden**0.5
        tokens -= (tokens @ shared)[:, None] * shared
        model.model.embed_tokens.weight.copy_(_EMBEDDING * (tokens + shared))
        _look_back(model, basis, hidden // heads)
        _find_and_write(model, basis, hidden // heads, heads)
    return model


def _look_back(model: LlamaForCausalLM, basis: torch.Tensor, width: int) -> None:
    """Lay the heads that move the token before, in place."""
    attention = model.model.layers[0].self_attn
    turn = model.model.rotary_emb.inv_freq
    moved = _PREVIOUS_HEADS * width
    for head in range(_PREVIOUS_HEADS):
        rows = slice(head * width, (head + 1) * width)
        query, key = torch.zeros(2, width, basis.shape[0])
        for pair in range(_FAST_PAIRS):
            key[pair] = _POSITION * basis[:, -1]
            query[pair] = _POSITION * torch.cos(turn[pair]) * basis[:, -1]
            query[pair + width // 2] = -_POSITION * torch.sin(turn[pair]) * basis[:, -1]
        attention.q_proj.weight[rows], attention.k_proj.weight[rows] = query, key
        attention.v_proj.weight[rows] = basis[:, rows].T
        there = slice(moved + rows.start, moved + rows.stop)
        attention.o_proj.weight[:, rows] = _MOVE * _EMBEDDING * basis[:, there]


def _find_and_write(model: LlamaForCausalLM, basis: torch.Tensor, width: int, heads: int) -> None:
    """Lay the heads that find what came next the last time, in place."""
    attention = model.model.layers[1].self_attn
    moved = _PREVIOUS_HEADS * width
    slow = range(_SLOW_FROM, width // 2)
    for head in range(heads):
        rows = slice(head * width, (head + 1) * width)
        query, key = torch.zeros(2, width, basis.shape[0])
        chosen = torch.randperm(moved)[: 2 * len(slow)].tolist()
        for row, column in zip([*slow, *(pair + width // 2 for pair in slow)], chosen, strict=True):
            query[row], key[row] = _MATCH * basis[:, column], _MATCH * basis[:, moved + column]
        attention.q_proj.weight[rows], attention.k_proj.weight[rows] = query, key
        attention.v_proj.weight[rows] = basis[:, rows].T
        attention.o_proj.weight[:, rows] = _WRITE * _EMBEDDING * basis[:, rows]
