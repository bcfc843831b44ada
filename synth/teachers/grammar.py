"""A stochastic grammar, compiled once from YAML and expanded with seeded draws.

A rule is a block of lines, each an alternative. Inside a line ``{a|b|}`` is a choice (nested as deep as wanted, an
empty part is nothing), ``<name>`` another rule and ``$name`` a slot that the caller fills. While one text is written, a
rule gives each of its lines once before it gives any of them again, so that a speaker does not repeat himself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path

from pydantic import ValidationError

from synth.assets import load_yaml, sha256
from synth.catalog import suggest
from synth.draws import Draws
from synth.errors import UserError, first_fault
from synth.records import Record

_FOLDER = Path(__file__).resolve().parent / "grammar"
_SPECIAL = frozenset("{|}<>$")


class Spoken(Record):
    """What is said for terms that no pack explains (units, routes, frequencies), and what a social history is about."""

    units: dict[str, str]
    routes: dict[str, tuple[str, ...]]
    frequencies: dict[str, tuple[str, ...]]
    vitals: dict[str, tuple[str, str]]
    """Vital signs that are derived, not listed in a pack: name and unit, as said."""
    routes_placed: dict[str, tuple[str, ...]]
    """How a drug is given where the frequency names the place, as in ``once daily in each nostril``."""
    places: tuple[str, ...]
    """Words of a frequency that name a place."""
    results: dict[str, tuple[str, ...]]
    """What results are called: of the laboratory (``labs``), of anything else (``studies``), ``both``."""
    kin: str
    """Who writes things down for a patient whose memory fails."""
    apart: dict[str, tuple[str, ...]]
    """Question → fragments of a medical history that is asked about apart."""
    booked: tuple[str, ...]
    """Fragments of a follow-up that has a time."""
    not_booked: tuple[str, ...]
    """Fragments of one that hangs on what happens."""
    dated: tuple[str, ...]
    """Fragments of one whose time is counted from today."""
    good_news: tuple[str, ...]
    """Fragments of a diagnosis's status that a patient is glad to hear."""
    no_good_news: tuple[str, ...]
    """Fragments of a status beside which no other fragment makes the patient glad."""
    private: tuple[str, ...]
    """Fragments of findings of a part of the body that is examined last, after a blank where a word begins."""
    grave: tuple[str, ...]
    """Fragments of a diagnosis that everybody knows to be serious."""
    regions: dict[str, dict[str, str]]
    """Region → what people there say for what others say."""
    everyday: tuple[str, ...]
    """Fragments of a diagnosis of which everybody has heard."""
    health_work: frozenset[str]
    """Words of a social history that says that somebody works in health care."""
    intimate: tuple[str, ...]
    """Fragments of a complaint of which nobody is asked to tell the story."""
    swabs: frozenset[str]
    """Studies of a swab that is taken at the visit."""
    habits: dict[str, tuple[str, ...]]
    """Subject of a social history → fragments of the terms that belong to it."""


class _Source(Record):
    """One file of a grammar's folder; its parts are laid together."""

    extends: str | None = None
    """Grammar whose rules hold where this one has none of its own."""
    spoken: Spoken | None = None
    vitals: dict[str, tuple[str, str]] = {}
    """Besides those of the grammar that is extended."""
    rules: dict[str, str] = {}


class Expansion:
    """The state of one text: its draws, the slots of the line in hand, and which lines each rule has already given."""

    __slots__ = ("below", "draws", "slots", "used", "usual")

    def __init__(self, draws: Draws) -> None:
        self.draws = draws
        self.below = draws.below
        self.slots: Mapping[str, str] = {}
        self.usual: Mapping[str, str] = {}
        """Slots that hold for the whole text, where a line has none of the name."""
        self.used: dict[str, int] = {}


_Node = Callable[[Expansion], str]


