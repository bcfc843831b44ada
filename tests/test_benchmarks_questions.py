"""Multiple-choice questions from their authors' JSON files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.benchmarks.cmb import CmbExam
from distill.benchmarks.medmcqa import MedMcqa
from distill.benchmarks.medqa import MedQa
from distill.benchmarks.ophthalmology import Ophthalmology
from distill.benchmarks.questions import QuestionsBrought
from synth.errors import UserError

MEDQA: list[dict[str, object]] = [
    {
        "question": "Which drug?",
        "answer": "Nitrofurantoin",
        "options": {"A": "Ampicillin", "B": "Ceftriaxone", "C": "Doxycycline", "D": "Nitrofurantoin"},
        "meta_info": "step2&3",
        "answer_idx": "D",
        "metamap_phrases": ["drug"],
    },
    {"question": "Which nerve?", "options": {"A": "Ulnar", "B": "Median"}, "answer_idx": "A"},
]
MEDMCQA: list[dict[str, object]] = [
    {
        **{"question": "Which finding?", "exp": None, "cop": 1},
        **{"opa": "Leukemoid reaction", "opb": "Leukopenia", "opc": "Myeloid metaplasia", "opd": "Neutrophilia"},
        **{"subject_name": "Pathology", "topic_name": None, "id": "4e17", "choice_type": "single"},
    },
    {
        **{"question": "Which vessel?", "cop": 4, "opa": "Aorta", "opb": "Vena cava", "opc": "Carotid", "opd": None},
        **{"subject_name": "Anatomy", "id": "84f3", "choice_type": "multi"},
    },
]


def lines(rows: list[dict[str, object]]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def one_line(error: pytest.ExceptionInfo[UserError]) -> str:
    """Return the message, which has to be one line."""
    message = str(error.value)
    assert "\n" not in message
    return message


def test_medqa(tmp_path: Path) -> None:
    folder = tmp_path / "data_clean" / "questions" / "US" / "4_options"
    folder.mkdir(parents=True)
    (folder / "phrases_no_exclude_test.jsonl").write_text(lines(MEDQA), "utf-8")
    items = MedQa().load(tmp_path, "test")
    assert [(item.id, item.reference) for item in items] == [("test-1", "D"), ("test-2", "A")]
    assert items[0].source == "Which drug?\n\nA. Ampicillin\nB. Ceftriaxone\nC. Doxycycline\nD. Nitrofurantoin"
    assert items[0].groups == {"meta_info": "step2&3"}
    origin = MedQa().provenance(tmp_path, "test")
    assert list(origin.files) == ["phrases_no_exclude_test.jsonl"]
    assert origin.notes == ("2 items; the published test split has 1273",)
    assert MedQa().columns(tmp_path, "test") == {}
    assert not MedQa().available(tmp_path, "dev")


@pytest.mark.parametrize("first", [0, 1])
def test_medmcqa_counts_options_from_one_and_exports_from_zero(tmp_path: Path, first: int) -> None:
    rows = [row | {"cop": (0 if i == 0 else 3) + first} for i, row in enumerate(MEDMCQA)]
    (tmp_path / "dev.json").write_text(lines(rows), "utf-8")
    items = MedMcqa().load(tmp_path, "dev")
    assert [(item.id, item.reference) for item in items] == [("4e17", "A"), ("84f3", "D")]
    assert items[0].groups == {"subject_name": "Pathology", "choice_type": "single"}
    assert items[1].source.endswith("C. Carotid\nD.")


def test_a_json_list_is_read_as_well(tmp_path: Path) -> None:
    path = tmp_path / "dev.json"
    path.write_text(json.dumps(MEDMCQA), "utf-8")
    assert [item.reference for item in MedMcqa().load(path, "dev")] == ["A", "D"]


@pytest.mark.parametrize(
    ("loader", "text", "said"),
    [
        (MedQa(), "", "no questions in it"),
        (MedQa(), "[]", "no questions in it"),
        (MedQa(), lines(MEDQA)[:-9], "line 2 is not JSON"),
        (MedQa(), "[1, 2", "not JSON"),
        (MedQa(), "3\n", "question 1 is not a JSON object"),
        (MedQa(), lines([MEDQA[0], {"question": "?", "options": {}}]), "question 2 has no 'answer_idx'"),
        (
            MedQa(),
            lines([MEDQA[0], MEDQA[1] | {"answer_idx": "E"}]),
            "question 2: its answer 'E' is none of its options",
        ),
        (MedQa(), lines([MEDQA[0] | {"options": ["a", "b"]}]), "question 1: its 'options' are no texts by letter"),
        (MedQa(), lines([MEDQA[0] | {"question": " "}]), "question 1: its 'question' is no text"),
        (MedQa(), lines([MEDQA[0] | {"answer_idx": None}]), "question 1: its 'answer_idx' is no text"),
        (MedMcqa(), lines([MEDMCQA[0], MEDMCQA[1] | {"opa": "\ud800"}]), "question 2 holds half of a surrogate pair"),
        (MedMcqa(), lines([MEDMCQA[0] | {"cop": True}]), "question 1: its cop True is none of 1 to 4"),
        (MedMcqa(), lines([MEDMCQA[0] | {"cop": 7}]), "question 1: its cop 7 is none of 1 to 4"),
        (MedMcqa(), lines([MEDMCQA[0] | {"cop": float("nan")}]), "question 1: its cop nan is none of 1 to 4"),
        (MedMcqa(), lines([MEDMCQA[0] | {"cop": 0}, MEDMCQA[1]]), "from 0 in some questions and from 1 in others"),
        (MedMcqa(), lines([MEDMCQA[0], MEDMCQA[0]]), "'4e17' stands twice"),
    ],
)
def test_broken_questions_are_one_line(tmp_path: Path, loader: QuestionsBrought, text: str, said: str) -> None:
    split = loader.metadata.default_split
    path = tmp_path / loader.names[split][0]
    path.write_text(text, "utf-8")
    with pytest.raises(UserError) as caught:
        loader.load(tmp_path, split)
    assert said in one_line(caught)
    assert str(path) in one_line(caught)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ABCD"), inner, max_size=3),
    max_leaves=4,
)


@settings(deadline=None)
@given(st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys((*MedQa.keys, *MedMcqa.keys, "id"), JSON_VALUES))))
def test_any_json_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, object]]) -> None:
    path = tmp_path_factory.mktemp("drawn") / "questions.jsonl"
    path.write_text(lines(rows), "utf-8")
    for loader in (MedQa(), MedMcqa()):
        try:
            items = loader.load(path, loader.metadata.default_split)
        except UserError as error:
            assert "\n" not in str(error)  # noqa: PT017  either outcome is right
        else:
            assert len(items) == len(rows)


def test_other_encodings_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "dev.json"
    path.write_bytes('{"question": "Où?"}'.encode("cp1252"))
    with pytest.raises(UserError, match="not UTF-8 at byte 15") as caught:
        MedMcqa().load(tmp_path, "dev")
    one_line(caught)


CMB: list[dict[str, object]] = [
    {
        **{"exam_type": "医师考试", "exam_class": "执业医师", "exam_subject": "临床执业医师"},
        **{"question": "患者，女性，45岁，眼痛伴视力下降2天，最可能的诊断是", "question_type": "单项选择题"},
        **{"answer": "D", "option": {"A": "白内障", "B": "结膜炎", "C": "干眼症", "D": "急性闭角型青光眼", "E": ""}},
    },
    {
        **{"question": "下列哪些药物可降低眼压", "question_type": "多项选择题", "answer": "ABE"},
        "option": {"A": "噻吗洛尔", "B": "拉坦前列素", "C": "阿托品", "D": "泼尼松龙", "E": "多佐胺"},
    },
]


def test_chinese_questions_with_one_and_with_several_right_options(tmp_path: Path) -> None:
    (tmp_path / "CMB-val-merge.json").write_text(json.dumps(CMB, ensure_ascii=False), "utf-8")
    items = CmbExam().load(tmp_path, "val")
    assert [(item.id, item.reference) for item in items] == [("val-1", "D"), ("val-2", "ABE")]
    assert items[0].source.endswith("\n\nA. 白内障\nB. 结膜炎\nC. 干眼症\nD. 急性闭角型青光眼")
    assert items[1].source.startswith("(多项选择题) 下列哪些药物可降低眼压\n\nA. 噻吗洛尔\n")
    assert items[1].groups == {"question_type": "多项选择题"}


@pytest.mark.parametrize(("answer", "said"), [("BF", "names none of its options"), ("", "is no text")])
def test_a_chinese_answer_that_is_none_of_the_options_is_one_line(tmp_path: Path, answer: str, said: str) -> None:
    file = tmp_path / "CMB-val-merge.json"
    file.write_text(json.dumps([{**CMB[1], "answer": answer}], ensure_ascii=False), "utf-8")
    with pytest.raises(UserError, match=said) as error:
        CmbExam().load(file, "val")
    assert "question 1" in one_line(error)


def test_the_ophthalmology_file_may_hold_chinese_questions(tmp_path: Path) -> None:
    file = tmp_path / "Ophthalmology.csv"
    file.write_text(
        'No,Topic,Type,Question,GT\n1,青光眼,X型题,"哪些药物可降低眼压？\nA．噻吗洛尔\nB．阿托品\nC．多佐胺",A、C\n',
        "utf-8-sig",
    )
    items = Ophthalmology().load(file, "test")
    assert [(item.id, item.reference) for item in items] == [("1", "AC")]
