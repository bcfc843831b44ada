"""One item of a report: source, reference and what each system wrote, with facts and inventions marked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from distill.highlights import Segment, fact_marks, invented_marks, segments, shared_marks, unsaid
from distill.located import LocatedText
from distill.measures import Measure
from distill.records import BenchmarkItem, Prediction
from distill.tasks import carried_by
from synth.checks.faithfulness import Faithfulness, Invented, of_kind
from synth.checks.faithfulness.examination import examine_target, lexicon_of
from synth.checks.faithfulness.lexicon import Lexicon

Values = Mapping[str, float | None]

_ENDS = {
    "length": "cut off at the token limit",
    "too_long": "too long: the prompt does not fit the context",
    "filtered": "withheld by the server's content filter",
    "failed": "the server failed",
}
"""Why an output is not what was asked for."""


@dataclass(frozen=True, slots=True)
class FactCell:
    """What became of a fact in one text."""

    verdict: str
    """found, missing or contradicted."""
    why: str


@dataclass(frozen=True, slots=True)
class FactRow:
    """A fact of the scenario in every text."""

    kind: str
    text: str
    cells: tuple[FactCell, ...]
    """In the order of ``ItemView.texts``."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something invented; ``marked`` says whether it has a place in the text."""

    kind: str
    text: str
    marked: bool
    times: int
    """How often it was counted: once a field."""


@dataclass(frozen=True, slots=True)
class WrittenView:
    """What one system wrote."""

    system: str
    note: str
    """What to know of it, such as that it was cut off."""
    parts: tuple[Segment, ...]
    invented: tuple[Flaw, ...]
    unsaid: tuple[str, ...]
    """Drugs and numbers that source and reference have, where no scenario says what is missing."""
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ItemView:
    """One item as a page shows it."""

    number: int
    id: str
    read: bool
    """Whether facts and inventions were looked for."""
    scenario: bool
    source: tuple[Segment, ...]
    reference: tuple[Segment, ...]
    facts: tuple[FactRow, ...]
    texts: tuple[str, ...]
    """What the columns of ``facts`` are of."""
    columns: tuple[str, ...]
    """What ``WrittenView.values`` are of."""
    written: tuple[WrittenView, ...]

    @property
    def invented(self) -> int:
        """How many things the systems invented, all together."""
        return sum(flaw.times for one in self.written for flaw in one.invented)

    @property
    def contradicted(self) -> int:
        """How many facts the systems contradicted, all together."""
        first = len(self.texts) - len(self.written)
        return sum(cell.verdict == "contradicted" for fact in self.facts for cell in fact.cells[first:])


def item_view(
    number: int,
    item: BenchmarkItem,
    written: Mapping[str, tuple[Prediction, Values]],
    columns: Mapping[str, Measure],
    *,
    read: bool,
) -> ItemView:
    """Return an item as a page shows it; facts are looked for only where ``read`` says that they were measured."""
    if read:
        return _read(number, item, written, columns)
    return ItemView(
        number=number,
        id=item.id,
        read=False,
        scenario=False,
        source=tuple(segments(item.source, ())),
        reference=tuple(segments(item.reference, ())),
        facts=(),
        texts=(),
        columns=tuple(columns),
        written=tuple(
            WrittenView(name, _note(prediction), tuple(segments(prediction.text, ())), (), (), _values(values, columns))
            for name, (prediction, values) in written.items()
        ),
    )


def _read(
    number: int, item: BenchmarkItem, written: Mapping[str, tuple[Prediction, Values]], columns: Mapping[str, Measure]
) -> ItemView:
    words = lexicon_of(item.scenario)
    source = LocatedText(item.source, words, written=False)
    reference = LocatedText(item.reference, words, written=True)
    own = examine_target(item.source, item.reference if item.target is None else item.target, item.scenario)
    found = {
        name: examine_target(
            item.source, prediction.text if prediction.target is None else prediction.target, item.scenario
        )
        for name, (prediction, _) in written.items()
    }
    if item.scenario is None:
        source_marks = shared_marks(source, reference, "reference")
        reference_marks = shared_marks(reference, source, "source")
    else:
        source_marks = fact_marks(source, item.scenario, own.facts, source=True)
        reference_marks = fact_marks(reference, item.scenario, own.facts, source=False)
    return ItemView(
        number=number,
        id=item.id,
        read=True,
        scenario=item.scenario is not None,
        source=tuple(segments(item.source, source_marks)),
        reference=tuple(segments(item.reference, reference_marks)),
        facts=_facts(own, found, carried_by(item.task)),
        texts=("source", "reference", *written),
        columns=tuple(columns),
        written=tuple(
            _written(item, name, prediction, found[name], source, reference, words, _values(values, columns))
            for name, (prediction, values) in written.items()
        ),
    )


def _written(
    item: BenchmarkItem,
    name: str,
    prediction: Prediction,
    found: Faithfulness,
    source: LocatedText,
    reference: LocatedText,
    words: Lexicon,
    values: tuple[str, ...],
) -> WrittenView:
    text = LocatedText(prediction.text, words, written=True)
    marks, nowhere = invented_marks(text, found.invented)
    if item.scenario is None:
        marks += shared_marks(text, source, "source")
    else:
        marks += fact_marks(text, item.scenario, found.facts, source=False)
    return WrittenView(
        system=name,
        note=_note(prediction),
        parts=tuple(segments(prediction.text, marks)),
        invented=_flaws(found.invented, nowhere),
        unsaid=tuple(unsaid(source, reference, text)) if item.scenario is None else (),
        values=values,
    )


def _flaws(invented: Iterable[Invented], nowhere: Sequence[Invented]) -> tuple[Flaw, ...]:
    times: Counter[tuple[str, str]] = Counter()
    marked: dict[tuple[str, str], bool] = {}
    for one in invented:
        key = (one.kind, " ".join(one.text.split()))
        times[key] += 1
        marked[key] = marked.get(key, False) or one not in nowhere
    return tuple(Flaw(kind, text, marked[kind, text], count) for (kind, text), count in times.items())


def _facts(own: Faithfulness, found: Mapping[str, Faithfulness], kinds: tuple[str, ...]) -> tuple[FactRow, ...]:
    """Return the facts of some kinds, of all where none are given."""
    return tuple(
        FactRow(
            fact.kind,
            fact.text,
            tuple(
                FactCell(one.verdict, one.why)
                for one in (fact.source, fact.target, *(each.facts[i].target for each in found.values()))
            ),
        )
        for i, fact in enumerate(own.facts)
        if not kinds or of_kind(fact.kind, kinds)
    )


def _values(values: Values, columns: Mapping[str, Measure]) -> tuple[str, ...]:
    return tuple(
        "–" if (value := values.get(column)) is None else f"{(100 if m.unit == 'percent' else 1) * value:.1f}"
        for column, m in columns.items()
    )


def _note(prediction: Prediction) -> str:
    if prediction.finish in _ENDS:
        return _ENDS[prediction.finish]
    if not prediction.text.strip():
        return "empty"
    return "" if prediction.target is not None else "text"
