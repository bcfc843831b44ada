"""Importing Presidio without the libraries that it would load and that this check never uses."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Make imports of these packages fail in the body; one that is loaded already stays, and all can be imported later.

    Presidio, spaCy and thinc try to import torch and transformers, which takes seconds, and do without them where they
    are absent. Hiding torch alone would not do: transformers would remember, for the whole process, that there is none.
    """
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # makes ``import name`` an ImportError
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
