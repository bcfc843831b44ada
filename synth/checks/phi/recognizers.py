"""The recognisers of the PHI check, as Presidio classes: gated patterns, given names by lookup, loose identifiers.

Imports Presidio, and is itself imported only when the first text is scanned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import regex
from presidio_analyzer import EntityRecognizer, Pattern, PatternRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts
from pydantic import TypeAdapter

from synth.assets import load_yaml
from synth.records import Record

_FOLDER = Path(__file__).resolve().parent
_FRAGMENT = regex.compile(r"\{([a-z_]+)\}")
_LETTERS = regex.compile(r"\p{L}+")
_WORD = regex.compile(r"\p{L}[\p{L}'’]*+")


class _PatternEntry(Record):
    name: str
    score: float
    needs: tuple[str, ...] = ()
    cues: tuple[str, ...] = ()
    regex: str

    def expanded(self, fragments: Mapping[str, str]) -> str:
        """Return the pattern with its cues and every fragment filled in; KeyError for an unknown fragment."""
        cue = "|".join(regex.escape(cue, literal_spaces=True).replace(" ", "[ ]") for cue in self.cues)
        return _expanded(self.regex, {**fragments, "cue": cue})


@dataclass(frozen=True, slots=True)
class _Gated:
    """A compiled pattern with what a text must contain for it to be worth trying."""

    needs: tuple[str, ...]
    first_words: frozenset[str]
    score: float
    pattern: regex.Pattern[str]

    def may_match(self, text: _Text) -> bool:
        if self.first_words:
            return not self.first_words.isdisjoint(text.words)
        return not self.needs or any(cue in text.folded for cue in self.needs)


@dataclass(frozen=True, slots=True)
class _Text:
    """A text, case-folded, and the words in it."""

    folded: str
    words: frozenset[str]


@lru_cache(maxsize=1)
def _read(text: str) -> _Text:
    # All recognisers see the same text one after the other, so one entry is enough.
    folded = text.casefold()
    return _Text(folded, frozenset(_LETTERS.findall(folded)))


class _Entry(Record):
    entity: str
    threshold: float
    reject: tuple[str, ...] = ()
    patterns: tuple[_PatternEntry, ...]


class _File(Record):
    fragments: dict[str, str]
    recognizers: tuple[_Entry, ...]


class Words:
    """The lists of ``words.yaml``."""

    def __init__(self) -> None:
        lists = TypeAdapter(dict[str, str | list[str]]).validate_python(load_yaml(_FOLDER / "words.yaml"))
        self._lists = {
            name: frozenset(entries.split() if isinstance(entries, str) else entries) for name, entries in lists.items()
        }

    def __getitem__(self, name: str) -> frozenset[str]:
        return self._lists[name]


class GatedPatterns(PatternRecognizer):
    """A PatternRecognizer that skips patterns whose cue a text lacks, and drops hits made of nothing but listed words.

    ``analyze`` is its own, for speed, and because Presidio's gives up a pattern that takes long, which here would
    pass a text unread.
    """

    def __init__(self, entry: _Entry, fragments: Mapping[str, str], words: Words) -> None:
        self._rejected = frozenset[str]().union(*(words[name] for name in entry.reject))
        self._entity = entry.entity
        patterns = [Pattern(p.name, p.expanded(fragments), p.score) for p in entry.patterns]
        name = f"{entry.entity.lower()} patterns"
        super().__init__(supported_entity=entry.entity, name=name, patterns=patterns)
        self.score_thresholds = {entry.entity: entry.threshold}
        self._keys = _keys(name, self.id)
        self._gated = [
            _Gated(
                p.needs,
                frozenset(_LETTERS.findall(cue.casefold())[0] for cue in p.cues),
                p.score,
                regex.compile(pattern.regex, self.global_regex_flags or 0),
            )
            for p, pattern in zip(entry.patterns, patterns, strict=True)
        ]

    def analyze(
        self,
        text: str,
        entities: list[str],  # noqa: ARG002  Presidio's signature
        nlp_artifacts: NlpArtifacts | None = None,  # noqa: ARG002  as above
        regex_flags: int | None = None,  # noqa: ARG002  as above
    ) -> list[RecognizerResult]:
        """Return the hits in a text; the flags are those that the patterns were compiled with."""
        read = _read(text)
        return [
            RecognizerResult(self._entity, hit.start(), hit.end(), gated.score, recognition_metadata=self._keys)
            for gated in self._gated
            if gated.may_match(read)
            for hit in gated.pattern.finditer(text)
            if hit[0] and not self.invalidate_result(hit[0])
        ]

    def invalidate_result(self, pattern_text: str) -> bool | None:
        """Return True where every word of a hit is listed and it holds no digit."""
        if not self._rejected or any(c.isdigit() for c in pattern_text):
            return None
        found: list[str] = _WORD.findall(pattern_text)
        return all(_plain(word) in self._rejected for word in found)


def _keys(name: str, identifier: str) -> dict[str, str]:
    return {
        RecognizerResult.RECOGNIZER_NAME_KEY: name,
        RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: identifier,
    }


def _plain(word: str) -> str:
    return word.lower().replace("’", "'")


def _expanded(pattern: str, fragments: Mapping[str, str]) -> str:
    """Return a pattern with every fragment filled in; KeyError for an unknown one."""
    return str(_FRAGMENT.sub(lambda hit: f"(?:{fragments[hit[1]]})", pattern))


class _TokenRecognizer(EntityRecognizer):
    """Base of the two recognisers that look at one token after the other."""

    entity: ClassVar[str]
    threshold = 0.5

    def __init__(self, name: str) -> None:
        super().__init__(supported_entities=[self.entity], name=name)
        self.score_thresholds = {self.entity: self.threshold}
        self._keys = _keys(name, self.id)

    def load(self) -> None:
        """Do nothing: the lists come with the constructor."""

    def analyze(
        self,
        text: str,
        entities: list[str],  # noqa: ARG002  Presidio's signature
        nlp_artifacts: NlpArtifacts | None = None,  # noqa: ARG002  as above
    ) -> list[RecognizerResult]:
        """Return the hits in a text."""
        return [
            RecognizerResult(self.entity, start, end, score, recognition_metadata=self._keys)
            for start, end, score in self.hits(text)
        ]

    def hits(self, text: str) -> Iterator[tuple[int, int, float]]:
        """Yield start, end and score of each hit."""
        raise NotImplementedError


class GivenNames(_TokenRecognizer):
    """Given names by set lookup, with the capitalised words that follow.

    A name that is no other word counts alone and in lower case, as in the output of speech recognition; one that is
    (``ambiguous``) only before another capitalised word.
    """

    entity = "PERSON"
    _token = regex.compile(r"(?<![\p{L}\d{@._/-])\p{L}{2,24}+(?![\p{L}\d}@_/]|\.\p{L}|-\p{L})")
    _rest = regex.compile(r"(?:[ ]\p{Lu}\.?)?[ ]((?:\p{Lu}['’])?\p{Lu}\p{L}{1,24}+(?:-\p{L}{1,24}+)?)")
    _before = regex.compile(r"\p{Lu}[\p{L}'’-]{1,24}+(?=,[ ]$)")
    _next = regex.compile(r"(?:['’]s)?[ ](\p{L}{2,24}+)")

    def __init__(self, words: Words) -> None:
        self._given = words["given"]
        self._known = words["given"] | words["ambiguous"]
        self._eponym_nouns = words["eponym_nouns"]
        self._phrases = words["allowed_phrases"]
        self._stop = words["not_names"] | words["eponym_nouns"]
        super().__init__("given names")

    def hits(self, text: str) -> Iterator[tuple[int, int, float]]:
        """Yield each given name that stands as one, with the names after it."""
        last = 0
        for token in self._token.finditer(text):
            start, end = token.span()
            word = token[0].lower()
            if word not in self._known or start < last:
                continue
            sure = word in self._given and not token[0].isupper()
            if not (sure or token[0].istitle()):
                continue
            tail = self._tail(text, end) if token[0][0].isupper() else end
            following = self._next.match(text, tail)
            if following is not None and following[1].lower() in self._eponym_nouns:
                continue
            if text[start:tail].lower() in self._phrases or not (sure or tail > end):
                continue
            last = tail
            yield start, tail, 0.65

    def _tail(self, text: str, end: int) -> int:
        for _ in range(2):
            rest = self._rest.match(text, end)
            if rest is None or _plain(rest[1]) in self._stop:
                break
            end = rest.end()
        return end


class LooseIds(_TokenRecognizer):
    """Tokens of six or more characters with four or more digits that no known clinical code or quantity explains."""

    entity = "OTHER_ID"
    _token = regex.compile(r"(?<![\w.,/-])(?=[^\d\s]{0,20}\d)[A-Za-z\d](?:-?[A-Za-z\d]){5,39}+(?!\w)(?![.,/]\d)")
    _code = regex.compile(
        r"(?i)(?:NCT\d{8}|rs\d+|[A-TV-Z]\d[\dAB](?:[\dA-Z]{1,4})?|\d{1,7}-\d|\d+(?:st|nd|rd|th|s|mg|mcg|ml|kg|g|k|iu|u|x)"
        r"|\d+0{3}|(?:19|20)\d\d-(?:19|20)?\d\d|\d{4,5}-\d{3,4}-\d{1,2}|\d{1,3}(?:-\d{1,3})+|\d{5}-[A-Z\d]{2}"
        r"|[CTLS]\d{1,2}-[CTLS]?\d{1,2}|G\d+P\d+)"
    )
    _coded = regex.compile(
        r"(?i)\b(?:loinc|snomed|sct|ndc|cpt|hcpcs|rxnorm|cvx|icd|oid|rxcui|omim|nct|dbsnp|pmid|doi|protocol)\b"
        r"[^\n]{0,24}$"
    )
    _unit = regex.compile(r"(?i)[ ]?(?:mg|mcg|g|ml|units?|iu|k?cal|steps|copies|cells|per|/|%)(?!\p{L})")

    def __init__(self) -> None:
        super().__init__("loose identifiers")

    def hits(self, text: str) -> Iterator[tuple[int, int, float]]:
        """Yield each token that may be an identifier."""
        for token in self._token.finditer(text):
            start, end = token.span()
            written = token[0]
            if sum(c.isdigit() for c in written) < 4 or self._code.fullmatch(written) or self._is_range(written):
                continue
            if self._unit.match(text, end) or self._coded.search(text[max(0, start - 40) : start]):
                continue
            yield start, end, 0.55

    @staticmethod
    def _is_range(written: str) -> bool:
        low, dash, high = written.partition("-")
        return (
            bool(dash)
            and low.isdecimal()
            and high.isdecimal()
            and max(len(low), len(high)) < 6
            and int(low) < int(high)
        )


def recognizers() -> list[EntityRecognizer]:
    """Return one of each recogniser, in the order of ``recognizers.yaml``."""
    words = Words()
    file = _File.model_validate(load_yaml(_FOLDER / "recognizers.yaml"))
    fragments: dict[str, str] = {}
    for name, fragment in file.fragments.items():
        fragments[name] = _expanded(fragment, fragments)
    return [*(GatedPatterns(e, fragments, words) for e in file.recognizers), GivenNames(words), LooseIds()]
