"""Near-duplicates: encounters whose sources say the same facts in the same words as one that was accepted before.

Compared are the word 8-grams of the source that hold a number or a word of the encounter's own facts; greetings,
questions and the rest of the talk that every visit shares do not count. What counts is so a property of one
encounter alone, and what two have in common a property of the pair: no frequency over the run enters, so that a run of
n stays a prefix of any longer one.

The rule is one of indices: an encounter is rejected where an accepted one of a lower index has a ``share`` of the
8-grams of the shorter of the two (the overlap coefficient). Candidates are committed in index order, so neither the
order in which they were written nor concurrency, restarts or the number of processes can change a verdict, and no two
accepted encounters are alike. A duplicate is not written again: what makes it one is its scenario.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from synth.assets import load_yaml
from synth.catalog import Task
from synth.checks.base import reject
from synth.config import DuplicatesConfig, RunConfig
from synth.ledger import Decided, decided
from synth.records import Encounter, Medication, Rejection, Scenario
from synth.shingles import Hashes, ngrams, touched, word_hashes, words

NAME = "duplicates"
_LABELS = frozenset(("id", "kind", "category", "sex", "icd10cm", "interpretation", "loinc", "problem", "action"))
"""Fields of facts that nobody says in their words."""
_FEWEST = 20
"""8-grams; of a source with fewer, the share is that of so many, because three in common of five say nothing."""
_DOCUMENT_BITS = np.uint64(24)
"""Of a key's 64; the rest are the n-gram's, so that a wrong match is one of 10^12."""
_DOCUMENT = np.uint64((1 << 24) - 1)
_GROWTH = 4
"""A run of keys is merged into the one before it unless that is so many times as long."""


class DuplicatesCheck:
    """Tells what an encounter is compared by; ``Duplicates`` compares, when the encounter is committed."""

    name = NAME

    def __init__(self, task: Task, config: RunConfig) -> None:  # noqa: ARG002  every check is made from its task
        self._words = config.duplicates.words

    def __call__(self, encounter: Encounter) -> Encounter | Rejection:
        """Return the encounter unchanged: alone, it is no duplicate."""
        return encounter

    def shingles(self, encounter: Encounter) -> bytes:
        """Return the encounter's n-grams as ``Duplicates`` takes them."""
        return fact_ngrams(encounter, self._words).tobytes()


class Duplicates:
    """The accepted encounters of a run by their n-grams."""

    def __init__(self, config: DuplicatesConfig) -> None:
        self._config = config
        self._ids: list[str] = []
        self._sizes = array("Q")
        self._runs: list[Hashes] = []

    def take_up(self, encounters: Iterable[Encounter]) -> None:
        """Add what a run has accepted before."""
        added = [self._keys(one.id, fact_ngrams(one, self._config.words)) for one in encounters]
        if added:
            self._push(np.sort(np.concatenate(added)))

    def settled(self, entry: Decided) -> Decided:
        """Return the entry of a candidate whose turn to be committed has come: as it is, or as a near-duplicate's
        rejection."""
        if entry.reason is not None:
            return entry
        grams = np.frombuffer(entry.shingles, dtype=np.uint64)
        share, nearest = self.nearest(grams)
        encounter_id = entry.line[len(b'{"id":"') :].partition(b'"')[0].decode()
        if nearest is None or share < self._config.share:
            self.add(encounter_id, grams)
            return entry
        detail = f"{share:.0%} of the word {self._config.words}-grams with facts are those of {nearest}"
        encounter = Encounter.model_validate_json(entry.line)
        return decided(reject(encounter, NAME, "near_duplicate", detail, part="source"))

    def nearest(self, grams: Hashes) -> tuple[float, str | None]:
        """Return the largest share of n-grams in common with an encounter that was added, and the first one's id."""
        found = [documents for run in self._runs if len(documents := _documents(run, grams))]
        if not found:
            return 0.0, None
        counts = np.bincount(np.concatenate(found))
        sizes = np.frombuffer(self._sizes, dtype=np.uint64)[: len(counts)]
        shares = counts / np.maximum(np.minimum(sizes, len(grams)), _FEWEST)
        best = int(shares.argmax())
        return float(shares[best]), self._ids[best]

    def add(self, encounter_id: str, grams: Hashes) -> None:
        """Add an encounter by its distinct n-grams."""
        self._push(np.sort(self._keys(encounter_id, grams)))

    def _keys(self, encounter_id: str, grams: Hashes) -> Hashes:
        document = np.uint64(len(self._ids))
        self._ids.append(encounter_id)
        self._sizes.append(len(grams))
        keys: Hashes = (grams >> _DOCUMENT_BITS << _DOCUMENT_BITS) | document
        return keys

    def _push(self, keys: Hashes) -> None:
        """Keep sorted keys in a few runs of growing length, so that adding stays cheap."""
        while self._runs and len(self._runs[-1]) < _GROWTH * len(keys):
            keys = np.concatenate((self._runs.pop(), keys))
            keys.sort(kind="stable")  # two sorted halves, which it merges
        if len(keys):
            self._runs.append(keys)


def _documents(run: Hashes, grams: Hashes) -> NDArray[np.int64]:
    """Return the document of every key in a run that has one of the n-grams."""
    first = np.searchsorted(run, grams >> _DOCUMENT_BITS << _DOCUMENT_BITS)
    there = run[np.minimum(first, len(run) - 1)] | _DOCUMENT == grams | _DOCUMENT
    first, grams = first[there], grams[there]
    counts = np.searchsorted(run, grams | _DOCUMENT, side="right") - first
    starts = np.repeat(first - (np.cumsum(counts) - counts), counts)
    return (run[starts + np.arange(len(starts))] & _DOCUMENT).astype(np.int64)


def fact_ngrams(encounter: Encounter, n: int) -> Hashes:
    """Return the distinct n-grams of an encounter's source that hold a number or a word of its facts, sorted."""
    said = words("\n".join(encounter.source.passages))
    telling = fact_words(encounter.scenario) | _list("numbers")
    marked = np.array([word in telling or word[0].isdigit() for word in said], dtype=np.bool_)
    return np.unique(ngrams(word_hashes(said), n)[touched(marked, n)])


def fact_words(scenario: Scenario) -> set[str]:
    """Return the words of a scenario's facts, without those that stand in any talk."""
    found: set[str] = set()
    for fact in scenario.facts:
        for name, value in fact.__dict__.items():  # three times as fast as the record's own iterator
            if isinstance(value, Medication):
                found |= _telling(value.name) | _telling(value.route)
            elif isinstance(value, str) and name not in _LABELS:
                found |= _telling(value)
    return found


@lru_cache(maxsize=1 << 14)
def _telling(text: str) -> frozenset[str]:
    return frozenset(words(text)) - _list("plain")


@cache
def _list(name: str) -> frozenset[str]:
    lists: dict[str, JsonValue] = load_yaml(Path(__file__).with_name("duplicates.yaml"))  # type: ignore[assignment]  # the file's shape
    return frozenset(str(lists[name]).split())
