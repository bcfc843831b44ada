"""The contract check: rejects a target that breaks its task's JSON Schema, and a source that says nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Protocol

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from pydantic import JsonValue

from synth.assets import load_schema
from synth.catalog import Task
from synth.checks.base import reject
from synth.records import Encounter, JsonObject, Rejection, Source, Transcript


def _pattern(
    _validator: Validator, pattern: str, instance: object, _schema: Mapping[str, object]
) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not _compiled(pattern).search(instance):
        yield ValidationError("does not match the pattern")


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    # JSON Schema means ECMA-262, where ``$`` is the end; Python's ``$`` also lets a last line break through.
    return re.compile(re.sub(r"(?<!\\)\$$", r"\\Z", pattern))


def _type(
    validator: Validator, kind: str | list[str], instance: object, schema: Mapping[str, object]
) -> Iterator[ValidationError]:
    if isinstance(instance, float) and not math.isfinite(instance):
        # Python reads ``NaN``, and every comparison with it is false, so no bound of the contract would stop it.
        yield ValidationError("is not a JSON number")
        return
    if isinstance(instance, str) and not is_unicode(instance):
        yield ValidationError("holds half a character")
        return
    yield from Draft202012Validator.VALIDATORS["type"](validator, kind, instance, schema)


_Contract: type[Validator] = extend(  # type: ignore[no-untyped-call]  # untyped in types-jsonschema
    Draft202012Validator, {"pattern": _pattern, "type": _type}
)


@cache
def contract(schema_name: str) -> Validator:
    """Return the compiled validator of ``schemas/<schema_name>.schema.json``.

    Stricter than the stock one in what cannot stand in a JSON log: line ends, ``NaN``, lone surrogates.
    """
    schema = load_schema(schema_name)
    Draft202012Validator.check_schema(schema)
    return _Contract(schema)


_COMPARABLE = frozenset(
    {"$schema", "$id", "$ref", "$defs", "title", "description", "type", "enum", "pattern", "minLength", "maxLength"}
    | {"properties", "required", "additionalProperties", "items", "minItems", "maxItems"}
    | {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
)
"""Keywords that both validators read alike; not ``multipleOf`` (0.3 of 0.1), nor ``not`` and ``oneOf``, under which a
stricter reading is a laxer one."""
_COMPARABLE_PATTERN = re.compile(r"(?:[^\\(]|\\u[0-9A-Fa-f]{4}|\\[^\w]|\((?!\?))*")
"""Without classes such as ``\\d``, of which ECMA-262 and Python disagree, and without assertions."""


def comparable(schema: JsonValue) -> bool:
    """Return whether the fast validator surely finds nothing valid under a schema that the contract's own does not."""
    if not isinstance(schema, dict):
        return isinstance(schema, bool)
    pattern, reference = schema.get("pattern", ""), schema.get("$ref", "#/$defs/")
    if not isinstance(pattern, str) or not _COMPARABLE_PATTERN.fullmatch(pattern):
        return False
    if not schema.keys() <= _COMPARABLE or not str(reference).startswith("#/$defs/"):
        return False
    below = [schema[key] for key in ("items", "additionalProperties") if key in schema]
    for key in ("properties", "$defs"):
        named = schema.get(key, {})
        below.extend(named.values() if isinstance(named, dict) else [None])
    return all(map(comparable, below))


@cache
def _fast(schema_name: str) -> _Fast:
    return _Fast(load_schema(schema_name))


class _Fast:
    """What decides, in a hundredth of the time, that a value surely holds under a contract or a part of it."""

    def __init__(self, schema: JsonObject) -> None:
        self._schema = schema
        self._comparable = comparable(schema)
        self._parts: dict[int, Callable[[JsonValue], bool]] = {}

    def surely_holds(self, value: JsonValue, part: JsonValue = None) -> bool:
        """Return whether a value surely holds; ``part`` is one of the contract's own subschemas, None for all of it."""
        part = self._schema if part is None else part
        if not self._comparable or not isinstance(part, dict):
            return False
        if id(part) not in self._parts:
            from jsonschema_rs import Draft202012Validator as Fast

            self._parts[id(part)] = Fast({**part, "$defs": self._schema.get("$defs", {})}).is_valid
        try:
            return self._parts[id(part)](value)
        except ValueError:  # a lone surrogate, or nesting that is too deep for it
            return False


