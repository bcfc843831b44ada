"""What a long visit takes its time for besides: small talk, the story of the complaint, refills, reasons, paperwork."""

from __future__ import annotations

from collections.abc import Sequence

from synth.packs import Pack
from synth.records import MedicationFact, PlanFact, Visit
from synth.teachers.chart import Chart
from synth.teachers.grammar import Spoken
from synth.teachers.script import Script
from synth.teachers.speech import Speech
from synth.teachers.steps import asks_a_lot, ends, reasons

_TOPICS = ("garden", "house", "show", "book", "road", "weather", "plans", "town")
_AT_HOME = ("garden", "house")
"""Topics that only somebody who knows the patient brings up."""
_URGENT = ("ambulance", "for admission", "admit")
"""Words of a plan that leaves no time for talk."""
_STORIES = ("story_notice", "story_told", "story_life", "story_hope")
_ROUTINE = ("Z00", "Z23", "Z30")
"""Codes of what nobody has anything to tell about: check-ups, vaccinations, birth control (ICD-10-CM)."""
_NEWS = ("news_feel", "news_hope")
_PAPERS = ("paper_forms", "paper_insurance", "paper_time")
_AGAIN = ("repeat", "recheck")
"""First words of an order for a test that was done before."""
_REFILLS = 3
"""Drugs that are asked after; with more of them the answers would come round again."""
_CHECKS = 3
"""Steps of which the doctor asks whether they will do."""


