"""What a presentation takes, starts and stops: a coherent plan, and no drug that its own patients must not have."""

from __future__ import annotations

from collections.abc import Mapping

from synth.packs.checks.base import Found, Line, lines
from synth.packs.pack import Pack
from synth.packs.safety import Patient, objections
from synth.records import Number


def presentation_problems(pack: Pack) -> Found:
    """Yield presentations whose drugs, plans or chances contradict themselves."""
    for group in pack.background:
        yield from _chances("background", group)
    for line in lines(pack):
        p = line.presentation
        for group in (*p.history, *line.condition.history):
            yield from _chances(line.where, group)
        for uses in p.medications:
            yield from _chances(line.where, {name: use.probability for name, use in uses.items()})
        yield from _chances(line.where, p.symptoms, exclusive=False)
        yield from _plan(pack, line)
        yield from _drugs(pack, line)
    yield from _alike(pack)


def _chances(where: str, group: Mapping[str, float], exclusive: bool = True) -> Found:
    if any(not 0 <= share <= 1 for share in group.values()):
        yield where, f"a chance among {', '.join(sorted(group))} is not from 0 to 1; mend it"
    elif exclusive and sum(group.values()) > 1 + 1e-9:
        yield where, f"chances of {', '.join(sorted(group))} add up to more than 1; lower them"


def _plan(pack: Pack, line: Line) -> Found:
    p = line.presentation
    uses = {name: use for group in p.medications for name, use in group.items()}
    for item in p.plan:
        if item.drug is None:
            continue
        if item.action == "start":
            if item.drug in uses:
                yield line.where, f"starts {item.drug}, which its medications hold; take it out of one of them"
        elif item.drug not in uses:
            yield line.where, f"would {item.action} {item.drug}, which its medications do not hold; add it there"
        elif item.action in ("increase", "decrease"):
            first, last = uses[item.drug].rungs
            top = len(pack.drugs[item.drug].ladder) - 1
            if not (uses[item.drug].probability == item.probability == 1):
                yield line.where, f"would {item.action} {item.drug}; both the drug and the item must be certain"
            if first >= top if item.action == "increase" else last <= 0:
                yield line.where, f"has no room to {item.action} {item.drug} on its ladder; move its rungs"


def _drugs(pack: Pack, line: Line) -> Found:
    """Yield objections to the drugs that a presentation is about, by its own sex, ages, pregnancy, certain history and
    ranges of values."""
    p, ages = line.presentation, line.ages
    certain = {name: use for group in p.medications for name, use in group.items() if use.probability >= 1}
    started = {i.drug: i for i in p.plan if i.action == "start" and i.drug and not i.otherwise}
    stopped = {i.drug for i in p.plan if i.action == "stop"}
    values: dict[str, tuple[Number, Number]] = {name: (d.min, d.max) for name, d in line.vitals(pack).items()}
    values |= {name: (d.min, d.max) for name, d in p.labs.items()}
    history = [name for group in line.history_groups(pack) for name, share in group.items() if share >= 1]
    for sex in line.sexes:
        for age in sorted({*ages.years, int(ages.mean) if ages.unit == "years" else ages.years[0]}):
            patient = Patient(sex, age, p.pregnant, {line.name}, values=values)
            for name in history:
                if pack.history[name].fits(sex, age):
                    patient = patient.with_history(pack, name)
            for drugs in ({*certain}, ({*certain} | {*started}) - stopped):
                patient.drugs = drugs
                for drug in sorted(drugs - stopped):
                    for reason in objections(pack, drug, patient):
                        yield line.where, f"{reason}; narrow its patients, or take another drug"


def _alike(pack: Pack) -> Found:
    """Yield plan items that are written alike and said or meant differently."""
    first: dict[str, tuple[str, tuple[str, ...]]] = {}
    for line in lines(pack):
        for item in line.presentation.plan:
            if item.text is not None:
                known = first.setdefault(item.text, (item.action, item.says))
                if known != (item.action, item.says):
                    yield line.where, f"plan {item.text!r} stands elsewhere with other words; use a YAML anchor"