class _Descending(Protocol):
    """A validator's own way down, which its protocol leaves out."""

    def descend(
        self, instance: JsonValue, schema: JsonValue, path: str | int, schema_path: str | None = None
    ) -> Iterator[ValidationError]: ...


@cache
def _guided(schema_name: str) -> Validator:
    """Return ``contract``, which finds the same in the same order, but goes down only where something may be wrong."""
    fast = _fast(schema_name)

    def properties(
        validator: _Descending, below: Mapping[str, JsonValue], instance: JsonValue, _schema: Mapping[str, object]
    ) -> Iterator[ValidationError]:
        if isinstance(instance, dict):
            for name, part in below.items():
                if name in instance and not fast.surely_holds(instance[name], part):
                    yield from validator.descend(instance[name], part, name, name)

    def items(
        validator: _Descending, part: JsonValue, instance: JsonValue, schema: Mapping[str, object]
    ) -> Iterator[ValidationError]:
        if not isinstance(part, dict):
            yield from Draft202012Validator.VALIDATORS["items"](validator, part, instance, schema)
        elif isinstance(instance, list):
            for i, one in enumerate(instance):
                if not fast.surely_holds(one, part):
                    yield from validator.descend(one, part, i)

    whole = contract(schema_name)
    if not comparable(load_schema(schema_name)):
        return whole
    guided: type[Validator] = extend(  # type: ignore[no-untyped-call]  # untyped in types-jsonschema
        type(whole), {"properties": properties, "items": items}
    )
    return guided(whole.schema)


def first_violation(schema_name: str, target: JsonObject) -> str | None:
    """Return where and how a target breaks its contract; None where it holds.

    One line with the JSON pointer (RFC 6901) and the failing keyword, such as
    ``/objective_exam/vitals/0/value: maximum``; it quotes nothing of the target. A fast validator passes what surely
    holds; of the rest, ``contract`` decides what it does not pass.
    """
    if _fast(schema_name).surely_holds(target):
        return None
    error = next(iter(_guided(schema_name).iter_errors(target)), None)
    return None if error is None else f"{pointer(error.absolute_path) or '(root)'}: {error.validator}"


def pointer(path: Iterable[str | int]) -> str:
    """Return the JSON pointer (RFC 6901) of a path of keys and positions."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def is_unicode(text: str) -> bool:
    """Return whether a text can be written as UTF-8; JSON's escapes can spell lone surrogates, which cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def emptiness(source: Source) -> tuple[str, str] | None:
    """Return reason and detail where a transcript is no dialogue of two speakers, or a case has no document or an
    empty one; None where there is something to read."""
    if isinstance(source, Transcript):
        speakers = {turn.speaker for turn in source.turns if turn.text.strip()}
        return None if len(speakers) > 1 else ("no_dialogue", f"{len(source.turns)} turns, not of two speakers")
    written = sum(bool(text.strip()) for text in source.passages)
    whole = 0 < written == len(source.passages)
    return None if whole else ("no_documents", f"{written} of {len(source.passages)} documents hold text")


class SchemaCheck:
    """Rejects a source that says nothing (``no_dialogue``, ``no_documents``) or is no text (``not_unicode``), and a
    target that breaks its contract (``not_valid_under_contract``)."""

    name = "schema"

    def __init__(self, task: Task) -> None:
        self._schema_name = task.schema_name

    def __call__(self, encounter: Encounter) -> Encounter | Rejection:
        """Return the encounter unchanged, or its rejection."""
        if (empty := emptiness(encounter.source)) is not None:
            return reject(encounter, self.name, *empty, part="source")
        if not is_unicode(encounter.source.text):
            detail = "the source holds a lone surrogate"
            return reject(encounter, self.name, "not_unicode", detail, part="source")
        violation = first_violation(self._schema_name, encounter.target)
        if violation is not None:
            return reject(encounter, self.name, "not_valid_under_contract", violation, part="target")
        return encounter
