"""The dialogue: which topics come in which order, and how each is talked through."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from synth.packs import Pack
from synth.packs.lexicon import Symptom
from synth.records import ADULT, LanguageLevel, Manner, Scenario, SymptomFact, Turn
from synth.teachers.answers import Answers
from synth.teachers.asking import askable, mine
from synth.teachers.chart import Chart
from synth.teachers.delicate import Notes, ask_gravely
from synth.teachers.extent import EXTENTS, SLIPS
from synth.teachers.grammar import Expansion, Grammar
from synth.teachers.history import History, Topic
from synth.teachers.medicines import Medicines
from synth.teachers.note import patient_slots
from synth.teachers.opening import Opening
from synth.teachers.people import FrontDesk, comes_back, has_date, people_slots
from synth.teachers.recap import Recap
from synth.teachers.register import in_register
from synth.teachers.script import Script
from synth.teachers.speech import Speech
from synth.teachers.talk import Talk
from synth.teachers.visit import Assessment, Examination

_CALM = ("continue", "order", "advise", "follow-up")
"""Plan actions that leave a follow-up as it was: no news to be worried by."""


def _same(group: Sequence[SymptomFact]) -> bool:
    """Return whether one of the symptoms is another one in more words, as tremor at rest is of tremor."""
    names = [set(fact.name.split()) for fact in group]
    return any(one < other for one in names for other in names)


class Dialogue:
    """One encounter's dialogue in the making."""

    def __init__(self, pack: Pack, grammar: Grammar, chart: Chart, scenario: Scenario, state: Expansion) -> None:
        self._pack = pack
        self._chart = chart
        self._visit = scenario.visit
        self._draws = state.draws
        people = people_slots(chart.patient.sex, state.draws, chart.patient.age < ADULT)
        manner = scenario.manner if scenario.manner is not None else Manner()
        self._extent = EXTENTS[manner.length]
        self._script = Script(grammar, state, {**people, **patient_slots(chart.patient)}, self._extent)
        booked = comes_back(chart.plans, grammar.spoken)
        dated = booked and has_date(chart.plans, grammar.spoken)
        presentation = pack.conditions[scenario.condition].presentations[scenario.presentation]
        said = (presentation.diagnosis.status, *presentation.diagnosis.says, *(study.result for study in chart.studies))
        told = (chart.complaint.name, *said)
        self._speech = Speech(pack, grammar.spoken, state.draws, chart.plans, told)
        self._known = chart.comes_diagnosed(pack.symptoms)
        self._desk = FrontDesk(self._script, scenario.visit, booked, dated, self._known)
        self._talk = Talk(pack, chart, self._script, self._speech, grammar.spoken, scenario.visit, dated)
        self._recap = Recap(pack, chart, self._script, self._speech, grammar.spoken.units)
        self._opening = Opening(self._script, self._desk, self._talk, scenario.visit)
        self._slips = SLIPS[manner.difficulty]
        self._level: LanguageLevel = manner.language_level
        talk, recap = self._talk, self._recap
        self._examination = Examination(
            pack, chart, self._script, self._speech, talk, recap, self._slips, presentation.goals
        )
        calm = (
            scenario.visit == "follow-up"
            and all(plan.action in _CALM for plan in chart.plans)
            and self._speech.is_good_news(presentation.diagnosis.status)
        )
        notes = pack.conditions[scenario.condition].recall == "notes"
        self._notes = Notes(self._script, grammar.spoken.kin) if notes else None
        self._answers = Answers(self._script, self._level)
        self._history = History(pack, chart, self._script, self._answers, self._notes, grammar.spoken)
        self._medicines = Medicines(
            chart, scenario.visit, self._script, self._speech, self._talk, self._notes, self._slips
        )
        self._assessment = Assessment(
            pack,
            chart,
            presentation.diagnosis,
            calm,
            self._script,
            self._speech,
            self._talk,
            self._recap,
            self._desk,
            self._notes,
            self._slips,
        )
        self._to_ask = [symptom for symptom in chart.symptoms if symptom.name != chart.complaint.name]
        self._volunteered: SymptomFact | None = None
        self._complained = False
        """Whether the last answer told of a symptom."""

    def turns(self) -> tuple[Turn, ...]:
        """Return the whole dialogue."""
        opening, rest = self._order()
        for topic in opening:
            topic()
        *before, last = rest
        for topic in before:
            topic()
            self._script.breathe(0.25)
        last()
        return self._script.turns()

    def _order(self) -> tuple[list[Topic], list[Topic]]:
        """Return the opening and what follows, in one of the orders in which visits run."""
        draws, examination = self._draws, self._examination
        opening: list[Topic] = [self._opening.greet, self._complain]
        late_identity = draws.chance(0.6)
        own_idea = self._visit == "new" and self._chart.complaint.name in self._pack.symptoms
        ways = 3 if late_identity and own_idea and self._notes is None else 2
        opening.insert(2 if late_identity else 1, partial(self._opening.identify, ways))
        if vitals_first := draws.chance(0.3):
            at = 1 + draws.below(3)
            # Nobody brings up age and sex on top of the vital signs.
            opening.insert(3 if at == 2 and ways == 3 else at, examination.vitals)
        groups = self._volunteered_apart()
        alone = bool(groups) and len(groups[-1]) == 1 and not groups[-1][0].present and not self._grave(groups[-1][0])
        asked_late = alone and draws.chance(0.5) and not self._chart.examined(groups[-1][0])
        during_exam = [groups.pop()] if asked_late else []
        questions: list[Topic] = [partial(self._ask, group) for group in groups]
        history = self._history.topics()
        follow_up = self._visit == "follow-up"
        early: list[Topic] = []
        if follow_up and draws.chance(0.5):
            early.append(self._medicines.ask)
        else:
            history.insert(draws.below(len(history) + 1), self._medicines.ask)
        cut = draws.pick((0, len(questions) // 2, len(questions), len(questions)))
        before, after = questions[:cut], questions[cut:]
        at = draws.below(len(history) + 1)
        middle = [*before, *history[:at], *after, *history[at:]]
        if history:
            start = middle.index(history[0])
            middle.insert(start, partial(self._turn_to_history, chat=start > 0 or bool(early)))
        exam = partial(examination.examine, not vitals_first, partial(self._ask_during_exam, during_exam))
        sum_up = partial(self._recap.history, [symptom for group in during_exam for symptom in group])
        exam_first = draws.chance(0.12) and not any(self._grave(fact) for fact in self._to_ask)
        late: list[Topic] = [*early, exam, *middle, sum_up] if exam_first else [*early, *middle, sum_up, exam]
        swabbed = self._speech.swabbed(self._chart.studies)
        if follow_up and draws.chance(0.35) and not swabbed:
            late.insert(draws.below(2) if early else 0, examination.results)
        else:
            late.insert(len(late) - (0 if swabbed else draws.below(2)), examination.results)
        return opening, [*late, self._assessment.assess, self._assessment.close]

    def _volunteered_apart(self) -> list[list[SymptomFact]]:
        """Return the symptoms in groups that are asked about at once: one to three, three only where all are absent."""
        draws = self._draws
        grave = [[fact] for fact in self._to_ask if self._grave(fact)]
        rest = draws.shuffled([fact for fact in self._to_ask if not self._grave(fact)])
        if rest and draws.chance(0.2):
            volunteered = next((symptom for symptom in rest if symptom.present), None)
            if volunteered is not None:
                rest.remove(volunteered)
                self._volunteered = volunteered
        groups: list[list[SymptomFact]] = []
        while rest:
            size = draws.pick(self._extent.groups)
            group = rest[:size]
            if size == 3 and any(symptom.present for symptom in group):
                group = rest[:2]
            if _same(group):
                group = rest[:1]
            del rest[: len(group)]
            groups.append(group)
        for alone in grave:
            groups.insert(draws.below(len(groups) + 1), alone)
        return groups

    def _grave(self, fact: SymptomFact) -> bool:
        return self._pack.symptoms[fact.name].grave

    # -- opening

    def _complain(self) -> None:
        script, complaint = self._script, self._chart.complaint
        self._desk.arrive("the day after" in complaint.name)
        script.doctor("open_new" if self._visit == "new" else "open_back")
        if complaint.name in self._pack.symptoms:
            self._complain_of_symptom(self._pack.symptoms[complaint.name])
        else:
            occasion = self._pack.occasions.get(complaint.name)
            script.patient("occasion", say=self._answers.fresh(occasion.says if occasion else (complaint.name,)))
            if complaint.duration is not None:
                script.doctor("occasion_when")
                script.patient("duration_ago", dur=self._speech.duration(complaint.duration))
        if self._volunteered is not None:
            script.patient("volunteer", say=self._answers.fresh(self._pack.symptoms[self._volunteered.name].says))
        if self._notes is not None:
            self._notes.bring()
        sent = self._desk.sent_by()
        if complaint.name in self._pack.symptoms:
            script.acknowledge(0.35, "empathy")
        if self._notes is None:
            self._talk.story(sent)

    def _complain_of_symptom(self, symptom: Symptom) -> None:
        script, draws, duration = self._script, self._draws, self._chart.complaint.duration
        says = symptom.says
        say = self._answers.fresh(says)
        words = say.split()
        if len(words) > 3 and draws.chance(0.3 * self._slips):
            script.patient("complaint_cut", say=" ".join(words[: 1 + draws.below(len(words) - 2)]))
            script.doctor("interrupt_doctor")
            script.patient("resume_patient", say=say)
        else:
            script.patient("complaint_once" if symptom.once else self._opener(duration), say=say)
        if duration is None:
            more = 0.25
        elif symptom.once:
            script.acknowledge(0.4, "ack_trouble")
            script.doctor("occasion_when")
            script.patient("duration_ago", dur=self._speech.duration(duration))
            more = 0.1
        elif draws.chance(0.3):
            self._tell_duration(duration)
            more = 0.15
        else:
            script.acknowledge(0.4, "ack_trouble")
            when = self._notes is None and draws.chance(0.4)
            script.doctor("duration_when" if when else "duration_ask")
            self._tell_duration(duration, "duration_since" if when else "duration_answer")
            more = 0.1
        if script.optional(more) and (another := self._answers.fresh(says)) != say:
            script.acknowledge(0.4, "ack_trouble")
            script.doctor("more_ask")
            script.patient("more_answer", say=another)

    def _opener(self, duration: str | None) -> str:
        """Return how the patient comes out with it: nobody figures that a known condition should be looked at, or has
        put off what began days ago; what has a name already is not made light of."""
        if self._visit == "follow-up":
            return "complaint_back"
        if self._known:
            return "complaint_known"
        old = duration is not None and "day" not in duration and "hour" not in duration
        if old and self._draws.chance(0.12):
            return "complaint_late"
        return "complaint_small" if not self._talk.urgent and self._draws.chance(0.1) else "complaint"

    def _tell_duration(self, duration: str, rule: str = "duration_answer") -> None:
        if self._notes is not None:
            self._notes.duration(self._speech.duration(duration))
            return
        wrong = self._speech.slip(duration) if self._draws.chance(0.2 * self._slips) else None
        said = self._speech.duration(duration)
        if wrong is None:
            self._script.patient(rule, dur=said)
        else:
            self._script.patient("duration_corrected", dur=said, wrong=wrong)

    # -- symptoms

    def _ask(self, group: Sequence[SymptomFact], one: str = "ask_one") -> None:
        """Ask after one to three symptoms at once, and answer for each."""
        script, draws = self._script, self._draws
        script.acknowledge(0.3)
        if self._grave(group[0]):
            ask_gravely(script, self._pack.symptoms[group[0].name], group[0].present)
            return
        symptoms = [self._pack.symptoms[fact.name] for fact in group]
        asked = dict(zip("abc", [draws.pick(askable(symptom.asks)) for symptom in symptoms], strict=False))
        echo = {key: mine(text) for key, text in asked.items()}
        script.doctor((one, "ask_two", "ask_three")[len(group) - 1], **asked)
        told = [in_register(symptom.denies, self._level) for symptom in symptoms]
        denies = [draws.pick(d) if d and not f.present else "" for f, d in zip(group, told, strict=True)]
        says = [self._answers.fresh(s.says) if f.present else "" for f, s in zip(group, symptoms, strict=True)]
        present = [fact.present for fact in group]
        if present == [True]:
            self._answers.give("yes_says", "yes_bare", says[0])
        elif present == [False]:
            if denies[0] and draws.chance(0.55):
                self._answers.give("no_denies", "no_bare", denies[0])
            else:
                script.patient("no_one", **echo)
        elif present == [True, True]:
            script.patient("both_yes", say=says[0], say2=says[1])
        elif present == [True, False]:
            script.patient("mixed_yes_no", say=says[0], no=echo["b"])
        elif present == [False, True]:
            script.patient("mixed_no_yes", say=says[1], no=echo["a"])
        elif len(group) == 3:
            script.patient("no_three", **echo)
        elif denies[0] and denies[1] and draws.chance(0.4):
            script.patient("no_denies_two", say=denies[0], say2=denies[1], **echo)
        else:
            script.patient("no_all", **echo)
        self._complained = any(present)
        if self._complained:
            script.mark_trouble()
            script.acknowledge(0.3)

    def _ask_during_exam(self, groups: Sequence[Sequence[SymptomFact]]) -> None:
        for group in groups:
            self._ask(group, "ask_exam")

    # -- history

    def _turn_to_history(self, chat: bool) -> None:
        """Turn to the history; ``chat`` says that there may be talk before it, which there is not right after the
        complaint, nor after a symptom that the patient has."""
        if self._script.talks(0.4):
            self._talk.interruption(0.7)
        elif chat and not self._complained:
            self._talk.small(0.8)
        self._script.acknowledge(0.4, "to_history")
