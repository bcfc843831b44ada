"""Words of a text, and the word n-grams that texts are compared by: hashed, so that they are small and hold no text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
_PLACEHOLDER = re.compile(r"\{\{.*?\}\}")
_WORD = re.compile(r"[^\W\d_]+|\d+(?:[.,]\d+)*")
_STEP = np.uint64(0x9E3779B97F4A7C15)
"""Odd, so that multiplying by it loses nothing; 2^64 over the golden ratio (Knuth, TAOCP volume 3, section 6.4)."""
_MIX = np.uint64(0xFF51AFD7ED558CCD)
"""Of MurmurHash3's finalizer (Appleby, 2011)."""
_SHIFT = np.uint64(33)


def words(text: str) -> list[str]:
    """Return the words of a text in small letters: no punctuation, no placeholders, contractions in two.

    ``don't`` and the ``do n't`` of tokenised corpora are the same two words, ``do`` and ``nt``.
    """
    if "{{" in text:
        text = _PLACEHOLDER.sub(" ", text)
    return _WORD.findall(text.lower().replace("’", "'").replace("n't", " nt"))


@lru_cache(maxsize=1 << 17)
def _hash(word: str) -> int:
    return int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def word_hashes(said: Sequence[str]) -> Hashes:
    """Return a 64-bit hash of each word, the same in every process."""
    return np.fromiter(map(_hash, said), dtype=np.uint64, count=len(said))


def ngrams(hashes: Hashes, n: int) -> Hashes:
    """Return a 64-bit hash of every run of n words, in order; none where there are fewer words."""
    count = len(hashes) - n + 1
    if count < 1:
        return np.empty(0, dtype=np.uint64)
    found = np.zeros(count, dtype=np.uint64)
    for start in range(n):
        found = found * _STEP + hashes[start : start + count]
    found ^= found >> _SHIFT
    found *= _MIX
    found ^= found >> _SHIFT
    return found


def touched(marked: NDArray[np.bool_], n: int) -> NDArray[np.bool_]:
    """Return for every run of n words whether one of them is marked."""
    if len(marked) < n:
        return np.empty(0, dtype=np.bool_)
    sums = np.concatenate(([0], np.cumsum(marked)))
    found: NDArray[np.bool_] = sums[n:] > sums[:-n]
    return found
