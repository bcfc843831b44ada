"""What the PHI check looks for, without Presidio: patterns, given names by lookup, loose identifiers.

Presidio's recognisers (``recognizers.py``) report what is found here; a text in which nothing is found needs none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import regex
from pydantic import TypeAdapter

from synth.assets import load_yaml
from synth.checks.phi.sieve import Sieve
from synth.records import Record

_FOLDER = Path(__file__).resolve().parent
_FRAGMENT = regex.compile(r"\{([a-z_]+)\}")
_WORD = regex.compile(r"\p{L}[\p{L}'’]*+")
FLAGS = regex.IGNORECASE | regex.DOTALL | regex.MULTILINE
"""Of the patterns; Presidio's default."""

Hit = tuple[int, int, float]
"""Start, end and score."""
Hits = Callable[[str, int, int], Iterator[Hit]]
"""Yields the hits in ``text[start:end]``, which is a whole number of lines."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to find something."""

    name: str
    score: float
    pattern: str
    """Matches, under FLAGS, wherever there is a hit; the prefilter works on it."""
    hits: Hits


@dataclass(frozen=True, slots=True)
class Finder:
    """The rules for one entity type that one recogniser applies."""

    name: str
    entity_type: str
    threshold: float
    rules: tuple[Rule, ...]
    by_token: bool = False
    """Whether its one rule looks tokens up, and its pattern is only for the prefilter."""


class _PatternEntry(Record):
    name: str
    score: float
    cues: tuple[str, ...] = ()
    regex: str

    def expanded(self, fragments: Mapping[str, str]) -> str:
        """Return the pattern with its cues and every fragment filled in; KeyError for an unknown fragment."""
        cue = "|".join(regex.escape(cue, literal_spaces=True).replace(" ", "[ ]") for cue in self.cues)
        return _expanded(self.regex, {**fragments, "cue": cue})


class _Entry(Record):
    entity: str
    threshold: float
    reject: tuple[str, ...] = ()
    patterns: tuple[_PatternEntry, ...]


class _File(Record):
    fragments: dict[str, str]
    recognizers: tuple[_Entry, ...]


class _Words:
    """The lists of ``words.yaml``."""

    def __init__(self) -> None:
        lists = TypeAdapter(dict[str, str | list[str]]).validate_python(load_yaml(_FOLDER / "words.yaml"))
        self._lists = {
            name: frozenset(entries.split() if isinstance(entries, str) else entries) for name, entries in lists.items()
        }

    def __getitem__(self, name: str) -> frozenset[str]:
        return self._lists[name]


def _expanded(pattern: str, fragments: Mapping[str, str]) -> str:
    """Return a pattern with every fragment filled in; KeyError for an unknown one."""
    return str(_FRAGMENT.sub(lambda hit: f"(?:{fragments[hit[1]]})", pattern))


def _plain(word: str) -> str:
    return word.lower().replace("’", "'")


def _pattern_rule(entry: _PatternEntry, fragments: Mapping[str, str], rejected: frozenset[str]) -> Rule:
    """Return the rule of a pattern, which drops hits without a digit that consist of rejected words alone."""
    pattern = entry.expanded(fragments)

    @cache
    def compiled() -> regex.Pattern[str]:
        return regex.compile(pattern, FLAGS)  # a hundredth of a second each, and most are never needed

    def is_rejected(hit: str) -> bool:
        if not rejected or any(c.isdigit() for c in hit):
            return False
        words: list[str] = _WORD.findall(hit)
        return all(_plain(word) in rejected for word in words)

    def hits(text: str, start: int, end: int) -> Iterator[Hit]:
        for hit in compiled().finditer(text, start, end):
            if hit[0] and not is_rejected(hit[0]):
                yield hit.start(), hit.end(), entry.score

    return Rule(entry.name, entry.score, pattern, hits)


