"""What a function makes of short texts that come again and again, such as words, kept for the next time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

V = TypeVar("V")
_MOST = 50_000
"""Texts that are kept; with more of them all are forgotten, which is cheaper than to know which are the oldest."""
_LONGEST = 40
"""Characters of a text that is kept."""


class Memo(dict[str, V]):
    """Text → what is made of it, made when it is first looked up: a look-up costs no call of Python's."""

    def __init__(self, make: Callable[[str], V]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, text: str) -> V:
        made = self._make(text)
        if len(text) <= _LONGEST:
            if len(self) >= _MOST:
                self.clear()
            self[text] = made
        return made
