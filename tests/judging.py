"""Folders of predictions to be judged, for tests, and judges whose opinion is known."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import JsonValue

from distill.benchmarks.base import BenchmarkMetadata, Provenance, WantedFile, read_csv
from distill.judging.asking import Asking
from distill.judging.judge import Request, judge_run
from distill.judging.records import JudgeResults
from distill.records import BenchmarkItem
from distill.scoring import score_predictions
from tests.fake_server import FakeServer
from tests.tabular import metadata
from tests.teaching import QUICK

PROBE = 2
"""Requests: one that proves, one that has the schema compiled."""
OUT = "judge-transcription-fake-1"
"""The folder that a run is judged into."""
ITEMS = ("visit-1", "visit-2", "visit-3", "visit-4")


class Visits:
    """Dialogues and notes; ``visits.csv`` with id, source, reference."""

    metadata: BenchmarkMetadata = metadata("visits", "note")

    def load(self, data: Path, split: str) -> list[BenchmarkItem]:  # noqa: ARG002  the protocol's
        """Return the rows as items."""
        return [
            BenchmarkItem(id=row["id"], source=row["source"], reference=row["reference"], target=None, scenario=None)
            for row in read_csv(data / "visits.csv")
        ]

    def available(self, data: Path, split: str) -> bool:  # noqa: ARG002  the protocol's
        """Return whether the file is there."""
        return (data / "visits.csv").is_file()

    def columns(self, data: Path, split: str) -> dict[str, list[str]]:  # noqa: ARG002  the protocol's
        """Return none."""
        return {}

    def provenance(self, data: Path, split: str) -> Provenance:  # noqa: ARG002  the protocol's
        """Return nothing of note."""
        return Provenance()

    def wanted(self, split: str) -> tuple[WantedFile, ...]:  # noqa: ARG002  the protocol's
        """Return none."""
        return ()


class Answers(Visits):
    """Answers that people have scored; the reference is the score."""

    metadata: BenchmarkMetadata = metadata("scored-answers", "judge")


BENCHMARKS = {"visits": "tests.judging:Visits", "scored-answers": "tests.judging:Answers"}


def write_csv(path: Path, rows: Sequence[Sequence[object]]) -> Path:
    """Write rows, the header first, and return the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def scored(folder: Path, name: str = "writer", items: Sequence[str] = ITEMS) -> tuple[Path, Path]:
    """Return a folder of ``distill score`` with the systems ``name`` and ``copy``, and that of its data."""
    data = folder / "data"
    rows = [(item, f"[doctor] How are you, {item}?\n\n[patient] Tired.", f"{item}: tired.") for item in items]
    write_csv(data / "visits.csv", [("id", "source", "reference"), *rows])
    written = write_csv(folder / f"{name}.csv", [("id", "note"), *((item, f"Note of {item}.") for item in items)])
    score_predictions("visits", written, data, folder / "run")
    return folder / "run", data


def part(prompt: str, name: str) -> str:
    """Return what stands between the fences of a part; nothing where there is none, as in a probe."""
    found = re.search(rf"<<<{name} ([0-9a-f]{{16}})>>>\n(.*?)\n<<<end {name} \1>>>", prompt, re.DOTALL)
    return found[2] if found else ""


def wavering(output: str, number: int) -> int:
    """Return the grade of a judge that wavers: 3 to 5 for a note, 1 or 2 for a transcript."""
    return 3 + number % 3 if output.startswith("Note") else 1 + number % 2


def grades(of: Callable[[str, int], int]) -> Callable[[str, int], JsonValue]:
    """Return a judge that gives every dimension of ``transcription`` one grade, by output and number of the request."""

    def answer(prompt: str, number: int) -> JsonValue:
        grade = of(part(prompt, "output"), number)
        return {
            "major_hallucinations": 5 - grade,
            "minor_hallucinations": 0,
            "factual_correctness": grade,
            "completeness": grade,
            "structure": grade,
        }

    return answer


def asking(server: FakeServer, repeats: int = 3, **others: object) -> Asking:
    """Return how a fake server is asked in tests."""
    values: dict[str, object] = {"endpoints": (server.endpoint,), "repeats": repeats, "timeout": 5.0}
    return Asking(**{**values, "patience": QUICK, "concurrency": 8, **others})  # type: ignore[arg-type]  # by name


def judged(server: FakeServer, request: Request, repeats: int = 3, **others: object) -> JudgeResults:
    """Return what comes of a request with a fake server as the judge."""
    return judge_run(request, asking(server, repeats, **others))[0]


def lines_of(folder: Path) -> list[dict[str, JsonValue]]:
    """Return the lines of ``judgements.jsonl``."""
    return [json.loads(line) for line in (folder / "judgements.jsonl").read_text("utf-8").splitlines()]
