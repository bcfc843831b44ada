"""What the PHI check finds, what it flags wrongly, and how fast it is beside stock Presidio.

    python benchmarks/phi.py [--data DIR] [--dialogues N]

Recall by class is measured on phi-dev, a hand-written *development* set: its figures are not held-out. A span counts
as found where one finding covers it whole, whatever its entity type. ACI-Bench dialogues carry no labels; their
findings are counted by type, and include the names and dates that the dialogues do hold. Times are CPU times of one
process, both engines in the same run on the same texts. Stock Presidio runs on a blank spaCy pipeline without its
EmailRecognizer, which fetches a list over HTTP.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from synth.checks.phi import engine_versions, scan_text
from synth.records import PhiFinding

_DEFAULT = Path(os.environ.get("NOTEWRIGHT_BENCH", Path(__file__).resolve().parent.parent.parent / "shared" / "bench"))


@dataclass(frozen=True, slots=True)
class Span:
    """A labelled identifier of phi-dev."""

    start: int
    end: int
    label: str


@dataclass(frozen=True, slots=True)
class Document:
    """A document of phi-dev; ``nd-…`` documents hold no identifier."""

    id: str
    text: str
    spans: tuple[Span, ...]


def load_phi_dev(folder: Path) -> list[Document]:
    """Return the documents of ``phi-dev/documents.jsonl``."""
    documents = []
    for line in (folder / "documents.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        spans = tuple(Span(s["start"], s["end"], s["class"]) for s in row["spans"])
        documents.append(Document(row["id"], row["text"], spans))
    return documents


def wilson(found: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a proportion (Wilson 1927)."""
    z = 1.959964
    share = found / total
    centre = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return centre - half, centre + half


def report_phi_dev(documents: Sequence[Document]) -> None:
    """Print recall by class, and the findings that touch no span, by entity type."""
    total: Counter[str] = Counter()
    found: Counter[str] = Counter()
    false: dict[str, Counter[str]] = {"with identifiers": Counter(), "without": Counter()}
    words: Counter[str] = Counter()
    for document in documents:
        findings = scan_text(document.text)
        for span in document.spans:
            total[span.label] += 1
            found[span.label] += any(f.start <= span.start and span.end <= f.end for f in findings)
        kind = "with identifiers" if document.spans else "without"
        words[kind] += len(document.text.split())
        false[kind].update(f.entity_type for f in findings if not any(_touch(f, span) for span in document.spans))
    print("phi-dev (development set, not held-out)\n")
    print(f"{'class':<12} {'found':>6} {'spans':>6} {'recall':>7}   95 % interval")
    for label, count in sorted(total.items(), key=lambda item: -item[1]):
        low, high = wilson(found[label], count)
        print(f"{label:<12} {found[label]:>6} {count:>6} {found[label] / count:>7.3f}   {low:.3f}–{high:.3f}")
    hits, spans = found.total(), total.total()
    low, high = wilson(hits, spans)
    print(f"{'all':<12} {hits:>6} {spans:>6} {hits / spans:>7.3f}   {low:.3f}–{high:.3f}")
    for kind, counts in false.items():
        rate = f"{counts.total()}, {1000 * counts.total() / words[kind]:.2f} per 1,000 words"
        print(f"false positives, documents {kind}: {rate} {dict(counts.most_common())}")


def _touch(finding: PhiFinding, span: Span) -> bool:
    return finding.start < span.end and span.start < finding.end


def load_dialogues(folder: Path, most: int) -> list[str]:
    """Return the first dialogues of ACI-Bench's train and valid files."""
    dialogues: list[str] = []
    for name in ("train.csv", "valid.csv"):
        with (folder / name).open(encoding="utf-8", newline="") as file:
            dialogues.extend(row["dialogue"] for row in csv.DictReader(file))
    return dialogues[:most]


def report_dialogues(dialogues: Sequence[str], show: bool) -> None:
    """Print the findings in dialogues by entity type; with ``show`` each with the words around it (public data)."""
    counts: Counter[str] = Counter()
    words = sum(len(text.split()) for text in dialogues)
    for text in dialogues:
        for finding in scan_text(text):
            counts[finding.entity_type] += 1
            if show:
                around = text[max(0, finding.start - 30) : finding.start]
                print(f"  {finding.entity_type:<14} {around!r} >> {text[finding.start : finding.end]!r}")
    print(f"\nACI-Bench, {len(dialogues)} dialogues, {words} words (unlabelled, true and false together)")
    for entity_type, count in counts.most_common():
        print(f"{entity_type:<24} {count:>6}   {1000 * count / words:.2f} per 1,000 words")


def stock_presidio() -> Callable[[str], object]:
    """Return ``analyze`` of Presidio as it comes, on a blank spaCy pipeline."""
    import spacy
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    class Blank(SpacyNlpEngine):
        def load(self) -> None:
            self.nlp = {"en": spacy.blank("en")}  # type: ignore[assignment]  # Presidio declares None

    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    registry.remove_recognizer("EmailRecognizer")
    engine = AnalyzerEngine(registry=registry, nlp_engine=Blank())
    return lambda text: engine.analyze(text, "en")


def report_speed(texts: Sequence[str]) -> None:
    """Print CPU milliseconds a document and documents a second of one core, for both engines in turns."""
    words = sum(len(text.split()) for text in texts) / len(texts)
    contestants: dict[str, Callable[[str], object]] = {
        "phi check": scan_text,
        "stock Presidio, blank spaCy": stock_presidio(),
    }
    print(f"\nspeed, {len(texts)} documents of {words:.0f} words on average, best of three rounds")
    best = dict.fromkeys(contestants, math.inf)
    for analyze in contestants.values():
        analyze(texts[0])
    for _ in range(3):
        for name, analyze in contestants.items():
            started = time.process_time()
            for text in texts:
                analyze(text)
            best[name] = min(best[name], time.process_time() - started)
    for name, seconds in best.items():
        each = 1000 * seconds / len(texts)
        print(f"{name:<28} {each:>7.2f} ms a document   {1000 / each:>7.1f} documents/s a core")


def main() -> None:
    """Run all three reports."""
    parser = argparse.ArgumentParser(description="Recall, false positives and speed of the PHI check.")
    parser.add_argument("--data", type=Path, default=_DEFAULT, help="folder with phi-dev/ and aci-bench/")
    parser.add_argument("--dialogues", type=int, default=87, help="how many ACI-Bench dialogues")
    parser.add_argument("--show", action="store_true", help="print every finding in the dialogues")
    arguments = parser.parse_args()
    data: Path = arguments.data
    print(", ".join(f"{name} {version}" for name, version in engine_versions().items()) + "\n")
    report_phi_dev(load_phi_dev(data / "phi-dev"))
    dialogues = load_dialogues(data / "aci-bench", arguments.dialogues)
    report_dialogues(dialogues, arguments.show)
    report_speed(dialogues[:40])


if __name__ == "__main__":
    main()
