"""The differential: the true diagnosis and others that this patient could be thought to have, and has not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from synth.draws import Draws
from synth.extras.profiles import Evidence, Profile, Profiles, content, words_of
from synth.packs import Pack, load_pack, pack_names
from synth.packs.model import Presentation
from synth.records import (
    DiagnosisFact,
    DifferentialFact,
    Fact,
    HistoryFact,
    MedicationFact,
    PatientFact,
    Scenario,
)

_OTHERS = (3, 5)
"""Others beside the true diagnosis: the least where the pack has them, and the most."""
_NOISE = 1.5
"""Points by which chance may move a candidate up, so that a disease is not always weighed against the same ones."""
_UNUSUAL = 100.0
"""Points that put those whom the patient's age makes unlikely behind all others."""
_KEPT: dict[int, tuple[Pack, Profiles]] = {}


class Differential:
    """Samples the facts of a differential diagnosis."""

    def usable(self, presentation: Presentation) -> bool:
        """Return whether a presentation is of a disease that is new, and that nothing but its diagnosis names."""
        return names_disease(presentation) and not given_away(presentation)

    def facts(self, pack: Pack, scenario: Scenario, draws: Draws) -> Sequence[Fact]:
        """Return the true diagnosis among others, in a random order."""
        chosen = draws.shuffled(candidates(pack, scenario, draws))
        truth = diagnosis_of(scenario).name
        return [
            DifferentialFact(
                id=f"differential-{i}",
                name=named_beside(profile.name, truth),
                icd10cm=profile.category,
                right=profile.name == truth,
                supports=evidence.supports,
                expects=evidence.expects,
            )
            for i, (profile, evidence) in enumerate(chosen, 1)
        ]


DIFFERENTIAL = Differential()


def diagnosis_of(scenario: Scenario) -> DiagnosisFact:
    """Return the main diagnosis of a scenario."""
    return next(fact for fact in scenario.facts if isinstance(fact, DiagnosisFact))


def names_disease(presentation: Presentation) -> bool:
    """Return whether the diagnosis of a first visit is a disease: not a symptom or an abnormal finding that is none
    yet, a state after treatment or an examination, nor what is only suspected."""
    diagnosis = presentation.diagnosis
    symptom = diagnosis.icd10cm.startswith(tuple(words_of()["symptom_codes"]))
    return presentation.visit == "new" and not (
        symptom or diagnosis.icd10cm[0] in words_of()["not_diseases"] or diagnosis.name.startswith("suspected")
    )


def given_away(presentation: Presentation) -> bool:
    """Return whether a complaint, a result, a finding or the history of a presentation holds the diagnosis's name."""
    said = {one.name for one in presentation.complaints}
    said.update(f"{study} {result}" for study, results in presentation.studies.items() for result in results)
    said.update(name for group in (*presentation.findings, *presentation.history) for name, p in group.items() if p)
    name = content(presentation.diagnosis.name)
    return any(name <= content(text) for text in said)


def profiles_of(pack: Pack) -> Profiles:
    """Return what a pack knows of the diseases that a differential can hold, also of those whose own cases would give
    them away; kept for the packs that were last asked for."""
    known = _KEPT.get(id(pack))
    if known is None or known[0] is not pack:
        if len(_KEPT) > 32:
            _KEPT.clear()
        whole = load_pack(pack.specialty) if pack.specialty in pack_names() else pack
        if not pack.conditions.keys() <= whole.conditions.keys():
            whole = pack  # a pack of the user's own, under the name of another
        rows = [(c, p) for c in whole.conditions.values() for p in c.presentations.values() if names_disease(p)]
        known = _KEPT[id(pack)] = pack, Profiles(whole, rows)
    return known[1]


