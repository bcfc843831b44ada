"""The style check: rejects a target whose text does not keep to the house style of the run."""

from __future__ import annotations

from synth.assets import render_prompt
from synth.catalog import Task
from synth.checks.base import reject
from synth.config import RunConfig
from synth.records import Encounter, Rejection
from synth.styles import Style, conformity


class StyleCheck:
    """Rejects ``headings``, ``order``, ``phrases``, ``doses`` and ``wording`` by the first that is not wholly as the
    style has it; accepts all of a run without a style."""

    name = "style"

    def __init__(self, task: Task, config: RunConfig | None = None) -> None:
        self._renderer = task.renderer
        self._style = config.style if config is not None else None

    def __call__(self, encounter: Encounter) -> Encounter | Rejection:
        """Return the encounter unchanged, or its rejection."""
        if self._style is None:
            return encounter
        found = conformity(self._style, render_prompt(self._renderer, target=encounter.target))
        for part, detail in _told(self._style).items():
            kept: float | None = getattr(found, part)
            if kept is not None and kept < 1.0:
                return reject(encounter, self.name, part, f"{detail} ({kept:.0%} kept)", part="target")
        return encounter


def _told(style: Style) -> dict[str, str]:
    """Return what the style asks for, by part of ``Conformity``."""
    forms = style.doses
    return {
        "headings": f"the headings are to be {', '.join(style.sections.values())}",
        "order": f"the sections are to stand in the order {', '.join(style.sections.values())}",
        "phrases": f"the letter is to begin with {style.salutation[0]!r} and to end with {style.closing[0]!r}",
        "doses": f"doses are to be written as {forms.course!r}, {forms.single!r} or {forms.under_way!r}",
        "wording": f"the person is to be {style.person}, and abbreviations those of the style",
    }
