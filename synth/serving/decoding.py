"""Contract → decoding schema: the part of a JSON Schema that constrained decoding can hold a server to.

A contract says what is valid; it leaves room that a decoder must not have. With vLLM 0.32 and xgrammar 0.2.8 a string
under ``minLength`` and ``maxLength`` could hold raw control characters (not JSON), and a string, number or array
without a bound may run to the token limit. So every string gets a bounded pattern that needs no escapes, every number
two ends, every array a ``maxItems``. What the decoding schema admits is valid under the contract; the reverse does not
hold.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from pydantic import JsonValue

from synth.errors import UserError
from synth.records import JsonObject

_ONE_LINE = ((0x20, 0x21), (0x23, 0x5B), (0x5D, 0x7E), (0xA0, 0x2027), (0x202A, 0xD7FF), (0xE000, 0xFFFD))
"""Code points of a JSON string without escapes (RFC 8259, section 7): no control character, quote, backslash, and none
of U+0085, U+2028, U+2029, which end a line for some readers."""
_NUMBER_END = 1_000_000_000
_BLOCK = 128
"""Longest quantifier of a character class."""
_DROPPED = {"$schema", "$id", "$comment", "title", "description", "examples", "default", "deprecated"}
_KEPT = {"type", "enum", "const", "required", "$ref"}
_MAPS = {"properties", "$defs"}
_ENDS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
_BY_TYPE = {"additionalProperties", "items", "minItems", "maxItems", "pattern", "minLength", "maxLength", *_ENDS}
_CLASS = re.compile(r"\[(?:[^\]\\]|\\.)+\]")
_OPTIONAL = re.compile(r"(?<!\\)\(((?:[^()|\[\\]|\\.|\[(?:[^\]\\]|\\.)+\])+)\)\?")
_UNBOUNDED = re.compile(r"(?<!\\)[*+]|\{\d+,\}")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a decoder may write where the contract allows more, or sets no bound."""

    items: int = 24
    """Items of one array."""
    characters: int = 2000
    """Characters of one string."""


def decoding_schema(contract: JsonObject, bounds: Bounds | None = None) -> JsonObject:
    """Return the schema that the server is asked to decode under; ``$defs`` and the order of properties are kept.

    Raises UserError where the contract uses a keyword, or a pattern, whose meaning would be lost.
    """
    return _schema(contract, bounds or Bounds(), "#")


def text_schema(minimum: int, maximum: int) -> JsonObject:
    """Return the schema of a one-line text of so many characters that needs no escapes in JSON."""
    return {"type": "string", "pattern": _repeated(_safe_class(None), minimum, maximum)}


def turns_schema(turns: int = 160, characters: int = 1000) -> JsonObject:
    """Return the schema of a source as JSON: 2 to ``turns`` turns, each with a speaker and a text of at most so many
    characters."""
    turn: JsonObject = {
        "type": "object",
        "additionalProperties": False,
        "required": ["speaker", "text"],
        "properties": {"speaker": {"enum": ["doctor", "patient"]}, "text": text_schema(1, characters)},
    }
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["turns"],
        "properties": {"turns": {"type": "array", "items": turn, "minItems": 2, "maxItems": turns}},
    }


def documents_schema(titles: Sequence[str], lines: int = 120, characters: int = 1000) -> JsonObject:
    """Return the schema of a source as JSON: documents of these titles, each of at most so many lines of so many
    characters."""
    document: JsonObject = {
        "type": "object",
        "additionalProperties": False,
        "required": ["title", "lines"],
        "properties": {
            "title": {"enum": list(titles)},
            "lines": {"type": "array", "items": text_schema(1, characters), "minItems": 1, "maxItems": lines},
        },
    }
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["documents"],
        "properties": {"documents": {"type": "array", "items": document, "minItems": 1, "maxItems": len(titles)}},
    }


def _schema(schema: JsonObject, bounds: Bounds, where: str) -> JsonObject:
    result: JsonObject = {}
    for key, value in schema.items():
        if key in _KEPT:
            result[key] = value
        elif key in _MAPS:
            result[key] = {name: _child(v, bounds, f"{where}/{key}/{name}") for name, v in _mapping(value).items()}
        elif key == "anyOf" and isinstance(value, list):
            result[key] = [_child(option, bounds, f"{where}/anyOf/{i}") for i, option in enumerate(value)]
        elif key not in _DROPPED | _BY_TYPE:
            raise UserError(f"schema {where}: constrained decoding cannot keep {key!r}; leave it out of the contract")
    match schema.get("type"):
        case "object":
            if "properties" not in schema or schema.get("additionalProperties") is not False:
                raise UserError(f"schema {where}: an object must name its properties and allow no others")
            result["additionalProperties"] = False
        case "array":
            result |= _array(schema, bounds, where)
        case "number" | "integer":
            result |= _number(schema)
        case "string" if "enum" not in schema and "const" not in schema:
            patterns = _expanded(_pattern(schema, bounds, where))
            if len(patterns) == 1:
                result["pattern"] = patterns[0]
            else:
                del result["type"]
                result["anyOf"] = [{"type": "string", "pattern": pattern} for pattern in patterns]
        case "string" | "boolean" | "null":
            pass
        case None if not result.keys().isdisjoint(("enum", "const", "$ref", "anyOf")):
            pass
        case other:
            raise UserError(f"schema {where}: type {other!r} cannot be decoded; name one type")
    return result


