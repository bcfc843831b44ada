"""The manifest of a run as it starts: every setting, file and version that its bytes follow from."""

from __future__ import annotations

from pathlib import Path

from synth.assets import asset_hashes
from synth.catalog import Task, task_path
from synth.config import RunConfig, fingerprint, run_versions
from synth.identities import identities_path
from synth.judgements import JudgeIdentity
from synth.packs import Pack, pack_path
from synth.packs.terms import terms_path
from synth.recognition import recognition_path
from synth.records import Manifest, TeacherIdentity
from synth.teachers.select import grammar_paths, grammar_revision


def manifest_of(config: RunConfig, task: Task, pack: Pack) -> Manifest:
    """Return the manifest of the run as it starts."""
    here = Path(__file__).parent
    files = [
        task_path(task.name),
        pack_path(config.specialty),
        *sorted((here / "packs").glob("*.yaml")),
        identities_path(),
        *_data_files(here / "checks"),
    ]
    if config.language is not None:
        files.append(terms_path(config.language))
    if config.control.transcript_style == "asr":
        files.append(recognition_path())
    revision = config.teacher.revision
    if config.teacher.name == "simulator":
        files.extend(grammar_paths(task, pack))
        revision = grammar_revision(task, pack)
    assets = asset_hashes(task.schema_name, task.folders, tuple(files))
    judge = config.judge
    if judge is not None and task.judgement is not None:
        assets |= asset_hashes(task.judgement, (f"{task.prompts}/judge",), ())
    versions = run_versions()
    return Manifest(
        status="running",
        fingerprint=fingerprint(config, assets, versions),
        versions=versions,
        assets=assets,
        teacher=TeacherIdentity(name=config.teacher.name, model=config.teacher.model, revision=revision),
        seed=config.seed,
        target_accepted=config.n,
        identities=config.identities,
        judge=JudgeIdentity(model=judge.model, revision=judge.revision) if judge else None,
        counts=None,
    )


def _data_files(folder: Path) -> list[Path]:
    """Return the files below a folder that are no code, in order."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc"))
    return sorted(found)
