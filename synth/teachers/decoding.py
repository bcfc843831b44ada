"""Contract → decoding schema: the subset of a JSON Schema that constrained decoding can hold a server to.

A contract says what is valid; it leaves room that a decoder must not have. With vLLM 0.32 and xgrammar 0.2.8 a string under ``minLength``
and ``maxLength`` could hold raw control characters (not JSON), and a string, number or array without a bound may run to the token limit.
So every string gets a bounded pattern that needs no escapes, every number two ends, every array a small ``maxItems``. What the decoding
schema admits is always valid under the contract; the reverse does not hold.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from synth.errors import UserError
from synth.records import JsonObject

_NUMBER_END = 1_000_000_000
_DROPPED = {"$schema", "$id", "$comment", "title", "description", "examples", "default", "deprecated"}
_PLAIN = {"type", "enum", "const", "required", "$ref"}
_SUBSCHEMA_MAPS = {"properties", "$defs"}
_BOUNDS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
_STRING = {"pattern", "minLength", "maxLength"}
_ARRAY = {"items", "minItems", "maxItems"}
_UNBOUNDED = re.compile(r"(?<!\\)[*+]|\{\d+,\}")
_ONE_CLASS = re.compile(r"\^\[\^((?:[^\]\\]|\\.)*)\][+*]\$")
_EXCLUDED = r'"\\\x00-\x1f\x7f'
"""What needs an escape inside a JSON string (RFC 8259, section 7), and DEL."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a decoder may write where the contract would allow more."""

    items: int = 24
    """Items of one array."""
    characters: int = 1200
    """Characters of one string."""


def text_schema(minimum: int, maximum: int) -> JsonObject:
    """Return the schema of a one-line text of so many characters that needs no escapes in JSON."""
    return {"type": "string", "pattern": f"^[^{_EXCLUDED}]{{{minimum},{maximum}}}$"}


def decoding_schema(contract: JsonObject, bounds: Bounds | None = None) -> JsonObject:
    """Return the schema that the server is asked to decode under; ``$defs`` and the order of properties are kept.

    Raises UserError where the contract uses a keyword, or a pattern, whose meaning would be lost.
    """
    return _schema(contract, bounds or Bounds(), "#")


def turns_schema(turns: int = 120, characters: int = 600) -> JsonObject:
    """Return the schema of a source as JSON: 2 to ``turns`` turns with a speaker and a text of up to so many characters.

    ACI-Bench dialogues have a mean of 55 turns (Yim et al., Scientific Data 2023), so the bounds cut none of the usual length.
    """
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
        "properties": {"turns": {"type": "array", "minItems": 2, "maxItems": turns, "items": turn}},
    }


def _schema(schema: JsonObject, bounds: Bounds, where: str) -> JsonObject:
    result: JsonObject = {}
    for key, value in schema.items():
        if key in _DROPPED:
            continue
        if key in _PLAIN:
            result[key] = value
        elif key in _SUBSCHEMA_MAPS:
            result[key] = {k: _child(v, bounds, f"{where}/{key}/{k}") for k, v in _mapping(value, where).items()}
        elif key == "anyOf":
            options = value if isinstance(value, list) else []
            result[key] = [_child(option, bounds, f"{where}/anyOf/{i}") for i, option in enumerate(options)]
        elif key not in {"additionalProperties", *_STRING, *_BOUNDS, *_ARRAY}:
            raise UserError(f"schema {where}: keyword {key!r} cannot be kept by constrained decoding; leave it out")
    kind = schema.get("type")
    if kind == "object":
        if schema.get("additionalProperties", False) is not False or "properties" not in schema:
            raise UserError(f"schema {where}: an object needs its properties, and no others, to be decoded")
        result["additionalProperties"] = False
    elif kind == "array":
        result |= _array(schema, bounds, where)
    elif kind in ("number", "integer"):
        result |= _number(schema)
    elif kind == "string" and "enum" not in schema and "const" not in schema:
        result["pattern"] = _pattern(schema, bounds, where)
    elif kind not in ("string", "boolean", "null", None):
        raise UserError(f"schema {where}: type {kind!r} cannot be decoded; name one type")
    return result


def _array(schema: JsonObject, bounds: Bounds, where: str) -> JsonObject:
    if "items" not in schema:
        raise UserError(f"schema {where}: an array needs items to be decoded")
    low = _whole(schema, "minItems", 0)
    high = min(_whole(schema, "maxItems", bounds.items), max(low, bounds.items))
    return {
        "items": _child(schema["items"], bounds, f"{where}/items"),
        **({"minItems": low} if low else {}),
        "maxItems": high,
    }


def _number(schema: JsonObject) -> JsonObject:
    ends: JsonObject = {key: schema[key] for key in schema if key in _BOUNDS}
    if ends.keys().isdisjoint(("minimum", "exclusiveMinimum")):
        ends["minimum"] = -_NUMBER_END
    if ends.keys().isdisjoint(("maximum", "exclusiveMaximum")):
        ends["maximum"] = _NUMBER_END
    return ends


def _pattern(schema: JsonObject, bounds: Bounds, where: str) -> str:
    """Return a bounded pattern: the contract's own where it is bounded, else its one character class under a length."""
    low = _whole(schema, "minLength", 0)
    high = min(_whole(schema, "maxLength", bounds.characters), max(low, bounds.characters))
    pattern = schema.get("pattern")
    if pattern is None:
        return f"^[^{_EXCLUDED}]{{{low},{high}}}$"
    if not isinstance(pattern, str) or not (pattern.startswith("^") and pattern.endswith("$")):
        raise UserError(f"schema {where}: a pattern needs ^ and $ to be decoded")
    if _UNBOUNDED.search(re.sub(r"\[(?:[^\]\\]|\\.)*\]", "", pattern)) is None:
        if "minLength" in schema or "maxLength" in schema:
            raise UserError(
                f"schema {where}: a bounded pattern says its length itself; leave out minLength and maxLength"
            )
        return pattern
    found = _ONE_CLASS.fullmatch(pattern)
    if found is None:
        raise UserError(f"schema {where}: pattern {pattern!r} has no upper length; bound it, or use one class ^[^…]+$")
    own = re.sub(r"\\u00([0-9a-f]{2})", r"\\x\1", found[1]).replace(r"\x00-\x1f\x7f", "").replace(r"\x00-\x1f", "")
    return f"^[^{_EXCLUDED}{own}]{{{max(low, 1) if pattern.endswith('+$') else low},{high}}}$"


def _child(value: JsonValue, bounds: Bounds, where: str) -> JsonObject:
    return _schema(_mapping(value, where), bounds, where)


def _mapping(value: JsonValue, where: str) -> JsonObject:
    if not isinstance(value, dict):
        raise UserError(f"schema {where}: needs an object")
    return value


def _whole(schema: Mapping[str, JsonValue], key: str, default: int) -> int:
    value = schema.get(key, default)
    return value if isinstance(value, int) else default
