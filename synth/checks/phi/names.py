"""Names that need no backing: given names that are no other word, and a given name with a surname after it.

What belongs to a name is decided by what stands next to it (``_run``). A word that also names a disease, a sign or a
test is a name only where it stands as one (``_is_eponym``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise

from synth.checks.phi.evidence import Field
from synth.checks.phi.guesses import Name, is_place, joined
from synth.checks.phi.lexicon import lexicon
from synth.checks.phi.tokens import Case, Form, Noticer, Token, lines_of, tokens

SCORE = 0.55
"""Of a name that is found here; by hand, as all scores are."""
_TITLE = re.compile(r"(?i:\b(?:dr|mr|mrs|ms|miss|prof|professor|doctor|nurse|sister)\.?[ ])$")
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
        bounds = text, field.start, field.end
        spans = lines_of(*bounds) if every_line else _noticer().lines(*bounds)
        found += [name for span in spans for name in _names_of_line(text, tokens(text, *span))]
        found += joined(text, field.tagged)
    return found


@cache
def _noticer() -> Noticer:
    """Return what finds the lines in which there may be a name."""
    return Noticer(
        wanted=lambda form: form.given and _is_sure(form),
        before_capital=lambda form: form.given and form.case is Case.TITLE,
    )


def _names_of_line(text: str, line: Sequence[Token]) -> Iterator[Name]:
    reach = 0
    for i, token in enumerate(line):
        if i < reach or token.spelled or not token.form.given or token.form.length < 3 or _is_eponym(text, line, i):
            continue
        first, last = _run(text, line, i, reach)
        run = line[first : last + 1]
        reach = last + 1
        if not (_is_sure(token.form) or _is_full(text, run)):
            continue
        if " ".join(t.form.lower for t in run) not in lexicon().allowed_phrases:
            yield _name(text, line, first, last)


def _is_sure(form: Form) -> bool:
    """Return whether a given name is one by itself, in small letters too."""
    lists = lexicon()
    if form.known or form.lower in lists.eponyms or form.case is Case.UPPER:
        return False
    return form.case is Case.TITLE or (form.length > 3 and form.lower not in lists.unsure)


def _is_full(text: str, run: Sequence[Token]) -> bool:
    """Return whether words are a given name and a surname."""
    return any(
        text[a.end : b.start] == " " and a.form.given and b.form.surname and a.form.case is b.form.case is Case.TITLE
        for a, b in pairwise(run)
        if not (a.form.lower in lexicon().eponyms and b.form.lower in lexicon().eponyms)
    )


def _is_eponym(text: str, line: Sequence[Token], i: int) -> bool:
    """Return whether a word names a disease, a sign, a test or the like, not a person."""
    lists = lexicon()
    form = line[i].form
    listed = form.lower in lists.eponyms
    if not listed and form.known:
        return False
    if _TITLE.search(text[max(0, line[i].start - 16) : line[i].start]):
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


def _name(text: str, line: Sequence[Token], first: int, last: int) -> Name:
    run = line[first : last + 1]
    before = line[first - 1].form.lower if first else ""
    place = is_place([t.form for t in run]) or (
        before in lexicon().place_slots
        and before not in ("by", "to", "from", "via")
        and not any(t.form.given for t in run)
    )
    start, end = run[0].start, run[-1].end
    if run[-1].form.case is Case.INITIAL and text[end : end + 1] == ".":
        end += 1
    if number := _HOUSE.search(text[max(0, start - 12) : start]):
        start, place = start - len(number[0]), True
    return Name(start, end, SCORE, "LOCATION" if place else "PERSON")
