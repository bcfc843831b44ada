"""How a patient answers: not twice in the same words, nor with two words for yes."""

from __future__ import annotations

from collections.abc import Sequence

from synth.records import LanguageLevel
from synth.teachers.register import in_register
from synth.teachers.script import Script

_ANSWERS = ("no", "yes", "yeah", "nope", "not", "never", "just", "nothing")
"""First words of a phrase that is an answer already, and takes no ``yes`` or ``and`` before it."""


class Answers:
    """One patient's answers."""

    def __init__(self, script: Script, level: LanguageLevel) -> None:
        self._script = script
        self._level = level
        self._told: set[str] = set()
        """What has been said, so that nobody says it in the same words twice."""

    def give(self, rule: str, bare: str, say: str, last: bool = True) -> None:
        """Let the patient answer, without a second ``yes`` or ``no`` where the pack's words hold one."""
        word = say.split(maxsplit=1)[0].rstrip(",.").lower()
        self._script.patient(bare if word in _ANSWERS else rule, say=say)
        if last:
            self._script.aside(len(say))

    def fresh(self, says: Sequence[str]) -> str:
        """Return one of the phrases, one that was not used yet where there is one."""
        says = in_register(says, self._level)
        phrase = self._script.draws.pick([say for say in says if say not in self._told] or says)
        self._told.add(phrase)
        return phrase
