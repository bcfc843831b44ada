"""What facts are called in another language than English (``specialties/terms/``), and such texts read back.

Reading back is by terms, the longest first, and by the words that say how many, since when, which side and whether:
what comes out is no English that anybody would write, but it names facts as the packs do, for a check that looks for
facts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import cast

from synth.assets import load_yaml
from synth.errors import UserError
from synth.packs.model import Presentation
from synth.packs.pack import Pack
from synth.records import Language

_FOLDER = Path(__file__).resolve().parent.parent / "specialties" / "terms"
_SPAN = re.compile(r"(\d+) (day|week|month|year)s?")
_DOSE = r"\d+ Gy (?:in \d+ (?:fractions|Fraktionen)|in a single fraction|als Einzelfraktion)|\d+ (?:of|von) \d+ Gy"
_DECIMAL = re.compile(r"(?<![\w.,])(\d+),(\d{1,3})(?![\w,]|\.\d)")


class Terms:
    """The terms of one language."""

    def __init__(self, language: Language) -> None:
        data = cast("dict[str, dict[str, str | list[str]]]", load_yaml(terms_path(language)))
        spoken = {name: [forms] if isinstance(forms, str) else forms for name, forms in data["terms"].items()}
        self._own = {name: forms[0] for name, forms in spoken.items()}
        self._spans = {name: cast("list[str]", forms) for name, forms in data["spans"].items()}
        words = {form: name for name, forms in spoken.items() for form in forms}
        words |= {part: whole for form, name in words.items() for part, whole in _apart(form, name)}
        english: dict[str, str] = {}
        for form, name in [*words.items(), *cast("dict[str, str]", data["words"]).items()]:
            english.setdefault(_DECIMAL.sub(r"\1.\2", form).lower(), name)
        self._english = english
        longest = sorted(english, key=len, reverse=True)
        self._known = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest))})(?!\w)", re.IGNORECASE)
        self._rewritten = [
            (re.compile(pattern, re.IGNORECASE), instead)
            for pattern, instead in cast("dict[str, str]", data["patterns"]).items()
        ]

    def known(self, text: str) -> bool:
        """Return whether there is a term for what a pack calls so."""
        return text in self._own or _SPAN.fullmatch(text) is not None

    def of(self, text: str) -> str:
        """Return the term for what a pack calls so, or for a span of time, in the dative (``vor 6 Wochen``). KeyError
        where there is none."""
        if (span := _SPAN.fullmatch(text)) is not None:
            one, many = self._spans[span[2]]
            return f"{span[1]} {one if span[1] == '1' else many}"
        return self._own[text]

    def read(self, text: str) -> str:
        """Return a text with its terms, numbers and words of relation in English."""
        text = _DECIMAL.sub(r"\1.\2", text)
        for pattern, instead in self._rewritten:
            text = pattern.sub(instead, text)
        return self._known.sub(lambda m: self._english[m[0].lower()], text)


def _apart(form: str, name: str) -> Iterator[tuple[str, str]]:
    """Yield what stands around the dose in a term and in its English: a house style writes the dose anew."""
    own, english = (re.split(_DOSE, text) for text in (form, name))
    if len(own) > 1 and len(own) == len(english):
        yield from ((a.strip(" ,"), b.strip(" ,")) for a, b in zip(own, english, strict=True) if a.strip(" ,"))


@cache
def terms(language: Language) -> Terms:
    """Return the terms of a language."""
    return Terms(language)


@lru_cache(maxsize=4096)
def read_back(language: Language, text: str) -> str:
    """Return what ``Terms.read`` does."""
    return terms(language).read(text)


def terms_path(language: Language) -> Path:
    """Return the file of a language's terms."""
    return _FOLDER / f"{language}.yaml"


def translated(pack: Pack, language: Language | None) -> tuple[Pack, int]:
    """Return a pack with the presentations alone whose every term is known in a language, and how many are left out.

    UserError where none is left.
    """
    if language is None:
        return pack, 0
    own = terms(language)
    conditions, left_out = {}, 0
    shared = sorted({*_common(pack)})
    unknown = [name for name in shared if not own.known(name)]
    for name, condition in pack.conditions.items():
        always = [entry for group in condition.history for entry in group]
        kept = {
            key: one
            for key, one in condition.presentations.items()
            if not unknown and all(map(own.known, (*always, *_named(one))))
        }
        left_out += len(condition.presentations) - len(kept)
        if kept:
            conditions[name] = condition.model_copy(update={"presentations": kept})
    if not conditions:
        lacking = f", such as {unknown[0]!r}" if unknown else ""
        raise UserError(
            f"{pack.specialty} has no presentation whose terms are all known in {language!r}{lacking}; "
            f"add them to specialties/terms/{language}.yaml, or take a style in English"
        )
    return pack.model_copy(update={"conditions": conditions}), left_out


def _common(pack: Pack) -> Iterator[str]:
    """Yield what any patient of a pack may have."""
    yield from (entry for group in pack.background for entry in group)
    yield from pack.vitals
    for name, drug in pack.drugs.items():
        yield from (name, drug.route, drug.unit, *(step.frequency for step in drug.ladder))


def _named(one: Presentation) -> Iterator[str]:
    """Yield what the facts of a presentation are called."""
    yield from (one.diagnosis.name, one.diagnosis.status)
    for complaint in one.complaints:
        yield from (complaint.name, *complaint.durations)
    yield from one.symptoms
    yield from (entry for group in one.history for entry in group)
    yield from one.labs
    for name, results in one.studies.items():
        yield from (name, *results)
    yield from (finding for group in one.findings for finding in group)
    yield from (item.text for item in one.plan if item.text is not None)
    if one.case is not None:
        tumor = one.case.tumor
        yield from (part for part in (tumor.site, *tumor.histology, tumor.grading) if part)
        for therapy in one.case.therapies:
            yield therapy.name
            if therapy.course is not None:
                course = therapy.course
                yield from (
                    part for part in (course.target, course.technique, course.intent, course.concurrent) if part
                )
        yield from (event.term for event in one.case.toxicities)
        yield from (one.case.response,) if one.case.response is not None else ()
