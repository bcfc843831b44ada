"""``synth report``: what a run's language is like, beside that of other corpora."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import nsmallest
from pathlib import Path

from pydantic import Field, ValidationError

from synth.assets import render_prompt
from synth.catalog import Task, load_task
from synth.checks.duplicates import Duplicates, fact_ngrams
from synth.config import DuplicatesConfig
from synth.corpora import Corpus, Item
from synth.errors import UserError
from synth.language.measures import OVERLAP, Gathered, Measures, Outside, measured, rank
from synth.ledger import ENCOUNTERS, whole_lines
from synth.record import none
from synth.records import Encounter, Record
from synth.runs import read_manifest

_NOUNS = ("transcript", "note")
"""Those of which the table speaks as of dialogues and notes, as other corpora have them."""


class LanguageReport(Record):
    """A run and what it is set beside."""

    run: str
    seed: int
    """Of the sample."""
    corpora: tuple[Measures, ...]
    """The run first."""
    nouns: tuple[str, str] | None = Field(default=None, exclude_if=none)
    """What the run calls its source and target; None where those are transcript and note."""


def language_report(run: Path, beside: Sequence[Corpus], most: int, seed: int = 0) -> LanguageReport:
    """Return the measures of a run, finished or not, and of other corpora; samples are of at most so many texts.

    Measured is what the logs hold, so that the names of a surrogate generator do not count as the teacher's words.
    UserError where there is no run, nothing is accepted yet, or a line cannot be read.
    """
    read_manifest(run)
    own = Gathered("run", most, seed)
    nouns: tuple[str, str] | None = None
    duplicates = Duplicates(DuplicatesConfig(words=OVERLAP))
    largest: tuple[float, tuple[str, str] | None] = (0.0, None)
    for encounter in _encounters(run):
        own.add(_item(encounter))
        task = load_task(encounter.task)
        nouns = nouns_of(task)
        grams = fact_ngrams(encounter, OVERLAP)
        share, nearest = duplicates.nearest(grams)
        if nearest is not None and share > largest[0]:
            largest = share, (nearest, encounter.id)
        duplicates.add(encounter.id, grams)
    if not own.items:
        raise UserError(f"{run}: nothing is accepted yet")
    others = []
    for corpus in beside:
        other = Gathered(corpus.name, most, seed, corpus.sha256)
        for item in corpus.items:
            other.add(item)
        others.append(other)
    first, *rest = measured((own, *others))
    outside = Outside(texts=own.items, words=OVERLAP, largest=largest[0], pair=largest[1])
    return LanguageReport(
        run=str(run),
        seed=seed,
        corpora=(first.model_copy(update={"name": run.name, "outside": outside}), *rest),
        nouns=nouns,
    )


def nouns_of(task: Task) -> tuple[str, str] | None:
    """Return what a task calls its source and target; None where the table's own words for both do."""
    return None if task.nouns == _NOUNS else task.nouns


def sample_measures(run: Path, most: int = 200, seed: int = 0) -> tuple[Measures, ...]:
    """Return the measures of a sample of a run's encounters, for the run's own report; none where nothing is accepted.

    Only the sample is read beyond its ids, so that this takes a second whatever the run's size.
    """
    drawn = nsmallest(most, whole_lines(run / ENCOUNTERS), key=lambda line: rank(_id(line), seed))
    if not drawn:
        return ()
    own = Gathered("run", most, seed)
    for line in drawn:
        own.add(_item(Encounter.model_validate_json(line)))
    return measured((own,))


def _id(line: bytes) -> str:
    return line[len(b'{"id":"') :].partition(b'"')[0].decode()


def _encounters(run: Path) -> Iterator[Encounter]:
    for number, line in enumerate(whole_lines(run / ENCOUNTERS), 1):
        try:
            yield Encounter.model_validate_json(line)
        except ValidationError as error:
            raise UserError(f"{run / ENCOUNTERS} is damaged in line {number}; restore it or start anew") from error


def _item(encounter: Encounter) -> Item:
    turns: tuple[tuple[str, str], ...] = tuple((turn.speaker, turn.text) for turn in encounter.turns)
    passages = turns or tuple(("", passage) for passage in encounter.source.passages)
    text = render_prompt(load_task(encounter.task).renderer, target=encounter.target)
    return Item(encounter.id, passages, text, spoken=bool(turns))
