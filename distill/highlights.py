"""Where facts, and what nothing backs, stand in a text: places for a page to mark.

What is marked follows the verdicts of the faithfulness check, which the metrics count; a place is where the words of
the verdict are found again. What is said in other words may have no place, so a page lists every verdict, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from distill.located import LocatedText, Place, phrase, places_of
from synth.checks.faithfulness.facts import told, unit_of
from synth.checks.faithfulness.findings import FactVerdict, Invented
from synth.checks.faithfulness.language import language
from synth.checks.faithfulness.lexicon import PHRASES, ConceptKind
from synth.checks.faithfulness.reading import AFFIRMED, DENIED
from synth.checks.faithfulness.statements import ENOUGH
from synth.checks.faithfulness.tokens import is_number, stem
from synth.checks.faithfulness.units import Quantity
from synth.checks.faithfulness.view import term
from synth.records import (
    ComplaintFact,
    Fact,
    LabFact,
    Medication,
    MedicationFact,
    PatientFact,
    PlanFact,
    ResponseFact,
    Scenario,
    StudyFact,
    SymptomFact,
    ToxicityFact,
    TumorFact,
    VitalFact,
)

MarkKind = Literal["invented", "contradicted", "found"]
_ORDER: tuple[MarkKind, ...] = ("invented", "contradicted", "found")
"""What is shown where places overlap."""
_KINDS: tuple[ConceptKind, ...] = tuple(kind for kind in get_args(ConceptKind) if kind in PHRASES)
_LONGEST = 240
"""Characters of a place; what is longer is no phrase but half a note."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A place of a text that is pointed out."""

    start: int
    end: int
    kind: MarkKind
    note: str
    """What it is, for a reader who points at it."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a text; ``kind`` is None where nothing is to be said of it."""

    text: str
    kind: MarkKind | None = None
    note: str = ""


def segments(text: str, marks: Iterable[Mark]) -> list[Segment]:
    """Return a text in parts that are marked or are not, which together are the text."""
    owner: list[Mark | None] = [None] * len(text)
    for kind in reversed(_ORDER):
        for mark in marks:
            if mark.kind == kind:
                owner[mark.start : mark.end] = [mark] * (min(mark.end, len(text)) - mark.start)
    found: list[Segment] = []
    start = 0
    for i in range(1, len(text) + 1):
        if i == len(text) or owner[i] is not owner[start]:
            shown = owner[start]
            found.append(Segment(text[start:i], shown.kind, shown.note) if shown else Segment(text[start:i]))
            start = i
    return found


def fact_marks(text: LocatedText, scenario: Scenario, verdicts: Sequence[FactVerdict], *, source: bool) -> list[Mark]:
    """Return where the facts of a scenario stand that a text carries or contradicts, by the verdicts on it."""
    marks: list[Mark] = []
    for fact, verdict in zip(scenario.facts, verdicts, strict=True):
        reached = verdict.source if source else verdict.target
        if reached.verdict == "missing":
            continue
        kind: MarkKind = "found" if reached.verdict == "found" else "contradicted"
        note = f"{verdict.kind}: {verdict.text}" + (f" – contradicted: {reached.why}" if reached.why else "")
        marks += _marks(_fact_places(fact, text, reached.why), kind, note)
    return marks


def invented_marks(text: LocatedText, invented: Iterable[Invented]) -> tuple[list[Mark], list[Invented]]:
    """Return where invented things stand, and those that have no place."""
    marks: list[Mark] = []
    nowhere: list[Invented] = []
    for one in invented:
        found = _marks(_invented_places(one, text), "invented", f"invented {one.kind}: {one.text}")
        marks += found
        if not found:
            nowhere.append(one)
    return marks, nowhere


def shared_marks(text: LocatedText, other: LocatedText, where: str) -> list[Mark]:
    """Return the drugs and the numbers with a unit in a text that another text has, too."""
    marks: list[Mark] = []
    for start, end, name in _drugs(text):
        if name in other.view.reading.named:
            marks += _marks(places_of(text, [(start, end)]), "found", f"{name}, in the {where}")
    amounts = other.view.amounts
    for q in text.view.reading.quantities:
        if q.base and (_amount(q) in amounts):
            marks += _marks(places_of(text, [(q.at, q.end)]), "found", f"{text.view.quote(q)}, in the {where}")
    return marks


def unsaid(source: LocatedText, reference: LocatedText, written: LocatedText) -> list[str]:
    """Return the drugs and the numbers with a unit that source and reference have and a written text lacks."""
    heard, said = source.view.reading.named, written.view.reading.named
    names = dict.fromkeys(name for _, _, name in _drugs(reference) if name in heard and name not in said)
    there, here = source.view.amounts, written.view.amounts
    bare = {value for value, base in here if not base}
    numbers = dict.fromkeys(
        reference.view.quote(q)
        for q in reference.view.reading.quantities
        if q.base and _amount(q) in there and _amount(q) not in here and q.value not in bare
    )
    return [*names, *numbers]


def _drugs(text: LocatedText) -> Iterator[tuple[int, int, str]]:
    for hit in text.view.reading.hits:
        if hit.form.kind == "drug":
            yield hit.start, hit.end, hit.form.name


def _amount(q: Quantity) -> tuple[float, str]:
    return round(q.value * q.factor, 6), q.base


def _marks(places: Iterable[Place], kind: MarkKind, note: str) -> list[Mark]:
    return [Mark(start, end, kind, note) for start, end in dict.fromkeys(places) if end - start <= _LONGEST]