class Grammar:
    """Compiled rules; ``revision`` is the first 12 hexadecimal digits of its files' SHA-256.

    Raises ValueError where a line does not parse or names a rule that there is not.
    """

    def __init__(self, rules: Mapping[str, str], spoken: Spoken, revision: str) -> None:
        self.spoken = spoken
        self.revision = revision
        self.rules: dict[str, _Node] = {}
        self.references: dict[str, frozenset[str]] = {}
        """Rule → the rules that it names."""
        for name, block in rules.items():
            parser = _Parser(self.rules)
            lines = [parser.line(line) for line in block.splitlines() if line.strip()]
            if not lines:
                raise ValueError(f"rule {name!r} is empty")
            self.rules[name] = lines[0] if len(lines) == 1 else _rule(name, lines)
            self.references[name] = frozenset(parser.named)
        for name, named in self.references.items():
            if missing := sorted(named - self.rules.keys()):
                raise ValueError(f"rule {name!r}: unknown rule {missing[0]!r}{suggest(missing[0], self.rules)}")

    def expand(self, name: str, state: Expansion, slots: Mapping[str, str]) -> str:
        """Return one text of a rule; KeyError where the rule wants a slot that is not given."""
        state.slots = slots
        return self.rules[name](state)


class _Parser:
    """Turns one line after another into nodes, and remembers the rules that they name."""

    def __init__(self, rules: Mapping[str, _Node]) -> None:
        self._rules = rules
        self._text = ""
        self._at = 0
        self.named: set[str] = set()

    def line(self, text: str) -> _Node:
        """Return the node of a whole line."""
        self._text, self._at = text.strip(), 0
        node = self._sequence()
        if self._at < len(self._text):
            raise ValueError(f"unexpected {self._text[self._at]!r} at {self._at} in {text!r}")
        return _node(node)

    def _sequence(self) -> list[str | _Node]:
        parts: list[str | _Node] = []
        while self._at < len(self._text) and self._text[self._at] not in "|}":
            mark = self._text[self._at]
            if mark == "{":
                parts.append(self._choice())
            elif mark == "<":
                parts.append(self._reference())
            elif mark == "$":
                parts.append(_slot(self._word()))
            else:
                parts.append(self._literal())
        return parts

    def _literal(self) -> str:
        start = self._at
        while self._at < len(self._text) and self._text[self._at] not in _SPECIAL:
            self._at += 1
        if self._at == start:
            raise ValueError(f"unexpected {self._text[start]!r} at {start} in {self._text!r}")
        return self._text[start : self._at]

    def _word(self) -> str:
        start = self._at = self._at + 1
        while self._at < len(self._text) and (self._text[self._at].isalnum() or self._text[self._at] == "_"):
            self._at += 1
        return self._text[start : self._at]

    def _reference(self) -> _Node:
        name = self._word()
        if self._at >= len(self._text) or self._text[self._at] != ">":
            raise ValueError(f"'<{name}' is not closed in {self._text!r}")
        self._at += 1
        self.named.add(name)
        rules = self._rules
        return lambda state: rules[name](state)

    def _choice(self) -> _Node:
        options: list[_Node | str] = []
        while True:
            self._at += 1
            parts = self._sequence()
            literal = "".join(part for part in parts if isinstance(part, str))
            options.append(literal if all(isinstance(part, str) for part in parts) else _node(parts))
            if self._at >= len(self._text):
                raise ValueError(f"'{{' is not closed in {self._text!r}")
            if self._text[self._at] == "}":
                self._at += 1
                return _choose(options)


@lru_cache(maxsize=1 << 12)
def line(text: str) -> Callable[[Expansion], str]:
    """Return what writes one line without rules: its choices and slots; ValueError where it does not parse."""
    return _Parser({}).line(text)


