"""``synth phi-eval``: measures the filter on corpora, and says what came out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from synth.checks.phi import engine_versions
from synth.errors import UserError
from synth.privacy.corpora import HELD_OUT, Corpus, held_out, read_aci_names, read_clean, read_labelled
from synth.privacy.documents import Document, Value
from synth.privacy.evaluation import Alarms, ClassRecall, Hit, Measured, measure, misses
from synth.privacy.files import written_whole
from synth.privacy.pool import Job, outcomes
from synth.privacy.scan import load_model
from synth.privacy.scanning import EVERYTHING, ScanSettings
from synth.records import Record

Kind = Literal["held-out", "labelled", "clean", "names"]
_TITLES: dict[Kind, str] = {
    "held-out": "held-out: written by others than the recognisers' author, and never tuned on",
    "labelled": "labelled by you; held-out only if nobody tuned on it",
    "clean": "no labels: true and false findings together, so an upper bound of false alarms",
    "names": "names known from metadata; one that is a word besides counts too often",
}


@dataclass(frozen=True, slots=True)
class EvalRequest:
    """What ``synth phi-eval`` is asked; with no corpus at all it takes the bundled held-out set."""

    labelled: tuple[Path, ...] = ()
    clean: tuple[Path, ...] = ()
    aci_bench: Path | None = None
    settings: ScanSettings = EVERYTHING
    workers: int = 1
    out: Path | None = None
    misses: Path | None = None


class Part(Record):
    """One corpus of an evaluation."""

    kind: Kind
    measured: Measured


class Results(Record):
    """What ``results.json`` holds."""

    format: Literal[1] = 1
    engine: dict[str, str]
    model: str | None
    thresholds: dict[str, float]
    confidence: float = 0.95
    parts: tuple[Part, ...]


def evaluate(request: EvalRequest, notify: Callable[[str], None]) -> Results:
    """Measure, write what was asked for, and return the results.

    ``notify`` is told what was left out. Raises UserError for a corpus that cannot be read, and where none is asked for
    and none is bundled.
    """
    load_model(request.settings)
    parts: list[Part] = []
    missed: list[str] = []
    for kind, corpus in _corpora(request, notify):
        found = _found(corpus, request)
        parts.append(Part(kind=kind, measured=measure(corpus, found)))
        if request.misses is not None:
            missed += [miss.model_dump_json() for miss in misses(corpus, found)]
    results = Results(
        engine=engine_versions(request.settings.model),
        model=request.settings.model,
        thresholds=dict(request.settings.thresholds),
        parts=tuple(parts),
    )
    if request.out is not None:
        with written_whole(request.out) as out:
            out.write(results.model_dump_json(indent=2).encode() + b"\n")
    if request.misses is not None:
        with written_whole(request.misses, private=True) as out:
            out.write("".join(f"{line}\n" for line in missed).encode())
    return results


def _corpora(request: EvalRequest, notify: Callable[[str], None]) -> Iterator[tuple[Kind, Corpus]]:
    if not (request.labelled or request.clean or request.aci_bench):
        bundled = held_out()
        if bundled is None:
            raise UserError(f"there is no bundled held-out set here ({HELD_OUT.name}); give --labelled FILE.jsonl")
        yield "held-out", bundled
    for path in request.labelled:
        yield "labelled", read_labelled(path)
    for path in request.clean:
        corpus, skipped = read_clean(path)
        if skipped:
            notify(f"{path}: {skipped} files without a text that is known how to read")
        yield "clean", corpus
    if request.aci_bench is not None:
        for corpus in read_aci_names(request.aci_bench):
            yield "names", corpus


def _found(corpus: Corpus, request: EvalRequest) -> list[list[Hit]]:
    documents = (("", Document(one.id, (Value("text", "", one.text),))) for one in corpus.documents)
    return [
        [Hit(hit.start, hit.end, hit.entity_type) for hit in outcome.findings]
        for _, _, outcome in outcomes(documents, Job(request.settings), request.workers)
        if outcome is not None
    ]


def report(results: Results) -> Iterator[str]:
    """Yield the lines of the report."""
    engine = ", ".join(f"{name} {version}" for name, version in results.engine.items())
    yield f"{engine}{f', model {results.model}' if results.model else ''}; intervals: Wilson, 95 %"
    for part in results.parts:
        measured = part.measured
        yield f"\n{measured.corpus}: {measured.documents:,} documents ({_TITLES[part.kind]})"
        if measured.overall is not None:
            yield f"\n{'class':<20} {'found':>6} {'of':>6} {'recall':>7}  {'interval':<13} {'union':>7} {'overlap':>8}"
            yield from map(_row, (*measured.classes, measured.overall))
        if part.kind in ("labelled", "held-out"):
            yield ""
        if part.kind != "names":
            for title, alarms in _sides(part):
                yield from _alarm_lines(title, alarms)


def _row(row: ClassRecall) -> str:
    whole = row.whole
    name = f"{row.letter} {row.label}" if row.letter else row.label
    return (
        f"{name:<20} {whole.found:>6,} {whole.total:>6,} {whole.share:>7.3f}  {whole.low:.3f}–{whole.high:.3f}   "
        f"{row.union.share:>7.3f} {row.overlap.share:>8.3f}"
    )


def _sides(part: Part) -> Sequence[tuple[str, Alarms]]:
    if part.kind == "clean":
        return [("findings", part.measured.without)]
    return [
        ("false alarms where there are identifiers", part.measured.with_identifiers),
        ("false alarms where there are none", part.measured.without),
    ]


def _alarm_lines(title: str, alarms: Alarms) -> Iterator[str]:
    if alarms.documents:
        count = sum(alarms.findings.values())
        rate = f"{alarms.per_thousand_words:.2f} per 1,000 words"
        yield f"{title}: {count:,} in {alarms.documents:,} documents of {alarms.words:,} words, {rate}"
        if alarms.findings:
            yield "  " + ", ".join(f"{entity} {number:,}" for entity, number in alarms.findings.items())
