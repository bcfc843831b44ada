"""Short answers are read where they are clear, and are None everywhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.answers import exact_diagnosis, normalise_diagnosis, parse_letters, parse_score, repair


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("D", "D"),
        ("BD", "BD"),
        ("DB", "BD"),
        ("B, D", "BD"),
        ("b d", "BD"),
        ("bd", "BD"),
        ("B and D", "BD"),
        ("B/D", "BD"),
        ("(D)", "D"),
        ("[B, D].", "BD"),
        ("**B**", "B"),
        ("ABCFG H", "ABCFGH"),
        ("Answer: B and D", "BD"),
        ("The correct answer is D.", "D"),
        ("Correct answers: A, C", "AC"),
        ("Option A is wrong, as is B.\nAnswer: C", "C"),
        ("Answer: C\nThe pressure is high.", "C"),
        ('{"reasoning": "A is too slow.", "answer": "BD"}', "BD"),
        ('{"answer": ["B", "D"]}', "BD"),
        ("B. Angle closure", "B"),
        ("B) Angle closure\nD) Uveitis", "BD"),
        ("Answer: B. Angle closure", "B"),
        ("ＢＤ", "BD"),
        ("答案：BD", "BD"),
        ("答案为A、B、D。", "ABD"),
        ("正确答案是C", "C"),
        ("患者血压升高，A项错误。故选D", "D"),
        ("本题应选ＡＣ和Ｅ", "ACE"),
        ("B．青光眼\nD．葡萄膜炎", "BD"),
        ("答案：B．青光眼", "B"),
        ("选项很多", None),
        ("无正确答案", None),
        ("", None),
        ("nan", None),
        ("N/A", None),
        ("None", None),
        ("none of them", None),
        ("B or D", None),
        ("bad", None),
        ("BB", None),
        ("Z", None),
        ("A patient with glaucoma", None),
        ("I think it is glaucoma", None),
        ("4", None),
        ("B.\nThe eye is red", None),
        ("Answer: unclear", None),
    ],
)
def test_letters(text: str, letters: str | None) -> None:
    assert parse_letters(text) == letters


def test_letters_outside_the_options_are_no_answer() -> None:
    assert parse_letters("BE", "ABCDE") == "BE"
    assert parse_letters("BE", "ABCD") is None


@given(st.sets(st.sampled_from("ABCDEFGHIJKL"), min_size=1), st.sampled_from(["", " ", ", ", "/", " and "]), st.data())
def test_any_order_and_separator_gives_the_same_set(letters: set[str], separator: str, data: st.DataObject) -> None:
    order = data.draw(st.permutations(sorted(letters)))
    assert parse_letters(separator.join(order)) == "".join(sorted(letters))


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("4.5", 4.5),
        ("4", 4.0),
        ("4,5", 4.5),
        ("4.5/5", 4.5),
        ("4 out of 5.", 4.0),
        ("**4.5**", 4.5),
        ("Score: 3.5", 3.5),
        ("The plan names 2 drugs.\nScore: 3", 3.0),
        ("Score: 3\nIt names 2 drugs", 3.0),
        ('{"score": 2.5}', 2.5),
        ("4.5\nBecause it is right.", 4.5),
        ("2.25", 2.25),
        ("", None),
        ("nan", None),
        ("inf", None),
        ("Loading...", None),
        ("#NAME?", None),
        ("0.5", None),
        ("5.5", None),
        ("-4", None),
        ("4-5", None),
        ("4\n5", None),
        ("8/10", None),
        ("four", None),
        ("between 3 and 4", None),
    ],
)
def test_scores(text: str, score: float | None) -> None:
    assert parse_score(text) == score


def test_a_score_off_the_grid_is_none_where_a_grid_is_asked_for() -> None:
    assert parse_score("4.5", step=0.5) == 4.5
    assert parse_score("4.25", step=0.5) is None
    assert parse_score("4.25", step=0.25) == 4.25


@pytest.mark.parametrize(
    ("text", "repaired"),
    [
        ("SjÃ¶gren syndrome", "Sjögren syndrome"),
        ("Crohnâ€™s disease", "Crohn’s disease"),
        ("type IIâ€“III", "type II–III"),
        ("â€œspongeâ€\x9d kidney", "“sponge” kidney"),
        ("Sjögren syndrome", "Sjögren syndrome"),
        ("Crohn’s disease", "Crohn’s disease"),
        ("β-thalassaemia", "β-thalassaemia"),
        ("plain", "plain"),
    ],
)
def test_text_read_in_the_wrong_encoding_is_repaired(text: str, repaired: str) -> None:
    assert repair(text) == repaired
    assert repair(repaired) == repaired


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_repair_undoes_what_a_wrong_reader_does(text: str) -> None:
    try:
        broken = text.encode("utf-8").decode("cp1252")
    except UnicodeDecodeError:
        return
    assert repair(broken) == text


def test_diagnoses_are_compared_exactly_and_normalised() -> None:
    assert exact_diagnosis("  Crohnâ€™s  disease ") == "Crohn’s disease"
    assert normalise_diagnosis("[Crohn’s Disease].") == normalise_diagnosis("crohns disease") == "crohns disease"
    assert normalise_diagnosis("Arnold–Chiari, type 1") == "arnold-chiari type 1"
    assert exact_diagnosis("NaN") is None
    assert normalise_diagnosis("...") is None
