"""Exercises of the tiny base's last rounds: a form to be filled in from a whole transcript.

A form is what a contract is to a student: groups within groups, keys of several words that resemble one another, rows,
and a text of a few sentences. Most exercises are on one of a few house forms, which the prompt only names, as a student
is only told to write the note; the others are drawn anew and spelt out in the prompt. The note's own form, keys and
wording stay to be learned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template

import yaml
from pydantic import JsonValue

from distill.tiny.corpus import KEYS, SEED, Corpus, Exercise, shortened, topics
from distill.tiny.extraction import LISTS, ROWS, Rows
from synth.assets import canonical_json
from synth.draws import Draws
from synth.teachers.chart import Chart

HOUSE_FORMS = 8
SPELT_OUT = 0.2
"""Share of the exercises whose form is drawn anew, as a rule."""
_AS_ROWS = 0.1
"""Share of the exercises on symptoms that ask for rows of name and yes or no."""
_REASON, _SINCE, _TOLD, _PROBLEMS = "the reason to come", "since when", "told", "what it is and what comes next"
_JOINED = ("what is felt", "what is not felt", "what is taken", "past illness")
"""Parts that a told text may hold."""
_ABOUT = {
    "complaint": (_REASON, _SINCE),
    "symptom": ("what is felt", "what is not felt"),
    "medical": ("past illness",),
    "surgical": ("operations",),
    "family": ("relatives",),
    "social": ("habits",),
    "allergy": ("reactions",),
    "medication": ("what is taken",),
    "finding": ("what was seen",),
    "study": ("pictures",),
}
"""Parts that are said in many ways, by the topics that they are about."""
_HARD = frozenset(part for parts in _ABOUT.values() for part in parts)
"""All of those."""
_TOGETHER = frozenset(("what it is", "what comes next"))
_COLUMNS = {
    "who it is": 2,
    "what is taken": 5,
    "what was measured": 3,
    "what the blood says": 4,
    "pictures": 2,
    "what it is": 2,
    _PROBLEMS: 3,
}


@dataclass(frozen=True, slots=True)
class Field:
    """A key of a form, and what belongs there."""

    key: str
    part: str
    columns: tuple[str, ...] = ()
    """Keys of a row's values."""
    told: tuple[str, ...] = ()
    """What a text tells of."""

    def __str__(self) -> str:
        more = self.columns or self.told
        return f"{self.key}: {self.part} ({', '.join(more)})" if more else f"{self.key}: {self.part}"


@dataclass(frozen=True, slots=True)
class Group:
    """Fields and groups below a key."""

    key: str
    members: tuple[Field | Group, ...]

    def __str__(self) -> str:
        return f"{self.key} {{{'; '.join(map(str, self.members))}}}"


@cache
def _wordings() -> Mapping[str, list[str]]:
    loaded: dict[str, list[str]] = yaml.safe_load(Path(__file__).with_name("forms.yaml").read_text("utf-8"))
    return loaded


def form(corpus: Corpus, index: int, spelt_out: float = SPELT_OUT) -> Exercise:
    """Return the exercise at an index: a form that asks for most of what an encounter holds, filled in; ``spelt_out``
    is the share of forms that are drawn anew."""
    draws = Draws("tiny form", SEED, index)
    if draws.chance(spelt_out):
        members = draw_form(draws, fewest=9)
        asked = _spelt_out(members)
    else:
        number = draws.below(HOUSE_FORMS)
        members = house_form(number)
        asked = f"Write form {KEYS[number]} of this encounter."
    text, chart = corpus.visit(index)
    answer = _filled(members, chart, draws)
    return Exercise(f"{asked}\n\n{text}", canonical_json(answer))


