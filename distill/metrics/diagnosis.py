"""Whether a prediction names the diagnosis: as it is written, and as it is meant where only the writing differs."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from distill.answers import exact_diagnosis, normalise_diagnosis
from distill.metrics.base import Itemwise, Value
from distill.records import BenchmarkItem, Prediction
from distill.tasks import answer_field
from synth.assets import load_yaml
from synth.errors import UserError
from synth.records import Record

_CUE = re.compile(r"\b(?:final|most\s+likely|leading)?\s*diagnosis\b[*_\s]*(?:is\b|:|=)[*_\s:]*", re.IGNORECASE)
_FIELDS = ("final_diagnosis", "FinalDiagnosis", "diagnosis", "answer")


class Group(Record):
    """Names of one disease."""

    names: tuple[str, ...]
    source: str


class Synonyms(Record):
    """``diagnoses.yaml``."""

    spelling: dict[str, str]
    """British → American, as parts of words."""
    articles: frozenset[str]
    groups: tuple[Group, ...]


class Diagnosis(Itemwise):
    """Whether a prediction's diagnosis is that of the reference.

    - ``diagnosis_exact``: 1 where it is the same text, but for broken encoding and white space.
    - ``diagnosis_normalised``: 1 where it is the same after ``canonical``.
    - ``unparseable``: 1 where the prediction names no diagnosis, or is a text of many lines that does not say which one
      it settles on; it counts as wrong.
    """

    columns = ("diagnosis_exact", "diagnosis_normalised", "unparseable")

    def values(self, item: BenchmarkItem, prediction: Prediction) -> tuple[Value, ...]:
        """Return the three values; raises UserError where the item has no reference diagnosis."""
        exact, wanted = exact_diagnosis(item.right), canonical(item.right)
        if exact is None or wanted is None:
            raise UserError(f"{item.id}: the reference is empty, so that no diagnosis can be right")
        said = named(prediction, answer_field(item.task))
        given = None if said is None else canonical(said)
        if said is None or given is None:
            return 0.0, 0.0, 1.0
        return float(exact_diagnosis(said) == exact), float(given == wanted), 0.0


def named(prediction: Prediction, fields: tuple[str, ...] = ()) -> str | None:
    """Return the diagnosis that a prediction settles on: a field of its JSON object, those of ``fields`` first, what
    stands behind the last ``final diagnosis:`` on that line, or its only line; None where it is none of these."""
    target = prediction.target
    if target is not None:
        found = next((target[field] for field in (*fields, *_FIELDS) if field in target), None)
        return found if isinstance(found, str) and found.strip() else None
    lines = [line for line in prediction.text.splitlines() if line.strip()]
    for i in reversed(range(len(lines))):
        if cues := list(_CUE.finditer(lines[i])):
            behind = lines[i][cues[-1].end() :].strip(" *_")
            return behind or (lines[i + 1] if i + 1 < len(lines) else None)
    return lines[0] if len(lines) == 1 else None


def canonical(text: str) -> str | None:
    """Return a diagnosis as it is compared: lower case, without punctuation and articles, in American spelling, and the
    names of ``diagnoses.yaml`` as the first of their group; None where there is none."""
    plain = normalise_diagnosis(text)
    if plain is None:
        return None
    words = _words(plain)
    names, longest = _table()
    found: list[str] = []
    at = 0
    while at < len(words):
        for size in range(min(longest, len(words) - at), 0, -1):
            name = names.get(tuple(words[at : at + size]))
            if name is not None:
                found.append(name)
                at += size
                break
        else:
            found.append(words[at])
            at += 1
    return " ".join(found) or None


def _words(plain: str) -> list[str]:
    table = synonyms()
    words = []
    for word in plain.replace("-", " ").split():
        for british, american in table.spelling.items():
            word = word.replace(british, american)
        if word not in table.articles:
            words.append(word)
    return words


@cache
def synonyms() -> Synonyms:
    """Return ``diagnoses.yaml``."""
    return Synonyms.model_validate(load_yaml(Path(__file__).resolve().parent / "diagnoses.yaml"))


@cache
def _table() -> tuple[dict[tuple[str, ...], str], int]:
    """Return what each name is taken for, and the words of the longest one; a name with its short form behind it, as in
    ``gastrointestinal stromal tumor (GIST)``, is one name."""
    found: dict[tuple[str, ...], str] = {}
    for group in synonyms().groups:
        names = [tuple(_words(name)) for name in group.names]
        first = " ".join(names[0])
        short = [name for name in names if len(name) == 1]
        for name in names:
            found[name] = first
            found.update({(*name, *abbreviation): first for abbreviation in short if abbreviation != name})
    return found, max(map(len, found))
