"""What lies beside a trained student, and the student as a training goes on from there."""

from __future__ import annotations

from pathlib import Path

from pydantic import model_validator

from distill.datasets import Format
from distill.files import read_record
from distill.student import (
    USUAL,
    Method,
    Quantisation,
    Recipe,
    Start,
    Student,
    base_sha256,
    find_student,
    is_shipped,
)
from synth.errors import UserError
from synth.records import Record

STUDENT_FILE = "student.json"


class TrainedStudent(Record):
    """What lies beside an adapter: what it was trained from. It holds a path only where the user brought the base."""

    student: Student
    method: Method = "lora"
    quantisation: Quantisation | None = None
    """Of the base that the adapter was trained on; None where it was not quantised."""
    base_sha256: str | None
    """Of the base's weights where they are one file; the adapter fits no other. None where the whole base was
    trained: then its weights lie here."""
    format: Format
    tasks: tuple[str, ...]
    """That it was trained on, one or several."""
    longest_completion: int
    """Tokens of the longest completion that was trained on, its end included."""
    examples: int | None = None
    """Pairs of the train split that it learned from, the first; None where those were all."""
    runs: int = 1
    """Run directories that it learned from."""

    @model_validator(mode="before")
    @classmethod
    def _of_one_task(cls, data: object) -> object:
        """Take what an earlier version wrote, which knew one task."""
        if isinstance(data, dict) and "task" in data:
            return {"tasks": (data["task"],), **{key: value for key, value in data.items() if key != "task"}}
        return data


def read_trained(adapter: Path) -> TrainedStudent:
    """Return what an adapter says of itself; UserError where the folder holds none."""
    missing = f"{adapter} holds no student ({STUDENT_FILE} is missing); train one with: distill train"
    return read_record(adapter / STUDENT_FILE, TrainedStudent, missing)


def base_of(adapter: Path, trained: TrainedStudent, base: str | None = None) -> Student:
    """Return the student that an adapter's base is loaded by; ``base`` says where it is if not where its name leads.

    Raises UserError where the base is missing, or is not the one that the adapter was trained on.
    """
    student = find_student(base) if base is not None else _known(trained.student)
    if trained.base_sha256 is not None and base_sha256(student) != trained.base_sha256:
        raise UserError(
            f"{adapter} was trained on other weights of {student.name} than those here; "
            "train it again, or say where they are"
        )
    return student


def is_trained(name: str) -> bool:
    """Return whether a name is the folder of a trained student."""
    try:
        return bool(name) and (Path(name).expanduser() / STUDENT_FILE).is_file()
    except (RuntimeError, OSError, ValueError):  # ~nobody, a name that is too long, a null byte
        return False


def find_start(name: str) -> Student:
    """Return the student that a training starts from: a base as ``find_student`` knows it, or what ``distill train``
    has written to a folder.

    A trained student has its adapter and length, and the recipe of its base. Raises UserError where there is neither.
    """
    if not is_trained(name):
        return find_student(name)
    folder = Path(name).expanduser().resolve()
    trained = read_trained(folder)
    if trained.method == "full":
        student = trained.student.model_copy(
            update={
                "name": folder.name,
                "folder": str(folder),
                "repository": None,
                "revision": None,
                "quantisation": None,
            }
        )
    else:
        student = base_of(folder, trained).model_copy(
            update={
                "lora": trained.student.lora,
                "start": Start(folder=str(folder), quantisation=trained.quantisation),
            }
        )
    # What the training before was told of its own course, its learning rate too, does not hold for this one.
    recipe = usual_recipe(trained.student).model_copy(update={"format": trained.format})
    return student.model_copy(update={"max_length": trained.student.max_length, "recipe": recipe})


def usual_recipe(student: Student) -> Recipe:
    """Return the recipe that a student's base has of itself, whatever it was taught by since: that of the catalogue,
    else that of any base; for a base that is a trained student, that of what it was trained from.

    Raises UserError where such a trained student cannot be read.
    """
    seen: set[str] = set()
    while not is_shipped(student):
        folder = student.folder
        # A student that was trained into the folder of its own base leads back to itself.
        if folder is None or folder in seen or not is_trained(folder):
            return USUAL
        seen.add(folder)
        student = read_trained(Path(folder)).student
    return find_student(student.name).recipe


def _known(student: Student) -> Student:
    """Return the student that the project ships under the same name, else the one that was written down, which names
    its folder or commit."""
    return find_student(student.name) if is_shipped(student) else student
