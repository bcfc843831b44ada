"""What the patient takes: asked, or read from the chart, and refilled in a long visit."""

from __future__ import annotations

import re

from synth.records import MedicationFact, Visit
from synth.teachers.chart import Chart
from synth.teachers.delicate import Notes
from synth.teachers.script import Script
from synth.teachers.speech import Speech
from synth.teachers.talk import Talk

_STRENGTH = re.compile(r"\d m?c?g\b")
"""What a drug's name holds where it says how strong it is."""


class Medicines:
    """The drugs that a patient takes, one after another."""

    def __init__(
        self, chart: Chart, visit: Visit, script: Script, speech: Speech, talk: Talk, notes: Notes | None, slips: float
    ) -> None:
        """``notes`` are those of a patient whose memory fails; ``slips`` is how much more often a dose is corrected."""
        self._facts = chart.medications
        self._visit = visit
        self._script = script
        self._speech = speech
        self._talk = talk
        self._notes = notes
        self._slips = slips
        self._draws = script.draws

    def ask(self) -> None:
        """Ask what is taken, or go through the chart."""
        script, facts = self._script, self._facts
        script.acknowledge(0.35)
        if not facts:
            script.doctor("ask_meds")
            script.patient("no_meds")
            return
        if self._visit == "follow-up" and self._draws.chance(0.4):
            for fact in facts:
                script.doctor("med_chart", **self._speech.regimen(fact.medication))
                script.patient("med_yes")
                self._talk.refill(fact)
            return
        script.doctor("ask_meds")
        if self._notes is not None:
            self._notes.read()
        for i, fact in enumerate(self._draws.shuffled(facts)):
            if i and self._draws.chance(0.3):
                script.doctor("more_meds")
            self._tell(fact, first=i == 0)
        for fact in facts:
            self._talk.refill(fact)

    def _tell(self, fact: MedicationFact, first: bool) -> None:
        script, draws = self._script, self._draws
        slots = self._speech.regimen(fact.medication)
        recalled = self._notes is None
        slips = 0.12 * self._slips if recalled else 0.0
        wrong = self._speech.other_dose(fact.medication) if draws.chance(slips) else None
        if wrong is not None:
            script.patient("med_corrected", wrong=wrong, **slots)
        elif recalled and draws.chance(0.25):
            script.patient("med_name" if first else "med_name_next", **slots)
            script.doctor("med_use_ask" if _STRENGTH.search(fact.medication.name) else "med_dose_ask")
            script.patient("med_dose_answer", **slots)
        else:
            script.patient("med_first" if first else "med_next", **slots)
