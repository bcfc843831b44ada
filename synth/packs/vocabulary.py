"""The closed lists that every pack draws from: units, routes, frequencies, classes of drugs; read from
``vocabulary.yaml``."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from synth.assets import load_yaml
from synth.records import Record, Sex

_FILE = Path(__file__).resolve().parent / "vocabulary.yaml"
_SPAN = re.compile(
    r"for \d+ (day|week|month|dose|cycle|fraction)s?\b|on days? \d+( to \d+| and \d+)?\b|of each \d+-day cycle\b"
    r"|as needed (for|before|with) .+|\d+ (hour|minute)s? before (the procedure|imaging|surgery|treatment|meals)\b"
)


class DrugClasses(Record):
    """Classes of drugs."""

    alone: frozenset[str]
    """Two drugs of such a class are not given together."""
    together: frozenset[str]


class CodeRanges(Record):
    """Beginnings of ICD-10-CM codes that only some patients have."""

    female: tuple[str, ...]
    male: tuple[str, ...]
    pregnancy: tuple[str, ...]


class Vocabulary(Record):
    """What there is."""

    measures: dict[str, str]
    """Unit of a result or a vital sign → the same in UCUM."""
    doses: frozenset[str]
    routes: frozenset[str]
    frequencies: dict[str, float]
    """How a frequency begins → most doses a day."""
    frequency_details: tuple[str, ...]
    drug_classes: DrugClasses
    allergens: frozenset[str]
    codes: CodeRanges
    sexed: dict[Sex, tuple[str, ...]]
    """Fragments of terms that can only be said of one sex."""

    def doses_a_day(self, frequency: str) -> float | None:
        """Return the most doses a day that a frequency means; None where it is not on the list."""
        begun = max((known for known in self.frequencies if _begins(frequency, known)), key=len, default=None)
        if begun is None:
            return None
        rest = frequency[len(begun) :].strip()
        while rest:
            detail = next((d for d in self.frequency_details if rest == d or rest.startswith(f"{d} ")), None)
            span = _SPAN.match(rest)
            if span is not None:
                rest = rest[span.end() :].strip()
            elif detail is not None:
                rest = rest[len(detail) :].strip()
            elif begun == "as needed" and rest.startswith("for "):
                rest = ""
            else:
                return None
        return self.frequencies[begun]

    def knows_class(self, name: str) -> bool:
        """Return whether there is a class of drugs of that name."""
        return name in self.drug_classes.alone or name in self.drug_classes.together


def _begins(text: str, start: str) -> bool:
    return text == start or text.startswith(f"{start} ")


@cache
def vocabulary() -> Vocabulary:
    """Return the lists."""
    return Vocabulary.model_validate(load_yaml(_FILE))
