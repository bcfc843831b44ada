"""What the tiny base reads: the simulator's transcripts, exercises in copying and looking up, the pack's glossary, and
JSON.

It never reads a note: the exercises share neither the note's keys nor its order. The notes are used for one thing only,
to choose the tokenizer's vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from pydantic import JsonValue

from distill.tiny.unguessable import unguessable
from synth.assets import canonical_json, sha256
from synth.catalog import load_task
from synth.control import Control
from synth.draws import Draws
from synth.numerals import number_words
from synth.packs import Measure, load_pack, pack_path
from synth.records import Encounter, Fact, HistoryFact, Scenario
from synth.scenarios import sample_scenario
from synth.teachers.chart import Chart, chart_places, charted, read_chart
from synth.teachers.grammar import load_grammar
from synth.teachers.simulator import Simulator

SEED = 1_000_000
"""Of the scenarios: far from the seeds 0 to 999 that runs take, so that no run's encounters are read here."""
_WORDS = (
    "alpha beta gamma delta item entry word part line label key field first second third left right what where who "
    "quote piece thing group row cell colour size place mark sign said meaning about found list more"
)
_ALWAYS = frozenset(("patient", "complaint", "diagnosis"))
"""Kinds of facts without which there is no visit."""
KEYS = tuple(_WORDS.split())
"""Keys of the exercises; none of them is a key of a contract."""


Entry = Callable[[Draws], tuple[str, str]]
"""Makes what is said, and what is written for it."""


@dataclass(frozen=True, slots=True)
class Exercise:
    """A prompt and the answer to it."""

    prompt: str
    answer: str


def topics(scenario: Scenario) -> list[str]:
    """Return what is spoken of at an encounter: kinds of facts, and categories of the history."""
    return list(dict.fromkeys(map(_topic, scenario.facts)))


def shortened(scenario: Scenario, about: Container[str]) -> Scenario:
    """Return a scenario at which nothing but some topics is spoken of, besides patient, reason and diagnosis."""
    facts = tuple(fact for fact in scenario.facts if fact.kind in _ALWAYS or _topic(fact) in about)
    return scenario.model_copy(update={"facts": facts})


def _topic(fact: Fact) -> str:
    return fact.category if isinstance(fact, HistoryFact) else fact.kind


