"""Names of people and places, by closed vocabulary: a word that no list of words knows, or that is written as a name.

What begins a name is decided word by word (``_anchor``), what belongs to it by what stands next to it (``_run``). Rules
and gazetteers follow what was measured on names of unseen origin: lists alone find no unlisted name, the
closed vocabulary finds nearly all, and its false alarms are drugs, makers and eponyms, which it therefore has to know.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from synth.checks.phi.evidence import WEAK, Field
from synth.checks.phi.guesses import Name, joined
from synth.checks.phi.lexicon import lexicon
from synth.checks.phi.tokens import Case, Token, interesting_lines, lines_of, tokens

_TITLE = re.compile(
    r"(?i:\b(?:dr|mr|mrs|ms|mx|miss|mister|missus|prof|professor|doctor|nurse|sister|brother|sr|rev|reverend|pastor|rabbi|imam|"
    r"deacon|coach|officer|sgt|sergeant|capt|captain|aunt|auntie|aunty|uncle|grandma|grandpa|nana|papa|mama|cousin|tita|tito|"
    r"nephew|niece)\.?[ ]{1,2}(?:[A-Z]\.?[ ]){0,2})$"
)
_LINK = re.compile(r"[ ]|-|[ ]?&[ ]?|\.[ ]|\^{1,3}|,[ ]|[ ][\"“(]|[\"”)][ ]|[ ]?/[ ]?")
_RESULT = re.compile(r"['’]?s?[ ]?(?:[:=(]|[IV]{1,3}\b|\d|neg|pos|\+|-|absent|present|not|class|type|stage|grade)")
_NEGATION = re.compile(
    r"(?i:\b(?:no|not|neg|negative|positive|pos|known|without|denies|h/o|s/p|post|bilateral|left|right|per)[ ])$"
)
_HOUSE = re.compile(r"(?<![\w./-])\d{1,5}(?:-\d{1,4})?[A-Za-z½]?[ ]$")


def names(text: str, fields: Sequence[Field], *, every_line: bool = False) -> list[Name]:
    """Return the names, and what else the tagger finds, in the fields of a text; linear in its length.

    Lines that no name can begin in are left out, unless ``every_line``; the names are the same.
    """
    found: list[Name] = []
    for field in fields:
        of_field = lines_of if every_line else interesting_lines
        lines = [tokens(text, *span) for span in of_field(text, field.start, field.end)]
        told = surnames_told(text, lines)
        by_rule = [name for line in lines for name in _names_of_line(text, line, told)]
        found += [name for name in by_rule if field.backed or name.score >= WEAK]
        found += joined(text, field.tagged)
    return found


def surnames_told(text: str, lines: Sequence[Sequence[Token]]) -> frozenset[str]:
    """Return the words, in lower case, that a title makes a surname somewhere in the text."""
    return (
        frozenset(
            token.form.lower
            for line in lines
            for token in line
            if token.form.interesting
            and token.form.case is not Case.LOWER
            and _TITLE.search(text[max(0, token.start - 24) : token.start])
        )
        - lexicon().not_names
    )


def _names_of_line(text: str, line: Sequence[Token], told: frozenset[str]) -> Iterator[Name]:
    written = [t for t in line if t.form.length > 1]
    capitals = sum(t.form.case is not Case.LOWER for t in written)
    shape = _Shape(
        lower=not any(t.form.case is Case.TITLE for t in line),
        heading=len(written) > 2 and capitals > 0.7 * len(written),
        upper=sum(t.form.case is Case.UPPER for t in written) > 0.6 * len(written),
    )
    reach = 0
    for i, token in enumerate(line):
        if i < reach or token.spelled:
            continue
        if length := _phrase(text, line, i, shape):
            reach = i + length
            yield Name(token.start, line[reach - 1].end, 0.45, "LOCATION")
            continue
        score = _anchor(text, line, i, shape, told)
        if not score:
            continue
        first, last = _run(text, line, i, reach)
        reach = last + 1
        if " ".join(t.form.lower for t in line[first:reach]) in lexicon().allowed_phrases:
            continue
        if _is_full(text, line[first:reach]):
            score = max(score, 0.55)
        yield _name(text, line, first, last, score)


@dataclass(frozen=True, slots=True)
class _Shape:
    """How a line is written."""

    lower: bool
    """Without one capital, as speech recognition writes."""
    heading: bool
    """With capitals nearly everywhere, so that a capital says little."""
    upper: bool
    """In capitals throughout."""


def _is_full(text: str, run: Sequence[Token]) -> bool:
    """Return whether words are a given name and a surname."""
    return any(
        text[a.end : b.start] == " " and a.form.given and b.form.surname and a.form.case is b.form.case is Case.TITLE
        for a, b in pairwise(run)
        if not (a.form.lower in lexicon().eponyms and b.form.lower in lexicon().eponyms)
    )


def _phrase(text: str, line: Sequence[Token], i: int, shape: _Shape) -> int:
    """Return of how many words the name of a place that begins at a word is, or 0."""
    form, lists = line[i].form, lexicon()
    if not form.phrase:
        return 0
    if form.case is Case.LOWER and not (
        shape.lower
        and i
        and line[i - 1].form.lower in lexicon().place_slots | {"the", "now", "live", "of", "is", "old"}
    ):
        return 0
    for length in (4, 3, 2):
        run = line[i : i + length]
        if len(run) < length or " ".join(t.form.lower for t in run) not in lists.place_phrases:
            continue
        together = all(text[a.end : b.start] in (" ", "-", ". ") for a, b in pairwise(run))
        alone = not (form.case is Case.UPPER and shape.heading) or text[line[i].start - 1 : line[i].start] in tuple(
            "^|,"
        )
        if together and run[-1].form.case is form.case and alone:
            return length
    return 0


def _anchor(text: str, line: Sequence[Token], i: int, shape: _Shape, told: frozenset[str]) -> float:
    """Return the score with which a name begins at a word, or 0."""
    token = line[i]
    form = token.form
    if form.length < 2 or _is_eponym(text, line, i):
        return 0.0
    if form.lower in told and form.case is not Case.LOWER and not (token.initial and form.known):
        return 0.58
    if form.case is Case.LOWER:
        if form.known or form.length < 3:
            return 0.0
        lists = lexicon()
        if form.given and form.length > 3 and form.lower not in lists.eponyms and form.lower not in lists.unsure:
            return 0.55
        return 0.4 if shape.lower or form.surname else 0.0
    if form.case is Case.UPPER:
        if form.known or form.length < (3 if shape.upper else 5):
            return 0.0
        return 0.4 if form.named or form.length > 4 else 0.0
    if not form.known:
        if form.given and form.length > 2 and form.lower not in lexicon().eponyms:
            return 0.55
        return 0.0 if _is_label(text, token) else 0.45
    return _ambiguous(text, line, i, shape)


def _ambiguous(text: str, line: Sequence[Token], i: int, shape: _Shape) -> float:
    """Return the score of a known word with a capital that is also a name."""
    token, lists = line[i], lexicon()
    if token.form.lower in lists.not_names or token.form.lower in lists.generic_places or _is_label(text, token):
        return 0.0
    following = line[i + 1] if i + 1 < len(line) else None
    joined = following is not None and text[token.end : following.start] == " " and following.form.case is Case.TITLE
    given = token.form.given or token.form.lower in lists.ambiguous
    if token.initial or shape.heading:
        pair = joined and following is not None and (following.form.surname or not following.form.known)
        return 0.5 if pair and given else 0.0
    if given:
        return 0.45
    before = line[i - 1].form.lower if i else ""
    if token.form.surname and (before in lexicon().person_slots or not joined) and token.form.lower not in lists.makers:
        return 0.4
    if not token.form.place or joined:
        return 0.0
    listed = text[line[i - 1].end : token.start] == ", " and text[token.end : token.end + 1] in (".", ",", ";", ")", "")
    return 0.4 if before in lexicon().place_slots or listed else 0.0


def _is_label(text: str, token: Token) -> bool:
    return text[token.end : token.end + 2].lstrip(" ")[:1] == ":" and not token.form.named


def _is_eponym(text: str, line: Sequence[Token], i: int) -> bool:
    """Return whether a word names a disease, a sign, a test or the like, not a person."""
    lists = lexicon()
    form = line[i].form
    listed = form.lower in lists.eponyms
    if not listed and form.known:
        return False
    if _TITLE.search(text[max(0, line[i].start - 24) : line[i].start]):
        return False
    at, possessive = i, False
    # Kayser-Fleischer rings, Guillain–Barré syndrome: each of them is an eponym where the last one is.
    while at + 1 < len(line) and at - i < 4:
        gap = text[line[at].end : line[at + 1].start]
        if gap not in ("-", "–", " ", "'s ", "’s ", "' ", "’ "):
            break
        possessive |= gap[0] in "'’"
        at += 1
        following = line[at].form
        if following.lower in lists.eponym_nouns:
            return listed or possessive or following.case is Case.LOWER
        if following.case is Case.LOWER and (following.known or form.case is not Case.LOWER):
            break
    if not listed:
        return False
    joined = [
        j
        for j, gap in (
            (i - 1, text[line[i - 1].end : line[i].start] if i else ""),
            (i + 1, text[line[i].end : line[i + 1].start] if i + 1 < len(line) else ""),
        )
        if gap in ("-", "–", "/")
    ]
    if joined and all(line[j].form.lower in lists.eponyms for j in joined):
        return True
    if possessive or text[line[i].end : line[i].end + 1] in ("'", "’"):
        return True
    for j, left, right in ((i - 1, i - 1, i), (i + 1, i, i + 1)):
        if 0 <= j < len(line) and line[j].form.given and text[line[left].end : line[right].start] == " ":
            other = line[j].form
            if other.case is form.case and other.lower not in lists.eponyms:
                return False
    return not (form.given or form.lower in lists.frequent_surnames) or _is_scored(text, line[i])


def _is_scored(text: str, token: Token) -> bool:
    """Return whether a grade, a result or a negation stands beside a word: Mallampati II, no Murphy, Wells 1.5."""
    after = text[token.end : token.end + 12]
    before = text[max(0, token.start - 14) : token.start]
    return bool(_RESULT.match(after) or _NEGATION.search(before))


def _run(text: str, line: Sequence[Token], i: int, reach: int) -> tuple[int, int]:
    """Return the first and last word of the name that was noticed at word ``i``."""
    first = last = i
    lower = line[i].form.case is Case.LOWER
    while first > reach and _joins_left(text, line, first, lower):
        first -= 1
    while last + 1 < len(line) and _joins_right(text, line, last, lower):
        last += 1
    while (
        last > i
        and line[last].form.case is Case.LOWER
        and line[last].form.lower in lexicon().particles | lexicon().place_links
    ):
        last -= 1
    return first, last


def _joins_left(text: str, line: Sequence[Token], first: int, lower: bool) -> bool:
    """Return whether the word before a name belongs to it."""
    new, lists = line[first - 1], lexicon()
    form, gap = new.form, text[new.end : line[first].start]
    if gap in ("-", "'", "’") and not new.spelled:
        return True
    if new.spelled or not _LINK.fullmatch(gap):
        return False
    if gap == ". ":
        return form.case is Case.INITIAL or form.lower in lexicon().abbreviated
    if form.case is Case.INITIAL:
        return gap in (" ", "^") and form.lower not in "ai"
    if form.lower in lists.not_names:
        return False
    if form.case is Case.LOWER:
        return gap == " " and ((not form.known and (lower or form.named)) or form.lower in lexicon().particles)
    if gap not in (" ", "^", "^^", "^^^", " & ", ' "', " “", " (", '" ', "” ", ") "):
        return False
    if form.case is Case.UPPER:
        return line[first].form.case is Case.UPPER and not form.known
    if not form.known or form.given or form.lower in lists.ambiguous:
        return True
    return not new.initial or form.surname or form.place


def _joins_right(text: str, line: Sequence[Token], last: int, lower: bool) -> bool:
    """Return whether the word after a name belongs to it."""
    new, lists = line[last + 1], lexicon()
    form, gap = new.form, text[line[last].end : new.start]
    if gap == "-":
        return not new.spelled
    if new.spelled or not _LINK.fullmatch(gap):
        return False
    if gap == ", ":
        upper = form.case is Case.UPPER and line[last].form.case is Case.UPPER
        return upper and (not form.known or form.given) and form.length > 1
    if gap == ". " and not (line[last].form.case is Case.INITIAL or line[last].form.lower in lexicon().abbreviated):
        return False
    if form.case is Case.INITIAL:
        return gap in (" ", "^") and text[new.end : new.end + 1] not in ("'", "’")
    if lower:
        if form.case is not Case.LOWER or gap != " ":
            return False
        goes_on = form.lower in lexicon().particles | {"and"} and _goes_on(text, line, last + 1)
        return not form.known or form.lower in lexicon().place_nouns or goes_on or form.lower in lists.ambiguous
    if form.case is Case.LOWER:
        return (
            gap == " " and form.lower in lexicon().particles | lexicon().place_links and _goes_on(text, line, last + 1)
        )
    if form.lower in lists.not_names:
        return False
    if form.case is Case.UPPER:
        return line[last].form.case is Case.UPPER and (not form.known or form.named)
    return gap != ", " and gap != " / " and gap != "/"


def _goes_on(text: str, line: Sequence[Token], at: int) -> bool:
    """Return whether a name goes on after a small word in it."""
    if at + 1 >= len(line) or text[line[at].end : line[at + 1].start] not in (" ", "-", "'", "’"):
        return False
    after = line[at + 1].form
    if after.case is Case.LOWER:
        return after.lower in lexicon().particles or not after.known
    return after.length > 1 and after.lower not in lexicon().not_names


def _name(text: str, line: Sequence[Token], first: int, last: int, score: float) -> Name:
    run = line[first : last + 1]
    before = line[first - 1].form.lower if first else ""
    place = any(t.form.lower in lexicon().place_nouns for t in run[1:])
    place = place or (
        before in lexicon().place_slots
        and before not in ("by", "to", "from", "via")
        and not any(t.form.given for t in run)
    )
    place = place or all(t.form.place and not t.form.given and not t.form.surname for t in run)
    start, end = run[0].start, run[-1].end
    if run[-1].form.case is Case.INITIAL and text[end : end + 1] == ".":
        end += 1
    if number := _HOUSE.search(text[max(0, start - 12) : start]):
        start, place = start - len(number[0]), True
    return Name(start, end, score, "LOCATION" if place else "PERSON")
