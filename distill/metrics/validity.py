"""Whether a system's output is JSON at all, and whether it holds under the contract."""

from __future__ import annotations

from distill.metrics.base import Itemwise, Value
from distill.records import BenchmarkItem, Prediction
from synth.catalog import load_task
from synth.checks.schema import first_violation
from synth.records import JsonObject


class Validity(Itemwise):
    """1 or 0 for each output: ``valid_json`` where it parses as an object, ``schema_valid`` where that holds under
    the contract of the item's task; ``schemas/<schema>.schema.json`` where the item has none."""

    columns = ("valid_json", "schema_valid")

    def __init__(self, schema: str = "note") -> None:
        self._schema = schema

    def values(self, item: BenchmarkItem, prediction: Prediction) -> tuple[Value, ...]:
        """Return both."""
        schema = self._schema if item.task is None else load_task(item.task).schema_name
        return float(prediction.target is not None), float(holds(prediction.target, schema))


def holds(target: JsonObject | None, schema: str = "note") -> bool:
    """Return whether a target holds under a contract; None never does."""
    return target is not None and first_violation(schema, target) is None
