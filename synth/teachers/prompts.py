"""The two prompts of a candidate, and what an attempt is told about the one before it.

What every candidate shares comes first, so that a server can keep it cached; what went wrong comes last.
"""

from __future__ import annotations

import re
from functools import cache

from pydantic import JsonValue

from synth.assets import canonical_json, load_schema, render_prompt
from synth.catalog import Task
from synth.identities import spoken
from synth.packs import Pack
from synth.records import KINDS, Fact, JsonObject, Part, PatientFact, Rejection, Scenario, Source
from synth.styles import Style, load_style
from synth.teachers.note import aged, person


def facts_by_kind(facts: tuple[Fact, ...]) -> dict[str, list[Fact]]:
    """Return the facts of a scenario by kind, with every kind there."""
    groups: dict[str, list[Fact]] = {kind: [] for kind in KINDS}
    for fact in facts:
        groups[fact.kind].append(fact)
    return groups


def described(fact: Fact) -> str:
    """Return who a patient is: ``45-year-old woman``, ``9-month-old boy``."""
    return f"{aged(fact)} {person(fact)}" if isinstance(fact, PatientFact) else ""


def problem_codes(pack: Pack) -> list[tuple[str, str]]:
    """Return the ICD-10-CM codes of a pack, each with a problem and its status, in the order of the codes."""
    found = {
        (presentation.diagnosis.icd10cm, f"{presentation.diagnosis.name}: {presentation.diagnosis.status}")
        for condition in pack.conditions.values()
        for presentation in condition.presentations.values()
    }
    return sorted(found)


class Prompts:
    """Renders the templates of one task over one pack."""

    def __init__(self, task: Task, pack: Pack, style: Style | None = None) -> None:
        self._task = task
        self._pack = pack
        self._style = style_of(task, style)
        self._system = cache(self._rendered_system)

    def source(self, scenario: Scenario, *, constrained: bool, failure: Rejection | None = None) -> JsonValue:
        """Return the messages that ask for a source; JSON where decoding is ``constrained``, else lines."""
        facts = facts_by_kind(scenario.facts)
        user = self._render(
            "source.user",
            facts=facts,
            pack=self._pack,
            visit=scenario.visit,
            who=described(facts["patient"][0]),
            manner=scenario.manner,
            speaker="the patient" if self._pack.voice == "patient" else "the caregiver",
        )
        return messages(self._system("source", constrained), user, self._again("source", failure))

    def target(self, source: Source, failure: Rejection | None = None, facts: tuple[Fact, ...] = ()) -> JsonValue:
        """Return the messages that ask for the target of a source. A template may read the facts, too, where what is
        asked for does not follow from the source alone."""
        known = facts_by_kind(facts)
        user = self._render("target.user", transcript=source.text, source=source.text, facts=known)
        return messages(self._system("target", False), user, self._again("target", failure))

    def _rendered_system(self, part: Part, constrained: bool) -> str:
        if part == "source":
            titles = self._task.documents
            return self._render("source.system", constrained=constrained, placeholders=spoken(), titles=titles)
        contract = load_schema(self._task.schema_name)
        return self._render("target.system", schema=shown(contract), codes=problem_codes(self._pack))

    def _again(self, part: Part, failure: Rejection | None) -> str:
        """Return what an attempt at a part is told of the last one; nothing where that one was not at fault."""
        if failure is None or failure.part != part:
            return ""
        return self._render("retry", part=part, reason=failure.reason, detail=failure.detail)

    def _render(self, name: str, **values: object) -> str:
        own = self._task.source_prompts if name.startswith("source.") else None
        if self._style is not None:
            values["style"] = self._style
        return rendered(f"{own or self._task.prompts}/{name}.md.j2", **values)


def style_of(task: Task, style: Style | None) -> Style | None:
    """Return the style that is written in: the one given, else the task's own; None where a task knows none."""
    return style if style is not None or task.style is None else load_style(task.style)


def rendered(name: str, **values: object) -> str:
    """Return a template below ``prompts/`` filled in, without the blank lines that its branches leave behind."""
    return re.sub(r"\n{3,}", "\n\n", render_prompt(name, **values)).strip() + "\n"


def messages(system: str, user: str, again: str = "") -> JsonValue:
    """Return a system and a user message, the latter with what is said of the last attempt at its end."""
    content = f"{user}\n{again}" if again.strip() else user
    return [{"role": "system", "content": system}, {"role": "user", "content": content}]


def shown(contract: JsonObject) -> str:
    """Return a contract as the model sees it."""
    hidden = ("$schema", "$id", "$comment", "title")
    return canonical_json({key: value for key, value in contract.items() if key not in hidden})