def _node(parts: Sequence[str | _Node]) -> _Node:
    """Return what writes parts one after another; up to three choices are called without a loop, which most lines
    have."""
    texts, nodes = [""], list[_Node]()
    for part in parts:
        if isinstance(part, str):
            texts[-1] += part
        else:
            nodes.append(part)
            texts.append("")
    if not nodes:
        return _constant(texts[0])
    a, one = texts[0], nodes[0]
    if len(nodes) == 1:
        b = texts[1]
        return (lambda state: a + one(state) + b) if a or b else one
    two = nodes[1]
    if len(nodes) == 2:
        _, b, c = texts
        return lambda state: a + one(state) + b + two(state) + c
    if len(nodes) == 3:
        _, b, c, d = texts
        three = nodes[2]
        return lambda state: a + one(state) + b + two(state) + c + three(state) + d
    pairs = list(zip(nodes, texts[1:], strict=True))
    return lambda state: a + "".join([node(state) + text for node, text in pairs])


def _constant(text: str) -> _Node:
    return lambda _state: text


def _slot(name: str) -> _Node:
    return lambda state: state.slots[name] if name in state.slots else state.usual[name]


def _choose(options: Sequence[_Node | str]) -> _Node:
    count = len(options)
    texts = [option for option in options if isinstance(option, str)]
    if len(texts) == count:
        return lambda state: texts[state.below(count)]

    def choose(state: Expansion) -> str:
        chosen = options[state.below(count)]
        return chosen if isinstance(chosen, str) else chosen(state)

    return choose


def _rule(name: str, lines: Sequence[_Node]) -> _Node:
    count = len(lines)
    everything = (1 << count) - 1

    def choose(state: Expansion) -> str:
        given = state.used.get(name, 0)
        if given == everything:
            given = 0
        i = state.below(count)
        while given >> i & 1:
            i = (i + 1) % count
        state.used[name] = given | 1 << i
        return lines[i](state)

    return choose


def grammar_files(name: str) -> list[Path]:
    """Return the files ``grammar/<name>/*.yaml``; UserError where there is no grammar of that name."""
    names = sorted(folder.name for folder in _FOLDER.iterdir() if folder.is_dir())
    if name not in names:
        raise UserError(f"unknown grammar {name!r}{suggest(name, names)}; known: {', '.join(names)}")
    return sorted((_FOLDER / name).glob("*.yaml"))


@cache
def load_grammar(name: str) -> Grammar:
    """Return the grammar in the folder ``grammar/<name>``; UserError where there is none of that name or it does not
    parse."""
    files = grammar_files(name)
    source = _joined(files)
    try:
        if source.extends is not None:
            base = grammar_files(source.extends)
            files = [*base, *files]
            whole = _joined(base)
            if unknown := sorted(source.rules.keys() - whole.rules.keys()):
                raise ValueError(f"extends {source.extends}, which has no rule {unknown[0]!r}")
            spoken = whole.spoken and whole.spoken.model_copy(update={"vitals": whole.spoken.vitals | source.vitals})
            source = _Source(spoken=spoken, rules=whole.rules | source.rules)
        if source.spoken is None:
            raise ValueError("has no part 'spoken'")
        return Grammar(source.rules, source.spoken, sha256(b"".join(file.read_bytes() for file in files))[:12])
    except ValueError as error:
        raise UserError(f"grammar {name}: {error}") from error


def _joined(files: Sequence[Path]) -> _Source:
    """Return what the files of a grammar hold together; UserError where one does not parse or a rule is there twice."""
    parts: dict[str, object] = {}
    rules: dict[str, str] = {}
    for file in files:
        where = f"{file.parent.name}/{file.name}"
        try:
            part = _Source.model_validate(load_yaml(file))
        except ValidationError as error:
            raise UserError(f"{where}: {first_fault(error)}") from error
        if twice := sorted(rules.keys() & part.rules.keys()):
            raise UserError(f"{where}: rule {twice[0]!r} is in another file, too")
        rules |= part.rules
        parts |= {name: getattr(part, name) for name in part.model_fields_set - {"rules"}}
    return _Source.model_validate({**parts, "rules": rules})