def candidates(pack: Pack, scenario: Scenario, draws: Draws, most: int = _OTHERS[1]) -> list[tuple[Profile, Evidence]]:
    """Return the true diagnosis and up to so many others, the nearest ones first: each of another ICD-10-CM category,
    none that the patient may have besides, none that the facts speak for as much as for the true one."""
    profiles = profiles_of(pack)
    facts = scenario.facts
    truth = diagnosis_of(scenario)
    right = profiles.all[truth.name]
    own = profiles.evidence(right, facts)
    patient = next(fact for fact in facts if isinstance(fact, PatientFact))
    others: list[tuple[float, Profile, Evidence]] = []
    for profile in profiles.all.values():
        fit = profile.fits(patient)
        if _is_one(profile, right) or not fit or _had(profile, right, scenario):
            continue
        evidence = profiles.evidence(profile, facts)
        if evidence.supports and evidence.balance >= own.balance:
            continue
        # What a result rules out is weighed all the same: it is what a reader has to rule out.
        near = evidence.support + _near(profile, right)
        unlikely = fit < 2 or (evidence.objective and not evidence.opposed)  # as a second disease it would not surprise
        others.append((near + _NOISE * draws.point() - (_UNUSUAL if unlikely else 0), profile, evidence))
    others.sort(key=lambda one: -one[0])
    taken = {right.category}
    found = [(right, own)]
    count = _OTHERS[0] + draws.below(most - _OTHERS[0] + 1)
    for near, profile, evidence in others:
        enough = count if near > -_UNUSUAL / 2 else _OTHERS[0]
        if profile.category not in taken and len(found) <= enough:
            taken.add(profile.category)
            found.append((profile, evidence))
    return found


def candidates_beside(pack: Pack, scenario: Scenario) -> list[tuple[Profile, Evidence]]:
    """Return the diseases of other categories that the patient could be thought to have, and has not."""
    profiles = profiles_of(pack)
    right = profiles.all[diagnosis_of(scenario).name]
    patient = next(fact for fact in scenario.facts if isinstance(fact, PatientFact))
    found = []
    for profile in profiles.all.values():
        another = profile.category != right.category and not _is_one(profile, right)
        if another and profile.fits(patient) and not _had(profile, right, scenario):
            evidence = profiles.evidence(profile, scenario.facts)
            if evidence.opposed or not evidence.objective:
                found.append((profile, evidence))
    return found


def named_beside(name: str, truth: str) -> str:
    """Return what a candidate is called beside the true diagnosis: on the same side, for the side alone would tell them
    apart."""
    sides = {"left": "right", "right": "left"}
    own, others = ({side for side in sides if side in text.split()} for text in (name, truth))
    if not own or not others or own & others:
        return name
    return " ".join(sides.get(word, word) for word in name.split())


def _is_one(one: Profile, other: Profile) -> bool:
    """Return whether two diseases are one, or the name of one is a broader name of the other; so is a neoplasm of
    unspecified behavior (D49), beside a neoplasm of which it is known, where their names share the organ."""
    first, second = content(one.name), content(other.name)
    tumors = all(profile.icd10cm < "D50" and profile.chapter in "CD" for profile in (one, other))
    open_ = "D49" in (one.category, other.category)
    return first <= second or second <= first or (tumors and open_ and bool(first & second))


def _near(one: Profile, other: Profile) -> float:
    """Return how near two diseases are: what is asked, measured and examined in both (0 to 2), and a point each for
    the chapter of ICD-10-CM, an occasion and a study that are the same, by which one organ is told from another."""
    shared = 2 * len(one.asked & other.asked) / max(1, len(one.asked | other.asked))
    return shared + (one.chapter == other.chapter) + _alike(one, other, "complaints") + _alike(one, other, "studies")


def _alike(one: Profile, other: Profile, part: Literal["complaints", "studies"]) -> bool:
    """Return whether two diseases bring patients for the same reason, or are seen on the same study."""

    def names(profile: Profile) -> set[str]:
        if part == "studies":
            return {name for _, p in profile.presentations for name in p.studies}
        return {complaint.name for _, p in profile.presentations for complaint in p.complaints}

    return not names(one).isdisjoint(names(other))


def _had(profile: Profile, right: Profile, scenario: Scenario) -> bool:
    """Return whether the patient is known to have a disease, by the history or by a drug that is given for it."""
    name = content(profile.name)
    for fact in scenario.facts:
        if isinstance(fact, HistoryFact) and fact.category == "medical":
            said = content(fact.name)
            if said & name and (said <= name or name <= said):
                return True
        if isinstance(fact, MedicationFact) and fact.medication.name in profile.drugs - right.drugs:
            return True
    return False
