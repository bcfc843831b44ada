"""Procedures that a plan calls for: how each is done, from ``procedures.yaml``, with what is drawn for one patient."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field

from synth.assets import load_yaml
from synth.draws import Draws
from synth.facts import (
    DiagnosisFact,
    Fact,
    MedicationFact,
    Number,
    PatientFact,
    PlanFact,
    ProcedureFact,
    Sex,
    Step,
)
from synth.packs import Pack
from synth.packs.lexicon import Citation
from synth.packs.model import Presentation
from synth.record import Record
from synth.records import Scenario

Setting = Literal["office", "operating room"]
_CHOICE = re.compile(r"\{([^{}]*)\}")
_SLOT = re.compile(r"\$(\w+)")


class Procedure(Record):
    """One procedure, its words with slots (``$ml``) and choices (``{a|b}``)."""

    name: str
    setting: Setting
    diagnosis: str
    """Pattern of the diagnosis that it is for."""
    plan: str
    """Pattern of the plan item that calls for it."""
    drug: str | None = None
    """Drug of the plan whose name and dose fill the slot ``drug``."""
    sources: tuple[str, ...] = Field(min_length=1)
    slots: dict[str, tuple[str | Number, ...] | dict[Sex, str]] = {}
    """Of each one value is drawn, or the one of the patient's sex."""
    anesthesia: str
    position: str
    findings: tuple[str, ...]
    blood_loss: str
    specimens: str
    disposition: str
    steps: tuple[Step, ...] = Field(min_length=3)

    def fits(self, diagnosis: str, plans: Iterable[str]) -> bool:
        """Return whether it is what one of the plan items asks for."""
        return re.search(self.diagnosis, diagnosis) is not None and any(map(self.called_for, plans))

    def called_for(self, plan: str) -> bool:
        """Return whether a plan item calls for it."""
        return re.search(self.plan, plan) is not None

    def does(self, plan: PlanFact) -> bool:
        """Return whether a plan item is done once the procedure is: its order, or the drug that it gives."""
        given = plan.medication is not None and plan.medication.name == self.drug
        return given or (plan.action == "order" and self.called_for(plan.text))


class Catalogue(Record):
    """All procedures, with the guidelines and manuals that their steps follow."""

    citations: dict[str, Citation]
    procedures: tuple[Procedure, ...]


@cache
def catalogue() -> Catalogue:
    """Return the procedures of ``procedures.yaml``."""
    return Catalogue.model_validate(load_yaml(Path(__file__).with_name("procedures.yaml")))


class Procedures:
    """Samples the procedure that a plan calls for, of those done in one setting."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting

    def usable(self, presentation: Presentation) -> bool:
        """Return whether the plan of every patient calls for a procedure that is known."""
        certain = [item.text for item in presentation.plan if item.text is not None and item.probability >= 1]
        return any(one.fits(presentation.diagnosis.name, certain) for one in self._known())

    def facts(self, pack: Pack, scenario: Scenario, draws: Draws) -> Sequence[Fact]:  # noqa: ARG002  every extra gets the pack
        """Return the procedure; nothing where the plan calls for none."""
        diagnosis = next(fact.name for fact in scenario.facts if isinstance(fact, DiagnosisFact))
        plans = [fact.text for fact in scenario.facts if isinstance(fact, PlanFact)]
        found = next((one for one in self._known() if one.fits(diagnosis, plans)), None)
        return () if found is None else (_done(found, scenario, draws),)

    def _known(self) -> list[Procedure]:
        return [one for one in catalogue().procedures if one.setting == self._setting]


OFFICE, OPERATION = Procedures("office"), Procedures("operating room")


def _done(procedure: Procedure, scenario: Scenario, draws: Draws) -> ProcedureFact:
    sex = next(fact.sex for fact in scenario.facts if isinstance(fact, PatientFact))
    slots = {
        name: values[sex] if isinstance(values, dict) else str(draws.pick(values))
        for name, values in procedure.slots.items()
    }
    for fact in scenario.facts:
        if isinstance(fact, PlanFact | MedicationFact) and fact.medication and fact.medication.name == procedure.drug:
            slots["drug"] = f"{fact.medication.name} {fact.medication.amount}"

    def worded(text: str) -> str:
        return _worded(text, slots, draws)

    return ProcedureFact(
        id="procedure-1",
        name=procedure.name,
        setting=procedure.setting,
        anesthesia=worded(procedure.anesthesia),
        position=worded(procedure.position),
        findings=tuple(map(worded, procedure.findings)),
        steps=tuple(Step(record=worded(step.record), told=worded(step.told)) for step in procedure.steps),
        blood_loss=worded(procedure.blood_loss),
        specimens=worded(procedure.specimens),
        complications="none",
        disposition=worded(procedure.disposition),
        fulfils=next((fact.id for fact in scenario.facts if isinstance(fact, PlanFact) and procedure.does(fact)), None),
    )


def _worded(text: str, slots: Mapping[str, str], draws: Draws) -> str:
    """Return a text with its choices made, the inner ones first, and its slots filled; its first letter stays as it is
    but where a slot begins a sentence."""
    while _CHOICE.search(text):
        text = _CHOICE.sub(lambda choice: draws.pick(choice[1].split("|")), text)
    filled = _SLOT.sub(lambda slot: slots[slot[1]], text)
    return filled[0].upper() + filled[1:] if text.startswith("$") and filled.endswith(".") else filled
