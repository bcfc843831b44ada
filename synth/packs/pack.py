"""A specialty pack, whose references all lead somewhere.

A pack is data only. Its lexicon is keyed by the term that a note uses; each entry also holds ``says``, what a person
says aloud for it. Conditions refer to the lexicon; ``Pack`` refuses a pack with a dangling reference, so that what
loads can be sampled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Literal, Self

from pydantic import Field, model_validator

from synth.packs.lexicon import Citation, Drug, History, Lab, Phrases, Probability, Spoken, Symptom, Vital
from synth.packs.model import Condition, Presentation
from synth.packs.vocabulary import vocabulary
from synth.records import Record


class Pack(Record):
    """One specialty."""

    specialty: str
    version: int
    voice: Literal["patient", "caregiver"] = "patient"
    """Who answers the doctor. A caregiver speaks of the child in the third person, and what is said holds ``{he}``,
    ``{his}``, ``{him}``, ``{himself}``, ``{boy}``, ``{son}``, which are filled by the child's sex."""
    citations: dict[str, Citation]
    drugs: dict[str, Drug]
    vitals: dict[str, Vital]
    labs: dict[str, Lab]
    symptoms: dict[str, Symptom]
    occasions: dict[str, Spoken]
    findings: dict[str, Spoken]
    studies: dict[str, dict[str, Spoken]]
    history: dict[str, History]
    background: tuple[dict[str, Probability], ...]
    """History that any patient may have, whatever the condition; from each group at most one entry."""
    conditions: dict[str, Condition] = Field(min_length=1)

    @cached_property
    def plan_says(self) -> dict[str, Phrases]:
        """Return how each plan text of the pack is said."""
        plans = (
            item for condition in self.conditions.values() for p in condition.presentations.values() for item in p.plan
        )
        return {item.text: item.says for item in plans if item.text is not None}

    @cached_property
    def weighed_history(self) -> frozenset[str]:
        """Return the entries of the history that may rule out a drug."""
        stated = {name for drug in self.drugs.values() for entry in drug.contraindications for name in entry.problems}
        return frozenset(n for n, entry in self.history.items() if entry.allergens or entry.pregnant or n in stated)

    @model_validator(mode="after")
    def _references_hold(self) -> Self:
        problems = sorted(set(_dangling(self)))
        if problems:
            raise ValueError("; ".join(problems))
        return self


def _dangling(pack: Pack) -> Iterator[str]:
    """Yield one line for every reference in the pack that leads nowhere."""
    for name, drug in pack.drugs.items():
        yield from _drug(pack, name, drug)
    for name, lab in pack.labs.items():
        yield from _missing(f"lab {name}", "citation", lab.sources, pack.citations)
        for reference in (lab.reference, *(band.reference for band in lab.reference_under)):
            if "any" not in reference and len(reference) < 2:
                yield f"lab {name}: needs a reference range for either sex"
    for name, vital in pack.vitals.items():
        yield from _missing(f"vital {name}", "citation", vital.sources, pack.citations)
    for name, history in pack.history.items():
        yield from _missing(f"history {name}", "drug", history.medications, pack.drugs)
    results = [(f"study {s}, {r}", entry) for s, results in pack.studies.items() for r, entry in results.items()]
    for where, entry in [*((f"finding {name}", entry) for name, entry in pack.findings.items()), *results]:
        yield from _missing(where, "lab or vital", entry.needs, {*pack.labs, *pack.vitals})
        yield from _missing(where, "symptom", entry.told, pack.symptoms)
    yield from _missing("background", "history", [h for group in pack.background for h in group], pack.history)
    for name, condition in pack.conditions.items():
        yield from _missing(name, "citation", condition.sources, pack.citations)
        yield from _missing(name, "history", [h for group in condition.history for h in group], pack.history)
        for label, presentation in condition.presentations.items():
            yield from _presentation(pack, f"{name}/{label}", presentation)


def _missing(where: str, kind: str, names: Iterable[str], known: Iterable[str]) -> Iterator[str]:
    for name in sorted(set(names) - set(known)):
        yield f"{where}: unknown {kind} {name!r}"


def _drug(pack: Pack, name: str, drug: Drug) -> Iterator[str]:
    where = f"drug {name}"
    yield from _missing(where, "citation", drug.sources, pack.citations)
    if drug.limits is not None:
        yield from _missing(where, "citation", drug.limits.sources, pack.citations)
    classes = vocabulary().drug_classes
    for entry in drug.contraindications:
        yield from _missing(where, "citation", entry.sources, pack.citations)
        yield from _missing(where, "problem", entry.problems, {*pack.history, *pack.conditions})
        yield from _missing(where, "drug or class", entry.drugs, {*pack.drugs, *classes.alone, *classes.together})
        yield from _missing(where, "lab or vital", entry.values, {*pack.labs, *pack.vitals})


def _presentation(pack: Pack, where: str, p: Presentation) -> Iterator[str]:
    complaints = [complaint.name for complaint in p.complaints]
    yield from _missing(where, "complaint", complaints, {*pack.symptoms, *pack.occasions})
    yield from _missing(where, "symptom", p.symptoms, pack.symptoms)
    yield from _missing(where, "history", [h for group in p.history for h in group], pack.history)
    yield from _missing(where, "drug", [d for group in p.medications for d in group], pack.drugs)
    yield from _missing(where, "vital", p.vitals, pack.vitals)
    if p.case is not None:
        yield from _missing(f"{where} case", "citation", p.case.sources, pack.citations)
        yield from _missing(f"{where} case", "symptom", [t.symptom for t in p.case.toxicities if t.symptom], p.symptoms)
    yield from _missing(where, "lab", p.labs, pack.labs)
    yield from _missing(where, "lab of the presentation", p.goals, p.labs)
    yield from _missing(where, "finding", [f for group in p.findings for f in group], pack.findings)
    yield from _missing(f"{where} plan", "history", [h for item in p.plan for h in item.unless], pack.history)
    choices = [choice for item in p.plan for choice in item.otherwise]
    planned = [item.drug for item in p.plan if item.drug] + [choice.drug for choice in choices]
    yield from _missing(where, "drug", planned, pack.drugs)
    for study, results in p.studies.items():
        yield from _missing(f"{where} {study}", "result", results, pack.studies.get(study, {}))
    for name, use in ((d, u) for group in p.medications for d, u in group.items()):
        if name in pack.drugs and not 0 <= use.rungs[0] <= use.rungs[1] < len(pack.drugs[name].ladder):
            yield f"{where}: rungs of {name} are not on its ladder"
    starts = [(item.drug, item.rung or 0) for item in p.plan] + [(choice.drug, choice.rung) for choice in choices]
    for drug, rung in starts:
        if drug in pack.drugs and not 0 <= rung < len(pack.drugs[drug].ladder):
            yield f"{where}: the plan's rung of {drug} is not on its ladder"
