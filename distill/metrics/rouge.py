"""ROUGE as ACI-Bench reports it: rouge-score 0.1.2, no stemmer, F-measure, for the full note and each of its four
divisions.

ROUGE is Lin, "ROUGE: a package for automatic evaluation of summaries", 2004. What the ACI-Bench tables call ROUGE-L
is ``rougeLsum`` on the raw text, whose sentences are its lines (Yim et al., Scientific Data 2023;10:586). ROUGE
cannot see an invented fact: it says how a note reads, not whether it is true.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from distill.metrics.divisions import DIVISIONS, divide_all
from distill.records import BenchmarkItem, Prediction, Score
from synth.errors import UserError

TYPES = ("rouge1", "rouge2", "rougeLsum")
_DIAGONAL, _LEFT, _UP, _STOP = map(np.uint8, range(4))


@dataclass(frozen=True, slots=True)
class Rouge:
    """F-measures from 0 to 1: ``rouge1 … rougeLsum`` over the note as it is, ``subjective.rouge1 …`` over each
    division."""

    columns: tuple[str, ...] = tuple(f"{part}{kind}" for part in ("", *(f"{d}." for d in DIVISIONS)) for kind in TYPES)

    def __call__(self, items: Sequence[BenchmarkItem], predictions: Sequence[Prediction]) -> list[Score]:
        """Return one score an item; raises UserError where rouge-score is not installed."""
        references = {"": [item.reference for item in items]}
        written = {"": [prediction.text for prediction in predictions]}
        references |= {f"{name}.": texts for name, texts in divide_all(references[""]).items()}
        written |= {f"{name}.": texts for name, texts in divide_all(written[""]).items()}
        scorer = _Scorer()
        rows: list[dict[str, float | None]] = [{} for _ in items]
        for part, texts in references.items():
            for row, reference, text in zip(rows, texts, written[part], strict=True):
                row.update({f"{part}{kind}": value for kind, value in scorer(reference, text).items()})
        return [Score(id=item.id, values=row) for item, row in zip(items, rows, strict=True)]


class _Scorer:
    """F-measures of one pair of texts, from rouge-score but for the longest common subsequences.

    rouge-score fills its tables in Python loops, which takes seconds where a prediction is a whole transcript; here a
    line of the reference is set against all lines of the prediction at once. A test holds both equal.
    """

    def __init__(self) -> None:
        try:
            from rouge_score import rouge_scorer, scoring, tokenize  # type: ignore[import-untyped]  # ships no types
        except ImportError as error:
            raise UserError(
                "ROUGE needs rouge-score, which is not installed: pip install 'notewright[train]'"
            ) from error
        self._ngrams = rouge_scorer.RougeScorer(["rouge1", "rouge2"], use_stemmer=False)
        self._fmeasure = scoring.fmeasure
        self._tokenize = tokenize.tokenize

    def __call__(self, reference: str, text: str) -> dict[str, float]:
        ngrams = self._ngrams.score(reference, text)
        return {
            "rouge1": float(ngrams["rouge1"].fmeasure),
            "rouge2": float(ngrams["rouge2"].fmeasure),
            "rougeLsum": self._summary_lcs(reference, text),
        }

    def _summary_lcs(self, reference: str, text: str) -> float:
        wanted = [self._tokenize(line, None) for line in reference.split("\n")]
        given = [self._tokenize(line, None) for line in text.split("\n")]
        length, size = sum(map(len, wanted)), sum(map(len, given))
        if not length or not size:
            return 0.0
        hits = _union_hits(wanted, given)
        return float(self._fmeasure(hits / size, hits / length))


def _union_hits(wanted: list[list[str]], given: list[list[str]]) -> int:
    """Return how many tokens of ``wanted`` lie in the union of their lines' common subsequences with the lines of
    ``given``.

    A token counts at most as often as it stands on either side (Lin 2004, section 3.2, as ROUGE-1.5.5 does it).
    """
    left = Counter(token for line in wanted for token in line)
    right = Counter(token for line in given for token in line)
    numbers = {token: i for i, token in enumerate(right)}
    table = np.full((len(given), max(map(len, given))), -1, dtype=np.int32)
    for k, line in enumerate(given):
        table[k, : len(line)] = [numbers[token] for token in line]
    hits = 0
    for line in wanted:
        codes = [numbers.get(token, -2) for token in line]
        for i in sorted(_matched(codes, table, [len(other) for other in given])):
            token = line[i]
            if left[token] > 0 and right[token] > 0:
                hits += 1
                left[token] -= 1
                right[token] -= 1
    return hits


def _matched(codes: list[int], table: npt.NDArray[np.int32], lengths: list[int]) -> set[int]:
    """Return the positions in ``codes`` that a longest common subsequence with any row of ``table`` uses.

    Which of several longest ones is taken matters to the union, so the way back follows rouge-score: a match first,
    then left where left is strictly longer, else up.
    """
    rows, width = table.shape
    moves = np.empty((rows, len(codes), width), dtype=np.uint8)
    above = np.zeros((rows, width + 1), dtype=np.int16 if len(codes) < 32_767 else np.int32)
    for i, code in enumerate(codes):
        match = table == code
        here = np.zeros_like(above)
        np.maximum.accumulate(np.where(match, above[:, :-1] + 1, above[:, 1:]), axis=1, out=here[:, 1:])
        move = moves[:, i, :]
        move[:] = np.where(here[:, :-1] > above[:, 1:], _LEFT, _UP)
        move[match] = _DIAGONAL
        move[here[:, 1:] == 0] = _STOP
        above = here
    found: set[int] = set()
    for k in range(rows):
        if above[k, lengths[k]] == 0:
            continue
        path = moves[k].tobytes()
        i, j = len(codes) - 1, lengths[k] - 1
        while i >= 0 and j >= 0:
            move_here = path[i * width + j]
            if move_here == _STOP:
                break
            if move_here == _DIAGONAL:
                found.add(i)
                i, j = i - 1, j - 1
            elif move_here == _LEFT:
                j -= 1
            else:
                i -= 1
    return found
