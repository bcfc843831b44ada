"""What two texts have in common, as rouge-score 0.1.2 counts it without a stemmer, at a fraction of its time.

Values are equal to the last bit; a property test holds that. rouge-score fills its tables cell by cell. Here a row of a
table is one whole number, whose bits say where the subsequence grows (Hyyrö, "Bit-parallel LCS-length computation
revisited", AWOCA 2004), and a pair of lines is read only where it can add to what is already found.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import compress, count, pairwise
from operator import ne
from typing import TypeVar

K = TypeVar("K")
_TOKEN = re.compile(r"[a-z0-9]+")


class Words:
    """A text as ROUGE reads it."""

    def __init__(self, lines: list[list[str]]) -> None:
        self.lines = lines
        """The tokens of each line that has any: line ends are what rougeLsum takes for the ends of sentences."""
        self.tokens = lines[0] if len(lines) == 1 else [token for line in lines for token in line]

    @cached_property
    def single(self) -> Counter[str]:
        """How often each token stands there."""
        return Counter(self.tokens)

    @cached_property
    def pairs(self) -> Counter[tuple[str, str]]:
        """How often each pair of neighbours does, also across line ends, which ROUGE-2 does not see."""
        return Counter(pairwise(self.tokens))


def tokens_of(text: str) -> list[list[str]]:
    """Return the tokens of each line of a text, if any: lower case, runs of ``a-z`` and ``0-9``."""
    return list(map(_TOKEN.findall, text.lower().split("\n")))


def words_of(rows: Iterable[list[str]]) -> Words:
    """Return the text that such lines are; those without a token are left out."""
    return Words([row for row in rows if row])


def rouge(reference: Words, text: Words) -> tuple[float, float, float]:
    """Return the F-measures of ROUGE-1, ROUGE-2 and rougeLsum, the last of the tokens that lie in the union of the
    common subsequences of each line of the reference with all lines of the text."""
    first, second = reference.tokens, text.tokens
    if not first or not second:
        return 0.0, 0.0, 0.0
    # What both begin and end with is in both as often as it is there, so only what is between has to be counted.
    head, tail = _ends(first, second)
    if 2 * (head + tail) < len(first):
        ones, twos = _common(reference.single, text.single), _common(reference.pairs, text.pairs)
    else:
        inner = slice(head, len(first) - tail), slice(head, len(second) - tail)
        ones = head + tail + _common(Counter(first[inner[0]]), Counter(second[inner[1]]))
        before, behind = max(head - 1, 0), max(tail - 1, 0)
        inner = slice(before, len(first) - behind), slice(before, len(second) - behind)
        twos = before + behind + _common(Counter(pairwise(first[inner[0]])), Counter(pairwise(second[inner[1]])))
    if len(reference.lines) == 1 and len(text.lines) == 1:
        longest = head + tail + common_length(first[head : len(first) - tail], second[head : len(second) - tail])
    else:
        longest = _union_hits(reference, text)
    return (
        _fmeasure(ones, len(first), len(second)),
        _fmeasure(twos, len(first) - 1, len(second) - 1),
        _fmeasure(longest, len(first), len(second)),
    )


def _ends(first: Sequence[str], second: Sequence[str]) -> tuple[int, int]:
    """Return how many tokens two texts begin with alike, and with how many of the others they end alike."""
    most = min(len(first), len(second))
    head = next(compress(count(), map(ne, first, second)), most)
    tail = next(compress(count(), map(ne, reversed(first), reversed(second))), most)
    return head, min(tail, most - head)


def _common(first: Counter[K], second: Counter[K]) -> int:
    few, many = (first, second) if len(first) <= len(second) else (second, first)
    total = 0
    for key, times in few.items():
        other = many.get(key, 0)
        total += times if times < other else other
    return total


def _fmeasure(hits: int, length: int, size: int) -> float:
    # In rouge-score's order of operations, so that the last bit is the same.
    precision, recall = hits / max(size, 1), hits / max(length, 1)
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0


def common_length(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the length of a longest common subsequence."""
    places: dict[str, int] = {}
    for i, token in enumerate(second):
        places[token] = places.get(token, 0) | 1 << i
    row = all_ones = (1 << len(second)) - 1
    for token in first:
        match = places.get(token)
        if match is not None:
            both = row & match
            row = (row + both | row - both) & all_ones
    return len(second) - row.bit_count()


def _union_hits(reference: Words, text: Words) -> int:
    """Return how many tokens of the reference's lines lie in the union of their subsequences.

    A token counts at most as often as it stands on either side (Lin 2004, section 3.2, as ROUGE-1.5.5 does it).
    """
    given = text.lines
    same = set(map(tuple, given))
    others: list[list[str]] = []
    covered: list[str] = []
    for line in reference.lines:
        if tuple(line) in same:
            covered += line
        else:
            others.append(line)
    wanted = {token for line in others for token in line}
    holders: dict[str, dict[int, int]] = {}
    """Token → line of the text → where in that line it stands, as bits."""
    for k, line in enumerate(given if wanted else ()):
        for j, token in enumerate(line):
            if token in wanted:
                where = holders.get(token)
                if where is None:
                    holders[token] = {k: 1 << j}
                else:
                    where[k] = where.get(k, 0) | 1 << j
    nowhere: dict[int, int] = {}
    for line in others:
        columns = [holders.get(token, nowhere) for token in line]
        shared: dict[int, int] = {}
        """Line of the text → tokens of this line that stand in it, as bits."""
        coverable = union = 0
        for i, where in enumerate(columns):
            if where:
                bit = 1 << i
                coverable |= bit
                for k in where:
                    shared[k] = shared.get(k, 0) | bit
        # The line with the most in common first: what it covers, the others need not be read for.
        for k, rows in sorted(shared.items(), key=_most):
            if rows & ~union:
                union |= _path(rows, [where.get(k, 0) for where in columns], len(given[k]))
                if union == coverable:
                    break
        covered += [token for i, token in enumerate(line) if union >> i & 1]
    return _common(Counter(covered), text.single)


def _most(entry: tuple[int, int]) -> int:
    return -entry[1].bit_count()


def _path(rows: int, matches: Sequence[int], width: int) -> int:
    """Return the rows, as bits, that the longest common subsequence uses which rouge-score would take.

    ``rows`` are those that match anywhere, ``matches[i]`` the columns that row ``i`` matches. Which of several longest
    subsequences is taken matters to the union: on the way back a match comes first, then left where left is strictly
    longer, else up. Rows without a match are left out: the way goes straight up through them.
    """
    if rows.bit_count() == 1:
        return rows
    all_ones = (1 << width) - 1
    row = all_ones
    kept: list[tuple[int, int, int]] = []
    """Of each row that matches: its bit, its columns, and the row of the table above it; a 0 is where the length
    grows."""
    rest = rows
    while rest:
        bit = rest & -rest
        rest ^= bit
        match = matches[bit.bit_length() - 1]
        kept.append((bit, match, row))
        both = row & match
        row = (row + both | row - both) & all_ones
    if width - row.bit_count() == len(kept):
        return rows
    found = 0
    j = width
    here = row
    for bit, match, above in reversed(kept):
        # At column j - 1 of this row: stay in it while left is strictly longer than up.
        while j:
            below = (1 << j - 1) - 1
            if match >> j - 1 & 1:
                found |= bit
                j -= 1
                break
            lefts = j - 1 - (here & below).bit_count()
            ups = j - (above & (below << 1 | 1)).bit_count()
            if lefts <= ups:
                break
            j -= 1
        if not j:
            break
        here = above
    return found
