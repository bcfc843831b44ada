"""The right answer of a scenario, by kind, and whether another one is the same."""

from __future__ import annotations

from pydantic import JsonValue

from synth.catalog import Answer
from synth.records import AnswerFact, DiagnosisFact, QuestionFact, Scenario


def right_answer(answer: Answer, scenario: Scenario) -> JsonValue:
    """Return what is true of a scenario; ValueError where it holds no fact of the kind that is asked for."""
    for fact in scenario.facts:
        if isinstance(fact, DiagnosisFact) and answer.kind == "diagnosis":
            return fact.name
        if isinstance(fact, QuestionFact) and answer.kind == "letters":
            return [*fact.letters]
        if isinstance(fact, AnswerFact) and answer.kind == "score":
            return fact.score
    raise ValueError(f"{scenario.id} has no fact to take {answer.kind} from")


def same_answer(answer: Answer, given: JsonValue, right: JsonValue) -> bool:
    """Return whether an answer is the right one: a diagnosis whatever its case, letters whatever their order."""
    if answer.kind == "diagnosis":
        return isinstance(given, str) and given.strip().casefold() == str(right).casefold()
    if answer.kind == "letters":
        return (
            isinstance(given, list) and isinstance(right, list) and sorted(map(str, given)) == sorted(map(str, right))
        )
    return isinstance(given, int | float) and not isinstance(given, bool) and given == right