class Corpus:
    """Everything that is made from one specialty pack; exercise ``index`` is the same whenever it is asked for."""

    def __init__(self, specialty: str) -> None:
        """UserError where the specialty is unknown."""
        self._pack = load_pack(specialty)
        self._unguessable = unguessable(self._pack)
        self._places = chart_places(self._pack)
        task = load_task("note")
        self._simulator = Simulator(self._pack, task)
        self._spoken = load_grammar(task.simulator).spoken

    @property
    def grammar_revision(self) -> str | None:
        """Hash of the grammar that the transcripts come from."""
        return self._simulator.identity.revision

    @property
    def pack_sha256(self) -> str:
        """Hash of the pack's file."""
        return sha256(pack_path(self._pack.specialty).read_bytes())

    def scenario(self, index: int) -> Scenario:
        """Return a scenario of the base's own stream: of two patients in three nothing can be guessed, and
        visits are as long as those of runs."""
        scenario = sample_scenario(self._unguessable if index % 3 else self._pack, SEED, index)
        return scenario.model_copy(update={"manner": Control().manner(scenario.specialty, SEED, index)})

    def encounter(self, index: int) -> Encounter:
        """Return the encounter of such a scenario."""
        return self._simulator.encounter(self.scenario(index))

    def visit(self, index: int) -> tuple[str, Chart]:
        """Return the transcript of such an encounter, and its facts in the order of a chart."""
        return self.told(self.scenario(index))

    def told(self, scenario: Scenario) -> tuple[str, Chart]:
        """Return the transcript of a scenario, and its facts in the order of a chart."""
        return self._simulator.transcript(scenario).text, read_chart(charted(self._places, scenario))

    def overheard(self, text: str, names: Sequence[str]) -> str:
        """Return the turns of a transcript at which some symptoms are spoken of in the pack's words, and the answers to
        them; all turns where one of them is spoken of in none of these words."""
        symptoms = [self._pack.symptoms[name] for name in names]
        words = [(*symptom.says, *symptom.asks, *symptom.denies) for symptom in symptoms]
        kept: list[str] = []
        for before, turn in pairwise(["", *text.split("\n")]):
            answers = turn.startswith("[patient]") and kept[-1:] == [before]
            if answers or any(_says(turn, some) for some in words):
                kept.append(turn)
        heard = "\n".join(kept)
        return heard if all(_says(heard, some) for some in words) else text

    def exercise(self, index: int) -> Exercise:
        """Return an exercise: half of them on a transcript, the others on the glossary and on plain JSON."""
        draws = Draws("tiny", SEED, index)
        kind = draws.weighted({self._on_transcript: 0.4, self._on_glossary: 0.45, self._on_records: 0.15})
        assert kind is not None
        return kind(draws, index)

    def _on_transcript(self, draws: Draws, index: int) -> Exercise:
        """Return questions about a transcript, a part of it as a rule, that are answered in its own words."""
        turns = self.visit(index)[0].split("\n")
        if draws.chance(0.6):
            first = draws.below(max(1, len(turns) - 6))
            turns = turns[first : first + 4 + draws.below(8)]
        text = "\n".join(turns)
        ask = draws.pick((_continuations, _numbers, _openings, _quote))
        prompt, answer = ask(draws, text)
        return Exercise(f"{prompt}\n\n{text}", answer)

    def _on_glossary(self, draws: Draws, index: int) -> Exercise:
        """Return lay words in a stretch of other talk, to be answered with the terms that a clinician writes for
        them."""
        kinds = [draws.pick(tuple(self._glossary)) for _ in range(3 + draws.below(7))]
        entries = [draws.pick(self._glossary[kind])(draws) for kind in kinds]
        a, b, c = draws.shuffled(KEYS)[:3]
        lines = [draws.pick(("[doctor] ", "[patient] ", "")) + _sentence(draws, said) for said, _ in entries]
        form = draws.below(4)
        answer: JsonValue
        if form == 0:
            answer = {a: [value for _, value in entries]}
            prompt = f"Write the terms below {a}."
        elif form == 1:
            answer = [{b: value, c: said} for said, value in entries]
            prompt = f"Write each term as {b} and its words as {c}."
        else:
            only = draws.pick(kinds)
            answer = [value for kind, (_, value) in zip(kinds, entries, strict=True) if kind == only]
            prompt = f"Write only the {only} as a list."
        if draws.chance(0.5):
            filler = [line for line in self.visit(index)[0].split("\n") if len(line.split()) < 6]
            for _ in range(1 + draws.below(10) if filler else 0):
                lines.insert(draws.below(len(lines) + 1), draws.pick(filler))
        return Exercise(f"{prompt}\n\n" + "\n".join(lines), canonical_json(answer))

    def _on_records(self, draws: Draws, _: int) -> Exercise:
        """Return a small table in plain words, to be written as JSON under the keys that the prompt names."""
        keys = draws.shuffled(KEYS)[: 2 + draws.below(3)]
        outer = draws.pick([key for key in KEYS if key not in keys])
        rows: list[dict[str, JsonValue]] = [
            {key: self._value(draws) for key in keys} for _ in range(1 + draws.below(4))
        ]
        lines = [", ".join(f"{key} {_aloud(draws, value)}" for key, value in row.items()) for row in rows]
        nested = draws.chance(0.5)
        answer: JsonValue = {outer: list(rows)} if nested else list(rows)
        prompt = f"Write the rows as JSON{' below ' + outer if nested else ''}."
        return Exercise(f"{prompt}\n\n" + "\n".join(lines), canonical_json(answer))

    def _value(self, draws: Draws) -> JsonValue:
        """Return a random value: a number as measurements have them, or words of the pack."""
        if draws.chance(0.5):
            return _number(draws)
        return draws.pick(self._terms)

    @cached_property
    def _terms(self) -> list[str]:
        pack = self._pack
        return sorted({*pack.drugs, *pack.labs, *pack.vitals, *pack.symptoms, *pack.findings, *pack.history})

    @cached_property
    def _glossary(self) -> dict[str, list[Entry]]:
        """Return the glossary by kind."""
        pack, spoken = self._pack, self._spoken
        presentations = [p for condition in pack.conditions.values() for p in condition.presentations.values()]
        diagnoses = {p.diagnosis.says: f"{p.diagnosis.name}, {p.diagnosis.status}" for p in presentations}
        studies = {
            entry.says: f"{study}: {name}" for study, found in pack.studies.items() for name, entry in found.items()
        }
        return {
            "symptoms": [_phrase(symptom.says, name) for name, symptom in pack.symptoms.items()],
            "denials": [_phrase(symptom.denies, name) for name, symptom in pack.symptoms.items() if symptom.denies],
            "questions": [_phrase(symptom.asks, name) for name, symptom in pack.symptoms.items()],
            "reasons": [_phrase(entry.says, name) for name, entry in pack.occasions.items()],
            "history": [_phrase(entry.says, name) for name, entry in pack.history.items()],
            "findings": [_phrase(entry.says, name) for name, entry in pack.findings.items()],
            "studies": [_phrase(said, name) for said, name in studies.items()],
            "diagnoses": [_phrase(said, name) for said, name in diagnoses.items()],
            "plans": [_phrase(said, name) for name, said in pack.plan_says.items()],
            "measurements": [_measured(name, measure) for name, measure in (*pack.labs.items(), *pack.vitals.items())],
            "drugs": [
                _dosed(
                    (name, *drug.brands),
                    f"{step.dose} {spoken.units.get(drug.unit, drug.unit)}",
                    spoken.frequencies.get(step.frequency, (step.frequency,)),
                    f"{name} {step.dose} {drug.unit} {drug.route} {step.frequency}",
                )
                for name, drug in pack.drugs.items()
                for step in drug.ladder
            ],
        }


