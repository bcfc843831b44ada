"""What a scan or a redaction has come to, for a person: counts, and never a text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from synth.checks.phi import LETTER_OF, SAFE_HARBOR
from synth.privacy.documents import BadRecord, Document, Found

_REPORTED = 20
"""Bad records of one file that are told one by one."""


@dataclass(slots=True)
class Summary:
    """Counts of one command."""

    files: int = 0
    skipped: int = 0
    documents: int = 0
    words: int = 0
    with_findings: int = 0
    findings: Counter[str] = field(default_factory=Counter)
    """By entity type."""
    concerned: Counter[str] = field(default_factory=Counter)
    """Documents by the letter of a class found in them; ``-`` for entity types of no class."""
    bad: Counter[str] = field(default_factory=Counter)
    """Records that could not be read as they should, by reason."""
    _letters: set[str] = field(default_factory=set)
    """Those found in the current document."""

    def add(self, document: Document, findings: tuple[Found, ...], words: int) -> None:
        """Count a document, or a piece of one."""
        if document.begins:
            self._letters = set()
        self.documents += document.begins
        self.words += words
        self.findings.update(found.entity_type for found in findings)
        letters = {LETTER_OF.get(found.entity_type, "-") for found in findings} - self._letters
        self.with_findings += bool(letters) and not self._letters
        self.concerned.update(letters)
        self._letters |= letters

    @property
    def found(self) -> int:
        """How many findings there are."""
        return self.findings.total()

    def lines(self, verb: str = "found") -> list[str]:
        """Return what is told, line by line."""
        lines = [
            f"{_many(self.files, 'file')}, {_many(self.documents, 'document')}, {_many(self.words, 'word')} scanned"
            + (f"; {_many(self.skipped, 'file')} skipped, whose ending is not known" if self.skipped else "")
        ]
        if self.found:
            lines.append(f"{_many(self.found, 'finding')} in {_many(self.with_findings, 'document')}")
            lines.append(f"\n{'Safe Harbor class':<68} {verb:>9} {'documents':>10}")
            rows = [(row.letter, row.title, row.entity_types) for row in SAFE_HARBOR]
            other = tuple(entity for entity in self.findings if entity not in LETTER_OF)
            for letter, title, entities in [*rows, ("-", "no class: " + ", ".join(sorted(other)), other)]:
                count = sum(self.findings[entity] for entity in entities)
                if count:
                    lines.append(f"{letter}  {title:<65} {count:>9,} {self.concerned[letter]:>10,}")
            empty = [row.letter for row in SAFE_HARBOR if not any(self.findings[entity] for entity in row.entity_types)]
            lines.append(
                f"nothing {verb} in class{'es' if len(empty) > 1 else ''} {' '.join(empty)}\n" if empty else ""
            )
        else:
            lines.append("nothing found, which proves nothing: see docs/PHI.md for what this filter misses")
        if self.bad:
            reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(self.bad.items()))
            lines.append(f"not read as they should be: {reasons}")
        return lines


@dataclass(slots=True)
class Reporter:
    """Counts bad records and tells them, the first of each file one by one."""

    summary: Summary
    notify: Callable[[str], None]
    _of_file: Counter[str] = field(default_factory=Counter)

    def tell(self, name: str, bad: BadRecord) -> None:
        """Count a bad record, and say where it is and what is wrong."""
        self.summary.bad[bad.reason] += 1
        self._of_file[name] += 1
        if self._of_file[name] < _REPORTED:
            where = f"{name}:{bad.number}" if bad.number else name
            self.notify(f"{where}: {bad.reason}" + (f" ({bad.detail})" if bad.detail else ""))
        elif self._of_file[name] == _REPORTED:
            self.notify(f"{name}: what else cannot be read is counted and not told")


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
