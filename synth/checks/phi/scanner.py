"""Scanning: texts → findings, by this project's recognisers under Presidio, and by a model where the user names one.

**Bounds.** A text is read in windows of 50,000 characters, so memory and time grow with its length and no faster. A
scan may take ``SECONDS`` of processor time, and more for a long text (``SECONDS_PER_MILLION``); what it has not read by
then, and what a recogniser or the model failed on, is a finding of the type ``UNREAD``. So none takes longer than that
and one window, and none passes over a text in silence. No scan of an ordinary text comes near the bound.
"""

from __future__ import annotations

import os
import re
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import version

from synth.catalog import suggest
from synth.checks.phi.evidence import WEAK
from synth.checks.phi.finders import find
from synth.checks.phi.lexicon import lexicon
from synth.checks.phi.models import locate, model_versions
from synth.checks.phi.reading import PLACEHOLDER, UNREAD, Unread, unmasked, windows, within
from synth.checks.phi.safe_harbor import SAFE_HARBOR
from synth.errors import UserError
from synth.records import PhiFinding

SECONDS = 60.0
"""Of this thread's processor time that a scan may take, whatever its text."""
SECONDS_PER_MILLION = (20.0, 2_000.0)
"""As many more for every million characters: without a model, and with one."""
_WINDOW, _MARGIN = 50_000, 2_100
"""Characters; a window's margins on both sides are read too, and are longer than what a pattern matches."""
_SEPARATOR = "\n\x00\n"
"""Between fields that are scanned together: no pattern crosses a NUL."""

_WITHIN_NAME = re.compile(r"[ ]|-|[,.][ ]|\.|\^{1,3}|[ ][\"“(]|[\"”)][ ]|['’]|[ ](?:of|de|la|del|the)[ ]")
"""What stands between the parts of a name: Obara, J. "Joe" de la Cruz."""
_BETWEEN = re.compile(r"(?!(?:and|the|for|with|from)\b)[^\W_]{3,}(?:.*[^\W_])?|\d+", re.DOTALL)
"""What is worth a finding between two others."""
_SHORT = re.compile(r"(?<![^\W_])(?:[^\W\d_]|Jr|Sr|St|Ste|Ave|Blvd|Rd|Ln|Co|Inc|Ltd|Hosp|Dept)\Z")
"""What is written with a full stop after it."""
_OPENED = {")": "(", '"': '"', "”": "“", "]": "["}
_Found = tuple[int, int, float, str, str]
"""Start, end, negative score, entity type and recogniser; of several at one place the least is the best."""


