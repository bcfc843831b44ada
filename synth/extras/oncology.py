"""Facts of a tumor: what it is, lines of therapy, toxicity, response; from the ``case`` of a presentation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from synth.draws import Draws
from synth.packs import Pack
from synth.packs.cases import Ago, Case, Toxicity
from synth.packs.model import Presentation
from synth.records import (
    Fact,
    ResponseFact,
    Scenario,
    StudyFact,
    SymptomFact,
    TherapyFact,
    ToxicityFact,
    TumorFact,
)


class Oncology:
    """Samples the facts of a tumor."""

    def __init__(self, *, needed: bool = True) -> None:
        self._needed = needed

    def usable(self, presentation: Presentation) -> bool:
        """Return whether a presentation has a case, or needs none."""
        return presentation.case is not None or not self._needed

    def facts(self, pack: Pack, scenario: Scenario, draws: Draws) -> Sequence[Fact]:
        """Return tumor, therapies in order, toxicities and response."""
        case = pack.conditions[scenario.condition].presentations[scenario.presentation].case
        return [] if case is None else list(_facts(case, scenario, draws))


ONCOLOGY = Oncology()
"""Of presentations that have a case."""
ONCOLOGY_WHERE_KNOWN = Oncology(needed=False)
"""Of any presentation: no facts where there is no case."""


def _facts(case: Case, scenario: Scenario, draws: Draws) -> Iterator[Fact]:
    tumor = case.tumor
    results = {fact.result for fact in scenario.facts if isinstance(fact, StudyFact)}
    found = [one for one in tumor.histology if one in results] or tumor.histology
    yield TumorFact(
        id="tumor-1",
        site=tumor.site,
        histology=draws.pick(found) if found else None,
        grading=tumor.grading,
        tnm=tumor.tnm,
        stage=tumor.stage,
    )
    for i, one in enumerate(case.therapies, start=1):
        yield TherapyFact(
            id=f"therapy-{i}",
            modality=one.modality,
            name=one.name,
            state=one.state,
            ago=_drawn(one.ago, draws) if one.ago is not None else None,
            course=one.course,
        )
    present = {fact.name for fact in scenario.facts if isinstance(fact, SymptomFact) and fact.present}
    events = [one for one in case.toxicities if _happens(one, present, draws)]
    for i, event in enumerate(events, start=1):
        yield ToxicityFact(id=f"toxicity-{i}", term=event.term, grade=event.grade, phase=event.phase)
    if case.response is not None:
        yield ResponseFact(id="response-1", text=case.response)


def _happens(one: Toxicity, present: set[str], draws: Draws) -> bool:
    drawn = draws.chance(one.probability)
    return one.symptom in present if one.symptom is not None else drawn


def _drawn(ago: Ago, draws: Draws) -> str:
    low, high = ago.between
    number = draws.pick(range(low, high + 1))
    return f"{number} {ago.unit}{'' if number == 1 else 's'}"
