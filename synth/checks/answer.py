"""The answer check: rejects a target whose answer is not the scenario's, or whose reasons are too short or too long."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue

from synth.answers import right_answer, same_answer
from synth.catalog import Task
from synth.checks.base import reject
from synth.records import Encounter, Rejection


class AnswerCheck:
    """Rejects ``wrong_answer`` where a target's answer is not what is true, ``too_short`` and ``too_long`` by the words
    of its reasons; accepts all of a task without an answer."""

    name = "answer"

    def __init__(self, task: Task) -> None:
        self._answer = task.answer

    def __call__(self, encounter: Encounter) -> Encounter | Rejection:
        """Return the encounter unchanged, or its rejection."""
        if self._answer is None:
            return encounter
        given, right = encounter.target.get(self._answer.key), right_answer(self._answer, encounter.scenario)
        if not same_answer(self._answer, given, right):
            detail = f"{self._answer.key} is {_told(given)}, and {_told(right)} is right"
            return reject(encounter, self.name, "wrong_answer", detail, part="target")
        for key, (least, most) in self._answer.words.items():
            count = sum(len(text.split()) for text in _texts(encounter.target.get(key)))
            if not least <= count <= most:
                reason = "too_short" if count < least else "too_long"
                detail = f"{key} has {count} words; {least} to {most} are asked for"
                return reject(encounter, self.name, reason, detail, part="target")
        return encounter


def _texts(value: JsonValue) -> Iterator[str]:
    """Yield the texts of a value, however deep they stand."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)


def _told(value: JsonValue) -> str:
    text = "".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
