"""What of a tumor's facts a text carries: staging, therapy with its doses, toxicity with its grade, response."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from synth.checks.faithfulness.findings import Reached
from synth.checks.faithfulness.statements import ENOUGH
from synth.checks.faithfulness.tokens import stem, tokenize
from synth.checks.faithfulness.units import Quantity
from synth.checks.faithfulness.view import View, term
from synth.records import Course, Fact, ResponseFact, TherapyFact, ToxicityFact, TumorFact

_FOUND, _MISSING = Reached("found"), Reached("missing")
_CATEGORY = re.compile(r"(?:y?[cp]|r|a)?(?:(t)(?:x|0|is|[1-4][a-d]?(?:mi)?)|(n)(?:x|0|[1-3][a-c]?)|(m)(?:0|1[a-c]?))")
_PREFIX = re.compile(r"^(?:y?[cp]|r|a)(?=[tnm])")
_ROMAN = re.compile(r"(i{1,3}|iv)[a-d]?[1-3]?")
_COUNTED = frozenset(("fraction", "fractions", "sessions", "treatments", "x"))


def reached_case(fact: TumorFact | TherapyFact | ToxicityFact | ResponseFact, view: View) -> Reached:
    """Return the verdict on a fact of a tumor in a text."""
    match fact.kind:
        case "tumor":
            return _tumor(fact, view)
        case "therapy":
            return _therapy(fact, view)
        case "toxicity":
            return _toxicity(fact, view)
        case "response":
            return _phrase(fact.text, view)


def told_case(fact: TumorFact | TherapyFact | ToxicityFact | ResponseFact) -> str:
    """Return a fact of a tumor in a few words."""
    match fact:
        case TumorFact():
            return ", ".join(part for part in (fact.site, fact.histology, fact.grading, fact.tnm, fact.stage) if part)
        case TherapyFact(course=Course() as course):
            return f"{fact.name} of {course.target}, {course.dose:g} Gy in {course.fractions} fractions, {fact.state}"
        case TherapyFact():
            return f"{fact.name}, {fact.state}"
        case ToxicityFact():
            return f"{fact.term} grade {fact.grade}"
        case ResponseFact():
            return fact.text


def terms_of(fact: Fact) -> Iterator[str]:
    """Yield what a tumor's facts are called that have no values of their own."""
    match fact.kind:
        case "tumor":
            yield from (part for part in (fact.histology, fact.grading) if part)
        case "therapy":
            yield fact.name
        case "response":
            yield fact.text
        case _:
            pass


def _phrase(text: str, view: View) -> Reached:
    best = view.statements.match(term(text, view.lexicon))
    if best.share < ENOUGH:
        return _MISSING
    if best.conflict is not None:
        line = view.statements.lines[best.where]
        return Reached(
            "contradicted", f"another {best.conflict} is said", view.lines[line].field if view.target else ""
        )
    return _FOUND


def _tumor(fact: TumorFact, view: View) -> Reached:
    parts = [_phrase(text, view) for text in (fact.site, fact.histology, fact.grading) if text]
    parts.append(_staged(fact, view))
    return next((part for part in parts if part.verdict == "contradicted"), None) or next(
        (part for part in parts if part.verdict == "missing"), _FOUND
    )


def _staged(fact: TumorFact, view: View) -> Reached:
    """Return the verdict on TNM and stage group: all of them said, and no others."""
    said: dict[str, set[str]] = {}
    for word in view.words:
        if len(word) < 8 and (found := _CATEGORY.fullmatch(word)) is not None:
            said.setdefault(found[found.lastindex or 1], set()).add(_PREFIX.sub("", word))
    for word in tokenize(fact.tnm) if fact.tnm else ():
        category = _PREFIX.sub("", word)
        letter = category[0]
        if letter not in "tnm":
            continue
        others = said.get(letter, set()) - {category}
        if others and view.target:
            return Reached("contradicted", f"{max(others)} is said")
        if category not in said.get(letter, ()):
            return Reached("contradicted", f"{max(others)} is said") if others else _MISSING
    if fact.stage is None:
        return _FOUND
    tokens = view.reading.tokens
    near = {word for i, one in enumerate(tokens) if one == "stage" for word in _first(tokens[i + 1 : i + 4])}
    stages = {stage for stage in near if _ROMAN.fullmatch(stage)}
    own = fact.stage.casefold()
    if own in stages:
        return _FOUND
    return Reached("contradicted", f"stage {max(stages).upper()} is said") if stages and view.target else _MISSING


def _therapy(fact: TherapyFact, view: View) -> Reached:
    if fact.ago is not None and not {a for a in term(fact.ago, view.lexicon).amounts if a[1]} <= view.amounts:
        return _MISSING
    if fact.course is None:
        return _phrase(fact.name, view)
    return _course(fact.course, view)


def _course(course: Course, view: View) -> Reached:
    """Return the verdict on a course: its dose with its fractions, or with its dose per fraction, and its target."""
    reading = view.reading
    best = _MISSING
    doses = [q for q in reading.quantities if q.base == "gy" and q.value * q.factor == course.dose]
    for dose in doses:
        sentence = reading.sentences[reading.sentence_at(dose.at)]
        behind = reading.within(dose.end, sentence.end)
        named = [q.value for q in reading.within(sentence.start, sentence.end) if not q.base and _counts(view, q)]
        each = [q.value for q in behind if q.base == "gy"]
        single = course.fractions == 1 and "single" in reading.tokens[sentence.start : sentence.end]
        if single or course.fractions in named or course.per_fraction in each:
            best = _FOUND
        elif (named or (each and course.dose not in each)) and view.target and best is _MISSING:
            best = Reached("contradicted", "other fractions are given", view.field_at(dose.at))
    if best.verdict != "found":
        return best
    target = _phrase(course.target, view)
    return target if target.verdict != "contradicted" or view.target else _MISSING


def _counts(view: View, q: Quantity) -> bool:
    """Return whether a number is one of fractions: ``20 fractions``, ``20 x 3 Gy``, ``8 Gy x 1``."""
    tokens = view.reading.tokens
    return tokens[q.at - 1] == "x" or not _COUNTED.isdisjoint(tokens[q.end : q.end + 1])


def _first(tokens: list[str]) -> list[str]:
    """Return the first token that is neither a colon nor ``group``."""
    return [word for word in tokens if word not in (":", "group")][:1]


def _toxicity(fact: ToxicityFact, view: View) -> Reached:
    """Return the verdict on an adverse event: named, with its grade in the same sentence and no other one."""
    reading = view.reading
    stems = term(fact.term, view.lexicon).stems
    best = _MISSING
    for sentence in reading.sentences:
        if not stems.keys() <= set(map(stem, reading.tokens[sentence.start : sentence.end])):
            continue
        tokens = reading.tokens[sentence.start : sentence.end]
        grades = {after for word, after in pairwise(tokens) if word == "grade"}
        if str(fact.grade) in grades:
            best = _FOUND
        elif grades and view.target:
            return Reached("contradicted", f"grade {max(grades)} is said", view.field_at(sentence.start))
    return best
