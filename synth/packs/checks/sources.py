"""Every clinical statement has a source, and nothing stands in the pack that is never used."""

from __future__ import annotations

from synth.packs.checks.base import Found, lines
from synth.packs.pack import Pack

_YEARS = range(1990, 2100)
"""Of a guideline."""
_LABEL = "prescribing information"


def source_problems(pack: Pack) -> Found:
    """Yield conditions without a dated guideline, and entries that nothing uses."""
    for name, condition in pack.conditions.items():
        guideline = pack.citations[condition.sources[0]]
        if _LABEL in guideline.title:
            yield name, f"its first source, {condition.sources[0]}, is a drug label; name a guideline first"
        elif guideline.year not in _YEARS:
            yield (
                name,
                f"its guideline {condition.sources[0]} is of {guideline.year}; name one with the year it came out",
            )
    for name, citation in pack.citations.items():
        if not all(text.strip() for text in (citation.title, citation.publisher, citation.reference)):
            yield f"citation {name}", "is incomplete; give title, publisher and reference"
    yield from _unused(pack)


def _unused(pack: Pack) -> Found:
    items = [line.presentation for line in lines(pack)]
    history = {name for line in lines(pack) for group in line.history_groups(pack) for name in group}
    complaints = {c.name for p in items for c in p.complaints}
    drugs = {d for p in items for group in p.medications for d in group}
    drugs |= {name for p in items for i in p.plan for name in i.drugs}
    drugs |= {d for name in history for d in pack.history[name].medications}
    sources = {s for c in pack.conditions.values() for s in c.sources}
    sources |= {s for lab in pack.labs.values() for s in lab.sources}
    sources |= {s for vital in pack.vitals.values() for s in vital.sources}
    sources |= {s for p in items if p.case is not None for s in p.case.sources}
    for drug in pack.drugs.values():
        sources |= {*drug.sources, *(s for entry in drug.contraindications for s in entry.sources)}
        sources |= {*drug.limits.sources} if drug.limits else set()
    used: tuple[tuple[str, set[str], set[str]], ...] = (
        ("symptom", {*pack.symptoms}, {s for p in items for s in p.symptoms}),
        ("occasion", {*pack.occasions}, complaints),
        ("finding", {*pack.findings}, {f for p in items for group in p.findings for f in group}),
        ("study", {*pack.studies}, {s for p in items for s in p.studies}),
        ("lab", {*pack.labs}, {lab for p in items for lab in p.labs}),
        ("history", {*pack.history}, history),
        ("drug", {*pack.drugs}, drugs),
        ("citation", {*pack.citations}, sources),
    )
    for kind, there, needed in used:
        for name in sorted(there - needed):
            yield f"{kind} {name}", "is used nowhere; use it or take it out"
    results = {(s, r) for p in items for s, group in p.studies.items() for r in group}
    for study, entries in pack.studies.items():
        for result in entries:
            if (study, result) not in results and study in {s for s, _ in results}:
                yield f"study {study}, {result}", "is used nowhere; use it or take it out"
