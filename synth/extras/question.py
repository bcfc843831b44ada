"""Questions on a case: which options are right and which are wrong follows from its facts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from string import Template, ascii_uppercase

from synth.assets import load_yaml
from synth.draws import Draws
from synth.extras.differential import DIFFERENTIAL, candidates, diagnosis_of, named_beside
from synth.extras.profiles import words_of
from synth.packs import Pack
from synth.packs.model import Presentation
from synth.packs.safety import Patient, objections
from synth.records import (
    Fact,
    HistoryFact,
    LabFact,
    MedicationFact,
    Option,
    PatientFact,
    PlanFact,
    QuestionFact,
    Record,
    Scenario,
    VitalFact,
)

_LABS = 3
"""Least results of a question on results."""
_OPTIONS = (4, 5)
_LEVELS = ("low", "normal", "high")


class Topic(Record):
    """What may be asked."""

    weight: float
    several: bool
    stems: tuple[str, ...]


class Asked(Record):
    """What ``question.yaml`` holds."""

    topics: dict[str, Topic]
    levels: dict[str, tuple[str, ...]]
    """Where a result lies → how a statement says so."""
    broad_classes: frozenset[str]
    """Classes of drugs that are given for diseases of many organ systems."""


@cache
def asked() -> Asked:
    """Return what may be asked of a case, and how."""
    return Asked.model_validate(load_yaml(Path(__file__).resolve().parent / "question.yaml"))


class Question:
    """Samples the question on a case."""

    def usable(self, presentation: Presentation) -> bool:
        """Return whether there is always something to ask: a disease that is new, or enough results."""
        sure = sum(one.probability >= 1 for one in presentation.labs.values())
        return DIFFERENTIAL.usable(presentation) or sure >= _LABS

    def facts(self, pack: Pack, scenario: Scenario, draws: Draws) -> Sequence[Fact]:
        """Return one question."""
        built = {name: build(pack, scenario, draws) for name, build in _BUILT.items()}
        made = {name: options for name, options in built.items() if len(options) > 2}
        made = made or dict([max(built.items(), key=lambda one: len(one[1]))])
        topic = draws.weighted({name: asked().topics[name].weight for name in made}) or next(iter(made))
        known = asked().topics[topic]
        diagnosis = diagnosis_of(scenario)
        stem = Template(draws.pick(known.stems)).substitute(
            diagnosis=diagnosis.name,
            Diagnosis=diagnosis.name[:1].upper() + diagnosis.name[1:],
            status=diagnosis.status,
        )
        options = tuple(
            option.model_copy(update={"letter": letter})
            for letter, option in zip(ascii_uppercase, draws.shuffled(made[topic]), strict=False)
        )
        return [QuestionFact(id="question-1", topic=topic, stem=stem, several=known.several, options=options)]


QUESTION = Question()


def _diagnosis(pack: Pack, scenario: Scenario, draws: Draws) -> list[Option]:
    if not DIFFERENTIAL.usable(pack.conditions[scenario.condition].presentations[scenario.presentation]):
        return []
    truth = diagnosis_of(scenario).name
    return [
        Option(
            letter="",
            text=named_beside(profile.name, truth),
            right=profile.name == truth,
            supports=evidence.supports,
            expects=evidence.expects,
        )
        for profile, evidence in candidates(pack, scenario, draws, _OPTIONS[1] - 1)
    ]


def _results(pack: Pack, scenario: Scenario, draws: Draws) -> list[Option]:  # noqa: ARG001  as the others
    labs = [fact for fact in scenario.facts if isinstance(fact, LabFact)]
    ranged = [lab for lab in labs if lab.low is not None or lab.high is not None]
    if len(ranged) < _LABS:
        return []
    odd = [lab for lab in ranged if lab.interpretation != "normal"]
    plain = [lab for lab in ranged if lab.interpretation == "normal"]
    chosen = draws.shuffled([*draws.shuffled(odd)[:3], *draws.shuffled(plain)][: _OPTIONS[1]])
    # The first is right and the last is wrong, so that neither all nor none are.
    right = [True, *(draws.chance(0.5) for _ in chosen[2:]), False]
    found = []
    for lab, is_right in zip(chosen, right, strict=True):
        others = [one for one in _LEVELS if one != lab.interpretation and (one != "low" or lab.low is not None)]
        others = [one for one in others if one != "high" or lab.high is not None]
        level = lab.interpretation if is_right else draws.pick(others)
        text = Template(draws.pick(asked().levels[level])).substitute(name=lab.name)
        found.append(Option(letter="", text=text, right=is_right, supports=(lab.id,)))
    return found


def known_patient(pack: Pack, scenario: Scenario, *, condition: bool) -> Patient:
    """Return what is known of a patient where a drug is weighed, with or without the disease of the visit."""
    who = next(fact for fact in scenario.facts if isinstance(fact, PatientFact))
    patient = Patient(who.sex, who.age)
    for fact in scenario.facts:
        if isinstance(fact, HistoryFact):
            patient.join(pack, fact.name)
        elif isinstance(fact, MedicationFact):
            patient.drugs.add(fact.medication.name)
        elif isinstance(fact, LabFact | VitalFact):
            patient.values[fact.name] = (fact.value, fact.value)
    if condition:
        patient.problems.add(scenario.condition)
        presentation = pack.conditions[scenario.condition].presentations[scenario.presentation]
        patient.pregnant = patient.pregnant or presentation.pregnant
    return patient


def ruled_out(pack: Pack, drug: str, patient: Patient) -> str | None:
    """Return what of a patient rules a drug out, by an allergy or a contraindication of its label; None where only
    something else, such as a warning, or nothing is said against it."""
    reasons = [*objections(pack, drug, patient)]
    known = pack.drugs[drug]
    for entry in known.contraindications:
        if f"{drug}: {entry.why}" not in reasons or entry.sex is not None or not entry.forbids:
            continue
        problems = sorted(patient.problems & {*entry.problems} & pack.history.keys())
        drugs = sorted(name for name in patient.drugs if not {name, *pack.drugs[name].classes}.isdisjoint(entry.drugs))
        values = [
            f"{name} of {patient.values[name][0]} {(pack.labs.get(name) or pack.vitals[name]).unit}".rstrip()
            for name, bound in entry.values.items()
            if name in patient.values and bound.crossed(patient.values[name][0])
        ]
        pregnant = sorted(name for name in patient.problems & pack.history.keys() if pack.history[name].pregnant)
        found = [*problems, *(f"current {name}" for name in drugs), *values, *(pregnant if entry.pregnancy else ())]
        if found or entry.under is not None or entry.over is not None:
            return " and ".join(
                [*found, *(["the patient's age"] if entry.under is not None or entry.over is not None else [])]
            )
    for name in sorted(patient.problems & pack.history.keys()):
        if not {drug, *known.classes}.isdisjoint(pack.history[name].allergens):
            return name
    return None


def contraindicated_drugs(pack: Pack, scenario: Scenario, patient: Patient) -> dict[str, str]:
    """Return each drug that a patient must not have, neither takes nor is to take, and what rules it out."""
    planned = {f.medication.name for f in scenario.facts if isinstance(f, PlanFact) and f.medication is not None}
    others = [name for name in pack.drugs if name not in patient.drugs | planned]
    return {name: why for name in others if (why := ruled_out(pack, name, patient)) is not None}


def _contraindicated(pack: Pack, scenario: Scenario, draws: Draws) -> list[Option]:
    told, whole = known_patient(pack, scenario, condition=False), known_patient(pack, scenario, condition=True)
    reasons = contraindicated_drugs(pack, scenario, told)
    wrong = [name for name in pack.drugs if next(objections(pack, name, whole), None) is None]
    right = draws.shuffled(list(reasons))[: 1 + draws.below(3)]
    near = {one for name in right for one in pack.drugs[name].classes}
    wrong = [name for name in wrong if near.isdisjoint(pack.drugs[name].classes)]
    own = [name for name in wrong if name in told.drugs]
    count = _OPTIONS[0] + draws.below(2) - len(right)
    others = [*own[:1], *(name for name in draws.shuffled(wrong) if name not in own[:1])][:count]
    if not right or len(others) < 2:
        return []
    return [
        *(Option(letter="", text=name, right=True, why=reasons[name]) for name in right),
        *(Option(letter="", text=name, right=False) for name in others),
    ]


def unrelated_drugs(pack: Pack, scenario: Scenario) -> list[str]:
    """Return drugs that are given for diseases of other organ systems alone (another letter of ICD-10-CM that stands
    for one), which the patient does not take, and of which none shares a class with a drug of this disease, nor is of a
    class that is given for diseases of many."""
    letter = diagnosis_of(scenario).icd10cm[0]
    own: set[str] = {f.medication.name for f in scenario.facts if isinstance(f, MedicationFact)}
    own.update(f.medication.name for f in scenario.facts if isinstance(f, PlanFact) and f.medication is not None)
    elsewhere: set[str] = set()
    for name, condition in pack.conditions.items():
        for presentation in condition.presentations.values():
            used = {drug for item in presentation.plan for drug in item.drugs}
            used.update(drug for group in presentation.medications for drug in group)
            other = presentation.diagnosis.icd10cm[0]
            alike = name == scenario.condition or other == letter or other not in words_of()["organs"]
            (own if alike else elsewhere).update(used)
    classes = asked().broad_classes.union(one for drug in own for one in pack.drugs[drug].classes)
    return sorted(d for d in elsewhere - own if classes.isdisjoint(pack.drugs[d].classes))


def _first_drug(pack: Pack, scenario: Scenario, draws: Draws) -> list[Option]:
    started = [
        fact.medication.name
        for fact in scenario.facts
        if isinstance(fact, PlanFact) and fact.action == "start" and fact.medication is not None
    ]
    others = unrelated_drugs(pack, scenario)
    if any(fact.action == "stop" for fact in scenario.facts if isinstance(fact, PlanFact)):
        return []  # what is started may be for what the drug that is stopped was for
    if len(started) != 1 or len(others) < _OPTIONS[0] - 1:
        return []
    guideline = pack.citations[scenario.sources[0]]
    why = f"{guideline.publisher}, {guideline.year}"
    count = _OPTIONS[0] - 1 + draws.below(2)
    return [
        Option(letter="", text=started[0], right=True, why=why),
        *(Option(letter="", text=name, right=False) for name in draws.shuffled(others)[:count]),
    ]


_BUILT: dict[str, Callable[[Pack, Scenario, Draws], list[Option]]] = {
    "diagnosis": _diagnosis,
    "results": _results,
    "contraindicated": _contraindicated,
    "first drug": _first_drug,
}
