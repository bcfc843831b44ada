"""Surrogates: made-up values in the place of found ones.

The same text of the same document under the same secret has the same surrogate; nothing is remembered. Whoever knows
the secret can try texts and see which one gives a surrogate, so a seed is as secret as the original. Numbers come from
ranges that nobody is given (``synth/identities.yaml``).
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from synth.draws import Draws
from synth.identities import catalogue, stand_in

if TYPE_CHECKING:
    from faker import Generator

_ISO = re.compile(r"((?:19|20)\d\d-)\d\d-\d\d")
_SLASHED = re.compile(r"\d{1,2}([/.-])\d{1,2}\1(\d{4}|\d\d)")
_YEAR = re.compile(r"(?:19|20)\d\d")
_FIRST_YEAR, _YEARS = 1930, 95
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def surrogate(text: str, entity_type: str, secret: str, *, numeric: bool = False) -> str:
    """Return what stands for a found text; digits alone for a number."""
    draws = Draws("surrogate", secret, entity_type, " ".join(text.split()).casefold())
    made = draws.formed("#" * len(text) if numeric else _form(text, entity_type, draws))
    return made.lower() if text.islower() and entity_type in ("PERSON", "LOCATION", "DATE_TIME") else made


def _form(text: str, entity_type: str, draws: Draws) -> str:
    """Return a surrogate, or the form of one."""
    if entity_type == "PERSON":
        first, last = _faked("first_name", draws), _faked("last_name", draws)
        if "," in text:
            return f"{last}, {first}"
        return first if len(text.split()) == 1 else f"{first} {last}"
    if entity_type == "DATE_TIME":
        return _date(text, draws)
    name = stand_in(entity_type, text)
    if entity_type == "LOCATION" and not any(character.isalpha() for character in text):
        return "".join("#" if character.isdigit() else character for character in text)
    if name == "place":
        return _faked("city", draws)
    if name == "street":
        return f"{1 + draws.below(9899)} {_faked('street_name', draws)}"
    if name == "email":
        return f"{_faked('first_name', draws)}.{_faked('last_name', draws)}@example.org".lower()
    if name == "url":
        return f"www.{_faked('last_name', draws)}.example.org".lower()
    if name == "ip_address":
        return f"192.0.2.{1 + draws.below(254)}"
    return catalogue().placeholders[name].form


def _date(text: str, draws: Draws) -> str:
    """Return a random date in the form of the text; not a shifted one, which would keep intervals."""
    year, month, day = _FIRST_YEAR + draws.below(_YEARS), 1 + draws.below(12), 1 + draws.below(28)
    if _ISO.match(text):
        return f"{year}-{month:02}-{day:02}"
    slashed = _SLASHED.fullmatch(text)
    if slashed:
        return f"{month:02}{slashed[1]}{day:02}{slashed[1]}{str(year)[-len(slashed[2]) :]}"
    return f"{_MONTHS[month - 1]} {day}" + (f", {year}" if _YEAR.search(text) else "")


def _faked(what: str, draws: Draws) -> str:
    faker = _faker()
    faker.seed_instance(draws.below(2**32))
    return str(faker.format(what))


@cache
def _faker() -> Generator:
    from faker.factory import Factory

    return Factory.create("en_US", ["faker.providers.person", "faker.providers.address"])
