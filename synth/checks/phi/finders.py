"""What the PHI check looks for, without Presidio: patterns, given names by lookup, loose identifiers.

Presidio's recognisers (``recognizers.py``) report what is found here; a text in which nothing is found needs none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import regex

from synth.assets import load_yaml
from synth.checks.phi.evidence import WEAK, Field, Hit, judged
from synth.checks.phi.lexicon import lexicon, word_lists
from synth.checks.phi.names import names
from synth.checks.phi.sieve import Sieve, fields
from synth.records import Record

_FOLDER = Path(__file__).resolve().parent
_FRAGMENT = regex.compile(r"\{([a-z_]+)\}")
_WORD = regex.compile(r"\p{L}[\p{L}'’]*+")
FLAGS = regex.IGNORECASE | regex.DOTALL | regex.MULTILINE
"""Of the patterns; Presidio's default."""

Hits = Callable[[str, int, int], Iterator[Hit]]
"""Yields the hits in ``text[start:end]``, which is a line with its line break, or a whole field."""


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
    accept: tuple[str, ...] = ()
    """Names of the lexicon's sets: a hit must hold a word of one of them."""
    keep: bool = False
    """Whether a hit that consists of rejected words alone is a hit all the same."""
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
        if entry.accept and not any(
            _plain(word) in getattr(lexicon(), name) for word in _WORD.findall(hit) for name in entry.accept
        ):
            return True
        if entry.keep or not rejected or any(c.isdigit() for c in hit):
            return False
        words: list[str] = _WORD.findall(hit)
        return all(_plain(word) in rejected for word in words)

    def hits(text: str, start: int, end: int) -> Iterator[Hit]:
        for hit in compiled().finditer(text, start, end):
            if hit[0] and not is_rejected(hit[0]):
                yield hit.start(), hit.end(), entry.score

    return Rule(entry.name, entry.score, pattern, hits)


class _LooseIds:
    """Tokens of six or more characters with four or more digits that no known clinical code or quantity explains."""

    score = 0.55
    pattern = r"(?<![\w.,/-])[A-Z\d-]{0,79}\d(?:[A-Z\d-]{0,79}\d){3}"
    _token = re.compile(  # a third of the time of the same in ``regex``
        r"\b(?=[A-Za-z-]{0,20}\d)[A-Za-z\d](?<![\w.,/-].)(?:-?[A-Za-z\d]){5,39}+(?!\w)(?![.,/]\d)"
    )
    _code = regex.compile(
        r"(?i)(?:NCT\d{8}|rs\d+|[A-TV-Z]\d[\dAB](?:[\dA-Z]{1,4})?|\d{1,7}-\d|\d+(?:st|nd|rd|th|s|mg|mcg|ml|kg|g|k|iu|u|x)"
        r"|\d+0{3}|(?:19|20)\d\d-(?:19|20)?\d\d|\d{4,5}-\d{3,4}-\d{1,2}|\d{1,3}(?:-\d{1,3})+|\d{5}-[A-Z\d]{2}"
        r"|[CTLS]\d{1,2}-[CTLS]?\d{1,2}|G\d+P\d+|[A-Z]{1,2}\d{1,2}[-–][A-Z]{1,2}\d{1,2})"
    )
    _coded = regex.compile(
        r"(?i)\b(?:hp|orpha|mondo|hgnc|hpo|umls|upc|gtin|113883\.6\.\d+|loinc|snomed|sct|ndc|cpt|hcpcs|rxnorm|cvx|icd|oid|rxcui|omim|nct|dbsnp|pmid|doi|protocol)\b"
        r"[^\n]{0,30}$"
    )
    _unit = regex.compile(
        r"(?i)[ ]?(?:mg|mcg|g|ml|units?|iu|k?cal|steps|copies|cells|per|%"
        r"|/[ ]?(?:d?L|mL|uL|mm|hpf|lpf|min|day|kg|h)\b)(?!\p{L})"
    )

    def hits(self, text: str, start: int, end: int) -> Iterator[Hit]:
        """Yield each token that may be an identifier."""
        for token in self._token.finditer(text, start, end):
            first, after = token.span()
            written = token[0]
            if sum(c.isdigit() for c in written) < 4 or self._code.fullmatch(written) or self._is_range(written):
                continue
            if self._unit.match(text, after) or self._coded.search(text[max(0, first - 52) : first]):
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


