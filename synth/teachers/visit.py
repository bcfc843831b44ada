"""What the doctor does with the patient: examination, results, assessment, plan, and the way out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from synth.packs import Diagnosis, Pack
from synth.records import LabFact, PlanFact
from synth.teachers.chart import Chart
from synth.teachers.delicate import Notes
from synth.teachers.people import FrontDesk
from synth.teachers.recap import Recap
from synth.teachers.script import Script
from synth.teachers.speech import Speech
from synth.teachers.steps import by_staff
from synth.teachers.talk import Talk

_WORRIES = ("worry_serious", "worry_next", "worry_next", "worry_fault", "worry_life")
_GRAVE_WORRIES = ("worry_next", "worry_next", "worry_fault", "worry_life")
"""Where nobody need ask whether it is serious."""
_NO_WORRY = ("worry_well",)
"""What is left to ask where the news is good."""
_INTERRUPTIONS = ("cut_written", "cut_notes")
_PRACTICAL = ("ask_written", "ask_later")
_HERE = ("today", "give ", "in the office")
"""Words of a step that is done on the spot, so that nobody has to book it."""
_WRITTEN = ("ask_written", "cut_written")
"""What is answered with the sheet that the patient takes home."""
_BY_GOAL = ("hemoglobin A1c", "LDL cholesterol")
"""Results that doctor and patient hold against a goal of the patient's own."""
_UNDRAWN = frozenset(("SD", "events/h", "kPa", "mL", "mmHg", "percent predicted", "points", "ppb", "ratio", "score"))
"""Units of what no laboratory measures: pressures, scores, scans, breathing tests."""
_TAUGHT = 3
"""Regimens that a patient says back at most."""
_ARRANGED = ("order", "refer")
"""Plan actions that somebody has to book, and that may cost something."""