def excerpt(corpus: Corpus, index: int) -> Exercise:
    """Return the exercise at an index: some of the parts of a house form that are hard to read, and nothing else."""
    draws = Draws("tiny excerpt", SEED, index)
    number = draws.below(HOUSE_FORMS)
    hard = [field for field in _fields(house_form(number)) if field.part in _HARD]
    chosen = [field for field in hard if draws.chance(0.8)] or hard
    text, chart = corpus.visit(index)
    asked = f"Write only {', '.join(field.key for field in chosen)} of form {KEYS[number]} of this encounter."
    return Exercise(f"{asked}\n\n{text}", canonical_json(_filled(chosen, chart, draws)))


def short_visit(corpus: Corpus, index: int) -> Exercise:
    """Return the exercise at an index: all that is hard to read in a visit at which one or two topics are spoken of,
    each part named; or whether each symptom is felt."""
    draws = Draws("tiny short visit", SEED, index)
    scenario = corpus.scenario(index)
    spoken = [topic for topic in topics(scenario) if topic in _ABOUT]
    about = draws.shuffled(spoken)[: 1 + draws.below(2)]
    if "symptom" in spoken and draws.chance(0.2):
        about = ["symptom"]
    return _asked(corpus.told(shortened(scenario, about)), draws, about)


def symptom_visit(corpus: Corpus, index: int, whole: float = 0.0) -> Exercise:
    """Return the exercise at an index: which symptoms are felt, at a visit at which little else is spoken of;
    ``whole`` is the share of visits at which everything is."""
    draws = Draws("tiny symptom visit", SEED, index)
    scenario = corpus.scenario(index)
    if "symptom" not in topics(scenario):
        return short_visit(corpus, index)
    told = corpus.told(scenario if draws.chance(whole) else shortened(scenario, ["symptom"]))
    return _asked(told, draws, ["symptom", *(["complaint"] if draws.chance(0.5) else [])])


def symptom_talk(corpus: Corpus, index: int) -> Exercise:
    """Return the exercise at an index: which symptoms are felt, of nothing but the turns at which one to four of them
    are spoken of."""
    draws = Draws("tiny symptom talk", SEED, index)
    scenario = corpus.scenario(index)
    symptoms = [fact for fact in scenario.facts if fact.kind == "symptom"]
    some = draws.shuffled(symptoms)[: 1 + draws.below(4)]
    if not some:
        return short_visit(corpus, index)
    facts = tuple(fact for fact in shortened(scenario, ["symptom"]).facts if fact.kind != "symptom" or fact in some)
    text, chart = corpus.told(scenario.model_copy(update={"facts": facts}))
    return _asked((corpus.overheard(text, [fact.name for fact in some]), chart), draws, ["symptom"])


def _asked(told: tuple[str, Chart], draws: Draws, about: Sequence[str]) -> Exercise:
    """Return an exercise that asks a visit for all of some topics, or for whether each symptom is felt."""
    text, chart = told
    if "symptom" in about and draws.chance(_AS_ROWS):
        a, b = draws.shuffled(KEYS)[:2]
        rows: JsonValue = [{a: fact.name, b: "yes" if fact.present else "no"} for fact in chart.symptoms]
        return Exercise(f"Write each symptom as {a} and whether it is felt as {b}.\n\n{text}", canonical_json(rows))
    keys = _keys(draws)
    fields = [_field(part, draws, keys) for topic in about for part in _ABOUT[topic]]
    return Exercise(f"{_spelt_out(fields)}\n\n{text}", canonical_json(_filled(fields, chart, draws)))


def _spelt_out(members: Sequence[Field | Group]) -> str:
    return f"Write as JSON {'; '.join(map(str, members))}."


def _fields(members: Sequence[Field | Group]) -> Iterator[Field]:
    for member in members:
        if isinstance(member, Group):
            yield from _fields(member.members)
        else:
            yield member


@cache
def house_form(number: int) -> tuple[Field | Group, ...]:
    """Return a form that is always the same."""
    return draw_form(Draws("tiny house form", SEED, number), fewest=15)


