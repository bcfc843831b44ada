"""From a pattern to a weaker one, which matches wherever the pattern does and elsewhere, and which a fast engine runs.

The pattern is in the dialect of the ``regex`` module, with its flags IGNORECASE, DOTALL and MULTILINE. The weaker one
is for the Rust engine that pydantic brings, which has no assertions but is linear and many times faster, and reads a
text in which every character beyond plain ASCII is replaced by a stand-in (``plain``). Each step can only add matches:
assertions go, save where they can be written as one more character; bounds of repetitions widen; a back reference
becomes its group. What the parser does not know raises Unsupported: such a pattern has no weaker one, and always runs.
"""

from __future__ import annotations

import math
from functools import cache

from synth.checks.phi.alphabet import ALL, Chars, mask
from synth.checks.phi.patterns import EMPTY, Alt, Edge, Look, Node, Repeat, Seq, Unsupported

_EXACT = 6
"""Bounds of repetitions up to this are kept; a larger upper bound is dropped, which keeps the automaton small."""


def reads_line_breaks(node: Node) -> bool:
    """Return whether any set of a tree, assertions included, holds the line break."""
    if isinstance(node, Chars):
        return bool(node.may & mask("\n"))
    if isinstance(node, Seq):
        return any(map(reads_line_breaks, node.items))
    if isinstance(node, Alt):
        return any(map(reads_line_breaks, node.options))
    return not isinstance(node, Edge) and reads_line_breaks(node.node)


def width(node: Node) -> int:
    """Return the least number of characters that a tree takes."""
    if isinstance(node, Chars):
        return 1
    if isinstance(node, Seq):
        return sum(map(width, node.items))
    if isinstance(node, Alt):
        return min(map(width, node.options))
    return width(node.node) * node.low if isinstance(node, Repeat) else 0


def bits(node: Node) -> float:
    """Return a rough measure of how rare a match is: the less of the alphabet and the more characters, the higher."""
    if isinstance(node, Chars):
        return -math.log2(node.may.bit_count() / ALL.bit_count()) if node.may else 64.0
    if isinstance(node, Seq):
        return sum(map(bits, node.items))
    if isinstance(node, Alt):
        return -math.log2(sum(2 ** -min(bits(option), 500.0) for option in node.options))
    return bits(node.node) * node.low if isinstance(node, Repeat) else 0.0


def weaker(node: Node) -> Node:
    """Return a tree without assertions, save ``\\b`` and what stands at either end, that matches where this one does.

    A positive assertion ahead is met by reading on from it: either what it asserts or what follows is dropped,
    whichever of the two is the less rare. What a positive assertion before the whole asserts is read first.
    """
    items = node.items if isinstance(node, Seq) else (node,)
    inner = _without_looks(items)
    for i, item in enumerate(items):
        if isinstance(item, Look) and item.ahead and not item.negative:
            cut = _without_looks((*items[:i], item.node))
            if bits(Seq(cut)) > bits(Seq(inner)):
                inner = cut
    end = _fence(items, ahead=True) if inner == _without_looks(items) else EMPTY
    outer = (_fence(items, ahead=False), *inner, end)
    for item in items:
        if isinstance(item, Look) and not item.ahead and not item.negative:
            preceded = (_stripped(item.node), *inner, end)
            if bits(Seq(preceded)) > bits(Seq(outer)):
                outer = preceded
        elif not isinstance(item, Look | Edge):
            break
    return Seq(outer)


def _without_looks(items: tuple[Node, ...]) -> tuple[Node, ...]:
    return tuple(_stripped(item) for item in items if not isinstance(item, Look))


def _stripped(node: Node) -> Node:
    if isinstance(node, Look):
        return EMPTY
    if isinstance(node, Seq):
        return Seq(_without_looks(node.items))
    if isinstance(node, Alt):
        return Alt(tuple(map(_stripped, node.options)))
    if isinstance(node, Repeat):
        return Repeat(_stripped(node.node), node.low, node.high)
    return node


def _fence(items: tuple[Node, ...], *, ahead: bool) -> Node:
    """Return what the negative assertions at one end let stand there: a character of a set, or no character."""
    refused = Chars(0, 0)
    for item in reversed(items) if ahead else items:
        if isinstance(item, Look) and item.negative and item.ahead == ahead:
            options = item.node.options if isinstance(item.node, Alt) else (item.node,)
            for option in options:
                if isinstance(option, Chars):
                    refused |= option
        elif not isinstance(item, Look | Edge):
            break
    return Alt((Edge("$" if ahead else "^"), refused.negated())) if refused.must else EMPTY


def written(node: Node, *, bounds: bool) -> str:
    """Return a weaker tree as a pattern of the Rust engine; without ``bounds``, ``\\b`` goes too."""
    if isinstance(node, Chars):
        return _set_of(node.may)
    if isinstance(node, Seq):
        return "".join(written(item, bounds=bounds) for item in node.items)
    if isinstance(node, Alt):
        return f"(?:{'|'.join(written(option, bounds=bounds) for option in node.options)})"
    if isinstance(node, Repeat):
        high = node.high if node.high is not None and node.high <= _EXACT else None
        times = f"{{{node.low}}}" if high == node.low else f"{{{node.low},{'' if high is None else high}}}"
        return f"(?:{written(node.node, bounds=bounds)}){times}"
    if isinstance(node, Look):
        return ""
    if node.kind == "b":
        return r"(?-u:\b)" if bounds else ""
    return {"^": "(?m:^)", "$": "(?m:$)"}[node.kind]


@cache
def _set_of(characters: int) -> str:
    codes = [code for code in range(128) if characters >> code & 1]
    runs: list[list[int]] = []
    for code in codes:
        if runs and runs[-1][1] == code - 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    if not runs:
        raise Unsupported("an empty set")
    return "[" + "".join(f"\\x{low:02x}-\\x{high:02x}" for low, high in runs) + "]"
