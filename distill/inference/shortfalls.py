"""Outputs that are not what was asked for: counted, shown, and left in the means as they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from distill.records import Prediction
from distill.results import SystemResults

_SAID = {
    "unparseable": "unparseable (no JSON object)",
    "truncated": "cut off at the token limit",
    "too_long": "too long (the prompt does not fit the context)",
    "filtered": "withheld by the server's content filter",
    "failed": "failed (the server gave no answer)",
    "empty": "empty",
}


def with_shortfalls(
    rows: Mapping[str, SystemResults], predictions: Mapping[str, Sequence[Prediction]], asked_for_json: Collection[str]
) -> dict[str, SystemResults]:
    """Return the rows with what is counted of a system's outputs; ``unparseable`` of those that are asked for JSON."""

    def counted(name: str, row: SystemResults) -> SystemResults:
        written = predictions[name]
        ends = [prediction.finish for prediction in written]
        missing = sum(prediction.target is None for prediction in written)
        return row.model_copy(
            update={
                "unparseable": missing if name in asked_for_json else None,
                "too_long": ends.count("too_long"),
                "filtered": ends.count("filtered"),
                "failed": ends.count("failed"),
            }
        )

    return {name: counted(name, row) for name, row in rows.items()}


def shortfall_lines(rows: Mapping[str, SystemResults]) -> list[str]:
    """Return one line for each system whose outputs are not all what was asked for."""
    lines = []
    for name, row in rows.items():
        counts = {key: getattr(row, key) for key in _SAID}
        said = [f"{count} {_SAID[key]}" for key, count in counts.items() if count]
        if said:
            lines.append(f"{name}: of {row.predictions} outputs {', '.join(said)}; all stay in the means")
    return lines
