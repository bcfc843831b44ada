"""What the past holds: illness, operations, reactions, relatives, and how somebody lives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from synth.packs import Pack
from synth.records import HistoryFact
from synth.teachers.answers import Answers
from synth.teachers.chart import Chart
from synth.teachers.delicate import Notes
from synth.teachers.grammar import Spoken
from synth.teachers.script import Script

Topic = Callable[[], None]
_DENIALS = ("no ", "never ")
"""How entries of the history begin that say what is not."""
_OPEN = ("ask_work", "ask_diet", "ask_home", "ask_social")
"""Questions that nobody answers with a no."""


class History:
    """Asks for the history, one topic after another."""

    def __init__(
        self, pack: Pack, chart: Chart, script: Script, answers: Answers, notes: Notes | None, spoken: Spoken
    ) -> None:
        """``notes`` are those of a patient whose memory fails."""
        self._pack = pack
        self._chart = chart
        self._script = script
        self._answers = answers
        self._notes = notes
        self._habits = spoken.habits
        self._apart = spoken.apart
        self._draws = script.draws

    def topics(self) -> list[Topic]:
        """Return what is asked of the past, in an order of its own."""
        chart, draws = self._chart, self._draws
        by: dict[str, list[HistoryFact]] = {}
        for fact in chart.history:
            by.setdefault(fact.category, []).append(fact)
        topics: list[Topic] = []
        for question, marks in self._apart.items():
            apart = [f for f in by.get("medical", []) if any(mark in f.name for mark in marks)]
            if apart:
                topics.append(partial(self._tell, question, apart))
                by["medical"] = [fact for fact in by["medical"] if fact not in apart]
        if by.get("medical") or draws.chance(0.3):
            topics.append(partial(self._medical, by.get("medical", [])))
        topics.extend(
            partial(self._tell, f"ask_{category}", by[category])
            for category in ("surgical", "allergy", "family")
            if category in by
        )
        if "social" in by:
            topics.append(partial(self._social, by["social"]))
        return topics if draws.chance(0.3) else draws.shuffled(topics)

    def _medical(self, facts: Sequence[HistoryFact]) -> None:
        if facts:
            self._tell("ask_medical", facts)
        else:
            self._script.acknowledge(0.35)
            self._script.doctor("ask_medical")
            self._script.patient("nothing_medical")

    def _tell(self, question: str, facts: Sequence[HistoryFact]) -> None:
        """Ask once, and let the patient name one thing after another."""
        script = self._script
        script.acknowledge(0.35)
        script.doctor(question)
        if self._notes is not None and question in ("ask_medical", "ask_surgical") and self._draws.chance(0.6):
            self._notes.read()
        for i, fact in enumerate(facts):
            say = self._answers.fresh(self._pack.history[fact.name].says)
            if i == 0:
                # A "no" answers the whole question, so it stands only where nothing is told.
                denied = question not in _OPEN and all(fact.name.startswith(_DENIALS) for fact in facts)
                rules = ("answer_no", "answer_no_bare") if denied else ("answer", "answer_bare")
                self._answers.give(*rules, say, last=len(facts) == 1)
            else:
                if question != "ask_smoke_drink" and self._draws.chance(0.3):
                    script.doctor("more_history")
                    self._answers.give("answer", "answer_bare", say, last=i == len(facts) - 1)
                    continue
                denied = fact.name.startswith(_DENIALS)
                rule = "answer_neither" if denied else "answer_more"
                self._answers.give(rule, "answer_bare", say, last=i == len(facts) - 1)

    def _social(self, facts: Sequence[HistoryFact]) -> None:
        by: dict[str, list[HistoryFact]] = {}
        for fact in self._draws.shuffled(facts):
            habit = next((name for name, marks in self._habits.items() if any(m in fact.name for m in marks)), "social")
            by.setdefault(habit, []).append(fact)
        if "tobacco" in by and "alcohol" in by and self._draws.chance(0.6):
            self._tell("ask_smoke_drink", [*by.pop("tobacco"), *by.pop("alcohol")])
        for habit, told in by.items():
            self._tell(f"ask_{habit}", told)