class Talk:
    """The parts of a long visit that carry no fact; in any other visit all of it is silence."""

    def __init__(
        self, pack: Pack, chart: Chart, script: Script, speech: Speech, spoken: Spoken, visit: Visit, booked: bool
    ) -> None:
        """``booked``: whether the patient comes back at a time."""
        self._spoken = spoken
        self._visit = visit
        self._booked = booked
        self._chart = chart
        self._script = script
        self._speech = speech
        self._draws = script.draws
        symptom = pack.symptoms.get(chart.complaint.name)
        duration = chart.complaint.duration or ""
        self._passing = "day" in duration or "hour" in duration
        """Whether it is an illness of days."""
        self._lasting = symptom is not None and not symptom.once
        self._asked: set[str] = set()
        self._refills = 0
        self._checks = 0
        self.urgent = any(mark in plan.text for plan in chart.plans for mark in _URGENT)
        """Whether the patient leaves for the hospital, so that nobody chats."""
        topics = [topic for topic in _TOPICS if visit == "follow-up" or topic not in _AT_HOME]
        self._topics = self._draws.shuffled(topics) if script.extent.talk and not self.urgent else []

    def small(self, probability: float, back: bool = True) -> None:
        """Talk of something else, a topic that has not come up yet."""
        script = self._script
        if not self._topics or not script.talks(probability):
            return
        topic = f"talk_{self._topics.pop()}"
        script.doctor(topic)
        script.patient(f"{topic}_reply")
        script.doctor(f"{topic}_more")
        script.patient(f"{topic}_end")
        if back:
            script.doctor("talk_back")
        script.settle()

    def story(self, sent: bool = False) -> None:
        """Let the patient tell how it came about and what it is like, in words that are no symptom; what has lasted for
        days has no story yet, what is ``intimate`` is nobody's, and who was ``sent`` has said by whom."""
        script = self._script
        if self.urgent or any(d.icd10cm.startswith(_ROUTINE) for d in self._chart.diagnoses):
            return
        intimate = any(mark in self._chart.complaint.name for mark in self._spoken.intimate)
        told = _STORIES[2:] if self._visit == "follow-up" else _STORIES
        stories = () if self._passing else _STORIES[-1:] if intimate else told
        for rule in self._draws.shuffled(stories if self._lasting else _NEWS):
            if not (sent and rule == "story_told") and script.talks(0.75):
                script.doctor(f"{rule}_ask")
                script.patient(rule)
                if self._draws.chance(0.6):
                    script.doctor("story_heard")

    def refill(self, fact: MedicationFact) -> None:
        """Ask whether a drug is running out, and where it comes from; only of one that goes on as it is, and not of one
        that is given at the clinic."""
        script, name = self._script, fact.medication.name
        if ends(fact.medication):
            return
        if not any(p.action == "continue" and p.medication and p.medication.name == name for p in self._chart.plans):
            return
        if fact.medication.route == "oral" and self._refills < _REFILLS and script.talks(0.85):
            self._refills += 1
            ask = self._draws.pick(("refill_need", "refill_need", "refill_where"))
            script.doctor(ask, drug=self._speech.drug(name))
            if ask == "refill_need" and self._draws.chance(0.25):
                script.patient("refill_more_say")
                script.doctor("refill_more_ok")
                return
            script.patient(f"{ask}_say")
            if self._draws.chance(0.6):
                script.doctor("refill_ok")

    def steps(self) -> None:
        """Say before the examination how it will go."""
        if self._script.talks(0.8):
            self._script.doctor("exam_steps")
            self._script.patient("exam_steps_reply")

    def heard(self, says: Sequence[str]) -> None:
        """Ask what the patient knows of a diagnosis that is news, and more than an occasion (ICD-10-CM chapter Z), and
        say it once more in others of the pack's words; not where everybody knows it, or the patient by trade."""
        if self.urgent or self._visit == "follow-up" or any(d.icd10cm.startswith("Z") for d in self._chart.diagnoses):
            return
        main = self._chart.diagnoses[0].name.lower()
        if self._chart.knows_medicine(self._spoken.health_work) or any(m in main for m in self._spoken.everyday):
            return
        if self._script.talks(0.8):
            self._script.doctor("heard_ask")
            self._script.patient("heard_say")
            self._script.doctor("heard_answer", say=self._draws.pick(says))

    def reason(self, plan: PlanFact) -> None:
        """Let the patient ask after a step of the plan, or the doctor ask whether it will do."""
        script = self._script
        if self.urgent or not script.talks(0.85):
            return
        rules = reasons(plan, self._passing)
        if asks_a_lot(plan) and self._checks < _CHECKS and self._draws.chance(0.3 if rules else 0.7):
            self._checks += 1
            script.doctor("check_item")
            script.patient("check_item_answer")
            return
        healthy = any(fact.icd10cm.startswith(_ROUTINE) for fact in self._chart.diagnoses)
        left = [rule for rule in rules if rule not in self._asked and not (healthy and rule == "drug_why")]
        if not left:
            return
        rule = self._draws.pick(left)
        self._asked.add(rule)
        script.patient(rule)
        less = rule == "drug_why" and plan.action == "decrease"
        again = rule == "order_what" and plan.text.startswith(_AGAIN)
        answer = "drug_less" if less else "order_again" if again else rule
        script.doctor(f"{answer}_answer", problem=self._problem(plan))
        if self._draws.chance(0.5):
            script.patient("why_clear")

    def _problem(self, plan: PlanFact) -> str:
        """Return what a step of the plan is for."""
        return next(fact.name for fact in self._chart.diagnoses if fact.id == plan.problem)

    @property
    def promised(self) -> bool:
        """Whether the patient has been told that it will all be in writing."""
        return "advise_paper" in self._asked

    def promise(self) -> None:
        """Note that it has been said elsewhere that it will all be in writing."""
        self._asked.add("advise_paper")

    def interruption(self, probability: float) -> None:
        """Let the door, the phone or the printer get in between."""
        if not self.urgent and self._script.talks(probability):
            rule = self._draws.pick(("knock", "knock_machine"))
            self._script.doctor(rule)
            self._script.patient(f"{rule}_reply")
            self._script.settle()

    def papers(self) -> None:
        """Settle forms, insurance, dates and messages."""
        script = self._script
        if self.urgent:
            return
        for rule in self._draws.shuffled(_PAPERS):
            if (rule != "paper_time" or self._booked) and script.talks(0.5):
                script.patient(rule)
                script.doctor(f"{rule}_answer")
        if script.talks(0.5):
            script.doctor("paper_portal")
            script.patient("paper_portal_answer")
            script.doctor("paper_portal_end")