def _list(name: str) -> frozenset[str]:
    return lexicon().proper if name == "proper" else word_lists("words.yaml")[name]


_BY_WORD = {"PERSON": "names", "LOCATION": "places", "DATE_TIME": "tagged dates", "OTHER_ID": "tagged numbers"}
"""Names, by entity type, of the finders of what ``names`` finds; they have no rules."""


@cache
def finders() -> tuple[Finder, ...]:
    """Return a finder for each entry of ``recognizers.yaml``, in its order, then given names and loose identifiers."""
    words = word_lists("words.yaml")
    file = _File.model_validate(load_yaml(_FOLDER / "recognizers.yaml"))
    fragments: dict[str, str] = {}
    fragments["ambiguous"] = r"\b(?:" + "|".join(sorted(words["ambiguous"] | words["words_and_names"])) + r")\b"
    for name, fragment in file.fragments.items():
        fragments[name] = _expanded(fragment, fragments)
    by_pattern = []
    for entry in file.recognizers:
        rejected = frozenset[str]().union(*(_list(name) for name in entry.reject))
        rules = tuple(_pattern_rule(pattern, fragments, rejected) for pattern in entry.patterns)
        by_pattern.append(Finder(f"{entry.entity.lower()} patterns", entry.entity, entry.threshold, rules))
    loose = _LooseIds()
    return (
        *by_pattern,
        *(Finder(name, entity_type, 0.3, (), by_token=True) for entity_type, name in _BY_WORD.items()),
        Finder(
            "loose identifiers",
            "OTHER_ID",
            0.3,
            (Rule("token", loose.score, loose.pattern, loose.hits),),
            by_token=True,
        ),
    )


@cache
def rules(*, backed: bool) -> tuple[tuple[str, Rule], ...]:
    """Return the rules whose hits need to be backed, or the others, each with the name of its finder."""
    return tuple((f.name, rule) for f in finders() for rule in f.rules if (rule.score < WEAK) == backed)


@cache
def sieve(*, backed: bool) -> Sieve:
    """Return this process's prefilter over ``rules``, in their order: two, because most texts need only one of them."""
    return Sieve([rule.pattern for _, rule in rules(backed=backed)])


@lru_cache(maxsize=1)  # Presidio asks one recogniser after the other about the same text
def find(text: str, prefilter: bool = True) -> Mapping[str, list[Hit]]:
    """Return the hits in a text by the name of their finder; finders without a hit are left out.

    No hit goes over a NUL. Hits that need to be backed are looked for last, and only where they would count. Without
    the prefilter every rule is tried on the whole text: the hits are the same, and the time is many times that.
    """
    found: dict[str, list[Hit]] = {}
    for finder, strong in _hits(text, prefilter, backed=False):
        found.setdefault(finder, []).extend(strong)
    parts = judged(text, found)
    if backed := [part for part in parts if part.backed]:
        for finder, weak in _hits(text, prefilter, backed=True):
            if counted := [hit for hit in weak if _lies_in(hit, backed)]:
                found.setdefault(finder, []).extend(counted)
    for name in names(text, parts, every_line=not prefilter):
        found.setdefault(_BY_WORD[name.entity_type], []).append((name.start, name.end, name.score))
    return found


def _hits(text: str, prefilter: bool, *, backed: bool) -> Iterator[tuple[str, list[Hit]]]:
    """Yield the name of its finder and the hits of each rule that has any."""
    tried = rules(backed=backed)
    if prefilter:
        sifted = sieve(backed=backed).sifted(text)
        spans = ((index, sifted.spans(index)) for index in sifted.patterns)
    else:
        whole = list(fields(text))
        spans = ((index, whole) for index in range(len(tried)))
    for index, stretches in spans:
        finder, rule = tried[index]
        if hits := [hit for start, end in stretches for hit in rule.hits(text, start, end)]:
            yield finder, hits


def _lies_in(hit: Hit, parts: Sequence[Field]) -> bool:
    return any(part.start <= hit[0] < part.end for part in parts)
