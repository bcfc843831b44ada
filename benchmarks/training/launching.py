"""Time what a training pass takes of the processor where there is next to nothing to compute.

    python -m benchmarks.training.launching [--layers 16] [--rounds 9]

A GPU waits for the processor that starts its kernels. Here the layers of a Llama are so small that starting them is
almost all of a forward and backward pass under LoRA in bfloat16. Where the kernels of a real pass
(``benchmarks.training.ceiling``) take less than what is printed, the GPU would wait for a processor like this one.
"""

from __future__ import annotations

import argparse
import time
from itertools import accumulate
from statistics import median

import torch
from peft import PeftModel
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.machine import machine
from benchmarks.training.adapted import OURS, PLAIN, adapted

_LENGTHS = [8, 8, 8]


def small_llama(layers: int, *, ours: bool) -> PeftModel:
    """Return a Llama of hidden 64 with adapters."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=256,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    base = LlamaForCausalLM(config)
    base.bfloat16()
    return adapted(base, 4, max(_LENGTHS), ours=ours)


def seconds_a_pass(model: PeftModel, rounds: int) -> float:
    """Return the median seconds of a forward and backward pass over a packed row, of some rounds after two others."""
    tokens = torch.arange(sum(_LENGTHS))[None]
    batch = {
        "input_ids": tokens,
        "labels": tokens,
        "position_ids": torch.cat([torch.arange(length) for length in _LENGTHS])[None],
        "cu_seq_lens_q": torch.tensor([0, *accumulate(_LENGTHS)], dtype=torch.int32),
    }
    taken = []
    for _ in range(rounds + 2):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(**batch, use_cache=False).loss
        loss.backward()
        taken.append(time.perf_counter() - start)
    return median(taken[2:])


def main() -> None:
    """Read the command line, and print a line for each way, and their ratio."""
    parser = argparse.ArgumentParser(description="Time the processor's part of a training pass.")
    parser.add_argument("--layers", type=int, default=16, help="of the model; Llama 3.2 1B has 16, 3B has 28")
    parser.add_argument("--rounds", type=int, default=9)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{machine()}; {asked.layers} layers, {sum(_LENGTHS)} tokens, one thread\n")
    took = {}
    for ours, whose in ((False, PLAIN), (True, OURS)):
        took[ours] = seconds_a_pass(small_llama(asked.layers, ours=ours), asked.rounds)
        print(f"{1e3 * took[ours]:.0f} ms: {whose} adapters, norms and attention")
    print(f"{took[False] / took[True]:.2f} times as long")


if __name__ == "__main__":
    main()
