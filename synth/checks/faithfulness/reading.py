"""A source or a target as it is read: tokens in sentences, what is named in them, quantities, and what is denied."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import cache, cached_property
from itertools import accumulate, compress
from operator import add
from typing import NamedTuple

from synth.checks.faithfulness.language import language
from synth.checks.faithfulness.lexicon import PHRASES, ConceptKind, Form, Lexicon
from synth.checks.faithfulness.memo import Memo
from synth.checks.faithfulness.recognised import is_recognised, with_marks, with_spoken_marks
from synth.checks.faithfulness.tokens import is_mark, is_number, plain, stem, tokenize
from synth.checks.faithfulness.units import PERIODS, Quantity, unit_at

AFFIRMED, DENIED, UNSURE = 1, 2, 3
"""What is said of something, as bits: nothing, one of them, or both."""
_FORWARD, _BACKWARD = 1, 2
"""From where a negation reaches: ``no fever``, ``fever absent``."""
_BREAKS = frozenset(".?!;\n")
_QUESTIONS = frozenset(("any", "do", "does", "did", "have", "has", "are", "is"))
_REPLY = 14
"""Words at the beginning of a reply among which a yes or no is looked for."""
_LOWEST, _HIGHEST = 20, 320
"""mmHg between which two numbers are taken for a blood pressure."""
_YES = 4
"""Words within which a yes stands, where it is one."""
_MURMURS = (("mm", "hmm"), ("uh", "huh"), ("a", "little"))
_SCOPE = 10
"""Words that a negation reaches at most, counted anew from each comma and ``or``."""

_LIST = 36
"""Words of a list within which the "or" before its last item is looked for."""


class Line(NamedTuple):
    """A turn of a dialogue, or one entry of a target."""

    text: str
    speaker: str = ""
    field: str = ""
    """JSON pointer into the target."""
    entry: bool = False
    """Whether it is an entry of name and number."""
    section: str = ""
    """What an entry of the target says that it belongs to, such as ``recommendations``."""


class Sentence(NamedTuple):
    """Where a sentence stands."""

    start: int
    end: int
    line: int
    question: bool


class Hit(NamedTuple):
    """Where something is named or said."""

    start: int
    end: int
    form: Form


def _root(word: str) -> str:
    words = language()
    if word in words.stop or not word[-1].isalpha() or len(word) < 2:
        return ""
    return stem(words.fixed_negatives.get(word, word))


@cache
def _turning() -> frozenset[str]:
    """Return the words that begin or end a negation, or lengthen its reach."""
    words = language()
    return words.negations | words.affirmations | words.contrasts | {",", "or"}


_ROOTS = Memo(_root)
_MARK, _NUMBER, _NEGATION, _SIDE, _PERIOD = _ALL = 1, 2, 4, 8, 16
"""What a token may be, as bits."""


def _kind(word: str) -> int:
    words = language()
    of = (is_mark(word), is_number(word), word in words.negations, word in words.sides, word in PERIODS)
    return sum(kind for kind, here in zip(_ALL, of, strict=True) if here)


_KINDS = Memo(_kind)
_OF_KIND = {
    kind: re.compile(b"[%s]" % b"".join(b"\\x%02x" % bits for bits in range(32) if bits & kind)) for kind in _ALL
}
_NO_MARKS = bytes(not bits & _MARK for bits in range(256))


class Reading:
    """A text that has been read with a lexicon."""

    def __init__(self, lines: Sequence[Line], lexicon: Lexicon) -> None:
        self.lines = lines
        self.lexicon = lexicon
        texts = [line.text.replace("\n", " ") for line in lines]
        speakers = [line.speaker for line in lines]
        if any(speakers) and is_recognised(texts):
            self.tokens = with_marks(tokenize("\n".join(map(with_spoken_marks, texts))), speakers)
        else:
            self.tokens = tokenize("\n".join(texts))
        self._kinds = bytes(map(_KINDS.__getitem__, self.tokens))
        self._marks = self._places(_MARK)
        self._replies: dict[int, int] = {}

    def _places(self, kind: int) -> list[int]:
        """Return which tokens are of a kind."""
        return [found.start() for found in _OF_KIND[kind].finditer(self._kinds)]

    @cached_property
    def periods(self) -> list[int]:
        """The tokens that are ``day`` or another period in the singular."""
        return self._places(_PERIOD)

    @cached_property
    def sentences(self) -> list[Sentence]:
        """All sentences in order; a line break ends one."""
        tokens = self.tokens
        found: list[Sentence] = []
        start = line = 0
        asking = [line.speaker == "doctor" for line in self.lines] or [False]
        for i in self._marks:
            mark = tokens[i]
            if mark not in _BREAKS:
                continue
            if i > start:
                question = asking[line] and (mark == "?" or tokens[start] in _QUESTIONS)
                found.append(Sentence(start, i, line, question))
            start = i + 1
            line += mark == "\n"
        if start < len(tokens):
            found.append(Sentence(start, len(tokens), line, False))
        return found

    @cached_property
    def _sentence_of(self) -> list[int]:
        """Of each token the sentence that it is in, or that went before."""
        found: list[int] = []
        for i, sentence in enumerate(self.sentences[1:]):
            found += [i] * (sentence.start - len(found))
        return found + [max(0, len(self.sentences) - 1)] * (len(self.tokens) - len(found))

    def sentence_at(self, token: int) -> int:
        """Return the number of the sentence that a token belongs to."""
        return self._sentence_of[token]

    @cached_property
    def _line_of(self) -> list[int]:
        """Of each token its line."""
        found: list[int] = []
        for i, end in enumerate(self._line_ends):
            found += [i] * (end + 1 - len(found))
        return found + [len(self._line_ends)] * (len(self.tokens) - len(found))

    def line_at(self, token: int) -> int:
        """Return the number of the line that a token belongs to."""
        return self._line_of[token]

    @cached_property
    def _line_ends(self) -> list[int]:
        return [i for i in self._marks if self.tokens[i] == "\n"]

    def line_end(self, line: int) -> int:
        """Return the first token behind a line."""
        ends = self._line_ends
        return ends[line] if line < len(ends) else len(self.tokens)

    @cached_property
    def hits(self) -> list[Hit]:
        """What is named, in order; a symptom that is part of a longer statement is left out."""
        said = self._kinds.translate(_NO_MARKS)
        words = plain(compress(self.tokens, said))
        places = list(compress(range(len(said)), said))
        """Of each word its token."""
        ends = list(map(add, accumulate(map(len, words)), range(1, len(words) + 1)))
        found: list[Hit] = []
        for end, size, forms in self.lexicon.find(f" {' '.join(words)} "):
            last = bisect_left(ends, end)
            start, stop = places[last - size + 1], places[last] + 1
            found += [Hit(start, stop, form) for form in forms]
        found.sort(key=lambda hit: (hit[0], -hit[1]))
        kept: list[Hit] = []
        reach, widest, holder = -1, -1, ""
        for hit in found:
            start, stop, form = hit
            kind = form.kind
            if kind in PHRASES:
                inside = stop <= reach and (start > widest or stop < reach)
                # What the doctor finds is not what the patient complains of, though the words are the same.
                apart = holder != "finding" or not inside or not self._by_patient(start)
                if inside and apart and kind in ("symptom", "finding", "condition"):
                    continue
                if stop > reach:
                    reach, widest, holder = stop, start, kind
            kept.append(hit)
        return kept

    def _by_patient(self, token: int) -> bool:
        line = self.line_at(token)
        return line < len(self.lines) and self.lines[line].speaker == "patient"

    @cached_property
    def phrases(self) -> list[tuple[Hit, int, bool]]:
        """The hits that are statements of their own, each with what ``meant`` says of it."""
        return [(hit, *self.meant(hit)) for hit in self.hits if hit.form.kind in PHRASES]

    @cached_property
    def said(self) -> dict[tuple[ConceptKind, str], int]:
        """What is said of each phrase: affirmed, denied or both; how a question is answered counts only where nothing
        else is said."""
        sure: dict[tuple[ConceptKind, str], int] = {}
        weak: dict[tuple[ConceptKind, str], int] = {}
        for hit, bits, asked in self.phrases:
            key = (hit.form.kind, hit.form.name)
            found = weak if asked else sure
            found[key] = found.get(key, 0) | bits
        return {**weak, **sure}

    @cached_property
    def named(self) -> frozenset[str]:
        """The drugs that are named."""
        return frozenset(hit.form.name for hit in self.hits if hit.form.kind == "drug")

    @cached_property
    def quantities(self) -> list[Quantity]:
        """All numbers, with the units behind them."""
        tokens = self.tokens
        found: list[Quantity] = []
        done = 0
        for i in self._places(_NUMBER):
            if i >= done:
                unit, end = unit_at(tokens, i + 1)
                done = end
                found.append(Quantity(i, max(end, i + 1), float(tokens[i]), *unit))
        return found

    @cached_property
    def pairs(self) -> list[tuple[int, float, float]]:
        """Where two numbers stand as a blood pressure does, ``132/80`` or ``132 over 80``: token, upper, lower."""
        tokens = self.tokens
        found: list[tuple[int, float, float]] = []
        for q in self.quantities:
            if q.at + 2 < len(tokens) and tokens[q.at + 1] in ("/", "over") and is_number(tokens[q.at + 2]):
                low = float(tokens[q.at + 2])
                if _LOWEST <= low < q.value <= _HIGHEST:
                    found.append((q.at, q.value, low))
        return found

    @cached_property
    def roots(self) -> list[str]:
        """Of each token its stem, without the negation that is built in; empty for what says nothing of its own."""
        return list(map(_ROOTS.__getitem__, self.tokens))

    @cached_property
    def sides(self) -> dict[int, str]:
        """Which tokens name a side, and which; ``that's right`` and ``right now`` name none."""
        words = language()
        tokens = self.tokens
        found: dict[int, str] = {}
        for i in self._places(_SIDE):
            before = tokens[i - 1] if i > 0 else "\n"
            after = tokens[i + 1] if i + 1 < len(tokens) else "\n"
            side = words.sides[tokens[i]]
            if side == "both" or not (
                before in words.not_side_before
                or after in words.not_side_after
                or (before in ".,?!;\n" and after in ".,?!;\n")
            ):
                found[i] = side
        return found

    @cached_property
    def side_places(self) -> list[int]:
        """The tokens that name a side, in order."""
        return list(self.sides)

    def meant(self, hit: Hit) -> tuple[int, bool]:
        """Return whether what is named is affirmed or denied, and whether that is only the answer to a question."""
        if hit.form.voice == "says":
            return AFFIRMED, False
        if hit.form.voice == "denies":
            return DENIED, False
        number = self.sentence_at(hit.start)
        sentence = self.sentences[number]
        if sentence.question:
            return self.reply(sentence.line), True
        reach = self.reaches[hit.start]
        # The result of a study is part of its name here: "antibodies negative" is not denied.
        denied = reach == _FORWARD or (reach == _BACKWARD and hit.form.kind in ("symptom", "condition"))
        return (DENIED if denied else AFFIRMED), False

    @cached_property
    def reaches(self) -> bytearray:
        """From where a negation reaches each token; 0 where none does."""
        found = bytearray(len(self.tokens))
        done = 0
        for i in self._places(_NEGATION):
            if i >= done:
                sentence = self.sentences[self.sentence_at(i)]
                done = sentence.end
                found[sentence.start : done] = bytes(self._negated(sentence))
        return found

    def _negated(self, sentence: Sentence) -> list[int]:
        words, turning = language(), _turning()
        tokens = self.tokens[sentence.start : sentence.end]
        flags = [0] * len(tokens)
        left, clause = 0, 0
        for i, word in enumerate(tokens):
            if word not in turning:
                if left:
                    flags[i] = _FORWARD
                    left -= 1
                continue
            after = tokens[i + 1] if i + 1 < len(tokens) else ""
            ends = after in (",", "") or (word in words.behind and after in words.sides)
            if word in words.negations and (ends or word not in words.behind or after == "for"):
                if ends:
                    # "Tremor, no." and "tremor absent" deny what went before, a first "no," only answers.
                    flags[clause:i] = [flag or _BACKWARD for flag in flags[clause:i]]
                elif after not in words.not_negations:
                    left = max(_SCOPE, self._listed(sentence, i))
            elif word in words.affirmations or (word == "," and after in words.subjects):
                left = 0
            elif left:
                flags[i] = _FORWARD
                left = _SCOPE if word in (",", "or") else left - 1
            if word in words.contrasts or (word == "," and after not in words.answers_no):
                clause = i + 1
        return flags

    def _listed(self, sentence: Sentence, i: int) -> int:
        """Return how far it is from a negation of the doctor's to the last "or" of the list that it denies, so that an
        item of many words, or a list that has lost its commas, is denied to its end."""
        if sentence.line >= len(self.lines) or self.lines[sentence.line].speaker != "doctor":
            return 0
        words = language()
        tokens = self.tokens[sentence.start + i + 1 : min(sentence.end, sentence.start + i + _LIST)]
        reach = 0
        for j, (word, after) in enumerate(zip(tokens, [*tokens[1:], ""], strict=False)):
            if word in words.affirmations or word in words.negations or (word == "," and after in words.subjects):
                break
            if word == "or":
                reach = j + 1
        return reach

    def reply(self, line: int) -> int:
        """Return how the other one answers what is asked in a line."""
        if line not in self._replies:
            self._replies[line] = self._reply(line)
        return self._replies[line]

    def _reply(self, line: int) -> int:
        words = language()
        for sentence in self.sentences[bisect_right([s.line for s in self.sentences], line) :]:
            if self.lines[sentence.line].speaker == self.lines[line].speaker:
                break
            tokens = self.tokens[sentence.start : min(sentence.end, sentence.start + _REPLY)]
            for i, (word, after) in enumerate(zip(tokens, [*tokens[1:], ""], strict=True)):
                if word in words.answers_no:
                    return DENIED
                both = word == "both" and i < 2
                # "my right calf does not hurt" says no yes
                side = word == "right" and i > 0 and tokens[i - 1] in words.subjects
                yes = i < _YES and ((word in words.answers_yes and not side) or (word, after) in _MURMURS)
                if both or yes:
                    return AFFIRMED
        return UNSURE

    @cached_property
    def _number_places(self) -> list[int]:
        return [q.at for q in self.quantities]

    def within(self, start: int, end: int) -> list[Quantity]:
        """Return the quantities between two tokens."""
        places = self._number_places
        return self.quantities[bisect_left(places, start) : bisect_left(places, end)]
