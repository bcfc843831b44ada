"""Recall on the held-out documents, measured once and kept: it changes with the filter and with nothing else.

The key is a hash of all that decides on a finding: every file of the PHI check and of what measures it, the held-out
documents, thresholds, model and its weights, and the versions of Python and of the libraries that the scan runs on.
What cannot be read, or was not written whole, is measured anew.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path

from pydantic import JsonValue, ValidationError

from synth.assets import canonical_json, sha256
from synth.checks.phi import engine_versions, scanner
from synth.config import PhiConfig
from synth.privacy.evaluation import HeldOut, held_out_recall

_PACKAGE = Path(__file__).resolve().parents[1]
_DECIDES = ("checks/phi", "privacy")
"""Folders below the package whose files, code and data, decide on the figures."""
_BESIDE = ("assets.py", "proportions.py", "records.py", "identities.py", "identities.yaml")
_LIBRARIES = ("ahocorasick-rs", "numpy", "pydantic-core", "spacy")


def recall_by_class(
    settings: PhiConfig,
    folder: Path | None,
    beside: Callable[[Callable[[], HeldOut | None]], Callable[[], HeldOut | None]],
) -> Callable[[], Mapping[str, tuple[int, int, float, float]] | None]:
    """Return what gives, by class of Safe Harbor, found and planted identifiers and the bounds of their share; None
    where there is nothing to measure it on.

    What the folder does not hold is measured by what ``beside`` makes of the work, and kept; without a folder always.
    """
    path = None if folder is None else folder / f"{_key(settings)}.json"
    known = None if path is None else _known(path)
    found = beside(partial(measured, settings)) if known is None else lambda: known

    def by_class() -> Mapping[str, tuple[int, int, float, float]] | None:
        recall = found()
        if recall is None:
            return None
        if path is not None and known is None:
            _keep(path, recall)
        return {letter: (one.found, one.total, one.low, one.high) for letter, one in recall.classes.items()}

    return by_class


def measured(settings: PhiConfig) -> HeldOut | None:
    """Return the recall of the filter that settings describe; None where there is nothing to measure it on."""
    return held_out_recall(scanner(tuple(sorted(settings.thresholds.items())), settings.model))


def _known(path: Path) -> HeldOut | None:
    try:
        return HeldOut.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _keep(path: Path, recall: HeldOut) -> None:
    """Keep what was measured; where that cannot be, it is measured again the next time."""
    partial_file = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial_file.write_text(recall.model_dump_json(), "utf-8")
        partial_file.replace(path)
    except OSError:
        return


def _key(settings: PhiConfig) -> str:
    files = [path for name in _DECIDES for path in sorted((_PACKAGE / name).rglob("*")) if path.is_file()]
    files += [_PACKAGE / name for name in _BESIDE]
    hashes: dict[str, JsonValue] = {
        path.relative_to(_PACKAGE).as_posix(): sha256(path.read_bytes()) for path in files if path.suffix != ".pyc"
    }
    libraries: dict[str, JsonValue] = {name: version(name) for name in _LIBRARIES}
    libraries |= engine_versions(settings.model)
    asked = settings.model_dump(mode="json", include={"thresholds", "model"})
    return sha256(canonical_json([hashes, libraries, platform.python_version(), asked]))
