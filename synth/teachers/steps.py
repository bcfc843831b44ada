"""What a patient may ask after a step of the plan, and which steps are hard enough to ask whether they will do."""

from __future__ import annotations

import re
from collections.abc import Mapping

from synth.records import Medication, PlanAction, PlanFact

_PRACTICE = ("walk", "lose", "follow the DASH", "follow a", "exercise", "do pelvic", "train", "cut down", "limit")
"""First words of advice that a habit has to be made of."""
_OF_ANY_DRUG = ("drug_why", "drug_know", "drug_long")
_FOR_GOOD = ("drug_know", "drug_long", "drug_forget")
"""What is asked of a drug that goes on, and not of one that ends by itself."""
_ABOUT_DRUGS = ("drug_why", "drug_know", "drug_long", "drug_forget", "drug_where")
_REASONS: Mapping[PlanAction, tuple[str, ...]] = {
    "start": _ABOUT_DRUGS,
    "increase": ("drug_why", "drug_know", "drug_where"),
    "decrease": ("drug_why", "drug_know"),
    "continue": ("drug_long", "drug_forget"),
    "stop": (),
    "order": ("order_where", "order_when", "order_what"),
    "refer": ("refer_call", "refer_know", "refer_chart"),
    "advise": ("advise_try", "advise_paper", "advise_why"),
    "follow-up": ("next_before", "next_bring", "next_desk"),
}
"""What a patient asks after a step of the plan, by what kind of step it is."""
_DONE_FOR = ("order", "continue", "follow-up")
"""Steps that ask nothing new of the patient, so that nobody asks whether it will do."""
_OF_DRUGS = ("start", "increase", "decrease", "continue", "stop")
_HABITS = re.compile("exercis|walk|diet|meals|fiber|salt|sugar|smok|alcohol|coffee|weight|sleep|screen(?: time)?\\b")
"""Fragments of advice that changes how somebody lives, which takes practice."""
_REPLACED = re.compile("^(?:insulin|levothyroxine|hydrocortisone$|fludrocortisone|cyanocobalamin)")
"""Drugs that stand for what the body no longer makes: nobody says that it will be seen how long they are needed."""
_PASSING = re.compile(r"^(?:give it|drink plenty|take every|keep blood)|\busual\b|tolerated|\buntil\b|metformin")
"""Advice that touches on such things for a while, or by the way: nothing that becomes a habit."""
_ALARMS = (
    *("discuss", "call", "go to", "return", "come back", "no ", "seek", "expect ", "may ", "put to sleep", "tell "),
    *("avoid", "do not", "hold", "never", "report", "stay away", "stay off", "stop", "use the"),
)
"""First words of advice that takes no practice, and is not up for discussion."""
_FORETOLD = (" expected", " possible", " may ")
"""Fragments of what is told to be expected: there is nothing to practise."""
_TESTS = ("check", "repeat", "order", "measure", "send", "perform", "recheck")
"""First words of an order that brings a result."""
_NO_TEST = (
    "radiation",
    "oxygen",
    "CPAP",
    "lens implant",
    "continuous glucose",
    "rating scales",
    "aspiration",
    "weight,",
)
"""Fragments of an order that brings none, or of which nobody asks what it will tell."""
_AT_HOME = ("give ", "discuss ", "keep ", "start ", "prescribe ", "update ", "fluids", "if ")
"""First words of an order for which the patient goes nowhere."""
_DAILY = ("daily", "morning", "evening", "bedtime", "nightly")
_POURED = ("mL", "g")
"""Units of what is drunk, and fits no box."""
_COURSE = re.compile(r"\bfor (?:\d+|an?|one) (?:day|dose|week|month)s?\b|^once$")
"""A frequency that says when it ends."""
_SPACED = re.compile(r"every \d+ (?:weeks|months)")
_FAR = re.compile(r"\b(?:in|every) (?:\d+|a|one) (?:months?|years?)\b")
"""An order whose result nobody waits for yet."""
_BY_STAFF = ("intravitreal", "intravenous", "intramuscular")
"""Routes of a drug that no patient takes at home."""


def reasons(plan: PlanFact, passing: bool = False) -> tuple[str, ...]:
    """Return what may be asked after a step: nothing about where and when of what is done on the spot, nor about a
    date where there is none, nor about a habit in an illness that is ``passing``."""
    text = plan.text
    if plan.medication is not None and ends(plan.medication):
        return tuple(rule for rule in _drug_reasons(plan, plan.medication) if rule not in _FOR_GOOD)
    if plan.action == "order" and ("today" in text or text.startswith(_AT_HOME)):
        return ()
    if plan.action == "order" and (not text.startswith(_TESTS) or any(mark in text for mark in _NO_TEST)):
        return ("order_where",)
    if plan.action == "order" and _FAR.search(text):
        return tuple(rule for rule in _REASONS["order"] if rule != "order_when")
    if plan.action == "follow-up" and not any(mark.isdigit() for mark in text):
        return ()
    if plan.action == "advise" and not asks_a_lot(plan):
        return ("advise_paper",)
    if plan.action == "advise" and (passing or not is_habit(text)):
        return ("advise_paper",)
    if plan.action in _OF_DRUGS and plan.medication is None:
        return ("advise_paper",)
    return _drug_reasons(plan, plan.medication) if plan.medication is not None else _REASONS[plan.action]


def _drug_reasons(plan: PlanFact, medication: Medication) -> tuple[str, ...]:
    if _REPLACED.search(medication.name):
        return tuple(rule for rule in _REASONS[plan.action] if rule in ("drug_why", "drug_know"))
    if by_staff(medication):
        return tuple(rule for rule in _REASONS[plan.action] if rule in _OF_ANY_DRUG)
    if not _every_day(medication):
        return tuple(rule for rule in _REASONS[plan.action] if rule != "drug_forget")
    return _REASONS[plan.action]


def is_habit(text: str) -> bool:
    """Return whether advice changes how somebody lives from now on: diet, exercise, smoking, alcohol, sleep."""
    return bool(_HABITS.search(text) or text.startswith(_PRACTICE)) and not _PASSING.search(text)


def ends(medication: Medication) -> bool:
    """Return whether a drug is taken once, or for a course that ends by itself, such as ``twice daily for 7 days``."""
    return bool(_COURSE.search(medication.frequency))


def asks_a_lot(plan: PlanFact) -> bool:
    """Return whether a step is one that a patient may find hard: not when to call, nor what to expect."""
    told = plan.text.startswith(_ALARMS) or any(mark in plan.text for mark in _FORETOLD)
    return plan.action not in _DONE_FOR and not (plan.action == "advise" and told)


def _every_day(medication: Medication) -> bool:
    """Return whether a drug goes into a box with the days on it: tablets, day after day without an end."""
    often = medication.frequency
    poured = medication.unit in _POURED
    return medication.route == "oral" and not poured and any(mark in often for mark in _DAILY) and " for " not in often


def by_staff(medication: Medication) -> bool:
    """Return whether a drug is given at the clinic, which nobody refills or forgets."""
    return medication.route in _BY_STAFF or bool(_SPACED.search(medication.frequency))
