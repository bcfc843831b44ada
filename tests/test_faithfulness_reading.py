"""How numbers, units, frequencies, negations and sides are read."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.catalog import load_task
from synth.checks.faithfulness.association import Association
from synth.checks.faithfulness.examination import source_lines
from synth.checks.faithfulness.facts import unit_of
from synth.checks.faithfulness.lexicon import lexicon
from synth.checks.faithfulness.reading import Line, Reading
from synth.checks.faithfulness.statements import sides
from synth.checks.faithfulness.tokens import stem, tokenize
from synth.checks.faithfulness.units import rates, same
from synth.numerals import number_words
from synth.packs import load_pack
from synth.teachers.grammar import load_grammar


def reading(*lines: tuple[str, str]) -> Reading:
    return Reading([Line(text, speaker) for speaker, text in lines], lexicon("endocrinology"))


@given(st.integers(0, 999))
def test_every_whole_number_that_the_simulator_can_say_is_read(n: int) -> None:
    assert tokenize(number_words(n)) == [str(n)] == tokenize(str(n))


@given(st.integers(0, 99_999), st.integers(1, 3))
def test_every_decimal_that_the_simulator_can_say_is_read(n: int, decimals: int) -> None:
    value = n / 10**decimals
    if value < 1000 and "e" not in str(value):
        assert tokenize(number_words(value)) == tokenize(str(value))
        assert float(tokenize(f"minus {number_words(value)}")[0]) == -value


@given(st.integers(1, 9), st.integers(10, 99))
def test_hundreds_that_are_left_out_are_heard(hundreds: int, rest: int) -> None:
    said = f"{number_words(hundreds)} {number_words(rest)}"
    assert tokenize(said) == [str(100 * hundreds + rest)]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("one oh five", ["105"]),
        ("point five milligrams", ["0.5", "milligrams"]),
        ("two and a half", ["2.5"]),
        ("7 and a half", ["7.5"]),
        ("minus 2.7", ["-2.7"]),
        ("1,000.0 mg", ["1000", "mg"]),
        ("{{relative_name_2}} is 50", ["is", "50"]),
        ("isn't 7.90", ["is", "not", "7.9"]),
        ("11.2 thousand", ["11200"]),
        ("four point five million", ["4500000"]),
        ("57 10^3/uL", ["57", "e3", "/", "ul"]),
        ("5.1 x10^9/L", ["5.1", "e9", "/", "l"]),
        ("4.9 × 10⁹/L", ["4.9", "e9", "/", "l"]),
    ],
)
def test_what_is_only_said(text: str, tokens: list[str]) -> None:
    assert tokenize(text) == tokens


@settings(deadline=None)  # the first one loads the lexicon
@given(st.text())
def test_any_text_is_read(text: str) -> None:
    read = Reading([Line(text)], lexicon("endocrinology"))
    assert len(read.sentences) <= len(read.tokens) + 1
    assert all(0 <= hit.start < hit.end <= len(read.tokens) for hit in read.hits)
    assert tokenize(text) == read.tokens or "\n" in text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("milligrams per deciliter", "mg/dL"),
        ("milli-international units per liter", "mIU/L"),
        ("micrograms", "mcg"),
        ("microgram", "µg"),
        ("percent", "%"),
        ("kilograms per meter squared", "kg/m2"),
        ("beats per minute", "bpm"),
        ("milliliters per minute", "mL/min/1.73 m2"),
        ("milligrams in 24 hours", "mg/24 h"),
        ("degrees Celsius", "°C"),
        ("millimeters of mercury", "mmHg"),
        ("weeks", "week"),
        ("milliequivalents per liter", "mEq/L"),
    ],
)
def test_units_are_the_same_spelled_out(one: str, other: str) -> None:
    (base, factor), (base2, factor2) = unit_of(one), unit_of(other)
    assert base
    assert base == base2
    assert same(factor, factor2)


def test_every_unit_of_the_pack_is_read_as_it_is_said() -> None:
    pack = load_pack("endocrinology")
    for name, measure in (*pack.vitals.items(), *pack.labs.items()):
        if measure.unit_says:
            (base, factor), (said, factor_said) = unit_of(measure.unit), unit_of(measure.unit_says)
            assert base, name
            assert base == said, name
            assert same(factor, factor_said), name


def test_units_differ_where_they_measure_something_else() -> None:
    units = {unit_of(text) for text in ("mg", "mcg", "g", "mg/dL", "mmol/L", "units", "%", "kg", "lb", "weeks", "days")}
    assert len(units) == 11


def test_every_frequency_of_the_grammar_is_read_alike() -> None:
    spoken = load_grammar(load_task("note").simulator).spoken.frequencies
    read = 0
    for written, ways in spoken.items():
        tokens = tokenize(written)
        expected = set(rates(tokens, 0, len(tokens)))
        for way in ways:
            words = tokenize(way)
            found = set(rates(words, 0, len(words)))
            if expected and found:
                read += 1
                assert found == expected, (written, way)
    assert read > 40


@pytest.mark.parametrize(
    ("text", "rate"),
    [("BID", 2.0), ("twice a day", 2.0), ("every 12 hours", 2.0), ("every other day", 0.5), ("QHS", 1.0)],
)
def test_frequencies_are_rates(text: str, rate: float) -> None:
    tokens = tokenize(text)
    assert list(rates(tokens, 0, len(tokens))) == [rate]


@pytest.mark.parametrize(
    ("text", "word", "denied"),
    [
        ("No headache, low libido, or nausea.", "nausea", True),
        ("Denies nausea but reports headache.", "headache", False),
        ("No, I have a headache.", "headache", False),
        ("Pounding in my chest, no. The other one, yes, nausea.", "pounding", True),
        ("Pounding in my chest, no. The other one, yes, nausea.", "nausea", False),
        ("She reports absent periods and fatigue.", "fatigue", False),
        ("The reflexes are absent.", "reflexes", True),
        ("The thyroid is not palpable.", "palpable", True),
    ],
)
def test_the_reach_of_a_negation(text: str, word: str, *, denied: bool) -> None:
    read = reading(("patient", text))
    assert bool(read.reaches[read.tokens.index(word)]) == denied


@pytest.mark.parametrize(
    ("answer", "bits"),
    [("No, thankfully.", 2), ("Yeah, a lot.", 1), ("Mm-hmm.", 1), ("None of those.", 2), ("Well, the weather.", 3)],
)
def test_a_question_is_answered_by_the_other_one(answer: str, bits: int) -> None:
    read = reading(("doctor", "Any nausea or headache?"), ("patient", answer))
    assert read.said["symptom", "nausea"] == read.said["symptom", "headache"] == bits


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("the right lobe of the gland", {"right"}),
        ("That's right.", set()),
        ("Right, so the left kidney", {"left"}),
        ("right now in both feet", {"both"}),
        ("all right", set()),
    ],
)
def test_sides_and_what_only_sounds_like_one(text: str, named: set[str]) -> None:
    read = reading(("doctor", text))
    assert set(sides(read, 0, len(read.tokens)).values()) == named


def numbers_of(name: str, *lines: tuple[str, str]) -> list[float]:
    found = Association(reading(*lines))
    return [q.value for place in found.places(name) for q in found.numbers(place)]


def test_numbers_belong_to_the_name_before_them_up_to_the_next() -> None:
    said = ("doctor", "Your TSH was 7.9 and the free T4 0.6 nanograms per deciliter. 32 units of Lantus at night.")
    assert numbers_of("TSH", said) == [7.9]
    assert 0.6 in numbers_of("free T4", said)
    assert numbers_of("insulin glargine", said) == [32]


def test_a_number_that_is_taken_back_is_none() -> None:
    assert numbers_of(
        "TSH", ("doctor", "Your TSH was 8.1, sorry, I misread that, 7.9 milli-international units per liter.")
    ) == [7.9]


def test_a_dose_may_be_said_some_turns_later() -> None:
    turns = (
        ("patient", "I take metformin."),
        ("doctor", "What dose?"),
        ("patient", "It's 1,000 milligrams twice a day."),
    )
    assert 1000 in numbers_of("metformin", *turns)


@pytest.mark.parametrize(("one", "other"), [("nodules", "nodule"), ("enlarged", "enlarge"), ("biopsies", "biopsy")])
def test_stems(one: str, other: str) -> None:
    assert stem(one) == stem(other)


def test_a_text_is_read_as_turns() -> None:
    lines = source_lines("[doctor] Any pain?\n[patient] No.\n\nA remark.")
    assert [(line.speaker, line.text.strip()) for line in lines] == [
        ("doctor", "Any pain?"),
        ("patient", "No."),
        ("", "A remark."),
    ]


@given(st.integers(1, 999))
def test_counts_of_cells_are_the_same_however_they_are_said(thousands: int) -> None:
    unit = unit_of("10^3/uL")
    for said in (
        f"{number_words(thousands)} thousand per microliter",
        f"{thousands} thousand",
        f"{thousands} 10^3/uL",
        f"{thousands} x10^9/L",
        f"{thousands} K/uL",
        f"{thousands},000 cells per microliter",
        f"{thousands},000/mm3",
    ):
        (quantity,) = reading(("doctor", said)).quantities
        assert quantity.equals(thousands, unit), said
        assert not quantity.equals(thousands + 1, unit), said
    assert unit_of("10^6/uL") == unit_of("10^12/L")


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("400 milligrams every 6 hours as needed", "g"),
        ("one drop every hour", "drop"),
        ("16 breaths every minute", "breath/minute"),
        ("100 mL an hour", "l/minute"),
    ],
)
def test_how_often_a_dose_is_given_is_no_part_of_its_unit(text: str, base: str) -> None:
    assert reading(("doctor", text)).quantities[0].base == base
