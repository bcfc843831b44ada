"""Small runs of 'distill score' for tests of reports and comparisons: two items, one of which has a scenario."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path

from distill import floors
from distill.benchmarks.held_out import HeldOut
from distill.predict import as_prediction
from distill.records import BenchmarkItem, Prediction, Score
from distill.report import write_report
from distill.results import Results
from distill.scoring import score_system, summarise, write, write_items
from synth.records import JsonObject
from tests import faithful

METRICS = ("validity", "facts", "faithfulness", "rouge")
_SECOND = "[doctor] any pain ?\n[patient] no . i take metformin , 500 milligrams ."


def items() -> list[BenchmarkItem]:
    """Return an item with fifteen facts, and one that is text only."""
    made = faithful.encounter()
    return [
        BenchmarkItem(
            id="first",
            source=faithful.SAID,
            reference=as_prediction("first", json.dumps(made.target), "given", "note").text,
            target=made.target,
            scenario=made.scenario,
        ),
        BenchmarkItem(id="second", source=_SECOND, reference="PLAN: metformin 500 mg", target=None, scenario=None),
    ]


def flawed_note() -> JsonObject:
    """Return the note with another dose, another TSH, and a drug of its own."""
    target = copy.deepcopy(faithful.note())
    text = json.dumps(target).replace('"dose": 75', '"dose": 50').replace('"value": 7.9', '"value": 2.1')
    return dict(json.loads(text.replace("repeat TSH in 6 weeks", "start metformin 500 mg oral twice daily")))


def predictions(target: JsonObject | None, second: str) -> list[Prediction]:
    first = json.dumps(faithful.note() if target is None else target)
    return [as_prediction("first", first, "given", "note"), as_prediction("second", second, "given", "note")]


SYSTEMS: Mapping[str, list[Prediction]] = {
    "careful": predictions(None, "PLAN: metformin 500 mg, no pain"),
    "careless": predictions(flawed_note(), "PLAN: lisinopril 20 mg. Denies nausea."),
}


def write_run(
    out: Path,
    systems: Mapping[str, Sequence[Prediction]],
    chosen: Sequence[BenchmarkItem] | None = None,
    *,
    split: str = "test",
    metrics: Sequence[str] = METRICS,
    note: str = "",
) -> Results:
    """Write a folder as 'distill score' does, with the copy floor, and return its results."""
    found = items() if chosen is None else list(chosen)
    scored: dict[str, tuple[Sequence[Prediction], Sequence[Score]]] = {
        name: (written, score_system(metrics, found, written))
        for name, written in {**systems, "copy": floors.copy(found)}.items()
    }
    results = Results(
        benchmark="held-out",
        split=split,
        items=len(found),
        systems=summarise(scored),
        notes=(note,) if note else (),
        simulated=True,
        settings={"confidence": 0.95},
        versions={"notewright": "0"},
    )
    write(out, results, scored)
    write_items(out, found)
    write_report(out / "report.html", results, found, scored, HeldOut.metadata)
    return results


class Tree(HTMLParser):
    """A page as a browser would read it, as far as well-formed pages go: open elements are closed in order."""

    VOID = frozenset(("meta", "br", "input", "circle", "path", "img", "link"))

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.faults: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        """What stands in each ``div class="text"``."""
        self._depth: int | None = None
        self.feed(text)
        self.close()
        self.faults += [f"{tag} is never closed" for tag in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.tags.append((tag, found))
        if tag == "div" and found.get("class") == "text":
            self._depth = len(self.open)
            self.texts.append("")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        # The end tags of these may be left out.
        while self.open and self.open[-1] != tag and self.open[-1] in ("li", "td", "th", "tr", "p"):
            self.open.pop()
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"unexpected </{tag}>")
        if self._depth is not None and len(self.open) <= self._depth:
            self._depth = None

    def handle_data(self, data: str) -> None:
        if self._depth is not None:
            self.texts[-1] += data
