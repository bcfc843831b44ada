"""What a release has to say about identifiers, class by class of Safe Harbor: what was found and what became of it,
what is published in their place, and how much of such things the check is known to find."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from synth.config import RunConfig
from synth.identities import catalogue
from synth.ledger import QUARANTINED
from synth.publish import Summary
from synth.runs import read_rejections

Recall = tuple[int, int, float, float]
"""Found, planted, and the ends of the 95 % Wilson interval of found over planted, 0 to 1."""
ACTIONS = ("rejected", "quarantined", "redacted", "replaced")
_REST = "R"
"""Class of an entity type that no class names."""


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """One class of the rule."""

    letter: str
    title: str
    entity_types: tuple[str, ...]
    how: str
    """What the check looks for."""
    found: int
    """Spans in the candidates as they were decided."""
    actions: tuple[tuple[str, int], ...]
    """What was done with how many of them; nothing that is 0."""
    published: int
    """Placeholders that were filled, tagged or kept."""
    recall: Recall | None


@dataclass(frozen=True, slots=True)
class Release:
    """The Safe Harbor table of a run."""

    checked: bool
    """Whether the PHI check ran at all."""
    rows: tuple[ReleaseRow, ...]
    placeholders: tuple[tuple[str, int], ...]
    """How often each kind of placeholder is in the data, commonest first."""
    versions: Mapping[str, str]
    """Of the engine."""
    model: str | None

    @property
    def found(self) -> int:
        """Spans of all classes."""
        return sum(row.found for row in self.rows)

    @property
    def measured(self) -> bool:
        """Whether recall was measured."""
        return any(row.recall is not None for row in self.rows)

    @property
    def recall(self) -> tuple[int, int]:
        """Found and planted, over all classes."""
        known = [row.recall for row in self.rows if row.recall is not None]
        return sum(found for found, *_ in known), sum(planted for _, planted, *_ in known)


def safe_harbor_release(
    run: Path, config: RunConfig, summary: Summary, recall: Mapping[str, Recall] | None = None
) -> Release:
    """Return the table of a run from its logs; ``recall`` by the letter of the class, where it was measured."""
    from synth.checks.phi import LETTER_OF, SAFE_HARBOR, engine_versions

    done = Counter(summary.findings)
    for rejection in read_rejections(run):
        action = "quarantined" if rejection.reason == QUARANTINED else "rejected"
        done.update((finding.entity_type, action) for finding in rejection.findings)
    by_class: Counter[tuple[str, str]] = Counter()
    for (entity_type, action), count in done.items():
        by_class[LETTER_OF.get(entity_type, _REST), action] += count
    kinds = catalogue().placeholders
    published: Counter[str] = Counter()
    for name, count in summary.identifiers.items():
        published[LETTER_OF.get(kinds[name].entity_type, _REST)] += count
    rows = tuple(
        ReleaseRow(
            letter=row.letter,
            title=row.title,
            entity_types=row.entity_types,
            how=row.how,
            found=sum(by_class[row.letter, action] for action in ACTIONS),
            actions=tuple((action, n) for action in ACTIONS if (n := by_class[row.letter, action])),
            published=published[row.letter],
            recall=recall.get(row.letter) if recall else None,
        )
        for row in SAFE_HARBOR
    )
    return Release(
        checked="phi" in config.checks,
        rows=rows,
        placeholders=tuple(sorted(summary.identifiers.items(), key=lambda item: (-item[1], item[0]))),
        versions=engine_versions(config.phi.model),
        model=config.phi.model,
    )
