"""What can go wrong with a request, how often, and what a spoiled answer looks like; all follows from a seed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from hashlib import blake2b
from typing import Literal

Fault = Literal[
    "busy", "unavailable", "error", "forbidden", "too_long", "bad_request", "disconnect", "cut", "hang", "slow_drip",
    "garbage", "no_choices", "malformed", "truncated", "wrong_schema", "no_turns", "surrogate", "phi"
]  # fmt: skip
TRANSIENT: tuple[Fault, ...] = (
    "busy", "unavailable", "error", "disconnect", "cut", "hang", "slow_drip", "garbage", "no_choices"
)  # fmt: skip
"""Faults of the server: the same request may get through when it is made again."""
CONTENT: tuple[Fault, ...] = ("malformed", "truncated", "wrong_schema", "no_turns", "surrogate", "phi")
"""Faults of the model: the same request always gets the same answer."""
ERRORS: Mapping[str, tuple[int, str]] = {
    "busy": (429, "slow down"),
    "unavailable": (503, "the engine is starting"),
    "error": (500, "engine failure"),
    "forbidden": (401, "invalid key"),
    "too_long": (400, "This model's maximum context length is 4096 tokens. However, you requested 9000 tokens."),
    "bad_request": (400, "temperature must be non-negative"),
}
IN_A_ROW = 3
"""Transient faults that one request meets at most before it gets through."""
_ILLNESS = '"history_of_present_illness":'
_MARKS = ("[patient] ", '"text":"', '"text": "', f'{_ILLNESS}"', f'{_ILLNESS} "')
"""What stands before the words into which identifiers are put."""
_REMEMBERED = 100_000
"""Requests whose sightings are counted; the one that was not seen for longest is forgotten first, so that a long run
takes no more memory than a short one."""


class Weather:
    """Draws faults at given rates.

    ``transient`` follows from seed, request, and how often that request was seen before; ``content`` from seed and
    request alone. ValueError where a rate has no such fault or the rates of either sort are above 1 in sum.
    """

    def __init__(self, rates: Mapping[Fault, float], seed: int) -> None:
        unknown = sorted(set(rates) - set(TRANSIENT) - set(CONTENT))
        if unknown:
            raise ValueError(f"no rate for {', '.join(unknown)}; there are {', '.join(TRANSIENT + CONTENT)}")
        self._transient = _steps({fault: rates[fault] for fault in TRANSIENT if rates.get(fault)})
        self._content = _steps({fault: rates[fault] for fault in CONTENT if rates.get(fault)})
        self._seed = b"%d" % seed
        self._seen: OrderedDict[bytes, tuple[int, int]] = OrderedDict()
        """Digest → how often it was seen, and how many transient faults it met since it last got through."""

    def transient(self, digest: bytes) -> Fault | None:
        """Return what goes wrong with this sighting of a request, which is counted."""
        if not self._transient:
            return None
        seen, row = self._seen.pop(digest, (0, 0))
        fault = None
        if row < IN_A_ROW:
            fault = _drawn(self._transient, b"transient/%d/%b/%b" % (seen, self._seed, digest))
        self._seen[digest] = (seen + 1, row + 1 if fault else 0)
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return fault

    def content(self, digest: bytes) -> Fault | None:
        """Return what is wrong with every answer to a request."""
        return _drawn(self._content, b"content/%b/%b" % (self._seed, digest)) if self._content else None


def _steps(rates: Mapping[Fault, float]) -> list[tuple[float, Fault]]:
    """Return the upper end of each fault's share of the line from 0 to 1."""
    steps: list[tuple[float, Fault]] = []
    for fault, rate in rates.items():
        steps.append(((steps[-1][0] if steps else 0.0) + rate, fault))
    if any(rate < 0 for rate in rates.values()) or (steps and steps[-1][0] > 1.0 + 1e-9):
        raise ValueError(f"rates must not be negative, nor above 1 in sum: {dict(rates)}")
    return steps


def _drawn(steps: list[tuple[float, Fault]], key: bytes) -> Fault | None:
    point = int.from_bytes(blake2b(key, digest_size=8).digest(), "big") / 2**64
    return next((fault for upper, fault in steps if point < upper), None)


def spoiled(text: str, fault: Fault | None, number: int) -> tuple[str, str]:
    """Return an answer's text and finish_reason under a content fault; ``number`` makes the identifiers vary."""
    match fault:
        case "truncated":
            return text[: len(text) // 2], "length"
        case "malformed":
            # Unclosed JSON; a transcript in lines loses the marks of its speakers.
            return (text.rstrip("`\n")[:-2] if "{" in text[:20] else text.replace("[", "(")), "stop"
        case "wrong_schema":
            return '{"note":"wrong"}', "stop"
        case "no_turns":
            return "I cannot do that.", "stop"
        case "surrogate":
            return text.replace("e", "\ud800", 1), "stop"
        case "phi":
            return _with_identifiers(text, number), "stop"
    return text, "stop"


def _with_identifiers(text: str, number: int) -> str:
    """Return a transcript or a note with a telephone number from the range kept for fiction (555-01XX) and a record
    number."""
    said = f"Call me at (415) 555-01{number % 100:02d}, my MRN is {number % 10**8:08d}. "
    for mark in (
        "[patient] ",
        '"text":"',
        '"text": "',
        '"history_of_present_illness":"',
        '"history_of_present_illness": "',
    ):
        before, found, after = text.partition(mark)
        if found:
            return before + found + said + after
    return text
