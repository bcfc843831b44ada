"""What a short answer says: option letters, a score, a diagnosis. What does not say it is None, never a guess."""

from __future__ import annotations

import math
import re
import unicodedata

OPTIONS = "ABCDEFGHIJKL"
_EMPTY = frozenset({"", "nan", "none", "null", "n/a", "na", "-"})
"""Cells that hold nothing, as spreadsheets and pandas write them."""
_MARKUP = re.compile(r"[*_`\"'“”‘’#\\{}<>|$]+")
_CUE = re.compile(
    r"\b(?:answers?|choices?|options?|correct)\s*(?:\((?:s|es)\)\s*)?(?:is|are|:|=)+[\s:=]*"
    r"|(?:正确)?(?:答案|选项)\s*(?:应该?)?(?:是|为|选)?[\s:=]*|(?:本题|因此|所以|应|故|答)应?选[\s:=]*",
    re.IGNORECASE,
)
"""Words before an answer, also of Chinese examinations: ``答案：ABD``, ``故选D``."""
_LETTER_RUN = re.compile(r"[A-Za-z]+")
_SEPARATORS = re.compile(r"[\s,;/&+()\[\].:、。和与及]+")
_OPTION_LINE = re.compile(r"[-•\s]*[(\[]?([A-Z])(?:[)\]][.:]?|[.:、])(?:\s+\S|[^\x00-\x7f]).*")
"""An option with its letter; before a Chinese text no space stands."""
_SCORE_CUE = re.compile(r"\b(?:score|rating|grade)\b\s*(?:is|of|:|=)+[\s:=]*", re.IGNORECASE)
_SCORE = re.compile(r"[\s(\[]*([+-]?\d+(?:[.,]\d+)?)(?:\s*(?:/|out\s+of|of)\s*(\d+)(?:\.0)?)?[\s)\].,]*", re.IGNORECASE)
_NOT_WORD = re.compile(r"[^\w\s-]")


def is_empty(text: str) -> bool:
    """Return whether an answer holds nothing at all: no text, ``nan``, ``none``, ``null``, ``n/a``."""
    return text.strip().lower() in _EMPTY


def parse_letters(text: str, options: str = OPTIONS) -> str | None:
    """Return the option letters that an answer names, sorted, such as ``"BD"``; None where it names none for sure.

    Understood are ``D``, ``BD``, ``b, d``, ``Answer: B and D``, ``ABCFG H``, ``(D)``, ``B. Glaucoma`` (one line an
    option), and ``答案：B、D``; after an explanation the last ``answer: …`` counts. Not understood are prose,
    ``B or D``, letters outside ``options``, and a run that names a letter twice.
    """
    if is_empty(text):
        return None
    plain = _MARKUP.sub(" ", unicodedata.normalize("NFKC", text)).strip()
    said = plain[cues[-1].end() :] if (cues := list(_CUE.finditer(plain))) else plain
    found = _letters(said)
    if found is None:
        lines = [line for line in said.splitlines() if line.strip()]
        matches = [_OPTION_LINE.fullmatch(line) for line in lines]
        letters = [match[1] for match in matches if match]
        if lines and len(letters) == len(lines):
            found = frozenset(letters)
        elif lines and cues:
            # What follows the answer is its explanation.
            found = _letters(lines[0]) if matches[0] is None else frozenset(letters[:1])
    return "".join(sorted(found)) if found and found <= set(options) else None


def _letters(text: str) -> frozenset[str] | None:
    """Return the letters where a text is nothing but letters and what may stand between them."""
    tokens = [token for token in _SEPARATORS.split(text) if token and token.lower() != "and"]
    found: set[str] = set()
    for token in tokens:
        if not _LETTER_RUN.fullmatch(token) or len(set(token.lower())) < len(token):
            return None
        if len(token) > 1 and not token.isupper() and token != "".join(sorted(token)):
            # "bd" is an answer, "bad" is a word.
            return None
        found.update(token.upper())
    return frozenset(found) or None


def parse_score(text: str, low: float = 1.0, high: float = 5.0, step: float | None = None) -> float | None:
    """Return the score that an answer gives, from ``low`` to ``high``; None where it gives none for sure.

    Understood are ``4.5``, ``4,5``, ``4.5/5``, ``4 out of 5``, and after an explanation the last ``score: …``. A number
    out of range, a range, two different numbers, or with ``step`` one off the grid (such as 0.5) is None.
    """
    if is_empty(text):
        return None
    plain = _MARKUP.sub(" ", unicodedata.normalize("NFKC", text)).strip()
    cues = list(_SCORE_CUE.finditer(plain))
    said = plain[cues[-1].end() :] if cues else plain
    lines = [line for line in said.splitlines() if line.strip()]
    values = {_number(line, high) for line in (lines[:1] if cues else lines)} - {None}
    if len(values) != 1:
        return None
    value = values.pop()
    if value is None or not low <= value <= high:
        return None
    if step is not None and not math.isclose(value / step, round(value / step), abs_tol=1e-9):
        return None
    return value


def _number(line: str, high: float) -> float | None:
    match = _SCORE.fullmatch(line)
    if match is None or (match[2] is not None and float(match[2]) != high):
        return None
    return float(match[1].replace(",", "."))


def repair(text: str) -> str:
    """Return a text that was written as UTF-8 and read as CP1252 as it was meant; any other as it is.

    ``SjÃ¶gren`` becomes ``Sjögren``. The five bytes that CP1252 leaves open are taken as the control characters that
    readers make of them.
    """
    if text.isascii():
        return text
    try:
        data = b"".join(_byte(character) for character in text)
        return data.decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return text


def _byte(character: str) -> bytes:
    if "\x80" <= character <= "\x9f":
        return character.encode("latin-1")
    return character.encode("cp1252")


def exact_diagnosis(text: str) -> str | None:
    """Return a diagnosis as it is compared exactly: repaired, white space made single; None where there is none."""
    return None if is_empty(text) else " ".join(repair(text).split())


def normalise_diagnosis(text: str) -> str | None:
    """Return a diagnosis as it is compared in the published accuracies; None where there is none.

    Repaired, NFKC, dashes as hyphens, no other punctuation, single spaces, lower case: the rule behind Munim et al.,
    arXiv 2601.03266 (github.com/bowang-lab/on-device-LLM, ``statistics/utils.py``). It knows no synonyms.
    """
    if is_empty(text):
        return None
    plain = unicodedata.normalize("NFKC", repair(text)).replace("\u2013", "-").replace("\u2014", "-")
    return " ".join(_NOT_WORD.sub("", plain).split()).lower() or None