class Scanner:
    """Finds what looks like an identifier. Pure; ``scanner`` gives the one of this process."""

    def __init__(self, thresholds: Mapping[str, float] | None = None, model: str | None = None) -> None:
        """``thresholds``: the least score of a finding by entity type, in place of the recognisers' own; 0 to 1.

        ``model``: a named-entity model that runs besides, such as ``spacy:en_core_web_lg``; it is loaded with the first
        text. UserError for an unknown entity type, a score that is none, or a model that is not on this machine.
        """
        self._thresholds = tuple(sorted(_checked(thresholds or {}).items()))
        self._model = model
        if model:
            locate(model)

    def text(self, text: str, field: str = "source", *, prefilter: bool = True) -> tuple[PhiFinding, ...]:
        """Return what looks like an identifier in a text, by position; offsets are code points, ``text[start:end]``.

        A finding holds no text, and no two overlap. Placeholders such as
        ``{{patient_name}}`` are no findings. Without the prefilter every pattern reads the whole text: the findings
        are the same, and the time is many times that.
        """
        return self.fields({field: text}, prefilter=prefilter)

    def fields(self, fields: Mapping[str, str], *, prefilter: bool = True) -> tuple[PhiFinding, ...]:
        """Return the findings in several texts, in order: those of ``text`` on each, at a fraction of the time."""
        names = list(fields)
        starts: list[int] = []
        position = 0
        for text in fields.values():
            starts.append(position)
            position += len(text) + len(_SEPARATOR)
        joined = _SEPARATOR.join(fields.values())
        findings: list[PhiFinding] = []
        for start, end, score, entity_type, recognizer in _disjoint(joined, self._found(joined, prefilter)):
            at = bisect_right(starts, start) - 1
            # Only what is unread goes over several fields.
            while at < len(names) and starts[at] < end:
                first = max(start, starts[at])
                last = min(end, starts[at] + len(fields[names[at]]))
                if first < last:
                    findings.append(
                        PhiFinding(
                            field=names[at],
                            entity_type=entity_type,
                            start=first - starts[at],
                            end=last - starts[at],
                            score=-score,
                            recognizer=recognizer,
                        )
                    )
                at += 1
        return tuple(findings)

    def _found(self, text: str, prefilter: bool) -> list[_Found]:
        """Return the findings in a text as it is written and, where it looks otherwise, as it looks.

        Both, because what is invisible may be all that parts a name from a word, and what looks Latin may be Greek.
        """
        allowed = SECONDS + SECONDS_PER_MILLION[bool(self._model)] * len(text) / 1e6
        until = time.thread_time() + allowed
        looks = unmasked(text)
        if looks is None:
            return list(self._read(text, prefilter, self._model, until))
        found = list(self._read(text, prefilter, None, until))
        for start, end, *rest in self._read(looks.text, prefilter, self._model, until):
            found.append((*looks.written(start, end), *rest))  # type: ignore[arg-type]  # unpacking loses their types
        return found

    def _read(self, text: str, prefilter: bool, model: str | None, until: float) -> Iterator[_Found]:
        """Yield the findings in a text, window by window; one that reaches over two may come twice, in parts."""
        for start, end in windows(text, _WINDOW):
            if time.thread_time() > until:
                yield start, len(text), -1.0, UNREAD, "time bound"
                return
            first, last = max(0, start - _MARGIN), min(len(text), end + _MARGIN)
            try:
                for found in self._analyzed(text[first:last], prefilter, model):
                    if first + found[1] > start and first + found[0] < end:
                        yield first + found[0], first + found[1], *found[2:]
            except (Unread, TimeoutError):
                yield start, end, -1.0, UNREAD, model or "time bound"

    def _analyzed(self, text: str, prefilter: bool, model: str | None) -> list[_Found]:
        placeholders = [hit.span() for hit in PLACEHOLDER.finditer(text)]
        if not model:
            hits = find(text, prefilter).values()
            if all(within(placeholders, start, end) for found in hits for start, end, _ in found):
                return []  # Presidio would have no result to weigh, and most texts need not even load it
        # Presidio takes a GPU that torch sees; beside a teacher it must not.
        os.environ.setdefault("PRESIDIO_DEVICE", "cpu")
        from synth.checks.phi.engine import engine

        nobody = sorted([*placeholders, *(hit.span() for hit in _bodies().finditer(text))])
        return [
            (r.start, r.end, -r.score, r.entity_type, r.recognition_metadata["recognizer_name"])
            for r in engine(prefilter, self._thresholds, model).analyze(text, "en")
            if not within(nobody, r.start, r.end)
        ]


@cache
def _bodies() -> re.Pattern[str]:
    """Return a pattern of the names of bodies that publish guidelines, several in a row and a year after them."""
    names = sorted(lexicon().public_bodies, key=lambda name: (-len(name), name))
    one = rf"(?:{'|'.join(map(re.escape, names))})"
    led = r"\b(?:(?:of|by|from|in|at|to|with) )?(?:the )?"
    return re.compile(rf"{led}{one}(?:, {one})*\b(?:, (?:19|20)\d\d\b)?", re.IGNORECASE)


def _disjoint(text: str, found: Iterable[_Found]) -> list[_Found]:
    """Return findings in order, none within or over another.

    Sure findings come first: of those that lie within one another the widest is kept, and two that overlap are one. A
    weak one that lies over one sure finding widens it, because a sure rule often knows only a part; one that lies over
    several fills what is between them.
    """
    ordered = sorted(found, key=lambda f: (f[0], -f[1], *f[2:]))
    sure = _merged(text, [f for f in ordered if -f[2] >= WEAK])
    starts = [f[0] for f in sure]
    more: list[_Found] = []
    for start, end, *rest in (f for f in ordered if -f[2] < WEAK):
        first = max(bisect_right(starts, start) - 1, 0)
        inside = [at for at in range(first, bisect_left(starts, end)) if sure[at][1] > start]
        if len(inside) == 1:
            at = inside[0]
            sure[at] = (min(start, sure[at][0]), max(end, sure[at][1]), *sure[at][2:])
        elif inside:
            edges = [start, *(edge for at in inside for edge in sure[at][:2]), end]
            for left, right in zip(edges[::2], edges[1::2], strict=True):
                if hit := _BETWEEN.search(text, left, right):
                    more.append((hit.start(), hit.end(), *rest))  # type: ignore[arg-type]  # unpacking loses their types
        else:
            more.append((start, end, *rest))  # type: ignore[arg-type]  # as above
    merged = _merged(text, sorted([*sure, *more], key=lambda f: (f[0], -f[1], *f[2:])))
    return [
        (start, _with_mark(text, start, end, entity_type), score, entity_type, recognizer)
        for start, end, score, entity_type, recognizer in merged
    ]


