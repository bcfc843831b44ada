"""Both sides of the filter: what it finds of labelled identifiers, and what it flags where there are none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from synth.checks.phi import Scanner
from synth.privacy.corpora import CLASSES, Corpus, Labelled, LabelledSpan, held_out
from synth.proportions import wilson
from synth.records import Record


class Hit(NamedTuple):
    """A finding in a document."""

    start: int
    end: int
    entity_type: str


class Recall(Record):
    """How many spans were found, with the bounds of the 95 % Wilson interval of their share."""

    found: int
    total: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Of the spans; 0 where there is none."""
        return self.found / self.total if self.total else 0.0


class ClassRecall(Record):
    """Recall on the spans of one label, by three measures."""

    label: str
    letter: str | None
    """Of the Safe Harbor class; None for a label that is none of its classes."""
    whole: Recall
    """One finding, of whatever type, covers the whole span: the measure that is meant by recall."""
    union: Recall
    """Every letter and digit of the span lies in some finding."""
    overlap: Recall
    """Some finding touches the span."""


class Alarms(Record):
    """Findings that touch no labelled span."""

    documents: int
    words: int
    findings: dict[str, int]
    """By entity type, most frequent first."""
    per_thousand_words: float


class Measured(Record):
    """What was measured on one corpus."""

    corpus: str
    sha256: str
    documents: int
    classes: tuple[ClassRecall, ...]
    overall: ClassRecall | None
    """None where nothing is labelled."""
    with_identifiers: Alarms
    without: Alarms


class Miss(Record):
    """A span that no finding covers whole. Holds the text of an identifier."""

    corpus: str
    id: str
    label: str
    start: int
    end: int
    text: str
    before: str
    after: str
    touched: bool


class HeldOut(Record):
    """Recall on the bundled held-out documents."""

    sha256: str
    documents: int
    classes: dict[str, Recall]
    """By letter of the Safe Harbor class; a class that is missing was not measured."""
    overall: Recall


_CONTEXT = 40


def measure(corpus: Corpus, found: Sequence[Sequence[Hit]]) -> Measured:
    """Return what the findings in each document of a corpus come to; ValueError where the lengths differ."""
    counts: dict[str, Counter[str]] = {"total": Counter(), "whole": Counter(), "union": Counter(), "overlap": Counter()}
    alarms = {True: Counter[str](), False: Counter[str]()}
    for document, hits in zip(corpus.documents, found, strict=True):
        for span in document.spans:
            counts["total"][span.label] += 1
            counts["whole"][span.label] += _whole(span, hits)
            counts["union"][span.label] += _union(span, hits, document.text)
            counts["overlap"][span.label] += any(_touch(hit, span) for hit in hits)
        strays = (hit.entity_type for hit in hits if not any(_touch(hit, span) for span in document.spans))
        alarms[bool(document.spans)].update(strays)
    labels = [label for label, _ in counts["total"].most_common()]
    return Measured(
        corpus=corpus.name,
        sha256=corpus.sha256,
        documents=len(corpus.documents),
        classes=tuple(_recall(label, (label,), counts) for label in labels),
        overall=_recall("all", tuple(labels), counts) if labels else None,
        with_identifiers=_alarms([one for one in corpus.documents if one.spans], alarms[True]),
        without=_alarms([one for one in corpus.documents if not one.spans], alarms[False]),
    )


def misses(corpus: Corpus, found: Sequence[Sequence[Hit]]) -> Iterator[Miss]:
    """Yield the spans that no finding covers whole, with what stands around them."""
    for document, hits in zip(corpus.documents, found, strict=True):
        for span in document.spans:
            if not _whole(span, hits):
                text = document.text
                yield Miss(
                    corpus=corpus.name,
                    id=document.id,
                    label=span.label,
                    start=span.start,
                    end=span.end,
                    text=text[span.start : span.end],
                    before=text[max(0, span.start - _CONTEXT) : span.start],
                    after=text[span.end : span.end + _CONTEXT],
                    touched=any(_touch(hit, span) for hit in hits),
                )


@lru_cache(maxsize=8)
def held_out_recall(scanner: Scanner) -> HeldOut | None:
    """Return the recall of a scanner on the bundled held-out documents, measured once a process; None where they are
    not there."""
    corpus = held_out()
    if corpus is None:
        return None
    found = [
        [Hit(hit.start, hit.end, hit.entity_type) for hit in scanner.text(document.text)]
        for document in corpus.documents
    ]
    counts: dict[str, Counter[str]] = {"total": Counter(), "whole": Counter()}
    for row in measure(corpus, found).classes:
        counts["total"][CLASSES[row.label]] += row.whole.total
        counts["whole"][CLASSES[row.label]] += row.whole.found
    return HeldOut(
        sha256=corpus.sha256,
        documents=len(corpus.documents),
        classes={letter: _of(counts["whole"][letter], total) for letter, total in sorted(counts["total"].items())},
        overall=_of(counts["whole"].total(), counts["total"].total()),
    )


def _whole(span: LabelledSpan, hits: Sequence[Hit]) -> bool:
    return any(hit.start <= span.start and span.end <= hit.end for hit in hits)


def _union(span: LabelledSpan, hits: Sequence[Hit], text: str) -> bool:
    near = [hit for hit in hits if _touch(hit, span)]
    return all(
        any(hit.start <= i < hit.end for hit in near) for i in range(span.start, span.end) if text[i].isalnum()
    ) and bool(near)


def _touch(hit: Hit, span: LabelledSpan) -> bool:
    return hit.start < span.end and span.start < hit.end


def _recall(name: str, labels: tuple[str, ...], counts: dict[str, Counter[str]]) -> ClassRecall:
    def of(measure: str) -> Recall:
        return _of(sum(counts[measure][label] for label in labels), sum(counts["total"][label] for label in labels))

    letter = CLASSES.get(name)
    return ClassRecall(label=name, letter=letter, whole=of("whole"), union=of("union"), overlap=of("overlap"))


def _of(found: int, total: int) -> Recall:
    low, high = wilson(found, total)
    return Recall(found=found, total=total, low=low, high=high)


def _alarms(documents: Sequence[Labelled], counts: Counter[str]) -> Alarms:
    words = sum(len(document.text.split()) for document in documents)
    return Alarms(
        documents=len(documents),
        words=words,
        findings=dict(counts.most_common()),
        per_thousand_words=1000 * counts.total() / words if words else 0.0,
    )
