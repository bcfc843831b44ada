"""How fast the PHI check is beside stock Presidio, on the same texts in the same run.

    python -m benchmarks.phi [--documents N] [--rounds N]

The texts are transcripts of the simulator: as they are, without an identifier, and each with 36 sentences of a seeded
Faker in which somebody is identified, so that no text ends at a prefilter. Both engines take turns at blocks of
documents, long enough that neither works with the processor's caches full of the other's tables; times are CPU times of
one process (``time.process_time``). Stock Presidio runs on a blank spaCy pipeline,
without its EmailRecognizer, which fetches a list over HTTP. Printed are also the planted identifiers that its
recognisers find and the PHI check does not. Recall and false alarms are ``synth phi-eval``'s.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from faker import Faker

from synth.catalog import load_task
from synth.checks.phi import engine_versions, scan_text
from synth.packs import load_pack
from synth.scenarios import sample_scenario
from synth.teachers.simulator import Simulator

Span = tuple[int, int]
_BLOCK = 50
"""Documents."""
SENTENCES = """[patient] My name is {name}.
[patient] Please call my daughter, {first_name} {last_name}, first.
[doctor] Dr. {last_name} sent me your file.
[doctor] I spoke with {name} about the result.
[patient] I live with my brother {first_name} now.
[nurse] Attending: {name}
[patient] I was born {date_of_birth}.
[nurse] DOB: {date_of_birth}
[doctor] You were last seen on {date}.
[doctor] The scan was done {iso}.
[patient] It started on {spoken_date}.
[doctor] Surgery took place on {spoken_date}.
[patient] You can reach me at {phone}.
[patient] My cell is {dotted_phone}.
[nurse] Call {phone} for the pharmacy.
[doctor] Fax it to {phone}.
[patient] Write to {ascii_safe_email} please.
[patient] My work address is {ascii_company_email}.
[nurse] E-mail: {ascii_safe_email}
[patient] I moved to {street_address} last year.
[patient] We live at {street_address}.
[nurse] ZIP: {postcode}
[patient] My social is {ssn}.
[nurse] SSN: {ssn}
[nurse] MRN: {mrn}
[doctor] Your chart number is {mrn}.
[nurse] Member ID: {member}
[nurse] I uploaded it to {url}
[patient] The address was {ipv4} on my screen.
[nurse] Card: {credit_card_number}
[nurse] IBAN {iban}
[nurse] Account number {account}
[patient] My driver's license is {license}.
[patient] The plate is {license_plate}.
[nurse] VIN {vin}
[nurse] Device serial {serial}""".splitlines()


@dataclass(frozen=True, slots=True)
class Document:
    """A transcript and where identifiers were planted in it."""

    text: str
    planted: tuple[tuple[Span, str], ...]
    """Where, and as what: the field of ``SENTENCES``."""


def transcripts(count: int) -> list[str]:
    """Return transcripts of the simulator."""
    pack, task = load_pack("endocrinology"), load_task("note")
    simulator = Simulator(pack, task)
    return [simulator.encounter(sample_scenario(pack, 0, index)).source.text for index in range(count)]


def documents(texts: Sequence[str]) -> list[Document]:
    """Return transcripts with identifiers in them, the same in every run."""
    faker = Faker("en_US")
    faker.seed_instance(36)
    draw = random.Random(36)
    return [_planted(text.splitlines(), faker, draw) for text in texts]


def _planted(lines: Sequence[str], faker: Faker, draw: random.Random) -> Document:
    written: list[tuple[str, list[tuple[Span, str]]]] = [(line, []) for line in lines]
    for sentence in SENTENCES:
        written.insert(draw.randint(1, len(written)), _filled(sentence, faker))
    at = 0
    planted: list[tuple[Span, str]] = []
    for line, spans in written:
        planted.extend(((at + start, at + end), field) for (start, end), field in spans)
        at += len(line) + 1
    return Document("\n".join(line for line, _ in written), tuple(planted))


def _filled(sentence: str, faker: Faker) -> tuple[str, list[tuple[Span, str]]]:
    """Return a sentence with its fields filled, and where they stand."""
    text, *fields = sentence.split("{")
    spans = []
    for part in fields:
        field, _, after = part.partition("}")
        value = _value(field, faker)
        spans.append(((len(text), len(text) + len(value)), field))
        text += value + after
    return text, spans


def _value(field: str, faker: Faker) -> str:
    own: dict[str, Callable[[], str]] = {
        "date_of_birth": lambda: faker.date_of_birth(minimum_age=20, maximum_age=80).strftime("%m/%d/%Y"),
        "date": lambda: faker.date_object().strftime("%m/%d/%Y"),
        "iso": faker.date,
        "spoken_date": lambda: f"{faker.month_name()} {faker.random_int(1, 28)}, {faker.year()}",
        "phone": lambda: faker.numerify("(%##) %##-####"),
        "dotted_phone": lambda: faker.numerify("%##-%##-####"),
        "mrn": lambda: faker.numerify("0#######"),
        "member": lambda: faker.bothify("???#########").upper(),
        "account": lambda: faker.numerify("%#########"),
        "license": lambda: faker.bothify("?#######").upper(),
        "serial": lambda: faker.bothify("??-######").upper(),
    }
    return own[field]() if field in own else str(getattr(faker, field)())


def stock_presidio() -> Callable[[str], Sequence[tuple[Span, str]]]:
    """Return ``analyze`` of Presidio as it comes, on a blank spaCy pipeline: where, and the recogniser's name."""
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

    def analyze(text: str) -> list[tuple[Span, str]]:
        return [
            ((result.start, result.end), result.recognition_metadata["recognizer_name"])
            for result in engine.analyze(text, "en")
        ]

    return analyze