class _GivenNames:
    """Given names by set lookup, with the capitalised words that follow.

    A name that is no other word counts alone and in lower case, as in the output of speech recognition; one that is
    (``ambiguous``) only before another capitalised word.
    """

    score = 0.65
    _token = regex.compile(r"(?<![\p{L}\d{@._/-])\p{L}{2,24}+(?![\p{L}\d}@_/]|\.\p{L}|-\p{L})")
    _rest = regex.compile(r"(?:[ ]\p{Lu}\.?)?[ ]((?:\p{Lu}['’])?\p{Lu}\p{L}{1,24}+(?:-\p{L}{1,24}+)?)")
    _next = regex.compile(r"(?:['’]s)?[ ](\p{L}{2,24}+)")

    def __init__(self, words: _Words) -> None:
        self._given = words["given"]
        self._known = words["given"] | words["ambiguous"]
        self._eponym_nouns = words["eponym_nouns"]
        self._phrases = words["allowed_phrases"]
        self._stop = words["not_names"] | words["eponym_nouns"]
        given = "|".join(sorted(self._given))
        ambiguous = "|".join(sorted(name.title() for name in words["ambiguous"]))
        self.pattern = (
            rf"(?<![\p{{L}}\d{{@._/-])(?:(?:{given})|(?-i:(?:{ambiguous})[ ]\p{{Lu}}\p{{L}}{{0,99}}+))(?!\p{{L}})"
        )

    def hits(self, text: str, start: int, end: int) -> Iterator[Hit]:
        """Yield each given name that stands as one, with the names after it."""
        last = 0
        for token in self._token.finditer(text, start, end):
            first, after = token.span()
            word = token[0].lower()
            if word not in self._known or first < last:
                continue
            sure = word in self._given and not token[0].isupper()
            if not (sure or token[0].istitle()):
                continue
            tail = self._tail(text, after) if token[0][0].isupper() else after
            following = self._next.match(text, tail)
            if following is not None and following[1].lower() in self._eponym_nouns:
                continue
            if text[first:tail].lower() in self._phrases or not (sure or tail > after):
                continue
            last = tail
            yield first, tail, self.score

    def _tail(self, text: str, end: int) -> int:
        for _ in range(2):
            rest = self._rest.match(text, end)
            if rest is None or _plain(rest[1]) in self._stop:
                break
            end = rest.end()
        return end


class _LooseIds:
    """Tokens of six or more characters with four or more digits that no known clinical code or quantity explains."""

    score = 0.55
    pattern = r"(?<![\w.,/-])[A-Z\d-]{0,79}\d(?:[A-Z\d-]{0,79}\d){3}"
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

    def hits(self, text: str, start: int, end: int) -> Iterator[Hit]:
        """Yield each token that may be an identifier."""
        for token in self._token.finditer(text, start, end):
            first, after = token.span()
            written = token[0]
            if sum(c.isdigit() for c in written) < 4 or self._code.fullmatch(written) or self._is_range(written):
                continue
            if self._unit.match(text, after) or self._coded.search(text[max(0, first - 40) : first]):
                continue
            yield first, after, self.score

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


@cache
def finders() -> tuple[Finder, ...]:
    """Return a finder for each entry of ``recognizers.yaml``, in its order, then given names and loose identifiers."""
    words = _Words()
    file = _File.model_validate(load_yaml(_FOLDER / "recognizers.yaml"))
    fragments: dict[str, str] = {}
    for name, fragment in file.fragments.items():
        fragments[name] = _expanded(fragment, fragments)
    by_pattern = []
    for entry in file.recognizers:
        rejected = frozenset[str]().union(*(words[name] for name in entry.reject))
        rules = tuple(_pattern_rule(pattern, fragments, rejected) for pattern in entry.patterns)
        by_pattern.append(Finder(f"{entry.entity.lower()} patterns", entry.entity, entry.threshold, rules))
    names, loose = _GivenNames(words), _LooseIds()
    return (
        *by_pattern,
        Finder("given names", "PERSON", 0.5, (Rule("list", names.score, names.pattern, names.hits),), by_token=True),
        Finder(
            "loose identifiers",
            "OTHER_ID",
            0.5,
            (Rule("token", loose.score, loose.pattern, loose.hits),),
            by_token=True,
        ),
    )


@cache
def sieve() -> Sieve:
    """Return this process's prefilter over the rules of all finders, in order."""
    return Sieve([rule.pattern for finder in finders() for rule in finder.rules])


@lru_cache(maxsize=1)  # Presidio asks one recogniser after the other about the same text
def find(text: str, prefilter: bool = True) -> Mapping[str, list[Hit]]:
    """Return the hits in a text by the name of their finder; finders without a hit are left out.

    Without the prefilter every rule is tried on the whole text: the hits are the same, and the time is many times that.
    """
    rules = [(finder.name, rule) for finder in finders() for rule in finder.rules]
    whole = [(0, len(text))]
    worth = sieve().spans(text) if prefilter else [(i, whole) for i in range(len(rules))]
    found: dict[str, list[Hit]] = {}
    for index, spans in worth:
        name, rule = rules[index]
        for start, end in spans:
            for hit in rule.hits(text, start, end):
                found.setdefault(name, []).append(hit)
    return found
