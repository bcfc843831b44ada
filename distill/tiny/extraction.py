"""The last part of the tiny base's reading: to find in a whole transcript what is asked for, and to list it as JSON.

What is asked for is named in plain words, in an order and under keys that are drawn anew for every exercise, so that
finding is
learned and the note is not: which keys a note has, in which order, and what it leaves out stays to be learned.
"""

from __future__ import annotations

from collections.abc import Callable

from pydantic import JsonValue

from distill.tiny.corpus import KEYS, SEED, Corpus, Exercise
from synth.assets import canonical_json
from synth.draws import Draws
from synth.teachers.chart import Chart

Rows = list[tuple[JsonValue, ...]]


def _histories(category: str) -> Callable[[Chart], list[JsonValue]]:
    return lambda chart: [entry.name for entry in chart.history if entry.category == category]


LISTS: dict[str, Callable[[Chart], list[JsonValue]]] = {
    "the reason to come": lambda chart: [chart.complaint.name],
    "what is felt": lambda chart: [symptom.name for symptom in chart.symptoms if symptom.present],
    "what is not felt": lambda chart: [symptom.name for symptom in chart.symptoms if not symptom.present],
    "past illness": _histories("medical"),
    "operations": _histories("surgical"),
    "relatives": _histories("family"),
    "habits": _histories("social"),
    "reactions": _histories("allergy"),
    "what was seen": lambda chart: [fact.name for fact in chart.findings],
    "what comes next": lambda chart: [plan.text for plan in chart.plans],
}
ROWS: dict[str, Callable[[Chart], Rows]] = {
    "who it is": lambda chart: [(chart.patient.age, chart.patient.sex)],
    "what is taken": lambda chart: [
        (m.name, m.dose, m.unit, m.route, m.frequency) for m in (fact.medication for fact in chart.medications)
    ],
    "what was measured": lambda chart: [(fact.name, fact.value, fact.unit) for fact in chart.vitals],
    "what the blood says": lambda chart: [
        (fact.name, fact.value, fact.unit, fact.interpretation) for fact in chart.labs
    ],
    "pictures": lambda chart: [(fact.name, fact.result) for fact in chart.studies],
    "what it is": lambda chart: [(fact.name, fact.status) for fact in chart.diagnoses],
}


def extraction(corpus: Corpus, index: int) -> Exercise:
    """Return the exercise at an index: some of the parts of an encounter, under random keys and in random order."""
    draws = Draws("tiny extraction", SEED, index)
    text, chart = corpus.visit(index)
    parts = draws.shuffled((*LISTS, *ROWS))[: 5 + draws.below(12)]
    keys = draws.shuffled(KEYS)
    asked: list[str] = []
    answer: dict[str, JsonValue] = {}
    for part in parts:
        key = keys.pop()
        if part in LISTS:
            asked.append(f"{key}: {part}")
            answer[key] = LISTS[part](chart)
            continue
        rows = ROWS[part](chart)
        columns = [keys[-1 - i] for i in range(5)]
        named = columns[: len(rows[0])] if rows else columns[:2]
        asked.append(f"{key}: {part} ({', '.join(named)})")
        answer[key] = [dict(zip(named, row, strict=True)) for row in rows]
    return Exercise(f"Write as JSON {'; '.join(asked)}.\n\n{text}", canonical_json(answer))
