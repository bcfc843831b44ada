"""Facts: what of a scenario a prediction carries, and what it claims that no fact backs.

Needs no reference text, only the scenario that source and target were written from; items without one are not scored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pydantic import JsonValue

from distill.metrics.base import Itemwise, Value
from distill.metrics.mentions import Text
from distill.records import BenchmarkItem, Prediction
from synth.records import (
    ComplaintFact,
    DiagnosisFact,
    Fact,
    FindingFact,
    HistoryFact,
    JsonObject,
    LabFact,
    MedicationFact,
    PatientFact,
    PlanFact,
    Scenario,
    StudyFact,
    SymptomFact,
    VitalFact,
)

_HISTORY_FIELD = {
    "medical": "medical_history",
    "surgical": "medical_history",
    "family": "family_history",
    "social": "social_history",
    "allergy": "allergies",
}
Entry = tuple[str | int | float | None, ...]
"""A structured entry: its kind, then its values; None stands for a value of the wrong type, and equals no fact's."""


class Facts(Itemwise):
    """Shares from 0 to 1 over the facts of the item's scenario, or over the entries of the prediction.

    - ``fact_recall``: facts that the prediction's text says, by the rules of ``mentions.Text.says``.
    - ``facts_in_field``: facts that stand in their own field of the prediction's target with exactly their values
      (text without regard to case and spacing). The patient belongs into the history of present illness, the
      complaint into the chief complaint. 0 where the output is not a JSON object.
    - ``invented``: entries of the target (medications, vitals, labs, studies, findings, histories, symptoms,
      problems, plan items) that are no fact of the scenario. None where there is no target or it has no entry.
    """

    columns = ("fact_recall", "facts_in_field", "invented")

    def values(self, item: BenchmarkItem, prediction: Prediction) -> tuple[Value, ...]:
        """Return the three shares; all are None where the item has no scenario, or one without facts."""
        return _values(item.scenario, prediction)


def _values(scenario: Scenario | None, prediction: Prediction) -> tuple[float | None, float | None, float | None]:
    if scenario is None or not scenario.facts:
        return None, None, None
    text = Text(prediction.text)
    recall = _share(text.says(fact) for fact in scenario.facts)
    if prediction.target is None:
        return recall, 0.0, None
    problems = {fact.id: fact.name for fact in scenario.facts if isinstance(fact, DiagnosisFact)}
    backed = {_expected(fact, problems) for fact in scenario.facts}
    entries = list(_entries(prediction.target))
    written = set(entries)
    in_field = _share(_stands(fact, prediction.target, written, problems) for fact in scenario.facts)
    return recall, in_field, _share(entry not in backed for entry in entries)


def _share(flags: Iterable[bool]) -> float | None:
    seen = list(flags)
    return sum(seen) / len(seen) if seen else None


def _stands(fact: Fact, target: JsonObject, written: set[Entry], problems: Mapping[str, str]) -> bool:
    subjective = _object(target.get("subjective"))
    if isinstance(fact, PatientFact):
        return Text(_string(subjective.get("history_of_present_illness")) or "").says(fact)
    if isinstance(fact, ComplaintFact):
        return Text(_string(subjective.get("chief_complaint")) or "").has(fact.name)
    return _expected(fact, problems) in written


def _expected(fact: Fact, problems: Mapping[str, str]) -> Entry:
    """Return the entry that a fact makes in a note; the empty one for the patient and the complaint, which make
    none, and for kinds that a note has no fields for."""
    match fact:
        case SymptomFact():
            return ("symptom", "positive" if fact.present else "negative", _fold(fact.name))
        case HistoryFact():
            return (_HISTORY_FIELD[fact.category], _fold(fact.name))
        case MedicationFact(medication=drug):
            return (
                "medication",
                _fold(drug.name),
                drug.dose,
                _fold(drug.unit),
                _fold(drug.route),
                _fold(drug.frequency),
            )
        case VitalFact():
            return ("vital", _fold(fact.name), fact.value, _fold(fact.unit))
        case FindingFact():
            return ("finding", _fold(fact.name))
        case LabFact():
            return ("lab", _fold(fact.name), fact.value, _fold(fact.unit), fact.interpretation)
        case StudyFact():
            return ("study", _fold(fact.name), _fold(fact.result))
        case DiagnosisFact():
            return ("problem", _fold(fact.name), _fold(fact.icd10cm))
        case PlanFact():
            return ("plan", _fold(problems.get(fact.problem, "")), _fold(fact.text))
        case _:
            return ()


def _entries(target: JsonObject) -> Iterator[Entry]:
    """Yield the structured entries of a target of any shape; what is not of the contract's shape has None for its
    values."""
    subjective, exam, results = (
        _object(target.get(name)) for name in ("subjective", "objective_exam", "objective_results")
    )
    for field in dict.fromkeys(_HISTORY_FIELD.values()):
        yield from ((field, _string(value)) for value in _array(subjective.get(field)))
    for entry in _array(subjective.get("medications")):
        yield (
            "medication",
            *_fields(entry, "name"),
            _number(entry, "dose"),
            *_fields(entry, "unit", "route", "frequency"),
        )
    review = _object(subjective.get("review_of_systems"))
    for polarity in ("positive", "negative"):
        yield from (("symptom", polarity, _string(value)) for value in _array(review.get(polarity)))
    for entry in _array(exam.get("vitals")):
        yield ("vital", *_fields(entry, "name"), _number(entry, "value"), *_fields(entry, "unit"))
    yield from (("finding", _string(value)) for value in _array(exam.get("findings")))
    for entry in _array(results.get("labs")):
        yield ("lab", *_fields(entry, "name"), _number(entry, "value"), *_fields(entry, "unit", "interpretation"))
    for entry in _array(results.get("studies")):
        yield ("study", *_fields(entry, "name", "result"))
    for entry in _array(target.get("assessment_and_plan")):
        yield ("problem", *_fields(entry, "problem", "icd10cm"))
        for value in _array(_object(entry).get("plan")):
            yield ("plan", *_fields(entry, "problem"), _string(value))


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _array(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _string(value: JsonValue) -> str | None:
    return _fold(value) if isinstance(value, str) else None


def _fields(entry: JsonValue, *names: str) -> tuple[str | None, ...]:
    return tuple(_string(_object(entry).get(name)) for name in names)


def _number(entry: JsonValue, name: str) -> int | float | None:
    value = _object(entry).get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _fold(text: str) -> str:
    return " ".join(text.casefold().split())
