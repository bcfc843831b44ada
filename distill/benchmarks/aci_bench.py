"""ACI-Bench: full visits, dialogue → note, in the five splits of its authors."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from distill.benchmarks.base import BenchmarkMetadata, duplicates, listing, read_csv
from distill.records import BenchmarkItem
from synth.assets import sha256
from synth.catalog import suggest
from synth.errors import UserError

_COLUMNS = ("dataset", "encounter_id", "dialogue", "note")
_PUBLISHED = "github.com/wyim/aci-bench, commit b909b2bb, data/challenge_data, CC BY 4.0"
_FOLDERS = ("", "aci-bench", "challenge_data", "data/challenge_data")
"""Where the files lie below a ``--data`` folder: in it, beside other benchmarks, or in a checkout of the authors'
repository."""


class _File(NamedTuple):
    name: str
    first: int
    rows: int
    """The ids run from ``D2N<first>`` without a gap."""
    sha256: str

    @property
    def ids(self) -> list[str]:
        return [f"D2N{number:03d}" for number in range(self.first, self.first + self.rows)]


FILES = {
    "train": _File("train.csv", 1, 67, "6c778d4ac5e6cc6f1964786f9286e8d765c210f22ed6b57f83aff8497409cea4"),
    "valid": _File("valid.csv", 68, 20, "6629e89e3fb409d2b3eceab60dc7b32fe1d3fb8d4e07795039284965522aa4d0"),
    "test1": _File(
        "clinicalnlp_taskB_test1.csv", 88, 40, "5cc4008e68545f84913744a8e493a58bdf17ba7e1b7a0be46d6943d6bfca9471"
    ),
    "test2": _File(
        "clinicalnlp_taskC_test2.csv", 128, 40, "599e3330a14e25a0e056aee1365ffac7ebe50058f15821eae42a5513c2bb5a4f"
    ),
    "test3": _File("clef_taskC_test3.csv", 168, 40, "d3c18362a42124ea2bd1b2b4b66ba76a11bb123dfdb416471ae3b5924d1428ec"),
}
"""Split → file, as published at commit b909b2bb of github.com/wyim/aci-bench."""


class AciBench:
    """Loads the CSV files as their authors published them, and no others."""

    metadata = BenchmarkMetadata(
        name="aci-bench",
        title="ACI-Bench",
        splits=tuple(FILES),
        default_split="test1",
        train_split="train",
        metrics=("rouge", "faithfulness"),
        licence="CC BY 4.0",
        citation=(
            "Yim W, Fu Y, Ben Abacha A, Snider N, Lin T, Yetisgen M. Aci-bench: a novel ambient "
            "clinical intelligence dataset for benchmarking "
            "automatic visit note generation. Scientific Data 2023;10:586"
        ),
        url="https://github.com/wyim/aci-bench",
    )

    def load(self, data: Path, split: str) -> list[BenchmarkItem]:
        """Return the visits of a split: dialogue as source, note as reference, no target and no scenario.

        Raises UserError for an unknown split, and for a file that is missing or differs from the published one.
        """
        file = _file(split)
        path = _find(data, file)
        if path is None:
            raise UserError(f"{data}: {file.name} is missing; ACI-Bench is published at {_PUBLISHED}")
        if sha256(_read(path)) != file.sha256:
            raise UserError(f"{path}: not the published file ({_difference(path, file)}); get it from {_PUBLISHED}")
        return [
            BenchmarkItem(
                id=row["encounter_id"], source=row["dialogue"], reference=row["note"], target=None, scenario=None
            )
            for row in read_csv(path)
        ]

    def available(self, data: Path, split: str) -> bool:
        """Return whether the split's file lies in the folder, whatever is in it."""
        return _find(data, _file(split)) is not None


def _file(split: str) -> _File:
    if split not in FILES:
        raise UserError(f"aci-bench: unknown split {split!r}{suggest(split, FILES)}; known: {', '.join(FILES)}")
    return FILES[split]


def _find(data: Path, file: _File) -> Path | None:
    candidates = (data / folder / file.name for folder in _FOLDERS)
    return next((path for path in candidates if path.is_file()), None)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error


def _difference(path: Path, file: _File) -> str:
    """Return in a few words how a file differs from the published one."""
    if sha256(_read(path).replace(b"\r\n", b"\n")) == file.sha256:
        return "its line ends were changed, as git does with core.autocrlf"
    try:
        rows = read_csv(path)
    except UserError as error:
        return str(error).removeprefix(f"{path}: ")
    if not rows:
        return "it has no rows"
    if absent := [name for name in _COLUMNS if name not in rows[0]]:
        return f"it has no column {listing(absent)}"
    ids = [row["encounter_id"] for row in rows]
    if repeated := duplicates(ids):
        return f"encounter {listing(repeated)} stands twice"
    if missing := [name for name in file.ids if name not in ids]:
        return f"{len(missing)} of {file.rows} rows are missing: {listing(missing)}"
    return "its text was changed"
