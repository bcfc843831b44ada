"""The report: every text escaped, facts and inventions marked where they stand, one page that asks nothing of anybody.

``golden/eval_report.html`` is the report of two items; NOTEWRIGHT_UPDATE_GOLDEN=1 writes it anew.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill import pages
from distill.dot_plots import Dot, dot_plot
from distill.highlights import Mark, fact_marks, invented_marks, segments, shared_marks, unsaid
from distill.item_views import item_view
from distill.located import LocatedText
from distill.measures import measure_of, measures
from distill.pages import visible, write_page
from distill.records import BenchmarkItem, Prediction
from distill.report import overview_columns, reads_facts, table_lines
from distill.results import Cell, Results, SystemResults
from synth.assets import render_template
from synth.checks.faithfulness import examine_target
from synth.checks.faithfulness.examination import lexicon_of
from tests import faithful
from tests.reports import SYSTEMS, Tree, flawed_note, items, write_run

GOLDEN = Path(__file__).parent / "golden" / "eval_report.html"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("scored")
    write_run(out, SYSTEMS, note="a note of the run")
    return out


def marked(text: str, marks: list[Mark], kind: str) -> list[str]:
    return [text[mark.start : mark.end] for mark in marks if mark.kind == kind]


def test_the_report_is_the_golden_one(folder: Path) -> None:
    text = (folder / "report.html").read_text("utf-8")
    if os.environ.get("NOTEWRIGHT_UPDATE_GOLDEN"):
        GOLDEN.write_text(text, "utf-8")
    assert text == GOLDEN.read_text("utf-8")


def test_the_report_asks_nothing_of_a_network_and_is_complete_without_its_script(folder: Path) -> None:
    text = (folder / "report.html").read_text("utf-8")
    page = Tree(text)
    assert page.faults == []
    for tag, found in page.tags:
        assert tag not in ("iframe", "img", "link", "object", "embed", "base")
        assert "src" not in found
        assert found.get("href", "#").startswith("#")
        assert not any(name.startswith("on") for name in found)
    assert "http://" not in text
    assert "https://" not in text
    policy = next(found["content"] for _, found in page.tags if found.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none';")
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)
    assert script is not None
    assert text.count("<script") == 1
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    without = text.replace(script[0], "")
    for said in ("first", "second", "a note of the run", "careless", "(floor)", "95 % percentile bootstrap"):
        assert said in without


def test_every_text_is_there_in_full(folder: Path) -> None:
    page = Tree((folder / "report.html").read_text("utf-8"))
    wanted = [
        text
        for i, item in enumerate(items())
        for text in (item.source, item.reference, *(written[i].text for written in SYSTEMS.values()))
    ]
    assert page.texts == [visible(text) for text in wanted]


def test_facts_are_marked_where_they_stand() -> None:
    item = items()[0]
    assert item.scenario is not None
    words = lexicon_of(item.scenario)
    found = examine_target(item.source, faithful.note(), item.scenario)
    source = LocatedText(item.source, words, written=False)
    said = marked(source.text, fact_marks(source, item.scenario, found.facts, source=True), "found")
    assert {"fifty-year-old woman", "Synthroid", "seventy-five micrograms", "one thirty-two over eighty"} <= set(said)
    assert {"TSH", "palpitations", "88 micrograms", "high blood pressure"} <= set(said)
    note = LocatedText(item.reference, words, written=True)
    marks = fact_marks(note, item.scenario, found.facts, source=False)
    assert {"50-year-old woman", "75 mcg", "88 mcg", "7.9 mIU/L", "132 mmHg", "no tremor"} <= set(
        marked(note.text, marks, "found")
    )
    assert marked(note.text, marks, "contradicted") == []
    for fact in found.facts:
        assert any(fact.text in mark.note for mark in marks), fact


def test_what_is_invented_or_contradicted_is_marked_where_it_stands() -> None:
    item = items()[0]
    assert item.scenario is not None
    prediction = SYSTEMS["careless"][0]
    found = examine_target(item.source, flawed_note(), item.scenario)
    text = LocatedText(prediction.text, lexicon_of(item.scenario), written=True)
    marks, nowhere = invented_marks(text, found.invented)
    assert nowhere == []
    assert {"metformin", "50 mcg", "2.1 mIU/L"} <= set(marked(text.text, marks, "invented"))
    wrong = marked(text.text, fact_marks(text, item.scenario, found.facts, source=False), "contradicted")
    assert {"50 mcg", "2.1 mIU/L", "levothyroxine", "TSH"} <= set(wrong)


def test_without_a_scenario_what_the_source_backs_is_marked() -> None:
    item = items()[1]
    words = lexicon_of(None)
    source = LocatedText(item.source, words, written=False)
    reference = LocatedText(item.reference, words, written=True)
    careful = LocatedText(SYSTEMS["careful"][1].text, words, written=True)
    careless = LocatedText(SYSTEMS["careless"][1].text, words, written=True)
    assert marked(careful.text, shared_marks(careful, source, "source"), "found") == ["metformin", "500 mg"]
    assert marked(careless.text, shared_marks(careless, source, "source"), "found") == []
    assert marked(item.source, shared_marks(source, reference, "reference"), "found") == [
        "metformin",
        "500 milligrams",
    ]
    assert unsaid(source, reference, careful) == []
    assert unsaid(source, reference, careless) == ["metformin", "500 mg"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[doctor] three times with glucagon 3 mg", ["glucagon", "3 mg"]),
        (
            "[doctor] well, I don't take, uh, twenty-five units of insulin glargine",
            ["twenty-five units", "insulin glargine"],
        ),
        ("[doctor] metformin 1,000 mg and ½ of it", ["metformin", "1,000 mg"]),
        ("[patient] ＭＥＴＦＯＲＭＩＮ 500 mg", ["ＭＥＴＦＯＲＭＩＮ", "500 mg"]),
    ],
)
def test_places_are_those_of_the_text_as_it_is_written(text: str, said: list[str]) -> None:
    source = LocatedText(text, lexicon_of(None), written=False)
    marks = shared_marks(source, source, "source")
    assert {text[mark.start : mark.end] for mark in marks} >= set(said)


anything = st.text(alphabet=st.characters(codec=None), max_size=80) | st.sampled_from(
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "</title></style></script><b>",
        "'; \x00\x07\r\n\ud800 \u202e <!-- ]]>",
        "&lt;script&gt; &amp; {{ 7 * 7 }} {% raw %}",
        "metformin 500 mg, no <i>pain</i> & 12 \x0b mmol/L",
    ]
)


@given(name=anything, source=anything, reference=anything, text=anything)
def test_any_text_in_any_field_stays_text(name: str, source: str, reference: str, text: str) -> None:
    item = BenchmarkItem(id=name, source=source, reference=reference, target=None, scenario=None)
    written = Prediction(id=name, raw=text, text=text, target=None, finish="given")
    view = item_view(1, item, {text: (written, {"rouge1": 0.5})}, {name: measure_of(name)}, read=True)
    page = Tree(visible(render_template("eval_item.html.j2", item=view)))
    assert page.faults == []
    assert {tag for tag, _ in page.tags} <= {
        *("details", "summary", "b", "span", "div", "table", "tr", "th", "td", "section", "h4", "mark", "p"),
    }
    assert page.texts == [visible(part) for part in ((source, reference, text) if reference else (source, text))]
    assert not any(attribute.startswith("on") for _, found in page.tags for attribute in found)


@given(hostile=anything)
def test_any_name_leaves_the_page_whole(tmp_path_factory: pytest.TempPathFactory, hostile: str) -> None:
    cell = Cell(mean=0.5, low=0.25, high=0.75, n=1, percent=50.0)
    row = SystemResults(predictions=1, empty=1, truncated=0, metrics={"rouge1": cell, hostile: cell}, differences={})
    results = Results(
        benchmark="x",
        split=hostile,
        items=0,
        systems={hostile: row},
        notes=(hostile,),
        settings={hostile: hostile},
        versions={hostile: hostile},
    )
    from distill.benchmarks.held_out import HeldOut
    from distill.report import write_report

    path = tmp_path_factory.getbasetemp() / "hostile.html"
    metadata = HeldOut.metadata.model_copy(update={"title": hostile, "citation": hostile})
    write_report(path, results, [], {}, metadata)
    text = path.read_text("utf-8")
    page = Tree(text)
    assert page.faults == []
    assert text.count("<script") == 1
    assert not any(attribute.startswith("on") for _, found in page.tags for attribute in found)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]", text)


@given(
    text=st.text(max_size=40),
    spans=st.lists(
        st.tuples(st.integers(0, 45), st.integers(1, 20), st.sampled_from(["found", "invented"])), max_size=6
    ),
)
def test_segments_are_the_text(text: str, spans: list[tuple[int, int, str]]) -> None:
    marks = [Mark(start, start + size, "found" if kind == "found" else "invented", "") for start, size, kind in spans]
    parts = segments(text, marks)
    assert "".join(part.text for part in parts) == text
    invented = {i for mark in marks if mark.kind == "invented" for i in range(mark.start, min(mark.end, len(text)))}
    at = 0
    for part in parts:
        for i in range(at, at + len(part.text)):
            assert (part.kind == "invented") == (i in invented)
        at += len(part.text)


@given(text=st.text(max_size=200) | anything)
def test_places_lie_within_the_text_and_in_order(text: str) -> None:
    for written in (False, True):
        found = LocatedText(text, lexicon_of(None), written=written)
        for i, _ in enumerate(found.view.reading.tokens):
            place = found.place(i, i + 1)
            assert place is None or 0 <= place[0] < place[1] <= len(text)


def test_a_page_has_as_many_items_as_fit_and_says_which_are_left_out(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = Results.model_validate_json((folder / "results.json").read_text("utf-8"))
    item = items()[1]
    columns = overview_columns(results)
    views = [
        item_view(i, item.model_copy(update={"id": f"item {i}"}), {}, columns, read=reads_facts(results))
        for i in range(1, 61)
    ]
    page = pages.Page("t", "s", "", (), False, (), (), (), {}, {}, items=1000)
    write_page(tmp_path / "page.html", page, views)
    text = (tmp_path / "page.html").read_text("utf-8")
    assert text.count('<details class="item"') == 60
    assert text.count('<details class="group"') == 3
    assert "60 of 1,000 items are shown" in text
    one = len(visible(render_template("eval_item.html.j2", item=views[0])).encode())
    write_page(tmp_path / "page.html", page, views, limit=10 * one + 9)
    assert (tmp_path / "page.html").read_text("utf-8").count('<details class="item"') in (9, 10)
    monkeypatch.setattr(pages, "MOST_ITEMS", 7)
    write_page(tmp_path / "page.html", page, iter(views))
    assert (tmp_path / "page.html").read_text("utf-8").count('<details class="item"') == 7


def test_a_plot_puts_means_and_ends_in_order_on_its_axis() -> None:
    plot = dot_plot("rouge1", [Dot("a" * 90, 50, 40, 60), Dot("copy", 30, 30, 30, floor=True)])
    assert plot is not None
    first, floor = plot.rows
    assert plot.left <= floor.x < first.low < first.x < first.high <= plot.right
    assert floor.floor
    assert len(first.name) < 40
    assert first.whole_name == "a" * 90
    assert plot.zero is None
    apart = dot_plot("minus", [Dot("a", 5, 4, 6)], differences=True)
    assert apart is not None
    assert apart.zero is not None
    assert apart.zero < apart.rows[0].low
    assert dot_plot("none", []) is None
    assert dot_plot("one value", [Dot("a", 0, 0, 0)]) is not None


def test_columns_that_nobody_described_are_shown_all_the_same(folder: Path) -> None:
    cell = Cell(mean=12.5, low=10.0, high=15.0, n=1, percent=1250.0)
    row = SystemResults(predictions=1, empty=0, truncated=0, metrics={"words": cell}, differences={})
    results = Results(benchmark="x", split="y", items=1, systems={"a": row}, notes=(), settings={}, versions={})
    assert table_lines(results)[1].split() == ["a", "12.50", "[10.0,", "15.0]"]
    read = Results.model_validate_json((folder / "results.json").read_text("utf-8"))
    known = {column for group in ("overview", "faithfulness", "other") for column in measures(group)}
    seen = {column.rpartition(".")[2] for row in read.systems.values() for column in row.metrics}
    assert seen <= known


def test_a_report_that_cannot_be_written_is_one_line(folder: Path) -> None:
    from synth.errors import UserError

    page = pages.Page("t", "s", "", (), False, (), (), (), {}, {}, items=0)
    with pytest.raises(UserError, match="cannot be written"):
        write_page(folder / "none" / "report.html", page, [])