def _fact_places(fact: Fact, text: LocatedText, why: str) -> list[Place]:
    """Return where a fact stands, or, where a reason says what contradicts it, what stands instead."""
    match fact:
        case PatientFact():
            return _patient(fact, text, why)
        case SymptomFact():
            return _phrase(text, fact.name, (AFFIRMED if fact.present else DENIED) ^ (3 if why else 0))
        case MedicationFact(medication=drug):
            return _regimen(drug, text, why)
        case PlanFact(medication=drug) if drug is not None:
            return _regimen(drug, text, why)
        case PlanFact() | ResponseFact():
            return _phrase(text, fact.text)
        case TumorFact():
            parts = (fact.site, fact.histology, fact.grading, fact.tnm)
            return [place for part in parts if part for place in _phrase(text, part)]
        case ToxicityFact():
            return _phrase(text, fact.term)
        case VitalFact() | LabFact():
            return _measured(fact, text, why)
        case StudyFact():
            return _phrase(text, f"{fact.name}: {fact.result}") or _phrase(text, fact.result)
        case ComplaintFact(duration=duration) if duration is not None:
            return [*_phrase(text, fact.name), *text.sequences(phrase(duration))]
        case _:
            name: object = getattr(fact, "name", None)  # which a fact that only some tasks have may not have
            return _phrase(text, name if isinstance(name, str) else told(fact))


def _patient(fact: PatientFact, text: LocatedText, why: str) -> list[Place]:
    reading = text.view.reading
    sexes = language().sexes
    spans: list[tuple[int, int]] = []
    for q in reading.quantities:
        if q.base == "day" and q.factor > 365 and (why or q.value == fact.age):
            near = reading.tokens[q.end : q.end + 5]
            last = next((i for i, word in enumerate(near) if word in sexes), -1)
            spans.append((q.at, q.end + last + 1))
    return places_of(text, spans[:1] if why else spans)


def _regimen(drug: Medication, text: LocatedText, why: str) -> list[Place]:
    view, unit = text.view, unit_of(drug.unit)
    spans: list[tuple[int, int]] = []
    for place in view.places(drug.name):
        numbers = view.association.numbers(place)
        start, end, _ = view.association.anchors()[place]
        other = [q for q in numbers if why and view.quote(q) in why]
        spans += [(start, end), *((q.at, q.end) for q in other or numbers if why or q.equals(float(drug.dose), unit))]
    return places_of(text, spans)


def _measured(fact: VitalFact | LabFact, text: LocatedText, why: str) -> list[Place]:
    view, unit = text.view, unit_of(fact.unit)
    spans: list[tuple[int, int]] = []
    for place in view.places(fact.name):
        chosen = [
            q
            for q in view.association.numbers(place)
            if (view.quote(q) in why if why else q.equals(float(fact.value), unit))
        ]
        if chosen or why:
            start, end, _ = view.association.anchors()[place]
            spans += [(start, end), *((q.at, q.end) for q in chosen)]
    part = {"systolic": 1, "diastolic": 2}.get(fact.name.partition(" ")[0], 0)
    if part and not spans:
        spans = [(pair[0], pair[0] + 3) for pair in view.reading.pairs if bool(why) or pair[part] == fact.value]
    return places_of(text, spans)


def _phrase(text: LocatedText, name: str, want: int = 0) -> list[Place]:
    """Return where a statement is made: as the lexicon knows it, else the words of the sentence that carries it.

    ``want`` is what has to be said of it, if that matters.
    """
    view = text.view
    hits = [hit for kind in _KINDS for hit in view.by_form.get((kind, name), ())]
    chosen = [hit for hit in hits if view.reading.meant(hit)[0] & want] if want else hits
    if hits:
        return places_of(text, [(hit.start, hit.end) for hit in chosen or hits])
    if exact := list(text.sequences(phrase(name))):
        return exact
    query = term(name, view.lexicon)
    best = view.statements.match(query)
    if best.share < ENOUGH:
        return []
    if best.where >= len(view.reading.sentences):
        line = view.statements.lines[best.where]
        near = [sentence for sentence in view.reading.sentences if sentence.line == line]
    else:
        near = view.reading.sentences[best.where : best.where + 1]
    tokens = view.reading.tokens
    spans: list[tuple[int, int]] = []
    for sentence in near:
        where = [i for i in range(sentence.start, sentence.end) if stem(tokens[i]) in query.stems]
        if where:
            spans.append((where[0], where[-1] + 1))
    return places_of(text, spans)


def _invented_places(one: Invented, text: LocatedText) -> list[Place]:
    """Return where an invented thing stands: a number by the name it belongs to, a statement as it is made, and
    everything else by its words."""
    view = text.view
    said = one.text.partition("\n")[0]
    if one.kind in ("dose", "value"):
        name, colon, _ = one.text.partition(": how often")
        anchors = list(enumerate(view.association.anchors()))
        spans: list[tuple[int, int]] = []
        for place, (start, end, names) in anchors:
            if colon and name in names:
                spans.append((start, end))
            elif own := [each for each in names if one.text.startswith(f"{each} ")]:
                quote = one.text[len(max(own, key=len)) + 1 :]
                spans += [(q.at, q.end) for q in view.association.numbers(place) if view.quote(q) == quote]
        if spans:
            return places_of(text, spans)
    if one.kind in ("negation", "diagnosis"):
        wanted = DENIED if said.startswith("no ") else AFFIRMED
        hits = [hit for kind in _KINDS for hit in view.by_form.get((kind, said.removeprefix("no ")), ())]
        if meant := [(hit.start, hit.end) for hit in hits if view.reading.meant(hit)[0] & wanted]:
            return places_of(text, meant)
    words = phrase(said)
    found = list(text.sequences(words))
    if found or one.kind not in ("dose", "value"):
        return found
    # "heart rate 88 bpm" may stand there as "88 bpm" alone.
    number = next((i for i, word in enumerate(words) if is_number(word)), 0)
    return list(text.sequences(words[number:]))
