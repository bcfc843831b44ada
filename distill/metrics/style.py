"""Style: how far a prediction keeps to the house style of the run that its item is of; no reference."""

from __future__ import annotations

from distill.metrics.base import Itemwise, Value
from distill.records import BenchmarkItem, Prediction
from synth.styles import conformity


class StyleMetric(Itemwise):
    """The conformity of each prediction, as people read it, with its item's style (``synth.styles.conformity``).

    ``style`` is the mean of the parts that apply: ``style_headings``, ``style_order``, ``style_phrases``,
    ``style_doses``, ``style_wording``. All are None where an item has no style.
    """

    columns = ("style", "style_headings", "style_order", "style_phrases", "style_doses", "style_wording")

    def values(self, item: BenchmarkItem, prediction: Prediction) -> tuple[Value, ...]:
        """Return the score and its parts."""
        if item.style is None:
            return (None,) * len(self.columns)
        found = conformity(item.style, prediction.text)
        return found.score, found.headings, found.order, found.phrases, found.doses, found.wording
