"""The examination of an encounter: its facts in source and target, and its target traced to its source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, cached_property

from synth.checks.faithfulness.facts import reached, told
from synth.checks.faithfulness.findings import FactVerdict, Faithfulness, Reached, Verdict, of_kind
from synth.checks.faithfulness.lexicon import Lexicon, lexicon
from synth.checks.faithfulness.oncology import terms_of
from synth.checks.faithfulness.reading import Line
from synth.checks.faithfulness.target import codes_of, lines_of
from synth.checks.faithfulness.trace import Trace
from synth.checks.faithfulness.view import View
from synth.config import InventedKind
from synth.packs import pack_names
from synth.packs.terms import read_back
from synth.records import (
    DiagnosisFact,
    Documents,
    Encounter,
    Fact,
    JsonObject,
    Scenario,
    Source,
    Transcript,
)


def examine(encounter: Encounter) -> Faithfulness:
    """Return the examination of an encounter, with its specialty's lexicon."""
    return examine_target(encounter.source, encounter.target, encounter.scenario)


def examine_target(source: Source | str, target: JsonObject | str, scenario: Scenario | None = None) -> Faithfulness:
    """Return the examination of a target, or of a text, against its source.

    Without a scenario there are no facts, and the source is the only reference; the lexicon is then that of all
    specialties, as it is for a specialty that there is no pack for.
    """
    return Examination(source, scenario).faithfulness(target)


class Examination:
    """A source that is read once, for all the targets that are held against it."""

    def __init__(self, source: Source | str, scenario: Scenario | None = None) -> None:
        self._lexicon = lexicon_of(scenario)
        self._language = scenario.language if scenario is not None else None
        self._heard = View(self._english(source_lines(source)), self._lexicon)
        self._facts = scenario.facts if scenario is not None else ()
        self._own = tuple(_terms(self._facts))

    def _english(self, lines: list[Line]) -> list[Line]:
        """Return lines with the terms of the scenario's language as the lexicon knows them."""
        if self._language is None:
            return lines
        return [line._replace(text=read_back(self._language, line.text)) for line in lines]

    @cached_property
    def _in_source(self) -> list[Reached]:
        return [reached(fact, self._heard) for fact in self._facts]

    def faithfulness(self, target: JsonObject | str) -> Faithfulness:
        """Return the examination of a target, or of a text."""
        trace, in_target = self._read(target)
        facts = tuple(
            FactVerdict(fact.id, _kind(fact), told(fact), heard, written)
            for fact, heard, written in zip(self._facts, self._in_source, in_target, strict=True)
        )
        return Faithfulness(facts, trace.invented, dict(trace.traced))

    def counts(
        self, target: JsonObject | str, kinds: tuple[str, ...] = ()
    ) -> tuple[Counter[Verdict], Counter[InventedKind]]:
        """Return how many facts a target carries, contradicts and lacks, of some kinds where any are given, and what it
        invents by kind."""
        trace, in_target = self._read(target)
        facts = zip(self._facts, in_target, strict=True)
        verdicts = [one for fact, one in facts if not kinds or of_kind(_kind(fact), kinds)]
        return Counter(one.verdict for one in verdicts), Counter(one.kind for one in trace.invented)

    def _read(self, target: JsonObject | str) -> tuple[Trace, list[Reached]]:
        written = View(self._english(lines_of(target)), self._lexicon, target=True)
        trace = Trace(self._heard, written, self._own)
        trace.run()
        return trace, [_in_target(fact, written, target) for fact in self._facts]


def lexicon_of(scenario: Scenario | None) -> Lexicon:
    """Return the lexicon that a scenario's encounter is read with."""
    return lexicon(None if scenario is None else _packed(scenario.specialty))


@cache
def _packed(specialty: str) -> str | None:
    return specialty if specialty in pack_names() else None


def _terms(facts: Iterable[Fact]) -> Iterator[str]:
    """Yield what the facts that have no values of their own are called."""
    for fact in facts:
        match fact.kind:
            case "history" | "finding":
                yield fact.name
            case "study":
                yield fact.result
            case "diagnosis":
                yield from (fact.name, fact.status)
            case "plan":
                if fact.medication is None:
                    yield fact.text
            case _:
                yield from terms_of(fact)


def source_lines(source: Source | str) -> list[Line]:
    """Return the turns of a source; a text's lines, with the speaker that stands in brackets before them."""
    if isinstance(source, Transcript):
        return [Line(turn.text, turn.speaker) for turn in source.turns]
    if isinstance(source, Documents):
        return [Line(text) for passage in source.passages for text in passage.splitlines() if text.strip()]
    lines: list[Line] = []
    for text in source.splitlines():
        speaker, bracket, said = text.partition("]")
        if bracket and speaker.startswith("["):
            lines.append(Line(said, speaker[1:].strip().casefold()))
        elif text.strip():
            lines.append(Line(text))
    return lines


def _kind(fact: Fact) -> str:
    return f"{fact.kind}/{fact.category}" if fact.kind == "history" else fact.kind


def _in_target(fact: Fact, written: View, target: JsonObject | str) -> Reached:
    found = reached(fact, written)
    if fact.kind == "diagnosis" and found.verdict == "found" and not isinstance(target, str):
        return _coded(fact, target, written.lexicon) or found
    return found


def _coded(fact: DiagnosisFact, target: JsonObject, words: Lexicon) -> Reached | None:
    """Return the verdict on a diagnosis whose entry has another code; None where it has its own."""
    codes: Sequence[tuple[str, str, str]] = [
        (field, problem, code)
        for field, problem, code in codes_of(target)
        if problem.casefold() == fact.name.casefold() or fact.name in words.names(problem, "diagnosis")
    ]
    if not codes or any(code == fact.icd10cm for _, _, code in codes):
        return None
    field, _, code = codes[0]
    return Reached("contradicted", f"its code is {code}", field)
