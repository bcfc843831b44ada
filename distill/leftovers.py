"""What a training finds in the folder that it writes to: an earlier student's files make way for the new one's, and
nothing else is touched."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from distill.checkpoints import is_unfinished
from distill.documents import CARD, CURVE, METRICS, REPORT
from distill.files import existing
from distill.lineage import FILE as LINEAGE_FILE
from distill.memorisation.canaries import FILE as CANARIES_FILE
from distill.memorisation.measuring import FILE as MEMORISATION_FILE
from distill.recipes import FILE as RECIPE_FILE
from distill.settings import TrainSettings
from distill.student import ADAPTER_FILE, Student
from distill.trained import STUDENT_FILE
from synth.errors import UserError

_WEIGHTS = re.compile(r"(adapter_)?model(-\d+-of-\d+)?\.safetensors")
_MEASURED = (CANARIES_FILE, MEMORISATION_FILE)
"""What only some students have, under names that are this project's alone."""
_FILES = frozenset(
    {
        *(METRICS, CURVE, RECIPE_FILE, LINEAGE_FILE, CARD, REPORT, *_MEASURED),
        *(ADAPTER_FILE, "config.json", "generation_config.json", "model.safetensors.index.json"),
        *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
        *("tokenizer.model", "vocab.json", "merges.txt", "chat_template.jinja"),
    }
)
"""Besides weights and ``student.json``: what a training writes, as far as the names are known beforehand."""


def check_out(out: Path, student: Student, settings: TrainSettings, runs: Sequence[Path]) -> None:
    """Raise UserError where a training would write over what it reads, or among weights that no training put there."""
    read = [(run, "the run") for run in runs]
    # The path of a shipped base is below distill/students/, where nobody trains.
    own = Path(student.folder) if student.folder is not None else None
    read += [(own, "the base")] if own is not None and own.is_absolute() else []
    read += [(Path(student.start.folder), "the student that it goes on from")] if student.start is not None else []
    read += [(path, "the teacher")] if settings.teacher and (path := existing(settings.teacher)) else []
    for path, what in read:
        if path.resolve() == out.resolve():
            raise UserError(f"{out} is {what}, which the training reads; choose another --out")
    if not out.is_dir() or _holds_student(out) or is_unfinished(out):
        return
    for path in sorted(out.iterdir()):
        if path.name in (ADAPTER_FILE, "config.json") or path.suffix == ".safetensors":
            raise UserError(
                f"{out} holds a model ({path.name}) without {STUDENT_FILE}, so no training of its own wrote it; "
                "choose another --out, or remove it"
            )


def replaced_line(out: Path) -> str | None:
    """Return the line that says what becomes of an earlier student in a folder, None where there is none."""
    if not _holds_student(out):
        return None
    stay = "; evaluations in it stay, and are of the earlier one" if any(out.glob("eval-*")) else ""
    return f"{out} holds a student, which this one replaces when it is trained{stay}"


def remove_leftovers(out: Path) -> None:
    """Remove what an earlier training left of its student; checkpoints, logs and evaluations are not among it.

    This is for the end of a training, when the new student can be written: until then the earlier one is whole, and a
    killed training, resumed, comes by here again. ``student.json`` says that the rest is of a training, and goes last.
    """
    for name in _MEASURED:
        (out / name).unlink(missing_ok=True)
    if not _holds_student(out):
        return
    for path in sorted(out.iterdir()):
        if (path.name in _FILES or _WEIGHTS.fullmatch(path.name)) and not path.is_dir():
            path.unlink()
    (out / STUDENT_FILE).unlink()


def _holds_student(out: Path) -> bool:
    return (out / STUDENT_FILE).is_file()
