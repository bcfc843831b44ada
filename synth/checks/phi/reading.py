"""How a text is read: placeholders left out, in windows that bound time and memory, and behind what hides its letters.

An identifier may be written with characters that a reader does not see (zero-width spaces, soft hyphens) or does not
tell apart (full-width digits, Cyrillic letters, dashes of every width). ``unmasked`` gives the text as it looks.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

PLACEHOLDER = re.compile(r"\{\{[a-z_]{1,40}(?:_\d{1,2})?\}\}")
UNREAD = "UNREAD"
"""Entity type of what a scan did not get to, or could not read; it may be an identifier, so it is a finding."""
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")
_LOOKALIKES = str.maketrans(
    # Cyrillic, then Greek.
    "АВЕЅІЈКМНОРСТУХаеѕіјорсухһԁԛԝ" + "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧονϲ",
    "ABESIJKMHOPCTYXaesijopcyxhdqw" + "ABEZHIKMNOPTYXovc",
)
_ALIKE = frozenset({"wide", "narrow", "font", "noBreak", "compat"})
"""Compatibility decompositions that change no meaning; superscripts and fractions do."""
_FILLERS = "\u115f\u1160\u3164\uffa0"
"""Letters without a glyph."""


class Unread(Exception):
    """A stretch of text could not be read."""


def within(spans: list[tuple[int, int]], start: int, end: int) -> bool:
    """Return whether a stretch lies within one of several disjoint ones, which are in order."""
    at = bisect_right(spans, (start, sys.maxsize)) - 1
    return at >= 0 and end <= spans[at][1]


def windows(text: str, size: int) -> Iterator[tuple[int, int]]:
    """Yield the stretches of at most ``size`` characters that make up a text, each cut after a break if there is one.

    A line break, or else a space, counts in the last quarter of a stretch.
    """
    start = 0
    while len(text) - start > size:
        latest, earliest = start + size, start + size * 3 // 4
        cut = text.rfind("\n", earliest, latest) + 1 or text.rfind(" ", earliest, latest) + 1 or latest
        yield start, cut
        start = cut
    yield start, len(text)


@dataclass(frozen=True, slots=True)
class Unmasked:
    """A text as it looks, and where its characters stand in the text as it is written."""

    text: str
    length: int
    """Of the text as it is written."""
    after: tuple[int, ...]
    """The positions, as it looks, before which something was left out."""
    left_out: tuple[int, ...]
    """How many characters were left out up to each of these."""

    def written(self, start: int, end: int) -> tuple[int, int]:
        """Return the stretch as written that looks like ``text[start:end]``, with what is invisible at its end."""
        return self._position(start), self.length if end == len(self.text) else self._position(end)

    def _position(self, at: int) -> int:
        before = bisect_right(self.after, at) - 1
        return at + (self.left_out[before] if before >= 0 else 0)


def unmasked(text: str) -> Unmasked | None:
    """Return a text as it looks, or None where it is written so; plain ASCII is, and costs next to nothing.

    Left out are characters of no width and combining marks; dashes, spaces and digits of all scripts become those of
    ASCII, and letters that look like one of the Latin alphabet that letter.
    """
    if text.isascii():
        return None
    changed = {c: looks for c in set("".join(_BEYOND_ASCII.findall(text))) if (looks := _looks_like(c)) != c}
    if not changed:
        return None
    invisible = "".join(c for c, looks in changed.items() if not looks)
    after: list[int] = []
    left_out: list[int] = []
    count = 0
    if invisible:
        for run in re.finditer(f"[{re.escape(invisible)}]+", text):
            after.append(run.start() - count)
            count += run.end() - run.start()
            left_out.append(count)
    looks = text.translate({ord(c): look for c, look in changed.items()})
    return Unmasked(looks, len(text), tuple(after), tuple(left_out))


@lru_cache(maxsize=10_000)
def _looks_like(character: str) -> str:
    """Return what a character that is not ASCII looks like: one of ASCII, nothing, or itself."""
    category = unicodedata.category(character)
    if category in ("Cf", "Mn", "Me") or character in _FILLERS:
        return ""
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category == "Zs":
        return " "
    if category == "Pd" or character == "\u2212":
        return "-"
    kind, _, plain = unicodedata.decomposition(character).partition(" ")
    if kind.strip("<>") in _ALIKE and " " not in plain:
        character = chr(int(plain, 16))
    return character.translate(_LOOKALIKES)
