"""Turns in the making: who says what, in sentences that start with a capital."""

from __future__ import annotations

import re
from typing import Literal

from synth.draws import Draws
from synth.records import Turn
from synth.teachers.extent import EXTENTS, Extent
from synth.teachers.grammar import Expansion, Grammar
from synth.teachers.voices import Voice

_ABBREVIATED = (" a.m", " p.m", "vs")
"""What a full stop follows without ending a sentence."""
_INITIAL = re.compile(r"\b([A-Z]\.) (?=[a-z])")
"""An abbreviated first word, as in ``H. pylori``: inside one of the pack's phrases, which hold no sentence's end."""
_KEPT = "\N{NO-BREAK SPACE}"
"""Stands behind such a word until the sentences have their capitals."""
_LONG = 40
"""Characters after which a listener may be expected to stir."""
_HELD = re.compile("\x02(\\w+)\x03")
"""A slot that is still to be filled."""
_ASIDE = 0.12
"""How often a patient of the kind that does adds something to an answer."""
Speaker = Literal["doctor", "patient"]


class Script:
    """Collects the turns of one dialogue; what one speaker says in a row becomes one turn."""

    __slots__ = ("_grammar", "_owed", "_speaker", "_state", "_trouble", "_turns", "_voice", "draws", "extent")

    def __init__(
        self, grammar: Grammar, state: Expansion, slots: dict[str, str], extent: Extent = EXTENTS["usual"]
    ) -> None:
        self._grammar = grammar
        self._state = state
        state.usual = slots
        self._turns: list[list[str]] = []
        self._speaker: Speaker | None = None
        self._owed = False
        """Whether the patient has said something that deserves an acknowledgement."""
        self._trouble = False
        self.draws: Draws = state.draws
        self.extent = extent
        self._voice = Voice(grammar.spoken.regions, state.draws)

    def optional(self, probability: float) -> bool:
        """Return True with a probability that goes by how much time there is."""
        return self.draws.chance(probability * self.extent.asides)

    def talks(self, probability: float) -> bool:
        """Return True with a probability in a long visit, and False in any other."""
        return self.extent.talk > 0 and self.draws.chance(probability * self.extent.talk)

    def phrase(self, rule: str, **slots: str) -> str:
        """Return a text of a rule without saying it."""
        slots = {name: _INITIAL.sub(rf"\1{_KEPT}", text) if ". " in text else text for name, text in slots.items()}
        return self._grammar.expand(rule, self._state, slots)

    def doctor(self, rule: str, **slots: str) -> None:
        """Let the doctor say something."""
        text = self.phrase(rule, **slots)
        if self.extent.wordy:
            text = _longer_or_shorter(text, self.phrase(rule, **slots), self.extent.wordy)
        self.say("doctor", text)

    def patient(self, rule: str, **slots: str) -> None:
        """Let the patient say something."""
        held = {name: f"\x02{name}\x03" for name in slots}
        text = self.phrase(rule, **held)
        wordy = self.extent.wordy or self._voice.temperament.wordy
        if wordy:
            text = _longer_or_shorter(text, self.phrase(rule, **held), wordy)
        self.say("patient", _HELD.sub(lambda slot: slots[slot[1]], self._voice.said(text)))

    def aside(self, size: int) -> None:
        """Let a patient of the kind that does add something of no matter to an answer of ``size`` characters: nobody
        has gone on for long in a few words."""
        rule = self._voice.temperament.aside
        if rule is not None and not (rule == "aside_chatty" and size < _LONG) and self.optional(_ASIDE):
            self.patient(rule)

    def say(self, speaker: Speaker, text: str) -> None:
        """Let a speaker say a given text."""
        if speaker == self._speaker:
            self._turns[-1].append(text)
        else:
            self._turns.append([text])
            self._speaker = speaker
        self._owed = speaker == "patient"

    def settle(self) -> None:
        """Note that what the patient said last was small talk, and wants no acknowledgement."""
        self._owed = False

    def mark_trouble(self) -> None:
        """Note that the patient has just told of a complaint, which no one answers with cheer."""
        self._trouble = True

    def acknowledge(self, probability: float, rule: str = "ack") -> None:
        """Let the doctor take note of an answer now and then; never on top of words of the doctor's own."""
        if self._owed and self.optional(probability):
            self.doctor("ack_trouble" if self._trouble and rule == "ack" else rule)
        self._trouble = False

    def breathe(self, probability: float) -> None:
        """Let the patient put in a word now and then where the doctor has held the floor."""
        if self._speaker == "doctor" and sum(map(len, self._turns[-1])) > _LONG and self.optional(probability):
            self.patient("backchannel")
            self.settle()

    def turns(self, first: Speaker = "doctor") -> tuple[Turn, ...]:
        """Return the turns, which alternate from the first speaker on."""
        speakers: tuple[Speaker, Speaker] = ("doctor", "patient") if first == "doctor" else ("patient", "doctor")
        return tuple(
            Turn(speaker=speakers[i % 2], text=capitalise(" ".join(texts))) for i, texts in enumerate(self._turns)
        )


def _longer_or_shorter(one: str, other: str, wordy: int) -> str:
    return max(one, other, key=len) if wordy > 0 else min(one, other, key=len)


def capitalise(text: str) -> str:
    """Return a text with single spaces and a capital at the start of each sentence."""
    if "  " in text or text.startswith(" "):
        text = " ".join(part for part in text.split(" ") if part)
    for mark in (". ", "? ", "! "):
        if mark in text:
            first, *rest = text.split(mark)
            for part in rest:
                first += mark + (part if first.endswith(_ABBREVIATED) else _upper(part))
            text = first
    return _upper(text.replace(_KEPT, " "))


def _upper(text: str) -> str:
    """Return a text with a capital first letter; words such as ``eGFR`` stay as they are."""
    return text if text[1:2].isupper() else text[:1].upper() + text[1:]
