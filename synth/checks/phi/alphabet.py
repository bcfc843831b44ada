"""The alphabet of the prefilter: plain ASCII, and stand-ins for every other character, by what ``regex`` says of it."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from functools import cache, lru_cache, reduce
from operator import or_

import regex

_UPPER, _LOWER, _LETTER, _DIGIT, _WORD, _SPACE, _OTHER, ANY = "\1\2\3\4\5\6\7\x08"
"""Stand-ins for what is not plain, by what ``regex`` says of it; ``ANY`` may be anything at all."""
STAND_INS = "\1\2\3\4\5\6\7\x08"
WORDY = _UPPER + _LOWER + _LETTER + _DIGIT + _WORD + ANY
"""Stand-ins that may be word characters, which the fast engine's ``\\b`` does not know."""
PLAIN = "\x00\t\n" + "".join(map(chr, range(0x20, 0x7F)))


@lru_cache(maxsize=10_000)
def stand_in(character: str) -> str:
    """Return the stand-in of a character that is not plain."""
    if regex.match(r"[\x00-\x7f]", character, regex.IGNORECASE) and not character.isascii():
        return ANY  # such as the Kelvin sign, which is a k to IGNORECASE
    tried = "".join(name for name in ("Lu", "Ll", "L") if regex.match(rf"\p{{{name}}}", character))
    tried += "".join(name for name in "dws" if regex.match(rf"\{name}", character))
    return {"LuLw": _UPPER, "LlLw": _LOWER, "Lw": _LETTER, "dw": _DIGIT, "w": _WORD, "s": _SPACE, "": _OTHER}.get(
        tried, ANY
    )


def plain(text: str) -> str:
    """Return a text of the same length in which stand-ins take the place of all that is not plain ASCII."""
    return text.encode("ascii", _HANDLER).translate(_TABLE).decode("ascii")


def _replaced(error: UnicodeError) -> tuple[bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return bytes(0x80 | ord(stand_in(c)) for c in error.object[error.start : error.end]), error.end


_HANDLER = "notewright.stand_in"
codecs.register_error(_HANDLER, _replaced)
_TABLE = bytes(ord(c) if (c := chr(code)) in PLAIN else ord(stand_in(c)) for code in range(0x80)) + bytes(range(0x80))
"""From a byte to what it stands for; bytes from 0x80 are stand-ins that ``_replaced`` wrote."""


@cache
def mask(characters: str) -> int:
    """Return a set of ASCII characters as a bit mask."""
    return reduce(or_, (1 << ord(c) for c in characters), 0)


ALL = mask(PLAIN + STAND_INS)
BEYOND = mask(STAND_INS)
_UPPERS, _LOWERS, _DIGITS = (mask("".join(map(chr, range(ord(a), ord(b) + 1)))) for a, b in ("AZ", "az", "09"))
LETTERS = _UPPERS | _LOWERS | mask(_UPPER + _LOWER + _LETTER)
CLASSES = {
    "d": _DIGITS | mask(_DIGIT),
    "w": LETTERS | _DIGITS | mask("_" + _DIGIT + _WORD),
    "s": mask("\t\n " + _SPACE),
    "L": LETTERS,
    "Lu": _UPPERS | mask(_UPPER),
    "Ll": _LOWERS | mask(_LOWER),
}


@dataclass(frozen=True, slots=True)
class Chars:
    """One character: those that may match, and those that surely do, as bit masks over ASCII."""

    may: int
    must: int

    def __or__(self, other: Chars) -> Chars:
        return Chars(self.may | other.may, self.must | other.must)

    def negated(self) -> Chars:
        """Return the set of all others."""
        return Chars(ALL & ~self.must, ALL & ~self.may)
