"""No text makes a scan hang, and what hides from the eye or from the clock is still a finding."""

from __future__ import annotations

import random
import time
from importlib import import_module
from itertools import count
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.checks.phi import scan_fields, scan_text
from synth.checks.phi.finders import finders
from synth.checks.phi.patterns import Unsupported, parse
from synth.checks.phi.reading import unmasked, windows
from synth.records import PhiFinding
from tests.test_phi_prefilter import sample

SCANNER = import_module("synth.checks.phi.scanner")
"""The module; the package has a function of its name."""
RULES = [rule for finder in finders() for rule in finder.rules]
BLATANT = [
    "MRN: 00482913",
    "call 415-555-0134",
    "I spoke with Dr. Okonkwo.",
    "write to jo@clinic.local",
    "Date of birth 7/22/1958.",
    "Her social is 219-09-9999.",
]
SEEN: list[tuple[str, str, str]] = [
    ("call 4\u200b15-555-0134 now", "4\u200b15-555-0134", "PHONE_NUMBER"),
    ("call 415\u2011555\u20110134 now", "415\u2011555\u20110134", "PHONE_NUMBER"),
    ("call (415)\u00a0555\u20130134 now", "(415)\u00a0555\u20130134", "PHONE_NUMBER"),
    ("M\u200dRN: 00482913", "00482913", "MEDICAL_RECORD_NUMBER"),
    ("MRN: 004\u00ad829\u2060\ufeff13", "004\u00ad829\u2060\ufeff13", "MEDICAL_RECORD_NUMBER"),
    ("ＭＲＮ: ００４８２９１３", "００４８２９１３", "MEDICAL_RECORD_NUMBER"),
    ("МRΝ: ٠٠٤٨٢٩١٣", "٠٠٤٨٢٩١٣", "MEDICAL_RECORD_NUMBER"),  # Cyrillic М, Greek Ν
    ("SSN 𝟐𝟏𝟗-𝟎𝟗-𝟗𝟗𝟗𝟗", "𝟐𝟏𝟗-𝟎𝟗-𝟗𝟗𝟗𝟗", "US_SSN"),
    ("write to jo@clinіc.local", "jo@clinіc.local", "EMAIL_ADDRESS"),  # Cyrillic і
    ("SSN 2\u03361\u03369\u0336-0\u03369\u0336-9\u03369\u03369\u03369\u0336", "", "US_SSN"),
]
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\ufe0f\u0336\u180e\u115f\U000e0061"
ALIKE = {
    "A": "А",
    "e": "е",
    "o": "о",
    "0": "０",
    "1": "١",
    "5": "𝟓",
    "-": "\u2011",
    " ": "\u00a0",
    "n": "ｎ",
    "R": "Ｒ",
}
PIECES = st.lists(st.sampled_from([*BLATANT, "The knee hurts.", "José, ", "12", "\n"]), min_size=1, max_size=4)


def masked(text: str, draw: random.Random) -> str:
    """Return a text that looks the same, with invisible characters in it and others that look alike."""
    return "".join(
        draw.choice(INVISIBLE) * draw.choice((0, 0, 0, 1, 3)) + (ALIKE.get(c, c) if draw.random() < 0.3 else c)
        for c in text
    )


def covered(findings: tuple[PhiFinding, ...], start: int, end: int) -> bool:
    """Return whether findings together cover a stretch."""
    for finding in findings:
        if finding.start <= start < finding.end:
            start = finding.end
    return start >= end


@pytest.mark.parametrize(("text", "identifier", "entity_type"), SEEN)
def test_an_identifier_is_found_however_it_is_written(text: str, identifier: str, entity_type: str) -> None:
    (found,) = (text[f.start : f.end] for f in scan_text(text) if f.entity_type == entity_type)
    assert (identifier or text[4:]) in found


@pytest.mark.parametrize(
    "text",
    [
        "Sodium 135–145, β-hCG negative, α1-antitrypsin normal, 5–10 µg, platelets 250 × 10⁹/L.",
        "Take ½ tablet; SpO₂ ≥ 92 %; Δ of 3; ΔΨ; 37,5 °C — well tolerated… “no pain”.",
        "It is 20\u00a0mg twice daily, BP 132/84\u202fmmHg\u200b.",
    ],
)
def test_clinical_signs_are_no_disguise(text: str) -> None:
    assert scan_text(text) == ()


def test_a_text_is_read_as_it_is_written_too() -> None:
    assert [f.entity_type for f in scan_text("Dr. Okonkwo\u200bwas seen")] == ["PERSON"]
    assert unmasked("plain, ASCII only") is None
    assert unmasked("José – no: “é” stays") is not None
    assert unmasked("José, “straße”, 10⁹") is None


@settings(deadline=None, derandomize=True)
@given(PIECES, st.randoms(use_true_random=False))
def test_no_disguise_loses_a_finding(pieces: list[str], draw: random.Random) -> None:
    text = " ".join(pieces)
    hidden = masked(text, draw)
    look = unmasked(hidden)
    if look is None:
        assert hidden == text
        return
    assert look.text == text
    findings = scan_text(hidden)
    assert all(0 <= f.start < f.end <= len(hidden) for f in findings)
    for f in scan_text(text):
        # What stands between two parts of a name belongs to the finding only where it looks so as it is written.
        letters = (at for at in range(f.start, f.end) if text[at].isalnum())
        assert all(covered(findings, *look.written(at, at + 1)) for at in letters)


