"""What a model behind a server is asked."""

from __future__ import annotations

import re
from typing import Literal

from distill.datasets import Message, student_prompt
from distill.records import BenchmarkItem
from synth.assets import canonical_json, load_schema, prompt_variables, render_prompt
from synth.catalog import load_task
from synth.styles import load_style

Ask = Literal["contract", "student"]
"""``contract``: the task's rules and its JSON Schema, as a teacher is asked for a target, for a model that nobody
trained on the task; ``student``: the short instruction that students are trained on."""
_HIDDEN = ("$schema", "$id", "$comment", "title")
"""Of a contract: what says nothing of the form."""


def messages(ask: Ask, task: str, item: BenchmarkItem) -> list[Message]:
    """Return the messages of an item, asked as its own task, or as ``task`` where it has none.

    A teacher's prompt that reads the facts says what is true; who is examined is not told, and gets the instruction of
    students under the task's rules in its place.
    """
    source = item.source
    if ask == "student":
        return student_prompt(item.task or task, source)
    found = load_task(item.task or task)
    schema = {key: value for key, value in load_schema(found.schema_name).items() if key not in _HIDDEN}
    own = None if found.style is None else item.style or load_style(found.style)
    system = _rendered(f"{found.prompts}/target.system.md.j2", schema=canonical_json(schema), codes=[], style=own)
    name = f"{found.prompts}/target.user.md.j2"
    if "facts" in prompt_variables(name):
        return [{"role": "system", "content": system}, *student_prompt(found.name, source)]
    return [
        {"role": "system", "content": system},
        {"role": "user", "content": _rendered(name, transcript=source, source=source, style=own)},
    ]


def _rendered(name: str, **values: object) -> str:
    """Return a template filled in, without the blank lines that its branches leave behind, as a teacher reads it."""
    return re.sub(r"\n{3,}", "\n\n", render_prompt(name, **values)).strip() + "\n"
