"""``synth report``: what a run's language is like, beside that of other corpora."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from synth.assets import render_prompt
from synth.catalog import load_task
from synth.checks.duplicates import Duplicates, fact_ngrams
from synth.config import DuplicatesConfig
from synth.corpora import Corpus, Item
from synth.errors import UserError
from synth.language.measures import OVERLAP, SPEAKERS, Gathered, Kind, Measures, Outside, measured
from synth.ledger import ENCOUNTERS, whole_lines
from synth.records import Encounter, Record
from synth.runs import read_manifest

_TITLES: dict[Kind, str] = {"dialogue": "Dialogues", "note": "Notes"}
_NOTES = (
    "Words are counted without punctuation and placeholders. Samples are as large in every column;",
    "self-BLEU, distinct-n and what texts have in common depend on that size.",
)


class LanguageReport(Record):
    """A run and what it is set beside."""

    run: str
    seed: int
    """Of the sample."""
    corpora: tuple[Measures, ...]
    """The run first."""


def language_report(run: Path, beside: Sequence[Corpus], most: int, seed: int = 0) -> LanguageReport:
    """Return the measures of a run, finished or not, and of other corpora; samples are of at most so many texts.

    Measured is what the logs hold, so that the names of a surrogate generator do not count as the teacher's words.
    UserError where there is no run, nothing is accepted yet, or a line cannot be read.
    """
    read_manifest(run)
    own = Gathered("run", most, seed)
    duplicates = Duplicates(DuplicatesConfig(words=OVERLAP))
    largest: tuple[float, tuple[str, str] | None] = (0.0, None)
    for encounter in _encounters(run):
        own.add(_item(encounter))
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
        run=str(run), seed=seed, corpora=(first.model_copy(update={"name": run.name, "outside": outside}), *rest)
    )


def _encounters(run: Path) -> Iterator[Encounter]:
    for number, line in enumerate(whole_lines(run / ENCOUNTERS), 1):
        try:
            yield Encounter.model_validate_json(line)
        except ValidationError as error:
            raise UserError(f"{run / ENCOUNTERS} is damaged in line {number}; restore it or start anew") from error


def _item(encounter: Encounter) -> Item:
    turns = tuple((turn.speaker, turn.text) for turn in encounter.source.turns)
    return Item(encounter.id, turns, render_prompt(load_task(encounter.task).renderer, target=encounter.target))


def report_text(report: LanguageReport) -> str:
    """Return the report as lines for a person, without a line break at the end."""
    table = [
        ("", [one.name for one in report.corpora]),
        ("items", [f"{one.items:,}" for one in report.corpora]),
    ]
    for kind, title in _TITLES.items():
        present = [one for one in report.corpora if kind in one.lengths]
        if present:
            table += [("", []), (title, [])]
            table += [(label, [say(one) for one in report.corpora]) for label, say in _rows(kind, present)]
    widths = [max(len(label) for label, _ in table)]
    widths += [max(len(cells[i]) for _, cells in table if cells) for i in range(len(report.corpora))]
    lines = [_line([label, *cells], widths) for label, cells in table]
    return "\n".join((*lines, "", *_NOTES))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    label, *rest = cells
    line = f"{label:<{widths[0]}}" + "".join(
        f"   {cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=False)
    )
    return line.rstrip()


Row = tuple[str, Callable[[Measures], str]]


def _rows(kind: Kind, present: Sequence[Measures]) -> Iterator[Row]:
    """Yield label and cell of each row about the dialogues, or the notes; a corpus without any has dashes."""

    def row(label: str, say: Callable[[Measures], str]) -> Row:
        return label, lambda one: say(one) if kind in one.lengths else "–"

    sample = present[0].sampled[kind]
    yield row("words, mean (sd)", lambda one: f"{one.lengths[kind].mean:,.0f} ({one.lengths[kind].sd:,.0f})")
    yield row(
        "words, 5 / 50 / 95 %",
        lambda one: " / ".join(f"{one.lengths[kind].percentiles[p]:,.0f}" for p in ("5", "50", "95")),
    )
    if kind == "dialogue":
        yield row("turns, mean (sd)", lambda one: f"{one.turns.mean:.0f} ({one.turns.sd:.0f})" if one.turns else "–")
        yield row("words a turn, doctor / patient", lambda one: _by_speaker(one, "words"))
        yield row("turns that ask, doctor / patient", lambda one: _by_speaker(one, "questions"))
    yield row("different words", lambda one: f"{one.vocabulary[kind].size:,}")
    for step in (10_000, 50_000):
        if any(step in one.vocabulary[kind].growth for one in present):
            yield row(f"  in the first {step:,} words", lambda one, step=step: _growth(one, kind, step))  # type: ignore[misc]  # mypy does not infer a lambda's default
    yield row("Heaps' exponent", lambda one: _or_dash(one.vocabulary[kind].heaps))
    yield row(
        f"distinct-1 / 2 / 3, {sample.words:,} words",
        lambda one: " / ".join(f"{value:.2f}" for value in one.sampled[kind].distinct.values()),
    )
    yield row(f"self-BLEU-4, {sample.texts} texts", lambda one: f"{one.sampled[kind].self_bleu:.3f}")
    if kind == "dialogue":
        yield row(
            f"{OVERLAP}-grams in common, mean / most, {sample.texts} texts",
            lambda one: f"{one.shared.mean:.1%} / {one.shared.largest:.1%}" if one.shared else "–",
        )
        if (outside := present[0].outside) is not None:
            yield row(
                f"  with facts, most, {outside.texts:,} texts",
                lambda one: f"{one.outside.largest:.1%}" if one.outside else "–",
            )


def _by_speaker(one: Measures, what: str) -> str:
    if one.turns is None:
        return "–"
    cells = []
    for speaker in SPEAKERS:
        value = (one.turns.words if what == "words" else one.turns.questions).get(speaker)
        cells.append("–" if value is None else f"{value:.1f}" if what == "words" else f"{value:.0%}")
    return " / ".join(cells)


def _growth(one: Measures, kind: Kind, step: int) -> str:
    size = one.vocabulary[kind].growth.get(step)
    return "–" if size is None else f"{size:,}"


def _or_dash(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