@settings(deadline=None, derandomize=True)
@given(st.text(st.sampled_from("aAе1٣\u200b\u00ad\u0301\u2011\u00a0é \n") | st.characters()))
def test_every_character_that_is_left_leads_back_to_where_it_stands(text: str) -> None:
    look = unmasked(text)
    if look is None:
        return
    assert look.written(0, len(look.text))[1] == len(text)
    reach = 0
    for at, character in enumerate(look.text):
        start, end = look.written(at, at + 1)
        assert reach <= start < end <= len(text)
        reach = end
        assert unmasked(text[start]) is None or unmasked(text[start]).text == character  # type: ignore[union-attr]


@settings(deadline=None, derandomize=True)
@given(st.text(st.sampled_from("ab \n"), max_size=80), st.integers(4, 30))
def test_windows_make_up_the_text(text: str, size: int) -> None:
    stretches = list(windows(text, size))
    assert "".join(text[start:end] for start, end in stretches) == text
    assert all(end - start <= size for start, end in stretches)
    assert len(stretches) <= 1 + len(text) // (size * 3 // 4)


def test_a_text_in_many_windows_has_the_findings_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(4)
    lines = [draw.choice([*BLATANT, "The knee hurts.", "{{patient_name}} is well."]) for _ in range(200)]
    fields = {"/a": "\n".join(lines[:120]), "/b": "", "/c": "\n".join(lines[120:]), "/d": "МRN: 00482913"}
    whole = scan_fields(fields)
    monkeypatch.setattr(SCANNER, "_WINDOW", 500)
    monkeypatch.setattr(SCANNER, "_MARGIN", 150)
    assert scan_fields(fields) == whole
    assert len(whole) > 150


def test_an_identifier_over_the_edge_of_a_window_is_found_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SCANNER, "_WINDOW", 100)
    monkeypatch.setattr(SCANNER, "_MARGIN", 60)
    for before in range(70, 110):
        text = "x" * before + " MRN: 00482913 " + "y" * 200
        at = text.index("00482913")
        assert any(f.start <= at and at + 8 <= f.end for f in scan_text(text))


def test_what_a_scan_has_no_time_for_is_unread_and_never_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = count(0, 40)  # seconds; a window is read at 40, the next would be at 80
    monkeypatch.setattr(SCANNER, "time", SimpleNamespace(thread_time=lambda: next(ticks)))
    monkeypatch.setattr(SCANNER, "_WINDOW", 100)
    fields = {"/a": "MRN: 00482913 " * 10, "/b": "fine", "/c": ""}
    findings = scan_fields(fields)
    assert findings[0].entity_type == "MEDICAL_RECORD_NUMBER"
    unread = [(f.field, f.end) for f in findings if f.entity_type == "UNREAD"]
    assert unread == [("/a", 140), ("/b", 4)]
    assert all(covered(tuple(f for f in findings if f.field == "/a"), at, at + 8) for at in range(5, 140, 14))


def test_a_pattern_that_gives_up_leaves_its_window_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    def gives_up(text: str, _: bool) -> dict[str, list[tuple[int, int, float]]]:
        if "b" in text:
            raise TimeoutError
        return {}

    monkeypatch.setattr(SCANNER, "find", gives_up)
    monkeypatch.setattr(SCANNER, "_WINDOW", 10)
    monkeypatch.setattr(SCANNER, "_MARGIN", 0)
    assert [(f.entity_type, f.start, f.end) for f in scan_text("a" * 10 + "b" * 5 + "\n" + "a" * 20)] == [
        ("UNREAD", 10, 20)
    ]


@pytest.mark.parametrize("index", range(len(RULES)), ids=lambda i: f"{i}-{RULES[i].name}")
def test_no_pattern_takes_long_on_a_text_that_almost_matches_throughout(index: int) -> None:
    draw = random.Random(index)
    for _ in range(2):
        try:
            almost = sample(parse(RULES[index].pattern), draw)
        except Unsupported:  # no example can be made of it
            almost = draw.choice(BLATANT)
        for unit in (almost[:-1], almost[: len(almost) // 2], almost[:-1] + " "):
            text = (unit or "a") * (8_000 // len(unit or "a"))
            started = time.thread_time()
            for _ in RULES[index].hits(text, 0, len(text)):
                pass
            # At most a tenth of this is measured; to go back over half a text for each character takes minutes.
            assert time.thread_time() - started < 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "unit",
    [
        "x7",
        "a.",
        "1-",
        "Dr. ",
        "a@",
        "e\u0301",
        "\u0301",
        "\u200b",
        "4\u200b",
        "МRN: ",
        "{{a",
        "www.",
        "Hi, Aa. ",
        "\n",
    ],
)
def test_ten_megabytes_are_read_within_the_bound(unit: str) -> None:
    text = unit * (10_000_000 // len(unit))
    started = time.thread_time()
    findings = scan_text(text)
    assert time.thread_time() - started < 300
    assert not [f for f in findings if f.entity_type == "UNREAD"]
