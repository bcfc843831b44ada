"""The word lists of the PHI check: what is a known word, and what is a name of people or places.

``lexicon/*.txt.gz`` are built (``make phi-lexicon``), ``vocabulary.yaml`` and ``words.yaml`` are written by hand.
"""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter

from synth.assets import load_yaml

_FOLDER = Path(__file__).resolve().parent
_NO_WORDS = ("eponyms", "abbreviations", "headings", "ambiguous_months", "ambiguous_proper")
"""Lists of ``vocabulary.yaml`` whose entries are not known words by being in it."""


class WordLists:
    """The lists of a YAML file by name; a list is written as a block of words or as a sequence of phrases."""

    def __init__(self, name: str) -> None:
        lists = TypeAdapter(dict[str, str | list[str]]).validate_python(load_yaml(_FOLDER / name))
        self._lists = {
            name: frozenset(entries.split() if isinstance(entries, str) else entries) for name, entries in lists.items()
        }

    def __getitem__(self, name: str) -> frozenset[str]:
        return self._lists[name]

    def known(self) -> frozenset[str]:
        """Return every word of the lists that hold known words."""
        phrases = (phrase for name, entries in self._lists.items() if name not in _NO_WORDS for phrase in entries)
        return frozenset(word for phrase in phrases for word in phrase.split())


class Lexicon:
    """The sets that the name rules ask; all in lower case, with plain apostrophes."""

    def __init__(self) -> None:
        words, vocabulary = WordLists("words.yaml"), WordLists("vocabulary.yaml")
        self.given = _read("given")
        self.surnames = _read("surnames")
        self.frequent_surnames = _read("frequent_surnames")
        self.places = _read("places")
        unsure = vocabulary["ambiguous_proper"] | vocabulary["ambiguous_months"]
        self.words = _read("words")
        """Words of the language, which are written small."""
        self.known = (
            self.words | vocabulary.known() | words["not_names"] | words["not_places"] | words["clipped"] | unsure
        )
        self.unsure = unsure - self.words - vocabulary["proper"]
        """Known words that are written with a capital, and are just as often somebody's name."""
        self.proper = vocabulary["proper"] - unsure
        self.makers = vocabulary["makers"] | vocabulary["brands"] | vocabulary["clinical"]
        self.abbreviations = vocabulary["abbreviations"]
        self.contracted = words["contracted"]
        """What an apostrophe may follow: ``he'll``, ``we've``."""
        self.eponyms = vocabulary["eponyms"]
        self.eponym_nouns = vocabulary["eponym_nouns"] | words["eponym_nouns"]
        self.allowed_phrases = words["allowed_phrases"]
        self.public_bodies = words["public_bodies"]
        self.not_names = words["not_names"] | (vocabulary["proper"] - unsure - self.given)
        self.generic_places = words["not_places"]
        self.ambiguous = words["ambiguous"]
        self.place_slots = words["place_slots"]
        self.abbreviated = words["abbreviated"]
        self.particles = words["particles"]
        self.place_links = words["place_links"]
        self.place_nouns = words["place_nouns"]
        self.month_words = words["month_words"]
        self.number_words = words["number_words"]
        self.title_words = words["title_words"]
        self.hump_prefixes = words["hump_prefixes"]


@cache
def word_lists(name: str) -> WordLists:
    """Return the lists of a YAML file beside this module."""
    return WordLists(name)


@cache
def lexicon() -> Lexicon:
    """Return this process's lexicon."""
    return Lexicon()


def _read(name: str) -> frozenset[str]:
    text = gzip.decompress((_FOLDER / "lexicon" / f"{name}.txt.gz").read_bytes()).decode()
    return frozenset(text.split("\n")) - {""}
