"""What things are called: every name and way of saying in the specialty packs, found in one pass over a text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, cast

from ahocorasick_rs import AhoCorasick, Implementation

from synth.assets import load_yaml
from synth.checks.faithfulness.tokens import plain, tokenize
from synth.packs import Pack, load_pack, pack_names
from synth.packs.voice import voices

_HERE = Path(__file__).resolve().parent
Voice = Literal["term", "says", "asks", "denies"]
ConceptKind = Literal[
    "drug",
    "measure",
    "symptom",
    "occasion",
    "finding",
    "study",
    "history",
    "diagnosis",
    "status",
    "plan",
    "condition",
]
PHRASES = frozenset(("symptom", "occasion", "finding", "study", "history", "diagnosis", "status", "plan", "condition"))
"""Kinds that are statements of their own, not names of something that is measured or given."""


@dataclass(frozen=True, slots=True)
class Form:
    """One way of saying something."""

    kind: ConceptKind
    name: str
    """As facts have it; a study with its result, a diagnosis with its status, behind a colon."""
    voice: Voice


class Lexicon:
    """The forms of some packs, with common drugs and conditions besides."""

    def __init__(self, packs: Iterable[Pack]) -> None:
        forms: dict[str, list[Form]] = {}
        for text, form in _common():
            _add(forms, text, form)
        for pack in packs:
            for text, form in _forms(pack):
                _add(forms, text, form)
        self._texts = list(forms)
        self._forms = [tuple(dict.fromkeys(forms[text])) for text in self._texts]
        self._sizes = [text.count(" ") + 1 for text in self._texts]
        self._known = {text: set(entry) for text, entry in zip(self._texts, self._forms, strict=True)}
        self._automaton = AhoCorasick(
            [f" {text} " for text in self._texts], implementation=Implementation.ContiguousNFA, store_patterns=False
        )

    def find(self, text: str) -> Iterator[tuple[int, int, tuple[Form, ...]]]:
        """Yield the forms that stand in words joined by single spaces, with one space before and after all: where each
        ends, of how many words it is, and what it is a form of."""
        for pattern, _, end in self._automaton.find_matches_as_indexes(text, overlapping=True):
            yield end - 1, self._sizes[pattern], self._forms[pattern]

    def names(self, text: str, kind: ConceptKind) -> set[str]:
        """Return what a whole text is a way of saying, of one kind."""
        known = self._known.get(" ".join(plain(tokenize(text))), set())
        return {form.name for form in known if form.kind == kind}


def _add(forms: dict[str, list[Form]], text: str, form: Form) -> None:
    words = " ".join(plain(tokenize(text)))
    if words:
        forms.setdefault(words, []).append(form)


def _forms(pack: Pack) -> Iterator[tuple[str, Form]]:
    """Yield every name and way of saying in a pack."""

    def spoken(kind: ConceptKind, name: str, says: Iterable[str], voice: Voice = "says") -> Iterator[tuple[str, Form]]:
        yield from ((text, Form(kind, name, voice)) for text in says)

    def named(kind: ConceptKind, name: str, says: Iterable[str] = ()) -> Iterator[tuple[str, Form]]:
        yield name, Form(kind, name, "term")
        yield from spoken(kind, name, says)

    for name, drug in pack.drugs.items():
        yield from named("drug", name, drug.brands)
    for name, measure in (*pack.vitals.items(), *pack.labs.items()):
        yield from named("measure", name, measure.says)
    for name, symptom in pack.symptoms.items():
        yield from named("symptom", name, symptom.says)
        yield from spoken("symptom", name, symptom.asks, "asks")
        yield from spoken("symptom", name, symptom.denies, "denies")
    for name, occasion in pack.occasions.items():
        yield from named("occasion", name, occasion.says)
    for name, finding in pack.findings.items():
        yield from named("finding", name, finding.says)
    for name, results in pack.studies.items():
        for result, entry in results.items():
            yield from named("study", f"{name}: {result}", entry.says)
    for name, history in pack.history.items():
        yield from named("history", name, history.says)
    for condition in pack.conditions.values():
        for presentation in condition.presentations.values():
            diagnosis = presentation.diagnosis
            yield from named("diagnosis", diagnosis.name, diagnosis.says)
            yield from spoken("status", f"{diagnosis.name}: {diagnosis.status}", diagnosis.says)
    for name, says in pack.plan_says.items():
        yield from named("plan", name, says)


@cache
def _common() -> tuple[tuple[str, Form], ...]:
    """Return the drugs, vital signs and conditions that any specialty meets."""
    data = cast("dict[str, dict[str, list[str]]]", load_yaml(_HERE / "vocabulary.yaml"))
    kinds: dict[str, ConceptKind] = {"drugs": "drug", "measures": "measure", "conditions": "condition"}
    return tuple(
        (text, Form(kind, name, "term" if text == name else "says"))
        for key, kind in kinds.items()
        for name, others in data[key].items()
        for text in (name, *(others or ()))
    )


@cache
def lexicon(specialty: str | None) -> Lexicon:
    """Return the lexicon of a specialty, or, for None, of all of them together."""
    names = (specialty,) if specialty else pack_names()
    return Lexicon([voiced for name in names for voiced in voices(load_pack(name))])
