"""Measurements → rows → the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.generation.clients import NOTEWRIGHT
from benchmarks.generation.measure import Cost
from benchmarks.generation.serving import Served, Shape

_HEAD = (
    f"{'':<24} {'pairs/s':>8} {'ceiling':>8} {'bare':>6} {'CPU ms/pair':>12} {'peak MiB':>9} {'wall s':>7} "
    f"{'pairs':>6} {'at once':>8} {'requests/pair':>14}"
)


@dataclass(frozen=True, slots=True)
class Row:
    """What one client did."""

    name: str
    pairs: int
    served: Served
    cost: Cost
    versions: dict[str, str] = field(default_factory=dict)
    failure: str = ""
    """Why it did not do the job; empty where it did."""

    @property
    def rate(self) -> float:
        """Pairs a second from the first request's arrival to the last answer, as the server saw them."""
        return self.pairs / self.served.seconds

    @property
    def cpu(self) -> float:
        """CPU seconds a pair, start-up included."""
        return self.cost.cpu / self.pairs

    def line(self, shape: Shape, bare: float | None) -> str:
        """Return the row as text; ``bare`` is the bare client's rate."""
        if self.failure:
            return f"{self.name:<24} failed: {self.failure}"
        beside = f"{self.rate / bare:>6.1%}" if bare else f"{'':>6}"
        return (
            f"{self.name:<24} {self.rate:>8.1f} {self.rate / shape.ceiling:>8.1%} {beside} {1000 * self.cpu:>12.2f} "
            f"{self.cost.peak / 2**20:>9.0f} {self.cost.wall:>7.1f} {self.pairs:>6} {self.served.most_at_once:>8} "
            f"{self.served.answered / self.pairs:>14.2f}"
        )


def judged(name: str, wanted: int, pairs: int, versions: dict[str, str], served: Served, cost: Cost, tail: str) -> Row:
    """Return a row, with the reason where the client did not write all pairs with as many requests as that takes."""
    failure = ""
    if cost.timed_out:
        failure = f"no end after {cost.wall:.0f} s, {served.answered} requests answered"
    elif cost.status != 0:
        failure = f"exit {cost.status}: {tail}"
    elif pairs < wanted or served.answered < 2 * wanted:
        failure = f"{pairs} of {wanted} pairs, {served.answered} requests answered"
    return Row(name, pairs, served, cost, versions, failure)


def median(rows: Sequence[Row]) -> Row:
    """Return the row in the middle by rate; a failed one where most failed."""
    good = sorted((row for row in rows if not row.failure), key=lambda row: row.rate)
    bad = [row for row in rows if row.failure]
    return bad[0] if len(bad) > len(good) else good[len(good) // 2]


def table(rows: Sequence[Row], shape: Shape) -> list[str]:
    """Return the lines of the table, then the same as ratios to Notewright without checks."""
    bare = next((row.rate for row in rows if row.name == "bare client" and not row.failure), None)
    lines = [_HEAD, *(row.line(shape, bare) for row in rows)]
    base = next((row for row in rows if row.name == NOTEWRIGHT and not row.failure), None)
    if base is None:
        return lines
    lines += ["", f"{f'as ratios to {NOTEWRIGHT}':<24} {'pairs/s':>8} {'CPU/pair':>9} {'peak memory':>12}"]
    for row in rows:
        if not row.failure:
            peak = row.cost.peak / base.cost.peak
            lines.append(f"{row.name:<24} {row.rate / base.rate:>8.2f} {row.cpu / base.cpu:>9.2f} {peak:>12.2f}")
    return lines
