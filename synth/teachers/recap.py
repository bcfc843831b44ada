"""What is said again in a long visit: what was heard, what the results come to, and the note as it is dictated."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence

from synth.packs import Pack
from synth.records import LabFact, PlanFact, SymptomFact
from synth.teachers.chart import Chart
from synth.teachers.note import join
from synth.teachers.script import Script
from synth.teachers.speech import Speech, plural

_UNSPOKEN = frozenset("/%<>=^")
"""What stands in a note and cannot be read out as it is."""
_CLAUSE = re.compile(
    r"'|\b(?:or|that|you|are|is|was|were|has|have|still|don|just|than)\b|^(?:being|getting|having|feeling|seeing|losing)\b"
)
"""What makes a phrase hard to follow in a list."""
_COUNTED = re.compile(
    r"(?:(?:dry|itchy|skin|nighttime|sore|runny|weak|fishy|sour|gritty|sudden|high) )?(?:lump|bulge|rash|cough|drip"
    r"|drop|change|ache|earache|headache|need|nose|throat|stream|smell|taste|feeling|urge|increase|tremor|fever"
    r"|temperature)\b"
)
"""What takes an article."""
_RATIO = re.compile(r"(\d)/(\d)")
_AMOUNT = re.compile(r"(?<=\d )(?:mg|mcg|g|mL)\b(?!/)")
_VERBS = {"start": "start", "stop": "stop", "increase": "increase", "decrease": "decrease", "continue": "continue"}


class Recap:
    """Says again what the scenario holds, and nothing else."""

    def __init__(self, pack: Pack, chart: Chart, script: Script, speech: Speech, units: Mapping[str, str]) -> None:
        self._pack = pack
        self._chart = chart
        self._script = script
        self._speech = speech
        self._draws = script.draws
        self._units = units

    def history(self, later: Sequence[SymptomFact] = ()) -> None:
        """Say back what the patient came with, what else there is and is not, and what is taken; the patient agrees.
        Nothing of what is only asked after ``later``, and nothing grave, which is no item of a list."""
        script, chart, complaint = self._script, self._chart, self._chart.complaint
        symptom = self._pack.symptoms.get(complaint.name)
        if not script.talks(0.95) or (symptom is not None and symptom.grave):
            return
        script.acknowledge(0.5)
        script.doctor("recap_lead")
        if symptom is not None:
            asked = _with_article(self._asked(complaint.name))
            if complaint.duration is not None:
                rule = "recap_once" if symptom.once else "recap_complaint"
                script.doctor(rule, a=asked, dur=self._speech.duration(complaint.duration))
            else:
                script.doctor("recap_symptom", a=asked)
        else:
            script.doctor("recap_occasion", a=complaint.name)
        apart = {complaint.name, *(symptom.name for symptom in later)}
        others = [s for s in chart.symptoms if s.name not in apart and not self._pack.symptoms[s.name].grave]
        present = [_with_article(self._asked(symptom.name)) for symptom in others if symptom.present]
        absent = [self._asked(s.name) for s in others if not s.present and _plain(self._pack.symptoms[s.name].asks)]
        if present:
            script.doctor("recap_positive", list=join(present, "and"))
        if absent:
            script.doctor("recap_negative", list=join(absent[:4], "or"))
        drugs = [self._speech.drug(fact.medication.name) for fact in chart.medications]
        if drugs:
            script.doctor("recap_meds", list=join(drugs, "and"))
        else:
            script.doctor("recap_no_meds")
        if self._draws.chance(0.35):
            script.doctor("recap_missing")
            script.patient("recap_missing_no")
        else:
            script.doctor("recap_ask")
            script.patient("recap_yes")

    def _asked(self, symptom: str) -> str:
        asks = self._pack.symptoms[symptom].asks
        return self._draws.pick(_plain(asks) or asks)

    def results(self, apart: Container[str] = ()) -> None:
        """Put the laboratory results together, all but those ``apart``: which are out of range, and that the others are
        not."""
        script = self._script
        labs = [lab for lab in self._chart.labs if lab.name not in apart]
        missed = any(lab.name in apart and lab.interpretation != "normal" for lab in self._chart.labs)
        if missed or len(labs) < 3 or not script.talks(0.85):
            return
        script.doctor("sum_lead")
        for word in ("high", "low"):
            names = [lab for lab in labs if lab.interpretation == word]
            if names:
                script.doctor(self._number("sum_out", names), list=self._names(names), word=word)
        names = [lab for lab in labs if lab.interpretation == "normal"][:4]
        if names:
            script.doctor(self._number("sum_in", names), list=self._names(names))
        reply = self._draws.pick(("sum_copy", "sum_meaning"))
        script.patient(reply)
        script.doctor(f"{reply}_answer")

    def _number(self, rule: str, labs: Sequence[LabFact]) -> str:
        return f"{rule}s" if len(labs) > 1 or plural(self._names(labs)) else rule

    def _names(self, labs: Sequence[LabFact]) -> str:
        found = [self._pack.labs[lab.name].says[0] if lab.name in self._pack.labs else lab.name for lab in labs]
        return join(list(dict.fromkeys(found)), "and")

    def dictate(self) -> None:
        """Dictate examination, assessment and plan, problem by problem, in the words of a note."""
        script, chart = self._script, self._chart
        if not script.talks(0.5):
            return
        script.breathe(0.6)
        script.doctor("dictate_lead")
        script.patient("backchannel")
        findings = [said for fact in chart.findings if (said := self._read_out(fact.name)) is not None]
        if findings:
            script.doctor("dictate_exam", list=", ".join(findings))
        for i, diagnosis in enumerate(chart.diagnoses):
            status = self._read_out(diagnosis.status)
            rule = "dictate_problem_next" if i else "dictate_problem"
            script.doctor(rule, problem=diagnosis.name, status=status or "as discussed")
            steps = [step for plan in chart.plans_of(diagnosis) if (step := self._step(plan)) is not None]
            if steps:
                script.doctor("dictate_plan", list=", ".join(steps))
        if self._draws.chance(0.3):
            script.doctor("dictate_wrong")
            script.patient("dictate_wrong_no")
        else:
            script.doctor("dictate_end")
            script.patient("dictate_reply")

    def _read_out(self, text: str) -> str | None:
        """Return words of a note as they are read out; None where they cannot be."""
        said = _RATIO.sub(r"\1 over \2", text).replace("%", " percent")
        said = _AMOUNT.sub(lambda unit: self._units.get(unit[0], unit[0]), said)
        return None if _UNSPOKEN & set(said) else said

    def _step(self, plan: PlanFact) -> str | None:
        """Return a plan item as it is dictated; None where it cannot be read out."""
        if plan.medication is None:
            return self._read_out(plan.text)
        verb = _VERBS.get(plan.action)
        if verb is None:
            return None
        drug = plan.medication
        name = self._speech.drug(drug.name)
        if verb == "stop":
            return f"stop {name}"
        often = self._speech.frequency(drug)
        return f"{verb} {name}{' to' if verb in ('increase', 'decrease') else ''} {self._speech.dose(drug)} {often}"


def _with_article(asked: str) -> str:
    """Return what can be counted with its article: a lump at the navel, but pain."""
    if not _COUNTED.match(asked):
        return asked
    return f"{'an' if asked[0] in 'aeiou' else 'a'} {asked}"


def _plain(asks: Sequence[str]) -> list[str]:
    """Return the phrases that can stand in a list."""
    return [ask for ask in asks if not _CLAUSE.search(ask)]
