"""A named-entity model beside the recognisers: where it is, what its labels mean here, what it finds, which one it was.

Written as one string: ``spacy:NAME_OR_FOLDER``, ``hf:ID_OR_FOLDER`` (``ID@REVISION`` too) or ``gliner:ID_OR_FOLDER``.
Nothing is ever downloaded. ``model_readers.py`` runs the model; Presidio's own recognisers for such models do not fit:
they fetch what is missing and unpickle it, pass over a stretch of text on which the model fails or that is longer than
it reads, and of two overlapping spans drop one with what only it covered.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from synth.catalog import suggest
from synth.checks.phi.model_labels import Span, check_labels, identifiers
from synth.checks.phi.model_source import Reader, Source
from synth.checks.phi.reading import PLACEHOLDER, Unread
from synth.errors import UserError

_LIBRARIES = {"spacy": ("spacy",), "hf": ("transformers", "torch"), "gliner": ("gliner", "transformers", "torch")}


@cache
def locate(model: str) -> Source:
    """Return where a model is, without loading it; UserError where it, or the library that runs it, is not here."""
    kind, _, name = model.partition(":")
    if kind not in _LIBRARIES or not name:
        known = ", ".join(f"{kind}:NAME_OR_FOLDER" for kind in _LIBRARIES)
        raise UserError(f"unknown model {model!r}{suggest(kind, _LIBRARIES)}; known: {known}")
    missing = [library for library in _LIBRARIES[kind] if find_spec(library) is None]
    if missing:
        extra = "phi-gliner" if kind == "gliner" else "phi-models"
        raise UserError(f"{model} needs {' and '.join(missing)}: pip install 'notewright[{extra}]'")
    if Path(name).is_dir():
        folder, revision = Path(name), ""
    elif name.startswith((".", "~")) or Path(name).is_absolute():
        raise UserError(f"{model}: no folder {name}; give the folder that holds the model")
    elif kind == "spacy":
        folder, revision = _spacy_package(model, name), ""
    else:
        folder, revision = _cached(model, name)
    if kind == "spacy":
        meta = _json(model, folder / "meta.json")
        revision = f"{meta.get('name', '')} {meta.get('version', '')}".strip()
    elif kind == "hf":
        labels = _json(model, folder / "config.json").get("id2label")
        check_labels(model, labels.values() if isinstance(labels, dict) else ())
    else:
        _json(model, folder / "gliner_config.json")
    if kind != "spacy" and not any(folder.glob("*.safetensors")):
        raise UserError(
            f"{model}: no *.safetensors in {folder}, and pickles are never loaded; if you trust it, load it elsewhere "
            "and save it with save_pretrained(FOLDER, safe_serialization=True)"
        )
    return Source(model, kind, folder, revision)


def _spacy_package(model: str, name: str) -> Path:
    package = find_spec(name) if name.isidentifier() else None
    if package is None or package.origin is None:
        raise UserError(f"{model} is not here: python -m spacy download {name}")
    folder = Path(package.origin).parent
    return next((meta.parent for meta in sorted(folder.glob(f"{name}-*/meta.json"))), folder)


def _cached(model: str, name: str) -> tuple[Path, str]:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    name, _, revision = name.partition("@")
    try:
        folder = Path(snapshot_download(name, revision=revision or None, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, HfHubHTTPError, OSError) as error:
        raise UserError(
            f"{model} is not here: hf download {name}{f' --revision {revision}' if revision else ''}"
        ) from error
    return folder, folder.name


def _json(model: str, path: Path) -> dict[str, object]:
    try:
        read = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{model}: {path} is missing or broken; fetch the model again") from error
    return read if isinstance(read, dict) else {}


@cache
def load(model: str) -> Reader:
    """Return what reads texts with a model, loaded once a process; UserError where it cannot be loaded or run."""
    from synth.checks.phi import model_readers

    source = locate(model)
    try:
        reader = getattr(model_readers, f"{source.kind}_reader")(source)
        for _ in reader("Dr. Okonkwo saw him on March 9th."):
            pass
    except UserError:
        raise
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise UserError(f"{model} cannot be run: {reason}") from error
    return reader  # type: ignore[no-any-return]  # a function of model_readers, by name


def entities(model: str, text: str) -> list[Span]:
    """Return the identifiers that a model finds in a text, by entity type; Unread where it fails on the text.

    It reads each stretch between NULs by itself, with blanks for placeholders.
    """
    reader = load(model)
    found: list[Span] = []
    start = 0
    try:
        for part in PLACEHOLDER.sub(lambda hit: " " * len(hit[0]), text).split("\0"):
            if part.strip():
                found += [(start + first, start + last, label, score) for first, last, label, score in reader(part)]
            start += len(part) + 1
        return identifiers(text, found)
    except Exception as error:
        raise Unread from error


@cache
def model_versions(model: str) -> dict[str, str]:
    """Return what identifies a model: as it was written, its revision, the SHA-256 of its weights, its libraries."""
    source = locate(model)
    weights = sorted(source.folder.glob("*.safetensors"))
    if source.kind == "spacy":
        weights = sorted(p for p in source.folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    digest = hashlib.sha256()
    for path in weights:
        with path.open("rb") as file:
            digest.update(path.relative_to(source.folder).as_posix().encode())
            digest.update(hashlib.file_digest(file, "sha256").digest())
    revision = {"model revision": source.revision} if source.revision else {}
    libraries = {library: version(library) for library in _LIBRARIES[source.kind]}
    return {"model": model, **revision, "model sha256": digest.hexdigest(), **libraries}
