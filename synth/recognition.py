"""Transcripts as speech recognition writes them: lower case, few marks or none, numbers in words; the facts stay.

``recognition.yaml`` holds what happens how often, measured on recognised transcripts beside human ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from synth.assets import load_yaml
from synth.numerals import NUMERALS, ONES, digit_words, whole_words
from synth.records import Encounter, Record, Scenario, Transcript

_TOKEN = re.compile(r"(?:\{\{[^{}\n]*\}\}|\S)+")
_PLACEHOLDER = re.compile(r"(\{\{[^{}\n]*\}\})")
_WORD = re.compile(r"""[("“\[]*(?P<core>.*?)(?P<marks>[.,;:?!)"”\]]*)""", re.DOTALL)
_NUMBER = re.compile(r"([-−]?)(\d{1,3}(?:,\d{3})+|\d+)(?:\.(\d+))?(%?)")
_PRESSURE = re.compile(r"(\d{2,3})/(\d{2,3})")
_DASH = re.compile(r"[–—]|--+|\.{2,}|…")
_NO_WORD = frozenset("-–*_'‘’")
_LARGEST = 1_000_000
_JOINING = frozenset((*NUMERALS, "point", "minus", "oh", "o", "."))
"""Words that may be read as part of a number."""
_BEHIND_DIGITS = frozenset(("thousand", "million", "billion", "and"))
"""Words that go on with a number in digits."""
_ROUND = ("hundred", "thousand", "million", "billion", "00")
"""What a number ends in that may go on after an ``and``."""
_LEADING_OVER = (20, 320)
"""mmHg between which a pair is read as a blood pressure."""


class Recogniser(Record):
    """One way of recognising speech; rates are between 0 and 1."""

    share: float
    """Of the encounters."""
    marks: dict[str, float]
    """How many of each mark are kept."""
    numbers: Literal["words", "digits"]
    dotted: float
    """How many decimals have a lone full stop for their point."""
    repeats: float
    """How many of the words that begin a clause, and are repeated at all, are said twice."""


class Dictation(Record):
    """Turns in which the marks are said, and written out as words."""

    share: float
    """Of the encounters."""
    sentences: int
    marks: dict[str, str]
    opening: str


class Recognition(Record):
    """What ``recognition.yaml`` holds."""

    recognisers: dict[str, Recogniser]
    fillers: frozenset[str]
    repeated: frozenset[str]
    abbreviations: frozenset[str]
    dictation: Dictation
    apart: str


@dataclass(slots=True)
class _Word:
    """A word of a turn, and the mark behind it."""

    text: str
    numeral: bool
    """Whether it may be read as a part of a number."""
    mark: str = ""
    apart: bool = False
    """Whether something stood between it and the next word that may be gone."""


def recognition_path() -> Path:
    """Return the file of the rates."""
    return Path(__file__).with_suffix(".yaml")


@cache
def recognition() -> Recognition:
    """Return the rates."""
    return Recognition.model_validate(load_yaml(recognition_path()))


def is_recognised(scenario: Scenario) -> bool:
    """Return whether a scenario's transcript is to look as speech recognition writes it."""
    return scenario.manner is not None and scenario.manner.transcript_style == "asr"


def in_style(encounter: Encounter) -> Encounter:
    """Return an encounter with its transcript in the style that its scenario asks for; pure."""
    if not is_recognised(encounter.scenario) or not isinstance(encounter.source, Transcript):
        return encounter
    return encounter.model_copy(update={"source": recognised(encounter.source, encounter.scenario.id)})


def recognised(source: Transcript, key: str) -> Transcript:
    """Return a transcript as a recogniser writes it; the same for the same key, and for what it has returned.

    Placeholders stay, and so does every number, in digits or in words.
    """
    rules = recognition()
    point = _points(key)
    recogniser = _drawn(rules.recognisers, point("recogniser"))
    dictating = point("dictation") < rules.dictation.share
    turns = []
    for i, turn in enumerate(source.turns):
        dictated = dictating and turn.speaker == "doctor"
        text = _Turn(recogniser, rules, _points(f"{key}\x1f{i}"), dictated=dictated).recognised(turn.text)
        turns.append(turn.model_copy(update={"text": text}))
    return Transcript(turns=tuple(turns))