def check(text: str) -> Sequence[tuple[Span, str]]:
    """Return the findings of the PHI check: where, and the recogniser's name."""
    return [((finding.start, finding.end), finding.recognizer) for finding in scan_text(text)]


def report_speed(texts: Sequence[str], rounds: int) -> None:
    """Print documents and bytes a second of one core for both engines, and their ratio by round."""
    contestants = {"PHI check": check, "stock Presidio, blank spaCy": stock_presidio()}
    for analyze in contestants.values():
        for text in texts[:20]:
            analyze(text)
    size = sum(len(text.encode()) for text in texts)
    words = sum(len(text.split()) for text in texts) / len(texts)
    print(f"{len(texts)} documents of {words:.0f} words, in turns")
    for turn in range(rounds):
        seconds = dict.fromkeys(contestants, 0.0)
        for first in range(0, len(texts), _BLOCK):
            for name, analyze in contestants.items():
                started = time.process_time()
                for text in texts[first : first + _BLOCK]:
                    analyze(text)
                seconds[name] += time.process_time() - started
        for name, taken in seconds.items():
            rate = f"{1000 * taken / len(texts):>7.3f} ms a document {len(texts) / taken:>8.1f} documents/s a core"
            print(f"{name:<28} {rate} {size / taken / 1e6:>7.3f} MB/s")
        ours, stock = seconds.values()
        print(f"round {turn + 1}: {stock / ours:.1f} times as fast")


def report_findings(corpus: Sequence[Document]) -> None:
    """Print how many planted identifiers each engine covers whole, and which only Presidio's patterns do."""
    stock = stock_presidio()
    total: Counter[str] = Counter()
    found: Counter[str] = Counter()
    by_stock: Counter[str] = Counter()
    only: Counter[tuple[str, str]] = Counter()
    for document in corpus:
        ours = [span for span, _ in check(document.text)]
        theirs = stock(document.text)
        for span, field in document.planted:
            total[field] += 1
            covered = _covered(span, ours)
            found[field] += covered
            names = [name for other, name in theirs if _covered(span, [other])]
            by_stock[field] += bool(names)
            only.update((field, name) for name in names if not covered)
    print(f"\n{'planted':<22} {'all':>6} {'PHI check':>10} {'stock':>8}")
    for field, count in total.items():
        print(f"{field:<22} {count:>6} {found[field]:>10} {by_stock[field]:>8}")
    print(f"{'all':<22} {total.total():>6} {found.total():>10} {by_stock.total():>8}")
    print("planted, found by stock Presidio, and not by the PHI check:", dict(only) or "none")


def _covered(span: Span, by: Iterable[Span]) -> bool:
    return any(start <= span[0] and span[1] <= end for start, end in by)


def main() -> None:
    """Print speed, then what is found."""
    parser = argparse.ArgumentParser(description="Speed of the PHI check beside stock Presidio.")
    parser.add_argument("--documents", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print(", ".join(f"{name} {version}" for name, version in engine_versions().items()))
    plain = transcripts(arguments.documents)
    corpus = documents(plain)
    print("\nwithout identifiers")
    report_speed(plain, arguments.rounds)
    print(f"\nwith identifiers: {len(SENTENCES)} sentences")
    report_speed([document.text for document in corpus], arguments.rounds)
    report_findings(corpus[:200])


if __name__ == "__main__":
    main()
