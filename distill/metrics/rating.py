"""Scores that a judge gives, from 1 to 5 in half points, beside a person's."""

from __future__ import annotations

from distill.answers import parse_score
from distill.metrics.base import Itemwise, Value
from distill.metrics.letters import answer
from distill.records import BenchmarkItem, Prediction
from synth.errors import UserError


class Rating(Itemwise):
    """How far a prediction's score is from the reference's.

    - ``absolute_error``: the difference, in points; None where no score can be read, which keeps it out of the mean.
    - ``within_half``: 1 where it is half a point at most; 0 where no score can be read.
    - ``unparseable``: 1 where no score can be read.
    """

    columns = ("absolute_error", "within_half", "unparseable")

    def values(self, item: BenchmarkItem, prediction: Prediction) -> tuple[Value, ...]:
        """Return the three values; raises UserError where the reference is no score."""
        wanted = parse_score(item.right)
        if wanted is None:
            raise UserError(f"{item.id}: the reference is no score from 1 to 5; rating is for judges")
        given = parse_score(answer(item, prediction))
        if given is None:
            return None, 0.0, 1.0
        error = abs(given - wanted)
        return error, float(error <= 0.5), 0.0
