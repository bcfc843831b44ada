"""Names, evidence and the tagger: what counts anywhere, and what counts only in a text that is about somebody."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.checks.phi import WEAK, scan_text, scanner, units
from synth.checks.phi.evidence import judged
from synth.checks.phi.lexicon import lexicon
from synth.checks.phi.tagger import tagger
from synth.checks.phi.tokens import Case, form, number_form
from synth.privacy.evaluation import held_out_recall

ABOUT_SOMEBODY = "Patient: Gretchen Obara, DOB 03/09/1961, MRN 00482913. Phone (415) 555-0134.\n"


def found(text: str) -> set[str]:
    return {text[f.start : f.end] for f in scan_text(text)}


@pytest.mark.parametrize(
    "text",
    [
        "Katarzyna slept well.",
        "we asked ngozi to come back .",
        "Anjali Sharma was here.",
        "spoke with Guadalupe Ramirez about it",
        "and then thandiwe called .",
    ],
)
def test_a_given_name_needs_no_backing(text: str) -> None:
    assert found(text)


@pytest.mark.parametrize(
    "text",
    [
        "No Babinski, Hoffmann or Chaddock; Dix-Hallpike negative.",
        "Wegener granulomatosis, Takayasu arteritis, Charcot-Marie-Tooth disease, Lambert-Eaton syndrome.",
        "Jardiance 10 mg, Ozempic 0.5 mg weekly, Xarelto 20 mg; Dexcom G7, Omnipod 5, Medtronic pump.",
        "Gleason 3+4=7, Mallampati 2, Bosniak IIF, Glasgow 15, Apgar 8/9, NYHA III, BI-RADS 2.",
        "pT2 pN0 cM0, HER2 negative, Ki-67 12 %, KRAS wild type, BRAF V600E, CD20 positive.",
        "he will mark the site and may bill for grace periods in the spring",
    ],
)
def test_eponyms_brands_and_codes_are_nobody(text: str) -> None:
    assert found(text) == set()


def test_an_unlisted_name_counts_where_somebody_is_identified() -> None:
    sentence = "Discussed with Vandersloothe, who agrees."
    assert found(sentence) == set()
    assert any("Vandersloothe" in text for text in found(ABOUT_SOMEBODY + sentence))


def test_a_threshold_of_one_half_switches_guesses_off() -> None:
    text = ABOUT_SOMEBODY + "Discussed with Vandersloothe, who agrees."
    sure = scanner((("PERSON", WEAK),)).text(text)
    assert not any("Vandersloothe" in text[f.start : f.end] for f in sure if f.entity_type == "PERSON")
    assert any(f.entity_type == "PERSON" for f in sure)


def test_each_field_is_judged_by_itself() -> None:
    other = "No Babinski, Hoffmann or Chaddock was seen, and the gait is normal, with good balance on both legs."
    text = f"{ABOUT_SOMEBODY}\n\x00\n{other}"
    fields = judged(text, {"dates": [(28, 38, 0.95), (9, 23, 0.8), (44, 52, 0.9), (60, 74, 0.9)]})
    assert [field.backed for field in fields] == [True, False]
    assert text[fields[1].start : fields[1].end] == other


@settings(deadline=None, derandomize=True)
@given(
    st.text(st.characters())
    | st.lists(st.sampled_from(["Dr. ", "Hope ", "12/4 ", "\n", "½", "\x00", "mrn: "])).map("".join)
)
def test_the_tagger_takes_any_text(text: str) -> None:
    tagged = tagger().tagged(text, 0, len(text), 0.0)
    assert tagged == tagger().tagged(text, 0, len(text), 0.0)
    reach = 0
    for word in tagged:
        assert reach <= word.start < word.end <= len(text)
        assert 0.0 <= word.probability <= 1.0
        reach = word.end
    assert [w for w in tagged if w.probability >= 0.5] == tagger().tagged(text, 0, len(text), 0.5)


def test_words_know_their_lists() -> None:
    assert (form("Hope").known, form("Hope").given) == (True, True)
    assert (form("metformin").known, form("Okonkwo").known) == (True, False)
    assert (form("NGUYEN").case, form("resourceType").known, form("McDonald").known) == (Case.UPPER, True, False)
    assert form("Wilson's").lower == "wilson"
    assert [number_form(n).lower for n in ("415-555-0134", "94", "2021", "AB1234563")] == [
        "#3-3-4",
        "#90s",
        "#year",
        "#A7",
    ]


def test_no_name_list_holds_a_common_word_as_unknown() -> None:
    assert {"the", "insulin", "patient", "colonoscopy", "tired"} <= lexicon().known
    assert not {"mary", "nguyen", "okafor"} & lexicon().known


def test_recall_and_false_alarms_on_the_bundled_documents() -> None:
    held_out = held_out_recall(scanner())
    assert held_out is not None
    assert held_out.overall.found / held_out.overall.total >= 0.97, "with one finding over the whole span"
    assert all(recall.found / recall.total >= 0.94 for recall in held_out.classes.values())


def test_the_tagger_takes_more_words_and_gaps_than_it_has_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(f"word{'a' * (i % 50)}{i}{'-' * (i % 7)}{'.' * (i % 11)}{' ' * (1 + i // 7)}" for i in range(2500))
    words = tagger().tagged(text, 0, len(text), 0.0)
    assert len(words) == 2500
    monkeypatch.setattr(units, "_KEPT", 10)
    assert tagger().tagged(text, 0, len(text), 0.0) == words
