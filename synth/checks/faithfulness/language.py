"""The words that decide how a statement is meant, read once from ``language.yaml``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

from synth.assets import load_yaml

Words = frozenset[str]


@dataclass(frozen=True, slots=True)
class Language:
    """Sets of words, by what they do."""

    negations: Words
    behind: Words
    """Negations that follow what they deny."""
    not_negations: Words
    fixed_negatives: dict[str, str]
    """A word with its negation built in, and the word without it."""
    affirmations: Words
    contrasts: Words
    subjects: Words
    answers_no: Words
    answers_yes: Words
    sides: dict[str, str]
    not_side_before: Words
    not_side_after: Words
    corrections: Words
    conditional: Words
    stop: Words
    class_words: Words
    fields: dict[str, Words]
    negative_keys: Words
    sexes: dict[str, str]


@cache
def language() -> Language:
    """Return the words of ``language.yaml``."""
    data = cast("dict[str, object]", load_yaml(Path(__file__).resolve().parent / "language.yaml"))

    def words(name: str) -> Words:
        found = data[name]
        return frozenset(found.split() if isinstance(found, str) else map(str, cast("list[str]", found)))

    def groups(name: str) -> dict[str, list[str]]:
        return cast("dict[str, list[str]]", data[name])

    return Language(
        negations=words("negations"),
        behind=words("behind"),
        not_negations=words("not_negations"),
        fixed_negatives=cast("dict[str, str]", data["fixed_negatives"]),
        affirmations=words("affirmations"),
        contrasts=words("contrasts"),
        subjects=words("subjects"),
        answers_no=words("answers_no"),
        answers_yes=words("answers_yes"),
        sides={word: side for side, found in groups("sides").items() for word in found},
        not_side_before=words("not_side_before"),
        not_side_after=words("not_side_after"),
        corrections=words("corrections"),
        conditional=words("conditional"),
        stop=words("stop"),
        class_words=words("class_words"),
        fields={kind: frozenset(found) for kind, found in groups("fields").items()},
        negative_keys=words("negative_keys"),
        sexes={word: sex for sex, found in groups("sexes").items() for word in found},
    )
