"""Placeholders: which there are, and what each stands for.

A teacher writes ``{{patient_name}}`` where a name would be said, so that the place of every identifier is known exactly
and whatever else looks like one is a leak. ``identities.yaml`` is the catalogue. A number, as in
``{{relative_name_2}}``, tells further people and things of a kind apart; without one it is the first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal

from synth.assets import load_yaml
from synth.records import Record

Make = (
    Literal["name", "first_name", "last_name", "clinic", "city", "street", "county", "email", "url", "ip_address"]
    | Literal["visit_date", "follow_up_date", "earlier_date", "date_of_birth", "form", "fixed"]
)
KNOWN = re.compile(r"\{\{([a-z]+(?:_[a-z]+)*)(?:_([1-9]\d?))?\}\}")
"""A placeholder: its name, and its number where it has one."""
_MARK = re.compile(r"\{\{[^{}\n]{0,80}\}\}|\{\{|\}\}")
MOST = 99
"""The highest number that a placeholder has."""


class Placeholder(Record):
    """One kind of placeholder."""

    entity_type: str
    """Of what it stands for, as the PHI check names it."""
    tag: str
    what: str
    """For the prompt."""
    spoken: bool
    """Whether it is said aloud in a visit, or stands in documents only."""
    make: Make
    of: Literal["patient", "clinician", "relative", "other"] | None = None
    """Whose name it is."""
    form: str = ""


class Catalogue(Record):
    """What ``identities.yaml`` holds."""

    placeholders: dict[str, Placeholder]
    found: dict[str, str]
    """Entity type → the placeholder that takes the place of what was found."""
    nameable: str
    locales: dict[str, float]
    romanized: tuple[str, ...]
    female: str
    male: str
    clinics: tuple[str, ...]


def identities_path() -> Path:
    """Return the file of the catalogue."""
    return Path(__file__).with_suffix(".yaml")


@cache
def catalogue() -> Catalogue:
    """Return the catalogue."""
    return Catalogue.model_validate(load_yaml(identities_path()))


def spoken() -> list[tuple[str, str]]:
    """Return the placeholders that are said aloud, as they are written, each with what it stands for."""
    return [(mark_of(name, 1), kind.what) for name, kind in catalogue().placeholders.items() if kind.spoken]


def kind_of(mark: str) -> str | None:
    """Return the name of a placeholder, such as ``relative_name`` of ``{{relative_name_2}}``; None for an unknown."""
    hit = KNOWN.fullmatch(mark)
    return hit[1] if hit and hit[1] in catalogue().placeholders else None


def number_of(mark: str) -> int:
    """Return the number of a placeholder, 1 where it has none."""
    hit = KNOWN.fullmatch(mark)
    return int(hit[2] or 1) if hit else 1


def mark_of(name: str, number: int) -> str:
    """Return a placeholder as it is written, such as ``{{phone}}`` or ``{{phone_2}}``."""
    return f"{{{{{numbered(name, number)}}}}}"


def tag_of(name: str, number: int) -> str:
    """Return the tag of a placeholder, such as ``[PHONE]`` or ``[PHONE_2]``."""
    return f"[{numbered(catalogue().placeholders[name].tag, number)}]"


def numbered(name: str, number: int) -> str:
    """Return a name with its number, which the first one does not have."""
    return f"{name}_{number}" if number > 1 else name


def marks(text: str) -> list[str]:
    """Return the placeholders in a text, known or not, and lone pairs of brackets, in order."""
    return _MARK.findall(text) if "{{" in text or "}}" in text else []


def unknown(texts: Mapping[str, str]) -> str | None:
    """Return one line on the placeholders that the catalogue does not know; None where there are none.

    Such a placeholder may be a name itself (``{{john_doe}}``), so it is named only where its words are harmless.
    """
    strays = [mark for text in texts.values() for mark in marks(text) if kind_of(mark) is None]
    if not strays:
        return None
    harmless = {word for name in catalogue().placeholders for word in name.split("_")}
    harmless.update(catalogue().nameable.split())
    named = {mark for mark in strays if set(re.findall(r"[^\s_{}]+", mark.lower())) <= harmless}
    known = ", ".join(sorted(named - {"{{", "}}", "{{}}"})[:3])
    return f"{len(strays)} of no known kind{f', such as {known}' if known else ''}"


def stand_in(entity_type: str, text: str) -> str:
    """Return the name of the placeholder for what the PHI check found: of its class, and where it is a place, of its
    looks."""
    found = catalogue().found.get(entity_type, catalogue().found["OTHER_ID"])
    if entity_type == "LOCATION" and re.fullmatch(r"\d{5}(?:-\d{4})?", text):
        return "zip"
    if entity_type == "LOCATION" and re.match(r"\d+\s+\D", text):
        return "street"
    return found


def tag_for(entity_type: str) -> str:
    """Return what is written for a found identifier of a type that is cut out, such as ``[NAME]``."""
    return tag_of(stand_in(entity_type, ""), 1)
