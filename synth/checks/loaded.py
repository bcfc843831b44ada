"""What every check process needs, loaded on import: check processes are forked from one that has imported this module.

Of what ``AHEAD`` says of the run, a specialty's name, nothing follows but what is read earlier than it would be.
"""

from __future__ import annotations

import gc
import os
from importlib import import_module

from synth.catalog import CHECKS
from synth.checks.faithfulness.lexicon import lexicon
from synth.checks.phi import scan_text
from synth.errors import UserError
from synth.packs import pack_names
from synth.processes import AHEAD

__all__: list[str] = []


def _load(specialty: str | None) -> None:
    for path in ("synth.checks.workers", *CHECKS.values()):
        import_module(path.partition(":")[0])
    scan_text("Nobody is named here.")  # builds what the scanner looks texts up in
    try:
        if specialty in pack_names():
            lexicon(specialty)
    except UserError:
        pass  # a pack that cannot be read is told of by whoever needs it
    gc.collect()
    gc.freeze()  # so that no collection in a forked process touches, and thereby copies, what is shared


_load(os.environ.get(AHEAD))
