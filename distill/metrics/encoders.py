"""Models that metrics read with: found on this machine, never fetched."""

from __future__ import annotations

import re
from pathlib import Path

from distill.hub import quiet_hub
from synth.errors import UserError

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*|[A-Za-z0-9][\w.-]*")


def model_folder(name: str, metric: str, option: str) -> Path:
    """Return the folder of a model that is named by its folder or by its name on the hub.

    Raises UserError, with the command that gets it, where it is neither a folder with a ``config.json`` nor in the
    hub's local cache.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise UserError(f"{folder}: no model for {metric}: config.json is missing")
        return folder.resolve()
    missing = f"{metric} needs the model {name}, which is not on this machine"
    if not _HUB_ID.fullmatch(name):
        raise UserError(f"{missing}: no such folder")
    quiet_hub()
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
    except ImportError as error:
        raise UserError(f"{missing}, and neither is transformers: pip install 'notewright[train]'") from error
    try:
        found = Path(snapshot_download(name, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError) as error:
        raise UserError(f"{missing}; get it: hf download {name} (or give {option} a folder)") from error
    if not (found / "config.json").is_file():
        raise UserError(f"{missing} whole; get it: hf download {name} (or give {option} a folder)")
    return found