def draw_form(draws: Draws, fewest: int) -> tuple[Field | Group, ...]:
    """Return a form with so many parts or more."""
    parts = [*LISTS, *(part for part in _COLUMNS if part in ROWS), _SINCE, _TOLD]
    if draws.chance(0.6):
        parts = [*(part for part in parts if part not in _TOGETHER), _PROBLEMS]
    parts = draws.shuffled(parts)[: fewest + draws.below(len(parts) + 1 - fewest)]
    keys = _keys(draws)
    members: list[Field | Group] = []
    while parts:
        size = 2 + draws.below(5) if draws.chance(0.7) else 1
        some: list[Field | Group] = [_field(part, draws, keys) for part in parts[:size]]
        parts = parts[size:]
        if len(some) > 3 and draws.chance(0.3):
            some = [*some[:-2], Group(next(keys), tuple(some[-2:]))]
        members += [Group(next(keys), tuple(some))] if len(some) > 1 else some
    return tuple(members)


def _keys(draws: Draws) -> Iterator[str]:
    """Yield keys of one to three words, none of them twice."""
    seen: set[str] = set()
    while True:
        a, b = draws.shuffled(KEYS)[:2]
        key = draws.pick((a, a, a, f"{a}_{b}", f"{a}_{b}", f"{a}_of_{b}", f"{a}_and_{b}"))
        if key not in seen:
            seen.add(key)
            yield key


def _field(part: str, draws: Draws, keys: Iterator[str]) -> Field:
    told = tuple(draws.shuffled(_JOINED)[: 1 + draws.below(4)]) if part == _TOLD else ()
    return Field(next(keys), part, tuple(next(keys) for _ in range(_COLUMNS.get(part, 0))), told)


def _filled(members: Sequence[Field | Group], chart: Chart, draws: Draws) -> dict[str, JsonValue]:
    return {
        member.key: _filled(member.members, chart, draws) if isinstance(member, Group) else _value(member, chart, draws)
        for member in members
    }


def _value(field: Field, chart: Chart, draws: Draws) -> JsonValue:
    """Return what belongs into a field."""
    if field.part == _REASON:
        return chart.complaint.name
    if field.part == _SINCE:
        return [chart.complaint.duration] if chart.complaint.duration else []
    if field.part == _TOLD:
        return " ".join((_who(chart, draws), *_sentences(chart, draws, field.told)))
    if field.part == _PROBLEMS:
        rows: Rows = [
            (fact.name, fact.status, [plan.text for plan in chart.plans_of(fact)]) for fact in chart.diagnoses
        ]
    elif field.part in LISTS:
        return LISTS[field.part](chart)
    else:
        rows = ROWS[field.part](chart)
    return [dict(zip(field.columns, row, strict=True)) for row in rows]


def _slots(chart: Chart) -> dict[str, str]:
    female = chart.patient.sex == "female"
    return {
        "He": "She" if female else "He",
        "person": "woman" if female else "man",
        "sex": chart.patient.sex,
        "age": str(chart.patient.age),
        "reason": chart.complaint.name,
    }


def _who(chart: Chart, draws: Draws) -> str:
    return Template(draws.pick(_wordings()["who"])).substitute(_slots(chart))


def _sentences(chart: Chart, draws: Draws, named: Sequence[str]) -> Iterator[str]:
    """Yield a sentence for each part that is not empty."""
    for part in named:
        if part == "what is taken":
            medications = (fact.medication for fact in chart.medications)
            items = [f"{m.name} {m.amount} {m.route} {m.frequency}" for m in medications]
        else:
            items = [str(item) for item in LISTS[part](chart)]
        if items:
            word = "or" if part == "what is not felt" else "and"
            joined = f"{', '.join(items[:-1])}, {word} {items[-1]}" if len(items) > 2 else f" {word} ".join(items)
            yield Template(draws.pick(_wordings()[part])).substitute(_slots(chart), list=joined)