def recognised_value(text: str) -> str:
    """Return what a placeholder stands for as it is recognised: lower case, without commas and full stops behind
    words."""
    return re.sub(r"[.,]+(?=\s|$)", "", text.lower())


def _points(key: str) -> Callable[..., float]:
    """Return what gives a number from 0 up to 1 for a place: a hash, so that it depends on no other place."""

    def point(*place: str | int) -> float:
        name = "\x1f".join(map(str, ("recognition", key, *place)))
        return int.from_bytes(blake2b(name.encode(), digest_size=6).digest(), "big") / 2**48

    return point


def _drawn(recognisers: dict[str, Recogniser], point: float) -> Recogniser:
    for recogniser in recognisers.values():
        point -= recogniser.share
        if point < 0:
            break
    return recogniser


class _Turn:
    """One turn on its way through a recogniser."""

    def __init__(
        self, recogniser: Recogniser, rules: Recognition, point: Callable[..., float], *, dictated: bool
    ) -> None:
        self._recogniser = recogniser
        self._rules = rules
        self._point = point
        self._dictated = dictated

    def recognised(self, text: str) -> str:
        """Return the words of a turn; those that it has where nothing else would be left."""
        words = self._words(text)
        spoken = self._without_fillers(words)
        words = spoken or words
        if not words:
            return text
        for word in words[:-1]:
            if word.text in self._rules.abbreviations and word.mark == ".":
                word.mark = ""
        dictation = self._rules.dictation
        sentences = sum(word.mark in (".", "?") for word in words)
        said = {part for mark in dictation.marks.values() for part in mark.split()}
        dictated = self._dictated and bool(spoken) and sentences >= dictation.sentences
        if dictated and said.isdisjoint(word.text for word in words):
            return " ".join(self._dictation(words))
        return " ".join(self._written(words))

    def _words(self, text: str) -> list[_Word]:
        """Return the words of a text in lower case, without brackets, quotes and dashes."""
        words: list[_Word] = []
        pieces = _TOKEN.findall(_DASH.sub(" – ", text))
        for piece, after in zip(pieces, (*pieces[1:], ""), strict=False):
            if piece == "." and words and words[-1].text in _JOINING and after.strip(".,?!") in ONES:
                words.append(_Word(".", numeral=True))  # a decimal point
                continue
            parts, mark = _parts(piece)
            if not parts:
                if words and piece != "-":
                    words[-1].apart = True
                    words[-1].mark = words[-1].mark or mark
                continue
            words += [_Word(part, _numeral(part)) for part in parts]
            words[-1].mark, words[-1].apart = mark, bool(mark)
        return words

    def _without_fillers(self, words: Sequence[_Word]) -> list[_Word]:
        kept: list[_Word] = []
        for word in words:
            if word.text not in self._rules.fillers:
                kept.append(word)
            elif kept:
                kept[-1].apart = True
                if word.mark in (".", "?") or not kept[-1].mark:
                    kept[-1].mark = word.mark or kept[-1].mark
        return kept

    def _dictation(self, words: Sequence[_Word]) -> list[str]:
        dictation = self._rules.dictation
        said = [dictation.opening]
        for i, word in enumerate(words):
            said.append(self._number(words, i, heard=dictation.marks) or word.text)
            if word.mark:
                said.append(dictation.marks[word.mark])
            elif self._parted(words, i):
                said.append(self._rules.apart)
        return said

    def _written(self, words: Sequence[_Word]) -> list[str]:
        """Return the words with the marks that are kept, some said twice."""
        recogniser, repeated = self._recogniser, self._rules.repeated
        texts = [self._number(words, i) or word.text for i, word in enumerate(words)]
        written: list[str] = []
        place = 0
        for i, word in enumerate(words):
            before, after = (words[i - 1] if i else None), (words[i + 1] if i + 1 < len(words) else None)
            again = before is not None and before.text == word.text and word.text in repeated
            place += not again and word.text != self._rules.apart
            text = texts[i]
            begins = before is None or bool(before.mark)
            twice = after is not None and after.text == word.text
            if begins and not again and not twice and word.text in repeated:
                written += [text] if self._point(place, "again") < recogniser.repeats else []
            rate = recogniser.marks.get(word.mark, 0.0)
            keeps = rate > 0 and self._point(place, "mark") < rate
            joins = after is not None and self._joins(words, i)
            keeps = keeps or bool(recogniser.marks and word.mark and joins)
            written.append(text + (word.mark if keeps else ""))
            if joins and not keeps and self._parted(words, i):
                written.append(self._rules.apart)
        return written

    def _parted(self, words: Sequence[_Word], i: int) -> bool:
        """Return whether a word and the next one would be read as one number that they were not before."""
        if not (words[i].apart and i + 1 < len(words) and self._joins(words, i)):
            return False
        here, after = words[i].text, words[i + 1].text
        return not any(map(str.isdigit, here + after)) or here == "minus" or after in _BEHIND_DIGITS

    @staticmethod
    def _joins(words: Sequence[_Word], i: int) -> bool:
        """Return whether a word and the next one may be read as one number."""
        if not words[i].numeral:
            return (i > 0 and _goes_on(words, i - 1)) or words[i + 1].text == "point"
        half = [word.text for word in words[i + 1 : i + 4]] == ["and", "a", "half"]
        return half or words[i + 1].numeral or _goes_on(words, i)

    def _number(self, words: Sequence[_Word], i: int, heard: Container[str] = ()) -> str | None:
        """Return a number in words; None for what is none, and where it could not be told from its neighbour. Marks
        that are heard keep numbers apart."""
        if self._recogniser.numbers == "digits" or not words[i].numeral:
            return None
        text = words[i].text
        for at in (i - 1, i):
            other = at if at < i else i + 1
            if not 0 <= other < len(words) or words[at].mark in heard or self._parted(words, at):
                continue
            if words[other].numeral and not (other < i and words[other].text == "minus"):
                return None
        for at in (i - 2, i):
            if at >= 0 and _goes_on(words, at) and not self._parted(words, at) and not self._parted(words, at + 1):
                return None
        if pressure := _PRESSURE.fullmatch(text):
            high, low = int(pressure[1]), int(pressure[2])
            within = _LEADING_OVER[0] <= low < high <= _LEADING_OVER[1]
            return f"{_said(high)} over {_said(low)}" if within else None
        number = _NUMBER.fullmatch(text)
        if number is None:
            return None
        sign, digits, decimals, percent = number.groups()
        whole = int(digits.replace(",", ""))
        if whole >= _LARGEST or (len(digits) > 1 and digits[0] == "0"):
            return None
        said = _said(whole)
        if decimals:
            dot = "." if whole and self._point(i, "point") < self._recogniser.dotted else "point"
            said = f"{whole_words(whole).replace('-', ' ')} {dot} {digit_words(decimals)}"
        return f"{'minus ' if sign else ''}{said}{' percent' if percent else ''}"


