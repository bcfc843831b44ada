"""Where a student's data comes from, as the run directory says it: ``lineage.json``, for model card and report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from distill.files import read_record
from synth.assets import sha256
from synth.catalog import load_task
from synth.records import Counts, IdentityMode, Manifest, Record, TeacherIdentity

FILE = "lineage.json"
SAFE_HARBOR = "## Identifiers (HIPAA Safe Harbor"
"""How the data set card begins its part on identifiers; ``templates/dataset_card.md.j2`` writes it."""


class Lineage(Record):
    """What a student learned from."""

    run: str
    fingerprint: str
    """SHA-256 over configuration and assets of the run."""
    train_sha256: str
    """Of ``dataset/train.parquet``: a run may be extended under the same fingerprint."""
    teacher: TeacherIdentity
    judge: str | None
    """Its model, and the revision where that is known; None where nobody judged."""
    task: str
    seed: int
    identities: IdentityMode
    """What stands where an identifier would."""
    specialties: dict[str, int]
    """Examples of the train split, by specialty."""
    conditions: dict[str, int]
    """The same by condition."""
    counts: Counts | None
    """Of the whole run; None where it is not complete."""
    versions: dict[str, str]
    """Of what made the run."""
    safe_harbor: str | None
    """The data set card's part on identifiers, in Markdown, without its heading; None where there is no card."""
    description: str = ""
    """Of the task."""
    nouns: tuple[str, str] = ("transcript", "note")
    """What source and target of the task are called."""
    language: str = "en"
    """Of the texts, as the data set card says."""
    beside: tuple[Lineage, ...] = ()
    """The further runs of a student of several."""

    @property
    def simulated(self) -> bool:
        """Whether a grammar wrote the data, or some of it, and no language model."""
        return any(one.teacher.name == "simulator" for one in self.runs)

    @property
    def runs(self) -> tuple[Lineage, ...]:
        """This one and those beside it."""
        return (self, *self.beside)

    @property
    def languages(self) -> tuple[str, ...]:
        """Those of all runs, without repeats."""
        return tuple(dict.fromkeys(one.language for one in self.runs))

    @property
    def written(self) -> tuple[tuple[str, str, str], ...]:
        """Source, target and description of each task of all runs."""
        return tuple(dict.fromkeys((*one.nouns, one.description) for one in self.runs))


def trace_all(runs: Sequence[Path], manifests: Sequence[Manifest]) -> Lineage:
    """Return the lineage of the first run with those of the others beside it."""
    first, *others = (trace(run, manifest) for run, manifest in zip(runs, manifests, strict=True))
    return first.model_copy(update={"beside": tuple(others)}) if others else first


def trace(run: Path, manifest: Manifest) -> Lineage:
    """Return the lineage of the run's train split; the manifest, the split and the data set card are read."""
    import pyarrow.parquet as pq

    judge = manifest.judge
    split = run / "dataset" / "train.parquet"
    table = pq.read_table(split)
    columns = {
        name: [str(value) for value in table.column(name).to_pylist()] if name in table.column_names else []
        for name in ("task", "specialty", "condition")
    }
    names = sorted(set(columns["task"]))
    task = load_task(names[0]) if len(names) == 1 else None
    found = Lineage(
        run=run.resolve().name,
        fingerprint=manifest.fingerprint,
        train_sha256=sha256(split.read_bytes()),
        teacher=manifest.teacher,
        judge=None if judge is None else f"{judge.model}, revision {judge.revision}" if judge.revision else judge.model,
        task=", ".join(names),
        seed=manifest.seed,
        identities=manifest.identities,
        specialties=dict(sorted(Counter(columns["specialty"]).items())),
        conditions=dict(sorted(Counter(columns["condition"]).items())),
        counts=manifest.counts,
        versions=manifest.versions,
        safe_harbor=_safe_harbor(run / "README.md"),
        language=_language(run / "README.md"),
    )
    return found if task is None else found.model_copy(update={"description": task.description, "nouns": task.nouns})


def read_lineage(adapter: Path) -> Lineage:
    """Return what lies beside a student; UserError where it is missing or malformed."""
    missing = f"{adapter} does not say what it was trained on ({FILE} is missing); train it again"
    return read_record(adapter / FILE, Lineage, missing)


def _language(card: Path) -> str:
    """Return the language that the head of a data set card names; English where there is none."""
    lines = card.read_text("utf-8").splitlines() if card.is_file() else []
    named = (line.removeprefix("language:").strip() for line in lines[:10] if line.startswith("language:"))
    return next(named, "en")


def _safe_harbor(card: Path) -> str | None:
    """Return the part of a data set card; its recall was measured when the run was made, and is nowhere else."""
    if not card.is_file():
        return None
    lines = card.read_text("utf-8").splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith(SAFE_HARBOR)), None)
    if start is None:
        return None
    end = next((i for i in range(start + 1, len(lines)) if lines[i].startswith("## ")), len(lines))
    return "\n".join(lines[start + 1 : end]).strip() or None


def blocks(markdown: str) -> list[list[list[str]]]:
    """Return the tables and paragraphs of a part in Markdown, in order: a table is its rows of cells, the header
    first; a paragraph is one row of one cell."""
    found: list[list[list[str]]] = []
    for block in markdown.split("\n\n"):
        lines = block.strip().splitlines()
        if len(lines) > 1 and lines[0].startswith("|") and set(lines[1]) <= set("|-: "):
            found.append([_cells(line) for line in (lines[0], *lines[2:])])
        elif lines:
            found.append([[" ".join(lines)]])
    return found


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]
