"""What follows from a scenario by a task's own templates: documents, and the targets of the simulator.

A template reads the facts by kind, and varies its words with seeded draws: ``say("{It is|This is} $what", what=…)``
chooses between the parts in braces, ``pick(a, b)`` one of some values, ``chance(0.3)`` says yes or no. ``spoken`` holds
what people say for routes and frequencies; ``t`` gives what a fact is called in the scenario's language, ``ts`` what
some are, ``style`` the house style where the task knows any.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import yaml
from pydantic import JsonValue

from synth.assets import render_prompt
from synth.catalog import Task
from synth.draws import Draws
from synth.packs import Pack
from synth.packs.terms import terms
from synth.packs.voice import voiced
from synth.records import Documents, JsonObject, PatientFact, Scenario, Sex
from synth.serving.replies import read_documents
from synth.styles import Style
from synth.teachers.grammar import Expansion, line, load_grammar
from synth.teachers.prompts import described, facts_by_kind, rendered, style_of

_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Templates:
    """The templates of one task over one pack; writes the same for the same scenario."""

    def __init__(self, task: Task, pack: Pack, style: Style | None = None) -> None:
        self._task = task
        self._style = style_of(task, style)
        self._packs: dict[Sex, Pack] = {"female": voiced(pack, "female"), "male": voiced(pack, "male")}

    def source(self, scenario: Scenario, *, simulated: bool = False) -> Documents:
        """Return the documents of a scenario (``source.md.j2``), or those that a teacher would have written, by the
        simulator (``simulator.source.md.j2``)."""
        name = "simulator.source" if simulated else "source"
        folder = self._task.source_prompts or self._task.prompts
        text = rendered(f"{folder}/{name}.md.j2", **self._values(scenario, "source"))
        return read_documents(text, self._task.documents)

    def target(self, scenario: Scenario, note: Callable[[], JsonObject] | None = None) -> JsonObject:
        """Return the simulator's target of a scenario (``simulator.target.yaml.j2``). ``note`` gives the template the
        visit note of a transcript. TypeError where the template writes no mapping."""
        name = f"{self._task.prompts}/simulator.target.yaml.j2"
        text = render_prompt(name, note=note, **self._values(scenario, "target"))
        target: JsonValue = yaml.load(text, Loader=_LOADER)  # noqa: S506  both are safe loaders
        if not isinstance(target, dict):
            raise TypeError(f"{Path(name).name} of task {self._task.name} writes no mapping")
        return target

    def _values(self, scenario: Scenario, part: str) -> dict[str, object]:
        facts = facts_by_kind(scenario.facts)
        patient = facts["patient"][0]
        assert isinstance(patient, PatientFact)
        draws = Draws("template", self._task.name, part, scenario.id)
        state = Expansion(draws)

        def say(text: str, **slots: object) -> str:
            state.slots = {name: str(value) for name, value in slots.items()}
            return line(text)(state)

        called: Callable[[str], str] = terms(scenario.language).of if scenario.language is not None else str
        values: dict[str, object] = {} if self._style is None else {"style": self._style}
        return values | {
            "facts": facts,
            "language": scenario.language or "en",
            "t": called,
            "ts": lambda names: [called(name) for name in names],
            "pack": self._packs[patient.sex],
            "scenario": scenario,
            "patient": patient,
            "who": described(patient),
            "visit": scenario.visit,
            "say": say,
            "pick": lambda *options: draws.pick(options),
            "chance": draws.chance,
            "spoken": load_grammar("encounter").spoken,
            "requires": self._task.requires,
            "shuffled": draws.shuffled,
        }
