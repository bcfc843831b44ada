"""CMB-Exam: questions of Chinese medical examinations, A to E (some to F), one or several right options (X型题)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from string import ascii_uppercase

from distill.answers import parse_letters
from distill.benchmarks.base import BenchmarkMetadata
from distill.benchmarks.brought import BrokenRow
from distill.benchmarks.questions import QuestionsBrought, question_text, text_of
from distill.records import BenchmarkItem
from synth.records import JsonObject

_GROUPS = ("exam_type", "exam_class", "exam_subject", "question_type")


class CmbExam(QuestionsBrought):
    """Loads ``CMB-<split>-merge.json`` (``question``, ``option`` by letter, ``answer``, ``question_type``).

    The published test questions have their answers in a file of their own and are not read.
    """

    metadata = BenchmarkMetadata(
        name="cmb",
        title="CMB-Exam",
        task="mcq",
        splits=("train", "val"),
        default_split="val",
        train_split=None,
        metrics=("letters",),
        licence="Apache 2.0",
        citation=(
            "Wang X, Chen GH, Song D, Zhang Z, Chen Z, Xiao Q, et al. CMB: a comprehensive medical benchmark in "
            "Chinese. arXiv 2308.08833"
        ),
        url="https://github.com/FreedomIntelligence/CMB",
    )
    names = {split: (f"CMB-{split}-merge.json", f"CMB-{split}.json") for split in metadata.splits}
    folders = ("", "cmb", "CMB", "CMB-Exam", "CMB-Exam/CMB-train", "CMB-Exam/CMB-val", "CMB-train", "CMB-val")
    place = "the data set FreedomIntelligence/CMB, folder CMB-Exam"
    keys = ("question", "option", "answer", "question_type")
    published_rows = {"train": 269_359, "val": 280}

    def items(self, path: Path, rows: Sequence[JsonObject], split: str) -> Iterator[BenchmarkItem]:  # noqa: ARG002
        """Yield the questions, each with its type before it; their ids are the split and the number of the question."""
        for number, row in enumerate(rows, 1):
            options = row["option"]
            if not isinstance(options, dict) or not all(
                letter in ascii_uppercase and isinstance(text, str) for letter, text in options.items()
            ):
                raise BrokenRow("its 'option' holds no texts by letter")
            shown = {letter: str(text) for letter, text in sorted(options.items()) if str(text).strip()}
            answer = text_of(row, "answer")
            letters = parse_letters(answer, "".join(shown))
            if letters is None:
                raise BrokenRow(f"its answer {answer!r} names none of its options {', '.join(shown)}")
            kind = row["question_type"]
            asked = (
                f"({kind}) {text_of(row, 'question')}" if isinstance(kind, str) and kind else text_of(row, "question")
            )
            yield BenchmarkItem(
                id=f"{split}-{number}",
                source=question_text(asked, shown),
                reference=letters,
                target=None,
                scenario=None,
                groups={key: value for key in _GROUPS if isinstance(value := row.get(key), str) and value},
            )
