"""Two outputs, both orders: what both orders agree on is a win, everything else a tie.

A judge tends to prefer what stands in one place (Wang et al., "Large language models are not fair evaluators", ACL
2024, arXiv 2305.17926); a win that only one order gives is that tendency, or chance. How often it happens is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from distill.judging.records import Compared, Pairwise
from distill.numbers import number
from distill.statistics import icc, majority, mcnemar, wilson

Verdict = Literal["first", "second", "tie"]
_VALUE: Mapping[Verdict, float] = {"first": 1.0, "tie": 0.0, "second": -1.0}


def compare(lines: Sequence[Compared], first: str, second: str, items: Sequence[str], repeats: int) -> Pairwise:
    """Return what all lines say of two systems; ``first`` is so by name, in whichever place it stood."""
    found = {(line.id, line.repeat, line.first): line for line in lines}
    by_item = {item: [_verdict(found, item, repeat, first, second) for repeat in range(repeats)] for item in items}
    votes = {item: _vote(verdicts) for item, verdicts in by_item.items()}
    counts = Counter(vote for vote in votes.values() if vote is not None)
    wins, losses = counts["first"], counts["second"]
    preferring = [line.better for line in lines if line.better in ("first", "second")]
    both = [
        (one, other)
        for item in items
        for repeat in range(repeats)
        if (one := _preferred(found.get((item, repeat, first)))) is not None
        and (other := _preferred(found.get((item, repeat, second)))) is not None
    ]
    stable = icc(
        [
            [_VALUE[verdict] for verdict in verdicts if verdict is not None]
            for verdicts in by_item.values()
            if None not in verdicts
        ]
    )
    return Pairwise(
        first=first,
        second=second,
        items=len(items),
        first_wins=wins,
        second_wins=losses,
        ties=counts["tie"],
        without=tuple(item for item, vote in votes.items() if vote is None),
        unread=dict(sorted(Counter(reason for line in lines for reason in line.unread).items())),
        win_rate=number(wilson(wins, wins + losses)),
        p=mcnemar([True] * wins + [False] * losses, [False] * wins + [True] * losses, exact=True).p,
        consistent=number(wilson(sum(one == other for one, other in both), len(both))),
        first_place=number(wilson(preferring.count("first"), len(preferring))),
        icc_single=number(stable.single),
        icc_average=number(stable.average),
    )


def _preferred(line: Compared | None) -> str | None:
    """Return the system that a line prefers, an empty name for a tie; None where it could not be read."""
    if line is None or line.better is None:
        return None
    return {"first": line.first, "second": line.second, "tie": ""}[line.better]


def _verdict(
    found: Mapping[tuple[str, int, str], Compared], item: str, repeat: int, first: str, second: str
) -> Verdict | None:
    """Return what both orders of one repeat say; a tie where they differ, None where one of them could not be read."""
    one, other = (_preferred(found.get((item, repeat, system))) for system in (first, second))
    if one is None or other is None:
        return None
    if one != other or one == "":
        return "tie"
    return "first" if one == first else "second"


def _vote(verdicts: Sequence[Verdict | None]) -> Verdict | None:
    """Return what more than half of the repeats that could be read say, else a tie."""
    read = [verdict for verdict in verdicts if verdict is not None]
    return (majority(read) or "tie") if read else None