class Examination:
    """Vital signs, findings and results, said aloud."""

    def __init__(
        self,
        pack: Pack,
        chart: Chart,
        script: Script,
        speech: Speech,
        talk: Talk,
        recap: Recap,
        slips: float = 1.0,
        goals: Mapping[str, str] | None = None,
    ) -> None:
        """``slips`` is how much more often the doctor misreads a value; ``goals`` as in a Presentation."""
        self._slips = slips
        self._goals = goals or {}
        self._pack = pack
        self._chart = chart
        self._script = script
        self._speech = speech
        self._talk = talk
        self._recap = recap
        self._draws = script.draws

    def vitals(self, acknowledge: bool = True) -> None:
        """Read the vital signs out, one to three in a sentence."""
        script, draws = self._script, self._draws
        spoken = self._spoken_vitals()
        if not spoken:
            return
        script.acknowledge(0.5 if acknowledge else 0.0)
        if script.optional(0.6):
            script.doctor("vitals_lead")
        while spoken:
            size = draws.pick((1, 2, 2, 3, 3))
            group, spoken = spoken[:size], spoken[size:]
            weighed = group[-1][0] == "weight"
            names = dict(zip("abc", [name for name, _ in group], strict=False))
            values = dict(zip("xyz", [value for _, value in group], strict=False))
            said = script.phrase(("vitals_one", "vitals_two", "vitals_three")[len(group) - 1], **names, **values)
            script.say("doctor", said)
            if script.optional(0.15) and spoken:
                script.patient("backchannel")
        if script.optional(0.15):
            script.patient("vitals_scale" if weighed and draws.chance(0.3) else "vitals_reaction")

    def _spoken_vitals(self) -> list[tuple[str, str]]:
        """Return names and values as said, the two blood pressures as one."""
        facts = {fact.name: fact for fact in self._chart.vitals}
        spoken: list[tuple[str, str]] = []
        systolic, diastolic = facts.get("systolic blood pressure"), facts.get("diastolic blood pressure")
        if systolic is not None and diastolic is not None:
            name = self._draws.pick(("blood pressure", "blood pressure", "BP"))
            spoken.append((name, f"{systolic.value} over {diastolic.value}"))
            del facts[systolic.name], facts[diastolic.name]
        for fact in facts.values():
            name, value, unit = self._speech.vital(fact)
            spoken.append((name, f"{value} {unit}".rstrip()))
        return spoken if self._draws.chance(0.5) else self._draws.shuffled(spoken)

    def examine(self, vitals: bool, questions: Callable[[], None]) -> None:
        """Examine: vital signs where they are still to come, findings, and what is asked meanwhile."""
        script, draws = self._script, self._draws
        if not vitals and not self._chart.findings:
            questions()
            return
        self._talk.steps()
        script.acknowledge(0.4)
        invitation = script.phrase("to_exam")
        script.say("doctor", invitation)
        if invitation.endswith("?") or script.optional(0.3):
            script.patient("exam_ok")
        vitals_last = vitals and draws.chance(0.2)
        if vitals and not vitals_last:
            self.vitals(acknowledge=False)
        findings = sorted(draws.shuffled(self._chart.findings), key=lambda fact: self._speech.is_private(fact.name))
        if any("latex" in fact.name for fact in self._chart.history) and findings:
            script.doctor("exam_gloves")
        asked = False
        for i, fact in enumerate(findings):
            if not asked and self._speech.is_private(fact.name):
                asked = True
                script.doctor("exam_private")
                script.patient("exam_private_ok")
            says = self._pack.findings[fact.name].says if fact.name in self._pack.findings else (fact.name,)
            if i == 1 and script.optional(0.15) and not self._speech.is_private(findings[0].name):
                script.doctor("exam_talk")
                script.patient("exam_talk_reply")
            elif i and script.optional(0.2):
                script.patient("backchannel")
            script.doctor("finding_after" if i else "finding", say=draws.pick(says))
        questions()
        if vitals_last:
            self.vitals()
        if script.optional(0.25):
            script.doctor("exam_done")
            if draws.chance(0.4):
                script.patient("backchannel")

    def results(self) -> None:
        """Go through laboratory results and studies."""
        script, draws, chart = self._script, self._draws, self._chart
        if not chart.labs and not chart.studies:
            return
        script.acknowledge(0.4)
        drawn = [lab.unit not in _UNDRAWN for lab in chart.labs]
        what = "studies" if not any(drawn) else "labs" if all(drawn) and not chart.studies else "both"
        script.doctor("to_results", results=draws.pick(self._speech.results(what)))
        if script.optional(0.35):
            script.patient("backchannel")
        labs = list(chart.labs) if draws.chance(0.4) else draws.shuffled(chart.labs)
        questions = 1
        while labs:
            lab = labs.pop(0)
            if labs and self._alike(lab, labs[0]) and draws.chance(0.6):
                self._two_labs(lab, labs.pop(0))
            else:
                self._lab(lab)
            if questions and lab.interpretation != "normal" and lab.name not in self._goals and script.optional(0.25):
                questions = 0
                script.patient("result_question")
                script.doctor("result_answer")
            else:
                script.breathe(0.2)
        for i, study in enumerate(chart.studies):
            spoken = self._pack.studies.get(study.name, {}).get(study.result)
            say = draws.pick(spoken.says) if spoken else study.result
            rule = "study_named" if study.name.lower() in say.lower() else "study"
            script.doctor(f"{rule}_more" if i or chart.labs else rule, study=study.name, say=say)
            if script.optional(0.3):
                script.patient("backchannel")
        self._recap.results(self._goals)

    def _alike(self, one: LabFact, two: LabFact) -> bool:
        """Return whether the same can be said of two results."""
        goal = self._goals.get(one.name)
        return one.interpretation == two.interpretation and goal == self._goals.get(two.name) and goal != "missed"

    def _verdict(self, lab: LabFact) -> str:
        """Return what is said of a result: of one that goes by a patient's own goal never that it should be lower."""
        return "above" if lab.interpretation == "high" and lab.name in _BY_GOAL else lab.interpretation

    def _lab(self, lab: LabFact) -> None:
        script, draws = self._script, self._draws
        slots = self._speech.lab(lab)
        if goal := self._goals.get(lab.name):
            script.doctor("lab_goal", which=script.phrase(f"goal_{goal}"), **slots)
            return
        verdict = self._verdict(lab)
        which, word = script.phrase(f"which_{verdict}"), script.phrase(f"word_{verdict}")
        if draws.chance(0.05 * self._slips):
            script.doctor("lab_corrected", wrong=self._speech.near_miss(lab), which=which, word=word, **slots)
        elif verdict == "high" and lab.high is not None and draws.chance(0.15):
            script.doctor("lab_range", limit=str(lab.high), **slots)
        else:
            script.doctor("lab_one", which=which, word=word, **slots)

    def _two_labs(self, one: LabFact, two: LabFact) -> None:
        second = {f"{key}2": value for key, value in self._speech.lab(two).items()}
        word = self._script.phrase("goals_met" if one.name in self._goals else f"word_{self._verdict(one)}")
        self._script.doctor("lab_same", word=word, **self._speech.lab(one), **second)


