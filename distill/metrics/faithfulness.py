"""Faithfulness: what a prediction carries of the facts, and what it claims that its source does not back; no reference.

The examination is that of ``synth``'s check of the same name. Unlike ``facts`` it reads other words for the same thing
(units, number words, brand names, what the specialty's pack says), and traces claims to the source rather than to the
scenario, so that it also scores where nobody knows the facts.
"""

from __future__ import annotations

from functools import lru_cache

from distill.metrics.base import Itemwise, Value
from distill.records import BenchmarkItem, Prediction
from distill.tasks import carried_by
from synth.checks.faithfulness import KINDS, Examination
from synth.records import Scenario


class FaithfulnessMetric(Itemwise):
    """The examination of each prediction in numbers.

    - ``facts_carried``, ``facts_contradicted``: shares of the scenario's facts, of the kinds that a target of the
      item's task carries; None where there is no scenario.
    - ``invented_<kind>``: items of a kind that nothing in the source backs, as a number; its mean in percent is how
      many there are in a hundred notes.

    An output that is no JSON object is read as text; an empty one carries nothing and invents nothing.
    """

    columns = ("facts_carried", "facts_contradicted", *(f"invented_{kind}" for kind in KINDS))

    def values(self, item: BenchmarkItem, prediction: Prediction) -> tuple[Value, ...]:
        """Return both shares and the counts by kind."""
        target = prediction.text if prediction.target is None else prediction.target
        verdicts, invented = _examination(item.source, item.scenario).counts(target, carried_by(item.task))
        total = verdicts.total()
        return (
            verdicts["found"] / total if total else None,
            verdicts["contradicted"] / total if total else None,
            *(float(invented[kind]) for kind in KINDS),
        )


@lru_cache(maxsize=64)
def _examination(source: str, scenario: Scenario | None) -> Examination:
    """Return a source, read; the last ones are kept, as every system is held against the same."""
    return Examination(source, scenario)
