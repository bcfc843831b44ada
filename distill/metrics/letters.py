"""Answers to multiple-choice questions, one letter or several."""

from __future__ import annotations

from distill.answers import parse_letters
from distill.metrics.base import Itemwise, Value
from distill.records import BenchmarkItem, Prediction
from distill.tasks import answer_field
from synth.errors import UserError


class Letters(Itemwise):
    """How the set of letters that a prediction names agrees with that of the reference.

    - ``letters_exact``: 1 where both sets are the same.
    - ``letters_jaccard``: letters in common over letters in either.
    - ``unparseable``: 1 where no answer can be read; it counts as wrong, and is taken for no letter.
    """

    columns = ("letters_exact", "letters_jaccard", "unparseable")

    def values(self, item: BenchmarkItem, prediction: Prediction) -> tuple[Value, ...]:
        """Return the three values; raises UserError where the reference names no letters."""
        wanted = parse_letters(item.right)
        if wanted is None:
            raise UserError(f"{item.id}: the reference is no set of option letters; letters are for questions")
        given = parse_letters(answer(item, prediction))
        if given is None:
            return 0.0, 0.0, 1.0
        right, said = set(wanted), set(given)
        return float(right == said), len(right & said) / len(right | said), 0.0


def answer(item: BenchmarkItem, prediction: Prediction) -> str:
    """Return the answer of a prediction: the field of its JSON object that the item's task names, or ``answer``, else
    all it says."""
    if prediction.target is not None:
        target = prediction.target
        found = next((target[key] for key in (*answer_field(item.task), "answer") if key in target), None)
        if isinstance(found, str):
            return found
        if isinstance(found, list) and all(isinstance(part, str) for part in found):
            return ", ".join(str(part) for part in found)
        if isinstance(found, int | float) and not isinstance(found, bool):
            return repr(found)
    return prediction.text