def vocabulary_texts(corpus: Corpus, encounters: int) -> Iterator[str]:
    """Yield the texts that the tokenizer's vocabulary is chosen on: transcripts and notes of so many encounters, and
    exercises."""
    for index in range(encounters):
        encounter = corpus.encounter(index)
        yield encounter.source.text
        yield canonical_json(encounter.target)
        yield corpus.exercise(index).prompt.partition("\n")[0]


def _says(text: str, words: Iterable[str]) -> bool:
    said = text.lower()
    return any(word.lower() in said for word in words)


def _phrase(said: tuple[str, ...], term: str) -> Entry:
    return lambda draws: (draws.pick(said), term)


def _measured(name: str, measure: Measure) -> Entry:
    def make(draws: Draws) -> tuple[str, str]:
        value = _number(draws, measure.decimals)
        said = f"{draws.pick(measure.says)}, {_aloud(draws, value)} {measure.unit_says}"
        return said.strip(), f"{name} {value} {measure.unit}"

    return make


def _dosed(names: tuple[str, ...], dose: str, often: tuple[str, ...], written: str) -> Entry:
    return lambda draws: (f"{draws.pick(names)}, {dose}, {draws.pick(often)}", written)


def _sentence(draws: Draws, words: str) -> str:
    """Return words as part of a sentence, or as they are."""
    start = draws.pick(("", "", "Well, ", "So, ", "And ", "Okay. ", "Let me see, ", "Um, "))
    return f"{start}{words}{draws.pick(('.', '.', '?', ', yes.'))}"


def _number(draws: Draws, decimals: int | None = None) -> int | float:
    """Return a number with one to four digits, and up to two decimals."""
    places = draws.below(3) if decimals is None else decimals
    whole = draws.below(10 ** (1 + draws.below(3 if places else 4)))
    if not places:
        return whole
    value = whole + draws.below(10**places) / 10**places
    return int(value) if value == int(value) else round(value, places)


def _aloud(draws: Draws, value: JsonValue) -> str:
    """Return a value as it is said: numbers in words at times."""
    if not isinstance(value, int | float) or value >= 1000 or not draws.chance(0.3):
        return str(value)
    return number_words(value)


def _continuations(draws: Draws, text: str) -> tuple[str, str]:
    """Ask for what follows the words given, one to five times."""
    words = text.split()
    a, b = draws.shuffled(KEYS)[:2]
    rows: list[JsonValue] = []
    cues = []
    for _ in range(1 + draws.below(5)):
        at = draws.below(max(1, len(words) - 12))
        cue, found = " ".join(words[at : at + 3]), " ".join(words[at + 3 : at + 4 + draws.below(8)])
        cues.append(cue)
        rows.append({a: cue, b: found})
    return f"Write what follows these words, as {a} and {b}: {' / '.join(cues)}.", canonical_json(rows)


def _numbers(draws: Draws, text: str) -> tuple[str, str]:
    """Ask for every number, in order, with the words before and after it."""
    words = text.replace("\n", " ").split(" ")
    a, b, c = draws.shuffled(KEYS)[:3]
    rows: list[JsonValue] = []
    for i, word in enumerate(words):
        bare = word.strip(".,?")
        if bare.replace(".", "", 1).isdigit() and len(bare) < 9:
            value = float(bare) if "." in bare else int(bare)
            rows.append({a: " ".join(words[max(0, i - 2) : i]), b: value, c: " ".join(words[i + 1 : i + 3])})
    return f"List the numbers as {b}, with {a} before and {c} after.", canonical_json(rows[:8])


def _openings(draws: Draws, text: str) -> tuple[str, str]:
    """Ask for the first words of all turns of one speaker."""
    who = draws.pick(("doctor", "patient"))
    count = 3 + draws.below(4)
    turns = [line.partition("] ")[2] for line in text.split("\n") if line.startswith(f"[{who}]")]
    key = draws.pick(KEYS)
    answer: JsonValue = {key: [" ".join(turn.split()[:count]) for turn in turns[:10]]}
    return f"List how the {who} starts, {count} words each, below {key}.", canonical_json(answer)


def _quote(draws: Draws, text: str) -> tuple[str, str]:
    """Ask for one turn, given its first words."""
    turn = draws.pick([line for line in text.split("\n") if line])
    start = " ".join(turn.split()[:4])
    return f"Quote the turn that starts with: {start}", turn
