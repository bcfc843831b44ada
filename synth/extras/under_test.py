"""Answers of known quality: a right one, with errors of known severity planted in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from synth.assets import load_yaml
from synth.draws import Draws
from synth.extras.differential import candidates_beside, diagnosis_of, named_beside, names_disease
from synth.extras.profiles import content, shows_nothing, unremarkable, words_of
from synth.extras.question import contraindicated_drugs, known_patient, unrelated_drugs
from synth.packs import Pack
from synth.packs.model import Presentation
from synth.records import (
    AnswerFact,
    ComplaintFact,
    Fact,
    FindingFact,
    LabFact,
    PatientFact,
    PlanFact,
    PlantedError,
    Record,
    Scenario,
    StudyFact,
    SymptomFact,
)

_COUNTS = {0: 0.18, 1: 0.34, 2: 0.3, 3: 0.18}
"""Errors of an answer, and how often it has so many."""
_CLAIMS = 4
_BEST, _WORST = 5.0, 1.0
_HERE = Path(__file__).resolve().parent


class Severity(Record):
    """An entry of ``severity.yaml``."""

    severity: Literal["minor", "moderate", "major"]
    cost: float
    at_most: float
    share: float
    group: str


@cache
def severities() -> Mapping[str, Severity]:
    """Return the kinds of errors, with what they cost."""
    data = load_yaml(_HERE / "severity.yaml")
    assert isinstance(data, dict)
    return {kind: Severity.model_validate(entry) for kind, entry in data.items()}


def score_of(kinds: Sequence[str]) -> float:
    """Return the score of an answer with errors of these kinds: 1 to 5, in half points."""
    found = [severities()[kind] for kind in kinds]
    least = min([_BEST, *(one.at_most for one in found)])
    return max(_WORST, min(least, _BEST - sum(one.cost for one in found)))


@cache
def _blocks() -> Mapping[str, str]:
    data = load_yaml(_HERE / "icd10cm_blocks.yaml")
    assert isinstance(data, dict)
    return data


def block_of(icd10cm: str) -> str | None:
    """Return what the block of categories is called that a code belongs to; None where the table has none."""
    category = icd10cm[:3]
    for ends, name in _blocks().items():
        first, _, last = ends.partition("-")
        if first <= category <= last:
            return name
    return None


@dataclass(slots=True)
class _Draft:
    """An answer that is being made."""

    pack: Pack
    scenario: Scenario
    draws: Draws
    diagnosis: str
    claims: dict[str, str]
    """Id of the fact → what is claimed."""
    recommendation: str

    def presents(self) -> set[str]:
        """Return the names of all that the case speaks of."""
        return {getattr(fact, "name", "") for fact in self.scenario.facts}


class UnderTest:
    """Samples the answer that is to be judged."""

    def usable(self, presentation: Presentation) -> bool:
        """Return whether a presentation is of a disease that is new."""
        return names_disease(presentation)

    def facts(self, pack: Pack, scenario: Scenario, draws: Draws) -> Sequence[Fact]:
        """Return one answer with its errors."""
        truth = diagnosis_of(scenario)
        plans = [fact.text for fact in scenario.facts if isinstance(fact, PlanFact) and fact.action != "follow-up"]
        plans = plans or [fact.text for fact in scenario.facts if isinstance(fact, PlanFact)]
        keys = _key_facts(scenario)
        claims = {fact.id: text for fact in keys[:_CLAIMS] if (text := _claim(fact))}
        draft = _Draft(pack, scenario, draws, truth.name, claims, "; ".join(plans[: 1 + draws.below(2)]))
        wanted = draws.weighted(_COUNTS) or 0
        errors: list[PlantedError] = []
        open_kinds = {kind: entry.share for kind, entry in severities().items()}
        while open_kinds and len(errors) < wanted:
            kind = draws.weighted({k: share / sum(open_kinds.values()) for k, share in open_kinds.items()})
            kind = kind or next(iter(open_kinds))
            made = _PLANTED[kind](draft)
            if made is None:
                del open_kinds[kind]
                continue
            entry = severities()[kind]
            errors.append(
                PlantedError(kind=kind, severity=entry.severity, cost=entry.cost, said=made[0], truth=made[1])
            )
            open_kinds = {k: share for k, share in open_kinds.items() if severities()[k].group != entry.group}
        order = list(severities())
        errors.sort(key=lambda error: order.index(error.kind))
        return [
            AnswerFact(
                id="answer-1",
                diagnosis=draft.diagnosis,
                claims=tuple(draws.shuffled(list(draft.claims.values()))),
                recommendation=draft.recommendation,
                errors=tuple(errors),
                score=score_of([error.kind for error in errors]),
            )
        ]


UNDER_TEST = UnderTest()


def _key_facts(scenario: Scenario) -> list[Fact]:
    """Return what an answer would name, in its order: results that show something, findings, symptoms."""
    studies = [f for f in scenario.facts if isinstance(f, StudyFact)]
    labs = [f for f in scenario.facts if isinstance(f, LabFact) and f.interpretation != "normal"]
    findings = [f for f in scenario.facts if isinstance(f, FindingFact) and not unremarkable(f.name)]
    symptoms = [f for f in scenario.facts if isinstance(f, SymptomFact) and f.present]
    absent = [f for f in scenario.facts if isinstance(f, SymptomFact) and not f.present]
    telling: list[Fact] = [f for f in studies if not shows_nothing(f.result)]
    return [*telling, *labs, *findings, *symptoms, *absent]


def _claim(fact: Fact) -> str:
    match fact:
        case StudyFact():
            return f"{fact.name}: {fact.result}"
        case LabFact():
            return f"{fact.name} is {fact.interpretation} at {fact.value} {fact.unit}".rstrip()
        case FindingFact():
            return f"{fact.name} on examination"
        case SymptomFact():
            return f"reports {fact.name}" if fact.present else f"denies {fact.name}"
        case _:
            return ""


Made = tuple[str, str] | None
"""What the answer says, and what would have been right."""


def _wrong(draft: _Draft) -> Made:
    return _other(draft, related=False)


def _related(draft: _Draft) -> Made:
    return _other(draft, related=True)


def _other(draft: _Draft, *, related: bool) -> Made:
    """Name another disease: a related one shares several findings with the case, or is of the same block of
    ICD-10-CM; a wrong one is of another organ system by its code, and nothing in the case points to it. An infection or
    a tumor may be of any organ system, so neither it nor what it is taken for is called a wrong one."""
    truth = diagnosis_of(draft.scenario)
    block = block_of(truth.icd10cm)
    names = []
    for profile, evidence in candidates_beside(draft.pack, draft.scenario):
        near = block is not None and block == block_of(profile.icd10cm)
        far = {truth.icd10cm[0], profile.chapter} <= words_of()["organs"] and profile.chapter != truth.icd10cm[0]
        if (near or len(evidence.supports) > 1) if related else (far and not evidence.supports):
            names.append(named_beside(profile.name, truth.name))
    if not names:
        return None
    draft.diagnosis = draft.draws.pick(names)
    return draft.diagnosis, truth.name


def _unspecific(draft: _Draft) -> Made:
    truth = diagnosis_of(draft.scenario)
    block = block_of(truth.icd10cm)
    if block is None or content(truth.name) <= content(block):
        return None
    draft.diagnosis = block
    return block, truth.name


def _contraindicated(draft: _Draft) -> Made:
    patient = known_patient(draft.pack, draft.scenario, condition=False)
    drugs = contraindicated_drugs(draft.pack, draft.scenario, patient)
    if not drugs:
        return None
    name, why = draft.draws.pick([*drugs.items()])
    return _recommended(draft, name, why)


def _unrelated(draft: _Draft) -> Made:
    drugs = unrelated_drugs(draft.pack, draft.scenario)
    return _recommended(draft, draft.draws.pick(drugs), "") if drugs else None


def _recommended(draft: _Draft, drug: str, why: str) -> Made:
    right, draft.recommendation = draft.recommendation, f"start {drug}"
    return draft.recommendation, why or right


def _contradicted(draft: _Draft) -> Made:
    symptoms = [f for f in draft.scenario.facts if isinstance(f, SymptomFact)]
    labs = [f for f in draft.scenario.facts if isinstance(f, LabFact) and f.interpretation != "normal"]
    complaints = {f.name for f in draft.scenario.facts if isinstance(f, ComplaintFact)}
    options: list[SymptomFact | LabFact] = [f for f in symptoms if f.name not in complaints]
    options += labs
    if not options:
        return None
    fact = draft.draws.pick(options)
    if isinstance(fact, SymptomFact):
        said, truth = f"denies {fact.name}", f"reports {fact.name}"
        said, truth = (said, truth) if fact.present else (truth, said)
    else:
        said, truth = f"{fact.name} is normal", f"{fact.name} is {fact.interpretation}"
    draft.claims[fact.id] = said
    return said, truth


def _invented(draft: _Draft) -> Made:
    who = next(fact for fact in draft.scenario.facts if isinstance(fact, PatientFact))
    told = draft.presents()
    words = {word for name in told for word in content(name)}
    names = [
        name
        for name, entry in draft.pack.symptoms.items()
        if entry.fits(who.sex, who.age) and name not in told and words.isdisjoint(content(name))
    ]
    if not names:
        return None
    said = f"reports {draft.draws.pick(names)}"
    draft.claims["invented"] = said
    return said, ""


def _missing(draft: _Draft) -> Made:
    keys = [fact for fact in _key_facts(draft.scenario) if isinstance(fact, StudyFact | LabFact)]
    known = [fact for fact in keys if draft.claims.get(fact.id) == _claim(fact)]
    if not known or len(draft.claims) < 2:
        return None
    gone = known[0]
    del draft.claims[gone.id]
    return _claim(gone), ""


_PLANTED: Mapping[str, Callable[[_Draft], Made]] = {
    "wrong diagnosis": _wrong,
    "related diagnosis": _related,
    "unspecific diagnosis": _unspecific,
    "contraindicated recommendation": _contraindicated,
    "wrong recommendation": _unrelated,
    "contradicted finding": _contradicted,
    "invented finding": _invented,
    "missing key finding": _missing,
}
