"""Accepted encounters → Parquet, one file a split, and the summary that card and report print; one pass, memory
flat."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from synth.assets import canonical_json, render_prompt
from synth.catalog import Task
from synth.config import SplitConfig
from synth.filling import Filled, fill
from synth.judgements import Dimension
from synth.preferences import Preferences
from synth.records import Encounter, IdentityMode, Overlap, PatientFact, Split
from synth.runs import read_encounters
from synth.splits import split_of

COLUMNS = ("id", "task", "specialty", "condition", "source", "target", "text", "scenario", "identifiers")
JUDGED = (*COLUMNS, "judgement")
"""Those of a run with a judge."""
_SPLITS: tuple[Split, ...] = ("train", "validation", "test")
_BATCH = 256
_SAMPLES = 3
_NUMBER = re.compile(r"_\d+$")
_BIN = 50


@dataclass(slots=True)
class Summary:
    """What the accepted encounters are like."""

    splits: Counter[Split] = field(default_factory=lambda: Counter(dict.fromkeys(_SPLITS, 0)))
    conditions: Counter[str] = field(default_factory=Counter)
    visits: Counter[str] = field(default_factory=Counter)
    lengths: Counter[str] = field(default_factory=Counter)
    """As the run asked for them."""
    sexes: Counter[str] = field(default_factory=Counter)
    decades: Counter[int] = field(default_factory=Counter)
    """Age in years, rounded down to tens."""
    ages: Counter[int] = field(default_factory=Counter)
    """Age in years."""
    source_words: Counter[int] = field(default_factory=Counter)
    """Words a source, rounded down to fifties."""
    words: dict[str, int] = field(default_factory=lambda: {"source": 0, "note": 0})
    """Words in all, by what they are words of."""
    turns: int = 0
    facts: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    findings: Counter[tuple[str, str]] = field(default_factory=Counter)
    """What the PHI check took out, by entity type and action."""
    identifiers: Counter[str] = field(default_factory=Counter)
    """What stands where there was a placeholder, by the placeholder's name without its number."""
    judge_tokens: int = 0
    grades: Counter[tuple[Dimension, float, int]] = field(default_factory=Counter)
    """What the judge said, by dimension, median and spread."""
    unread: Counter[str] = field(default_factory=Counter)
    """Replies of the judge that could not be read, by why."""
    nearest: Overlap | None = None
    """The most n-grams and the largest cosine of any encounter with a benchmark that was held out."""
    samples: list[tuple[str, str, str]] = field(default_factory=list)
    """Id, source and text of the first encounters."""

    @property
    def accepted(self) -> int:
        """How many encounters there are."""
        return sum(self.splits.values())

    def mean(self, total: int) -> float:
        """Return a total divided by the number of encounters."""
        return total / self.accepted if self.accepted else 0.0

    def add(self, encounter: Encounter, filled: Filled, split: Split, text: str) -> None:
        """Count one encounter in, with the source and the text that are published of it."""
        scenario, source = encounter.scenario, filled.source.text
        self.findings.update((finding.entity_type, finding.action) for finding in encounter.findings)
        self.identifiers.update(_NUMBER.sub("", identifier.placeholder) for identifier in filled.identifiers)
        self.splits[split] += 1
        self.conditions[scenario.condition] += 1
        self.visits[scenario.visit] += 1
        self.lengths[scenario.manner.length if scenario.manner is not None else "usual"] += 1
        for fact in scenario.facts:
            if isinstance(fact, PatientFact):
                self.sexes[fact.sex] += 1
                self.decades[fact.age // 10 * 10] += 1
                self.ages[fact.age] += 1
        words = len(source.split())
        self.source_words[words // _BIN * _BIN] += 1
        self.words["source"] += words
        self.words["note"] += len(text.split())
        self.turns += len(encounter.source.passages)
        self.facts += len(scenario.facts)
        self.prompt_tokens += encounter.usage.prompt_tokens
        self.completion_tokens += encounter.usage.completion_tokens
        self.judge_tokens += encounter.usage.judge_prompt_tokens + encounter.usage.judge_completion_tokens
        if encounter.judgement is not None:
            judged = encounter.judgement
            self.grades.update((name, one.median, one.spread) for name, one in judged.dimensions.items())
            self.unread.update(judged.unread)
        if encounter.overlap is not None:
            self.nearest = _larger(self.nearest, encounter.overlap)
        if len(self.samples) < _SAMPLES:
            self.samples.append((encounter.id, source, text))


def _larger(before: Overlap | None, found: Overlap) -> Overlap:
    """Return the larger of both measures, each for itself."""
    if before is None:
        return found
    nearer = found if found.cosine > before.cosine else before
    return nearer.model_copy(update={"ngrams": max(before.ngrams, found.ngrams)})


def publish(
    run: Path, task: Task, shares: SplitConfig, identities: IdentityMode = "placeholder", *, judged: bool = False
) -> Summary:
    """Write ``dataset/{train,validation,test}.parquet`` of a run and return what is in them.

    Columns, all strings: id, task, specialty, condition, source (as text), target (JSON under the contract),
    text (the target as people read it), scenario (JSON of the facts), identifiers (JSON list of where ``identities``
    has put what stood for an identifier: field, placeholder, entity_type, start, end), and of a run that is
    ``judged`` judgement (JSON of the scores). Beside it ``preferences/`` has the pairs, where there are any.
    """
    columns = JUDGED if judged else COLUMNS
    schema = pa.schema([(name, pa.string()) for name in columns])
    folder = run / "dataset"
    folder.mkdir(exist_ok=True)
    summary = Summary()
    partial = {split: folder / f"{split}.parquet.partial" for split in _SPLITS}
    with ExitStack() as stack:
        preferences = stack.enter_context(Preferences(run, task, identities))
        writers = {split: stack.enter_context(pq.ParquetWriter(path, schema)) for split, path in partial.items()}
        rows: dict[Split, list[tuple[str, ...]]] = {split: [] for split in _SPLITS}
        for encounter in read_encounters(run):
            split = split_of(encounter.id, shares)
            filled = fill(encounter, identities)
            text = render_prompt(task.renderer, target=filled.target)
            summary.add(encounter, filled, split, text)
            rows[split].append(_row(encounter, filled, text))
            preferences.add(encounter, filled, split, text)
            if len(rows[split]) == _BATCH:
                writers[split].write_table(_table(rows[split], schema))
                rows[split].clear()
        for split, rest in rows.items():
            writers[split].write_table(_table(rest, schema))
    for split, path in partial.items():
        path.replace(folder / f"{split}.parquet")
    return summary


def _row(encounter: Encounter, filled: Filled, text: str) -> tuple[str, ...]:
    scenario = encounter.scenario
    judgement = (encounter.judgement.model_dump_json(),) if encounter.judgement else ()
    return (
        encounter.id,
        encounter.task,
        scenario.specialty,
        scenario.condition,
        filled.source.text,
        canonical_json(filled.target),
        text,
        scenario.model_dump_json(),
        canonical_json([identifier.model_dump() for identifier in filled.identifiers]),
        *judgement,
    )


def _table(rows: Sequence[tuple[str, ...]], schema: pa.Schema) -> pa.Table:
    """Return rows as a table, by builders: ``pa.array`` would import pandas, to ask whether it is given a series."""
    builders = [pa.lib.StringBuilder() for _ in schema]
    for row in rows:
        for builder, value in zip(builders, row, strict=True):
            builder.append(value)
    return pa.Table.from_arrays([builder.finish() for builder in builders], schema=schema)
