"""ROUGE as ACI-Bench reports it: rouge-score 0.1.2, no stemmer, F-measure, for the full note and each of its four
divisions.

ROUGE is Lin, "ROUGE: a package for automatic evaluation of summaries", 2004. What the ACI-Bench tables call ROUGE-L
is ``rougeLsum`` on the raw text, whose sentences are its lines (Yim et al., Scientific Data 2023;10:586). ROUGE
cannot see an invented fact: it says how a note reads, not whether it is true.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from distill.metrics.divisions import DIVISIONS, LINE_BREAK, MISSING, Present, fill, lines_of, present
from distill.metrics.overlap import Words, rouge, tokens_of, words_of
from distill.records import BenchmarkItem, Prediction, Score
from distill.tasks import has_divisions

TYPES = ("rouge1", "rouge2", "rougeLsum")
_MISSING, _NOTHING = words_of(tokens_of(MISSING)), words_of([])
(_END,) = tokens_of(LINE_BREAK)[0]


@dataclass(frozen=True, slots=True)
class Rouge:
    """F-measures from 0 to 1: ``rouge1 … rougeLsum`` over the note as it is, ``subjective.rouge1 …`` over each
    division, None where the item's task has other parts than those four."""

    columns: tuple[str, ...] = tuple(f"{part}{kind}" for part in ("", *(f"{d}." for d in DIVISIONS)) for kind in TYPES)

    def __call__(self, items: Sequence[BenchmarkItem], predictions: Sequence[Prediction]) -> list[Score]:
        """Return one score an item."""
        return self.score(items, predictions, self.survey(items, predictions))

    def survey(self, items: Sequence[BenchmarkItem], predictions: Sequence[Prediction]) -> tuple[Present, Present]:
        """Return which divisions any reference has, and which any prediction has: what a note lacks is scored by it."""
        return present(item.reference for item in items), present(prediction.text for prediction in predictions)

    def score(
        self, items: Sequence[BenchmarkItem], predictions: Sequence[Prediction], survey: tuple[Present, Present]
    ) -> list[Score]:
        """Return one score an item of a part of what was surveyed."""
        wanted, given = survey
        scores: list[Score] = []
        for item, prediction in zip(items, predictions, strict=True):
            values: dict[str, float | None] = {}
            divided = has_divisions(item.task)
            first = _read(item.reference, wanted if divided else None)
            second = _read(prediction.text, given if divided else None)
            for part, reference in first.items():
                for kind, value in zip(TYPES, rouge(reference, second[part]), strict=True):
                    values[f"{part}{kind}"] = value
            if not divided:
                values = {column: values.get(column) for column in self.columns}
            scores.append(Score(id=item.id, values=values))
        return scores


@lru_cache(maxsize=256)
def _read(note: str, divisions: Present | None) -> dict[str, Words]:
    """Return a note and its divisions, if any, as ROUGE reads them; kept, as every system has the same references."""
    rows = tokens_of(note)
    found = {"": words_of(rows)}
    if divisions is None:
        return found
    if LINE_BREAK in note:
        return found | {f"{name}.": words_of(tokens_of(text)) for name, text in fill(note, divisions).items()}
    # A division's tokens are those of its lines, and the word that stands for each line's end.
    own = lines_of(note.split("\n"))
    for name in DIVISIONS:
        if name in own:
            tokens = [token for i in own[name] for token in (*rows[i], _END)]
            found[f"{name}."] = words_of([tokens[:-1] if own[name].stop == len(rows) else tokens])
        else:
            found[f"{name}."] = _MISSING if name in divisions else _NOTHING
    return found
