"""The tree of a pattern in the dialect of the ``regex`` module, with its flags IGNORECASE, DOTALL and MULTILINE."""

from __future__ import annotations

import re
from dataclasses import dataclass

from synth.checks.phi.alphabet import ANY, BEYOND, CLASSES, LETTERS, PLAIN, Chars, mask, stand_in


class Unsupported(ValueError):
    """A pattern holds what the parser does not know."""


@dataclass(frozen=True, slots=True)
class Seq:
    """One after the other; the empty one matches nothing at no width."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Alt:
    """One or the other."""

    options: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """Low to high times; no high is without bound."""

    node: Node
    low: int
    high: int | None


@dataclass(frozen=True, slots=True)
class Look:
    """What must or must not stand after (ahead) or before a place."""

    node: Node
    ahead: bool
    negative: bool


@dataclass(frozen=True, slots=True)
class Edge:
    """``\\b``, ``^`` or ``$``."""

    kind: str


Node = Chars | Seq | Alt | Repeat | Look | Edge
EMPTY = Seq(())
_QUANTIFIER = re.compile(r"(?:([*+?])|\{(\d+)(?:(,)(\d*))?\})[+?]?")
_OPENING = re.compile(r"\(\?(?:(<=|<!|=|!|>|:)|(-?)i:)")
_LOOKS = {"=": (True, False), "!": (True, True), "<=": (False, False), "<!": (False, True)}


class _Parser:
    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.ignore = True
        self.groups: list[tuple[Node, bool]] = []

    def whole(self) -> Node:
        if self._take("(?i)"):
            self.ignore = True
        node = self._alternatives()
        if self.at != len(self.pattern):
            raise Unsupported(self.pattern[self.at :])
        return node

    def _take(self, text: str) -> bool:
        found = self.pattern.startswith(text, self.at)
        self.at += len(text) * found
        return found

    def _alternatives(self) -> Node:
        options = [self._sequence()]
        while self._take("|"):
            options.append(self._sequence())
        return options[0] if len(options) == 1 else Alt(tuple(options))

    def _sequence(self) -> Node:
        items: list[Node] = []
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            node = self._repeated(self._atom())
            items.extend(node.items if isinstance(node, Seq) else (node,))
        return items[0] if len(items) == 1 else Seq(tuple(items))

    def _repeated(self, node: Node) -> Node:
        hit = _QUANTIFIER.match(self.pattern, self.at)
        if hit is None:
            return node
        self.at = hit.end()
        if hit[1]:
            low, high = {"*": (0, None), "+": (1, None), "?": (0, 1)}[hit[1]]
        else:
            low = int(hit[2])
            high = low if not hit[3] else int(hit[4]) if hit[4] else None
        return Repeat(node, low, high)

    def _atom(self) -> Node:
        c = self.pattern[self.at]
        if c == "(":
            return self._group()
        if c == "[":
            return self._set()
        self.at += 1
        if c == "\\":
            return self._escape()
        if c in "^$":
            return Edge(c)
        if c in ".*+?{":
            raise Unsupported(c)
        return self._literal(c)

    def _group(self) -> Node:
        opening = _OPENING.match(self.pattern, self.at)
        if opening is None and self.pattern.startswith("(?", self.at):
            raise Unsupported(self.pattern[self.at : self.at + 4])
        self.at = opening.end() if opening else self.at + 1
        ignore = self.ignore
        if opening and opening[1] is None:
            self.ignore = not opening[2]
        node = self._alternatives()
        self.ignore = ignore
        if not self._take(")"):
            raise Unsupported("no closing bracket")
        if opening is None:
            self.groups.append((node, self.ignore))
        elif opening[1] in _LOOKS:
            return Look(node, *_LOOKS[opening[1]])
        return node

    def _escape(self) -> Node:
        c = self.pattern[self.at]
        self.at += 1
        if c == "K":
            return EMPTY
        if c == "b":
            return Edge("b")
        if c.isdigit():
            if int(c) > len(self.groups) or self.groups[int(c) - 1][1] != self.ignore:
                raise Unsupported(c)  # of the other case, it may match what the group does not
            return self.groups[int(c) - 1][0]
        return self._class(c)

    def _class(self, c: str) -> Chars:
        """Return the set of an escape whose letter was read."""
        if c == "p":
            hit = re.compile(r"\{(Lu|Ll|L)\}").match(self.pattern, self.at)
            if hit is None:
                raise Unsupported(self.pattern[self.at : self.at + 4])
            self.at = hit.end()
            return self._property(hit[1])
        if c.lower() in "dws":
            chars = self._property(c.lower())
            return chars if c.islower() else chars.negated()
        if c in "ntr":
            return self._literal({"n": "\n", "t": "\t", "r": "\r"}[c])
        if c.isalnum():
            raise Unsupported(f"\\{c}")
        return self._literal(c)

    def _property(self, name: str) -> Chars:
        if self.ignore and name in ("Lu", "Ll"):
            return Chars(LETTERS | BEYOND, 0)
        return Chars(CLASSES[name] | mask(ANY), CLASSES[name])

    def _literal(self, c: str) -> Chars:
        if c not in PLAIN:
            return Chars(BEYOND if c.lower() != c.upper() else mask(stand_in(c) + ANY), 0)
        must = mask(c.lower() + c.upper() if self.ignore else c)
        return Chars(must | mask(ANY), must)

    def _set(self) -> Chars:
        self.at += 1
        negated = self._take("^")
        chars = Chars(0, 0)
        first = True
        while first or not self._take("]"):
            if self.at >= len(self.pattern):
                raise Unsupported("no closing bracket")
            first = False
            chars |= self._member()
        return chars.negated() if negated else chars

    def _member(self) -> Chars:
        c = self.pattern[self.at]
        self.at += 1
        if c == "[":
            raise Unsupported("a set in a set")
        if c == "\\":
            self.at += 1
            return self._class(self.pattern[self.at - 1])
        following = self.pattern[self.at : self.at + 2]
        if following[:1] != "-" or following[1:] in ("]", ""):
            return self._literal(c)
        if following[1] in "\\[" or not (c + following[1]).isascii():
            raise Unsupported(f"{c}{following}")
        self.at += 2
        chars = Chars(0, 0)
        for code in range(ord(c), ord(following[1]) + 1):
            chars |= self._literal(chr(code))
        return chars


def parse(pattern: str) -> Node:
    """Return the tree of a pattern; Unsupported where it holds what has no place in one."""
    return _Parser(pattern).whole()