@lru_cache(maxsize=16384)
def _parts(token: str) -> tuple[tuple[str, ...], str]:
    """Return the words of a token, which are several where it is a number in words, and the mark behind them."""
    match = _WORD.fullmatch(token)
    core, marks = (match["core"], match["marks"]) if match else (token, "")
    core = "".join(part if part.startswith("{{") else part.lower() for part in _PLACEHOLDER.split(core))
    mark = next((mark for mark in marks.replace("!", ".") if mark in ".,;:?"), "")
    if _NO_WORD.issuperset(core):
        return (), mark
    parts = tuple(core.split("-"))
    return (parts if len(parts) > 1 and all(part in NUMERALS for part in parts) else (core,)), mark


def _goes_on(words: Sequence[_Word], i: int) -> bool:
    """Return whether a word and the number behind the next one are read as one: ``one hundred and seven``."""
    behind = words[i + 1 : i + 3]
    return len(behind) == 2 and words[i].text.endswith(_ROUND) and behind[0].text == "and" and behind[1].numeral


@lru_cache(maxsize=16384)
def _numeral(text: str) -> bool:
    return text in _JOINING or (text[0] in "-−.0123456789" and any(map(str.isdigit, text)))


def _said(value: int) -> str:
    """Return a whole number in words: ``one eighteen``, as people say what they have measured."""
    hundreds, rest = divmod(value, 100)
    if 0 < hundreds < 10 <= rest:
        return f"{ONES[hundreds]} {whole_words(rest).replace('-', ' ')}"
    return whole_words(value).replace("-", " ")