def _leans(following: Sequence[PlanFact]) -> bool:
    """Return whether the next step has an amount of what was named just before, such as ``no more than 8 puffs``."""
    return bool(following) and following[0].medication is None and any(mark.isdigit() for mark in following[0].text)


class Assessment:
    """Diagnosis, plan, teach-back and goodbye."""

    def __init__(
        self,
        pack: Pack,
        chart: Chart,
        diagnosis: Diagnosis,
        calm: bool,
        script: Script,
        speech: Speech,
        talk: Talk,
        recap: Recap,
        desk: FrontDesk,
        notes: Notes | None,
        slips: float = 1.0,
    ) -> None:
        """``notes`` are those of a patient whose memory fails; ``slips`` is how much more often the doctor is
        interrupted."""
        self._pack = pack
        self._chart = chart
        self._diagnosis = diagnosis
        self._calm = calm
        self._script = script
        self._speech = speech
        self._talk = talk
        self._recap = recap
        self._desk = desk
        self._notes = notes
        self._draws = script.draws
        self._interruption = self._draws.chance(0.2 * slips) and not talk.urgent
        self._practical = not talk.urgent
        """Whether the patient may still ask how something is done; once is enough."""
        # Chapter 21 of ICD-10-CM has what people come for besides diseases.
        well = diagnosis.icd10cm.startswith("Z")
        self._grave = (not well and speech.is_grave(diagnosis.name)) or "suspicious" in diagnosis.status
        """Whether everybody knows what it is, or may be, to be serious."""
        self._glad = well or speech.is_good_news(diagnosis.status)
        """Whether it is no bad news."""
        self._teach: list[str] = []
        """What the patient can say back in words of the patient's own: regimens."""

    def assess(self) -> None:
        """Say what it is and what to do, problem by problem."""
        script, draws = self._script, self._draws
        for i, diagnosis in enumerate(self._chart.diagnoses):
            script.breathe(0.5)
            main = diagnosis.name == self._diagnosis.name
            says = self._diagnosis.says if main else (f"{diagnosis.name}, {diagnosis.status}",)
            said = draws.pick(says)
            script.doctor("diagnosis_next" if i else "diagnosis", say=said)
            if script.optional(0.6):
                self._react()
            if main and not self._grave:
                self._talk.heard([say for say in says if say != said])
            plans = self._chart.plans_of(diagnosis)
            if plans and script.optional(0.4):
                script.doctor("to_plan")
            for j, plan in enumerate(plans):
                asked = self._plan(plan, first=j == 0, last=0 < j == len(plans) - 1)
                if not asked and not (plan.medication and _leans(plans[j + 1 :])):
                    self._talk.reason(plan)

    def _react(self) -> None:
        """Let the patient take the news, or ask what one asks then."""
        if self._calm:
            self._script.patient("reaction_calm")
        elif self._draws.chance(0.45):
            self._exchange(self._worries())
        else:
            self._script.patient("reaction_grave" if self._grave and not self._glad else "reaction")

    def _worries(self) -> tuple[str, ...]:
        if self._glad:
            return _NO_WORRY
        return _GRAVE_WORRIES if self._grave else _WORRIES

    def _exchange(self, topics: tuple[str, ...]) -> None:
        if self._talk.promised:
            topics = tuple(topic for topic in topics if topic not in _WRITTEN)
        topic = self._draws.pick(topics)
        if topic in (*_WRITTEN, "cut_notes"):
            self._talk.promise()
        self._script.patient(topic)
        self._script.doctor(f"{topic}_answer")

    def _plan(self, plan: PlanFact, first: bool, last: bool) -> bool:
        """Say a plan item; return whether the patient has asked something after it."""
        script = self._script
        say = self._plan_says(plan)
        if self._interruption and not first:
            self._interruption = self._practical = False
            script.doctor("plan_cut")
            self._exchange((*_INTERRUPTIONS, "cut_cost") if plan.action in (*_ARRANGED, "start") else _INTERRUPTIONS)
            script.doctor("plan_resumed", say=say)
        else:
            script.doctor("plan_first" if first else "plan_last" if last else "plan_next", say=say)
        if self._practical and script.optional(0.12):
            self._interruption = self._practical = False
            booked = plan.action in _ARRANGED and not any(here in plan.text for here in _HERE)
            self._exchange((*_PRACTICAL, "ask_arrange") if booked else _PRACTICAL)
            return True
        if not last and script.optional(0.25):
            script.patient("backchannel")
        return False

    def _plan_says(self, plan: PlanFact) -> str:
        """Return a plan item as the doctor says it, and keep what the patient may say back."""
        medication = plan.medication
        if medication is None:
            return self._draws.pick(self._pack.plan_says.get(plan.text, (plan.text,)))
        slots = self._speech.regimen(medication)
        now = next((f.medication for f in self._chart.medications if f.medication.name == medication.name), None)
        known = ("start", "stop", "continue") if now is None else ("start", "stop", "increase", "decrease", "continue")
        if plan.action not in known:
            return self._script.phrase("drug_other", **slots)
        action: str = plan.action
        if now is not None:
            slots["old"] = self._speech.number(now.dose)
            rises = action == "increase" and medication.dose > now.dose
            falls = action == "decrease" and medication.dose < now.dose
            if action in ("increase", "decrease") and not rises and not falls:
                slots |= {"old": self._speech.dose(now), "before": self._speech.frequency(now)}
                action += "_often"
        given = "_given" if by_staff(medication) and action in ("start", "continue") else ""
        said = self._script.phrase(f"teach_{action}{given}", **slots)
        self._teach.insert(len(self._teach) if action == "continue" else 0, said)
        return self._script.phrase(f"drug_{action}{given if action == 'start' else ''}", **slots)

    def close(self) -> None:
        """Dictate, settle papers, let the patient say the plan back, answer last questions, each at times; part."""
        script, draws = self._script, self._draws
        self._recap.dictate()
        self._talk.papers()
        self._talk.small(0.6, back=False)
        if self._notes is not None:
            self._notes.take_home()
        elif self._teach and script.optional(0.25):
            script.breathe(0.5)
            drugs = all(plan.medication is not None or plan.action == "follow-up" for plan in self._chart.plans)
            script.doctor("teach_ask" if drugs else "teach_ask_drugs")
            more = len(self._teach) > _TAUGHT
            script.patient("teach_say" if more else "teach_say_all", say=", and ".join(self._teach[:_TAUGHT]))
            script.doctor("teach_good")
        if script.optional(0.55):
            ask = draws.pick(("close_ask", "close_ask", "close_sense", "close_sound"))
            script.doctor(ask)
            script.patient("close_answer" if ask == "close_ask" else f"{ask}_answer")
        else:
            script.breathe(1.0)
        self._desk.leave()
        self._desk.part()
