"""Scenarios: ``(pack, seed, index) → Scenario``, pure, so that index i is the same whatever runs beside it."""

from __future__ import annotations

from collections.abc import Sequence

from synth.control import Control
from synth.draws import Draws
from synth.extras import load_extra
from synth.packs import Pack
from synth.population import Cell, Population
from synth.records import Fact, Language, Scenario, Sex
from synth.sampling import Sampler, pick

_ANYBODY = Control()
_DRAWN = 5
"""Patients drawn for an easy or a hard encounter, of whom the one with the least or the most to carry is taken."""


def sample_scenario(
    pack: Pack,
    seed: int,
    index: int,
    population: Population | None = None,
    extras: Sequence[str] = (),
    language: Language | None = None,
) -> Scenario:
    """Return the scenario at an index of the stream that a seed opens in a pack, among the patients of a population
    where one is given, with the further facts that a task asks for; those change none of the others."""
    key = ("scenario", pack.specialty, seed, index)
    draws = Draws(*key)
    control = _ANYBODY if population is None else population.control
    cell = population.pick(seed, index) if population is not None and control.chooses else None
    condition_id, sex, presentation_id = _presented(pack, draws) if cell is None else _cell(cell)
    condition = pack.conditions[condition_id]
    sampler = Sampler(pack, draws, sex, condition_id, presentation_id, cell)
    facts = tuple(sampler.facts())
    if control.difficulty in ("easy", "hard"):
        others = (Draws(*key, "instead", i) for i in range(1, _DRAWN))
        patients = [facts]
        patients += [tuple(Sampler(pack, d, sex, condition_id, presentation_id, cell).facts()) for d in others]
        facts = (min if control.difficulty == "easy" else max)(patients, key=load)
    scenario = Scenario(
        id=f"{pack.specialty}-{seed}-{index:06d}",
        specialty=pack.specialty,
        seed=seed,
        index=index,
        condition=condition_id,
        presentation=presentation_id,
        visit=condition.presentations[presentation_id].visit,
        facts=facts,
        sources=condition.sources,
        manner=control.manner(pack.specialty, seed, index),
        language=language,
    )
    for name in extras:
        more = load_extra(name).facts(pack, scenario, Draws(*key, name))
        scenario = scenario.model_copy(update={"facts": (*scenario.facts, *more)})
    return scenario


def load(facts: tuple[Fact, ...]) -> int:
    """Return how much a transcript and its note have to carry: one for each fact, and one more for each drug, with its
    dose and how often, and for each result out of range."""
    more = sum(fact.kind == "medication" or (fact.kind == "lab" and fact.interpretation != "normal") for fact in facts)
    return len(facts) + more


def _presented(pack: Pack, draws: Draws) -> tuple[str, Sex, str]:
    """Draw condition, sex and presentation as the pack has them."""
    condition_id = pick(draws, {name: c.weight for name, c in pack.conditions.items()})
    condition = pack.conditions[condition_id]
    sex: Sex = "female" if draws.chance(condition.female) else "male"
    options = {name: p.weight for name, p in condition.presentations.items() if p.sex in (None, sex)}
    return condition_id, sex, pick(draws, options)


def _cell(cell: Cell) -> tuple[str, Sex, str]:
    return cell.condition, cell.sex, cell.presentation
