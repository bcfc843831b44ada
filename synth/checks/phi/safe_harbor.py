"""The eighteen identifier classes of the HIPAA Safe Harbor rule, and which entity types of the PHI check look for each.

Source: 45 CFR 164.514(b)(2)(i)(A)–(R).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SafeHarborClass:
    """One class of the rule."""

    letter: str
    title: str
    """In the words of the rule, shortened."""
    entity_types: tuple[str, ...]
    how: str
    """What the check looks for, and what it does not."""


SAFE_HARBOR: tuple[SafeHarborClass, ...] = (
    SafeHarborClass(
        "A",
        "names",
        ("PERSON",),
        "titles, greetings, introductions, relations, labels, credentials; given names of many origins; in a text that "
        "identifies somebody for sure, also words that no list knows and what the tagger takes for a name",
    ),
    SafeHarborClass(
        "B",
        "geographic subdivisions smaller than a state",
        ("LOCATION",),
        "street addresses, post boxes, ZIP and post codes, towns before a state or after a cue, counties, facilities, "
        "coordinates; in a text that identifies somebody for sure, also what the tagger takes for a place",
    ),
    SafeHarborClass(
        "C",
        "date elements finer than a year, and ages over 89",
        ("DATE_TIME", "AGE_OVER_89"),
        "month names, ISO, m/d/y, d.m.y, stamps; m/d, a bare month and a bare day by cue; a bare year may stay; "
        "ages of 90 and more with their unit or cue",
    ),
    SafeHarborClass("D", "telephone numbers", ("PHONE_NUMBER",), "US and international forms, extensions, said aloud"),
    SafeHarborClass("E", "fax numbers", ("FAX_NUMBER",), "a number after the word fax"),
    SafeHarborClass("F", "e-mail addresses", ("EMAIL_ADDRESS",), "any domain, also said aloud"),
    SafeHarborClass("G", "social security numbers", ("US_SSN",), "with dashes, or any digits after the cue"),
    SafeHarborClass("H", "medical record numbers", ("MEDICAL_RECORD_NUMBER",), "by cue"),
    SafeHarborClass("I", "health plan beneficiary numbers", ("HEALTH_PLAN_NUMBER",), "by cue; Medicare's format alone"),
    SafeHarborClass("J", "account numbers", ("ACCOUNT_NUMBER",), "by cue; card numbers in groups of four"),
    SafeHarborClass(
        "K",
        "certificate and licence numbers",
        ("US_DRIVER_LICENSE", "MEDICAL_LICENSE", "US_NPI"),
        "by cue; DEA numbers by their format alone",
    ),
    SafeHarborClass("L", "vehicle identifiers", ("VEHICLE_ID",), "VIN by its format, plates by cue"),
    SafeHarborClass("M", "device identifiers", ("DEVICE_ID",), "UDI, serial and lot numbers by cue, MAC addresses"),
    SafeHarborClass("N", "web addresses", ("URL",), "with scheme, www, or a known top-level domain"),
    SafeHarborClass("O", "IP addresses", ("IP_ADDRESS",), "versions 4 and 6"),
    SafeHarborClass("P", "biometric identifiers", ("BIOMETRIC_ID",), "phrases that name a template"),
    SafeHarborClass("Q", "full-face photographs", ("FACE_PHOTO",), "phrases that name one"),
    SafeHarborClass(
        "R",
        "any other unique identifying number, characteristic or code",
        ("OTHER_ID",),
        "by cue, and any token of six or more characters with four or more digits that is no known clinical code; in a "
        "text that identifies somebody for sure, also what the tagger takes for one; characteristics in words are not",
    ),
)
"""In the order of the rule, A to R."""
LETTER_OF = {entity_type: row.letter for row in SAFE_HARBOR for entity_type in row.entity_types}
"""Letter of the class that an entity type belongs to."""
