"""The four divisions of a visit note, found by its headers as ACI-Bench's official evaluation finds them.

Source: Yim et al., Scientific Data 2023;10:586, with the header list of its published code
(github.com/wyim/aci-bench). The same rules are applied to references and predictions:

- A header stands at the start of a line; its case does not matter, save for ``IMPRESSION``, which counts in capitals
  only.
- Text before the first header is subjective.
- The first hit of a division is kept and runs to the first hit of the next kept division; later hits of the same one
  are part of whatever they stand in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

DIVISIONS = ("subjective", "objective_exam", "objective_results", "assessment_and_plan")
LINE_BREAK = "__lf1__"
"""Stands for a line break inside a division; the official evaluation scores it as a word."""
MISSING = "#####EMPTY#####"
"""Stands for a division that a note lacks, where at least one other note of the same side has it."""

_WITH_COLON = {
    "subjective": (
        "cc",
        "chief complaint",
        "reason for visit",
        "history",
        "history of present illness",
        "hpi",
        "hpi notes",
        "interval history",
        "interval hx",
        "subjective",
        "ros",
        "review of system",
        "review of systems",
    ),
    "objective_exam": ("physical exam", "physical examination", "pe", "physical findings", "examination", "exam"),
    "objective_results": ("results", "findings"),
    "assessment_and_plan": (
        "assessment",
        "a",
        "plan",
        "plan of care",
        "p",
        "medical decision-making plan",
        "ap",
        "a / p",
        "assessment and plan",
        "assessment & plan",
        "disposition / plan",
    ),
}
"""Headers that a colon follows, or that stand alone on their line."""

_ANY_LINE_START = {
    "subjective": (
        "chief complaint",
        "history of present illness",
        "hpi",
        "social history",
        "past history",
    ),
    "objective_exam": ("physical examination", "physical exam", "vitals reviewed"),
    "objective_results": ("results",),
    "assessment_and_plan": ("summary plan", "assessment and plan"),
}
"""Headers that count whatever follows them."""


def _words(header: str) -> str:
    return r"\s*".join(map(re.escape, header.split()))


def _pattern(division: str) -> re.Pattern[str]:
    colon = "|".join(map(_words, _WITH_COLON[division]))
    free = "|".join(map(_words, _ANY_LINE_START[division]))
    impression = r"|(?-i:IMPRESSION)" if division == "assessment_and_plan" else ""
    return re.compile(rf"\s*(?:(?:{colon})\s*(?::|$)|(?:{free}){impression})", re.IGNORECASE)


_PATTERNS = {division: _pattern(division) for division in DIVISIONS}
_ANY = re.compile("|".join(f"(?:{pattern.pattern})" for pattern in _PATTERNS.values()), re.IGNORECASE)
"""Finds at once that a line has no header, as most have none."""


def divide(note: str) -> dict[str, str]:
    """Return the divisions that a note has, headers included, line breaks as ``LINE_BREAK``; absent ones are not in
    the result."""
    rows = note.replace(LINE_BREAK, "\n").split("\n")
    return {
        name: LINE_BREAK.join(rows[lines.start : lines.stop]) + LINE_BREAK * (lines.stop < len(rows))
        for name, lines in lines_of(rows).items()
    }


def lines_of(rows: Sequence[str]) -> dict[str, range]:
    """Return which lines of a note are of each division that it has, in their order."""
    starts: dict[str, int] = {}
    for i, line in enumerate(rows):
        if _ANY.match(line):
            starts.setdefault(next(name for name, pattern in _PATTERNS.items() if pattern.match(line)), i)
        elif i == 0:
            starts["subjective"] = 0
    ends = [*list(starts.values())[1:], len(rows)]
    return {name: range(start, end) for (name, start), end in zip(starts.items(), ends, strict=True)}


Present = frozenset[str]
"""The divisions that any note of one side has."""


def present(notes: Iterable[str]) -> Present:
    """Return the divisions that any of the notes has."""
    found: set[str] = set()
    for note in notes:
        found.update(divide(note))
        if len(found) == len(DIVISIONS):
            break
    return frozenset(found)


def fill(note: str, divisions: Present) -> dict[str, str]:
    """Return each of the four divisions of a note.

    One that it lacks is ``MISSING``; where no note of the side has it, it is the empty text, so that a system which
    never writes a division scores 0 there even against a reference that lacks it too.
    """
    own = divide(note)
    return {name: own.get(name, MISSING if name in divisions else "") for name in DIVISIONS}


def divide_all(notes: Sequence[str]) -> dict[str, list[str]]:
    """Return for each division its text in every note of one side, filled as by ``fill``."""
    divisions = present(notes)
    filled = [fill(note, divisions) for note in notes]
    return {name: [row[name] for row in filled] for name in DIVISIONS}