def _with_mark(text: str, start: int, end: int, entity_type: str) -> int:
    """Return where a finding ends with the mark that belongs to it: the full stop of an initial or of an abbreviation,
    the bracket or quotation mark that closes one within."""
    mark = text[end : end + 1]
    if mark == "." and entity_type in ("PERSON", "LOCATION") and _SHORT.search(text, max(start, end - 6), end):
        return end + 1
    inside = text[start:end]
    opened = _OPENED.get(mark)
    if opened and (inside.count(mark) % 2 if opened == mark else inside.count(opened) > inside.count(mark)):
        return end + 1
    return end


def _is_one(entity_type: str, after: str, gap: str) -> bool:
    """Return whether findings of these types with this between them are one; parts of a name go by either type."""
    if entity_type == after and gap in (" ", "-"):
        return entity_type != UNREAD
    return {entity_type, after} <= {"PERSON", "LOCATION"} and _WITHIN_NAME.fullmatch(gap) is not None


def _merged(text: str, ordered: Iterable[_Found]) -> list[_Found]:
    """Return ordered findings with those as one that overlap, or are parts of one thing with only a blank between."""
    kept: list[_Found] = []
    for start, end, score, entity_type, recognizer in ordered:
        if kept and end <= kept[-1][1]:
            continue
        beside = kept and _is_one(kept[-1][3], entity_type, text[kept[-1][1] : start])
        if kept and (start < kept[-1][1] or beside):
            last = kept.pop()
            surer = min(last, (last[0], end, score, entity_type, recognizer), key=lambda f: f[2])
            kept.append((last[0], end, *surer[2:]))
        else:
            kept.append((start, end, score, entity_type, recognizer))
    return kept


def _checked(thresholds: Mapping[str, float]) -> dict[str, float]:
    """Return thresholds by entity type in capitals; UserError for an unknown type, or a score outside 0 to 1."""
    known = sorted(entity_type for c in SAFE_HARBOR for entity_type in c.entity_types)
    checked: dict[str, float] = {}
    for name, score in thresholds.items():
        if name.upper() not in known:
            near = suggest(name, [entity_type.lower() for entity_type in known])
            raise UserError(f"unknown entity type {name!r}{near}; known: {', '.join(known)}")
        if not 0.0 <= score <= 1.0:
            raise UserError(f"the threshold of {name} is {score}; give a number from 0 to 1")
        checked[name.upper()] = float(score)
    return checked


@cache
def scanner(thresholds: tuple[tuple[str, float], ...] = (), model: str | None = None) -> Scanner:
    """Return this process's scanner of these settings; UserError as ``Scanner``."""
    return Scanner(dict(thresholds), model)


def scan_text(text: str, field: str = "source", *, prefilter: bool = True) -> tuple[PhiFinding, ...]:
    """Return what looks like an identifier in a text: ``Scanner.text`` with the recognisers' own thresholds."""
    return scanner().text(text, field, prefilter=prefilter)


def scan_fields(fields: Mapping[str, str], *, prefilter: bool = True) -> tuple[PhiFinding, ...]:
    """Return the findings in several texts: ``Scanner.fields`` with the recognisers' own thresholds."""
    return scanner().fields(fields, prefilter=prefilter)


def engine_versions(model: str | None = None) -> dict[str, str]:
    """Return the versions of the packages whose change may change a finding, and what identifies the model."""
    packages = {name: version(name) for name in ("presidio-analyzer", "regex")}
    return packages | (model_versions(model) if model else {})