def _array(schema: JsonObject, bounds: Bounds, where: str) -> JsonObject:
    low, high = _range(schema, "minItems", "maxItems", bounds.items)
    items = _child(schema.get("items"), bounds, f"{where}/items")
    return {"items": items, **({"minItems": low} if low else {}), "maxItems": high}


def _number(schema: JsonObject) -> JsonObject:
    """Return two ends; with them xgrammar also bounds the digits."""
    ends: JsonObject = {key: schema[key] for key in schema if key in _ENDS}
    if ends.keys().isdisjoint(("minimum", "exclusiveMinimum")):
        ends["minimum"] = -_NUMBER_END
    if ends.keys().isdisjoint(("maximum", "exclusiveMaximum")):
        ends["maximum"] = _NUMBER_END
    return ends


def _pattern(schema: JsonObject, bounds: Bounds, where: str) -> str:
    """Return the contract's own pattern where it is bounded, else its one character class under a length."""
    low, high = _range(schema, "minLength", "maxLength", bounds.characters)
    pattern = schema.get("pattern")
    if pattern is None:
        return _repeated(_safe_class(None), low, high)
    if not isinstance(pattern, str) or not (pattern.startswith("^") and pattern.endswith("$")):
        raise UserError(f"schema {where}: a pattern must begin with ^ and end with $")
    if _UNBOUNDED.search(_CLASS.sub("", pattern)) is None:
        if not schema.keys().isdisjoint(("minLength", "maxLength")):
            raise UserError(f"schema {where}: a bounded pattern says its length itself; leave out minLength, maxLength")
        return pattern
    own, quantifier = pattern[1:-2], pattern[-2]
    if _CLASS.fullmatch(own) is None:
        raise UserError(f"schema {where}: bound the pattern {pattern!r}, or make it one character class, ^[…]+$")
    return _repeated(_safe_class(own), max(low, 1) if quantifier == "+" else low, high)


def _repeated(one: str, low: int, high: int) -> str:
    """Return a pattern for ``low`` to ``high`` characters of a class; a long one is in full blocks and a shorter last.

    xgrammar 0.2.8 offers tokens that it then refuses, and vLLM ends the request with status 500, where a quantifier is
    above 128. In blocks the upper end may come out a little lower, never higher.
    """
    if high <= _BLOCK:
        return f"^{one}{{{low},{high}}}$"
    blocks = -(-high // _BLOCK)
    size = high // blocks
    return f"^({one}{{{size}}}){{0,{blocks - 1}}}{one}{{{min(low, size)},{size}}}$"


def _expanded(pattern: str) -> list[str]:
    """Return patterns without optional groups that together mean the same.

    xgrammar 0.2.8 gets ``(…)?`` wrong: under ``^[0-9]([.][0-9A-Z]{1,4})?$`` it also admits the group without its dot.
    """
    found = _OPTIONAL.search(pattern)
    if found is None:
        return [pattern]
    before, after = pattern[: found.start()], pattern[found.end() :]
    return [*_expanded(before + after), *_expanded(before + found[1] + after)]


@cache
def _safe_class(own: str | None) -> str:
    """Return the character class of what ``own`` admits and a one-line JSON string holds without an escape.

    Its characters are listed and go beyond ASCII: such a class xgrammar 0.2.8 compiles in a time that hardly grows with
    the quantifier, while ``[^…]{1,128}`` becomes one state a character, at a token mask each.
    """
    admits = re.compile(own or "(?s:.)").fullmatch
    ranges: list[list[int]] = []
    for point in (p for first, last in _ONE_LINE for p in range(first, last + 1) if admits(chr(p))):
        if ranges and ranges[-1][1] == point - 1:
            ranges[-1][1] = point
        else:
            ranges.append([point, point])
    return "[" + "".join("-".join(_literal(point) for point in sorted(set(ends))) for ends in ranges) + "]"


def _literal(point: int) -> str:
    return "\\" + chr(point) if chr(point) in "[]^-" else chr(point)


def _range(schema: JsonObject, minimum: str, maximum: str, bound: int) -> tuple[int, int]:
    """Return the smaller of the contract's range and the bound; what the contract demands at least always fits."""
    low, high = schema.get(minimum, 0), schema.get(maximum, bound)
    if not isinstance(low, int) or not isinstance(high, int):
        raise UserError(f"schema: {minimum} and {maximum} must be whole numbers")
    return low, min(high, max(low, bound))


def _child(value: JsonValue, bounds: Bounds, where: str) -> JsonObject:
    if not isinstance(value, dict):
        raise UserError(f"schema {where}: constrained decoding needs a schema here")
    return _schema(value, bounds, where)


def _mapping(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}
