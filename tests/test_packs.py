"""Specialty packs hold together: references lead somewhere, doses and ranges make sense, speech carries its facts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

import synth.packs.loading
from synth.errors import UserError
from synth.packs import Condition, Distribution, Pack, Phrases, Presentation, load_pack, pack_path
from synth.records import PlanAction, Sex

CONDITIONS = {
    "type 1 diabetes",
    "type 2 diabetes",
    "hypothyroidism",
    "hyperthyroidism",
    "thyroid nodule",
    "osteoporosis",
    "polycystic ovary syndrome",
    "adrenal insufficiency",
    "Cushing syndrome",
    "primary hyperparathyroidism",
    "pituitary adenoma",
    "obesity",
}
PER_DAY = {
    "once daily": 1.0,
    "twice daily": 2.0,
    "three times daily": 3.0,
    "once weekly": 1 / 7,
    "twice weekly": 2 / 7,
    "every 6 months": 2 / 365,
    "once yearly": 1 / 365,
    "every 4 to 6 hours": 4.0,
    "as needed": 1.0,
}
WORDS = dict(
    enumerate(
        ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"],
        start=1,
    )
) | {15: "fifteen", 20: "twenty", 24: "twenty-four", 30: "thirty"}

PACK = load_pack("endocrinology")


def presentations() -> Iterator[tuple[str, Condition, Presentation]]:
    """Yield ``condition/presentation`` with both."""
    for name, condition in PACK.conditions.items():
        for label, presentation in condition.presentations.items():
            yield f"{name}/{label}", condition, presentation


def spoken() -> Iterator[tuple[str, Phrases]]:
    """Yield every text that a person may say, with what it is said for."""
    for name, symptom in PACK.symptoms.items():
        yield from ((name, symptom.says), (name, symptom.asks), (name, symptom.denies))
    for group in (PACK.occasions, PACK.findings, *PACK.studies.values()):
        yield from ((name, entry.says) for name, entry in group.items())
    yield from ((name, entry.says) for name, entry in PACK.history.items())
    yield from ((where, p.diagnosis.says) for where, _, p in presentations())
    yield from PACK.plan_says.items()


def reachable(condition: Condition, presentation: Presentation) -> set[str]:
    """Return the history entries that a patient of a presentation can have."""
    groups: list[Mapping[str, float]] = []
    for layer in (presentation.history, condition.history, PACK.background):
        settled = {name for group in groups for name in group}
        groups += [group for group in layer if settled.isdisjoint(group)]
    return {name for group in groups for name, probability in group.items() if probability > 0}


def per_day(frequency: str) -> float:
    """Return how many doses a day a frequency means; KeyError for one that nobody has thought about."""
    return PER_DAY[next(known for known in sorted(PER_DAY, key=len, reverse=True) if frequency.startswith(known))]


def test_every_condition_is_there_and_names_a_guideline() -> None:
    assert set(PACK.conditions) == CONDITIONS
    for name, condition in PACK.conditions.items():
        guideline = PACK.citations[condition.sources[0]]
        assert len(condition.presentations) >= 4, name
        assert guideline.year >= 2008
        assert "prescribing information" not in guideline.title


def test_every_entry_is_used() -> None:
    items = [p for _, _, p in presentations()]
    histories = set().union(*(reachable(c, p) for _, c, p in presentations()))
    assert {s for p in items for s in p.symptoms} == set(PACK.symptoms)
    assert {c.name for p in items for c in p.complaints} - set(PACK.symptoms) == set(PACK.occasions)
    assert {f for p in items for group in p.findings for f in group} == set(PACK.findings)
    assert {(s, r) for p in items for s, results in p.studies.items() for r in results} == {
        (s, r) for s, results in PACK.studies.items() for r in results
    }
    assert {lab for p in items for lab in p.labs} == set(PACK.labs)
    assert histories == set(PACK.history)
    drugs = {d for p in items for group in p.medications for d in group}
    drugs |= {item.drug for p in items for item in p.plan if item.drug}
    drugs |= {d for name in histories for d in PACK.history[name].medications}
    assert drugs == set(PACK.drugs)


def test_keys_are_unique() -> None:
    def check(node: yaml.Node) -> None:
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value]
            assert len(keys) == len(set(keys)), f"line {node.start_mark.line + 1}: {sorted(keys)}"
            for _, value in node.value:
                check(value)
        elif isinstance(node, yaml.SequenceNode):
            for value in node.value:
                check(value)

    loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    root = yaml.compose(pack_path("endocrinology").read_text("utf-8"), Loader=loader)
    assert root is not None
    check(root)


@pytest.mark.parametrize("section", ["citations", "drugs", "labs", "symptoms", "findings", "studies", "history"])
def test_a_dangling_reference_is_refused(section: str) -> None:
    with pytest.raises(ValidationError, match="unknown"):
        Pack.model_validate(PACK.model_dump() | {section: {}})


def test_a_rung_off_the_ladder_is_refused() -> None:
    drugs = PACK.model_dump()["drugs"]
    drugs["levothyroxine"]["ladder"] = drugs["levothyroxine"]["ladder"][:2]
    with pytest.raises(ValidationError, match="rung of levothyroxine is not on its ladder"):
        Pack.model_validate(PACK.model_dump() | {"drugs": drugs})


def test_a_broken_file_is_one_line_for_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synth.packs.loading, "FOLDER", tmp_path)
    (tmp_path / "broken.yaml").write_text("specialty: broken\nversion: 1\n", "utf-8")
    with pytest.raises(UserError, match=r"^broken\.yaml: citations: ") as caught:
        load_pack("broken")
    assert "\n" not in str(caught.value)


def test_an_unknown_specialty_suggests() -> None:
    with pytest.raises(UserError, match="did you mean endocrinology"):
        load_pack("endocrinolgy")


def test_ladders_rise() -> None:
    for name, drug in PACK.drugs.items():
        daily = [float(step.dose) * per_day(step.frequency) for step in drug.ladder]
        assert daily == sorted(set(daily)), name


def test_codes_exist_in_shape_and_fit_the_condition() -> None:
    chapters = {
        "type 1 diabetes": "E10",
        "type 2 diabetes": "E11",
        "hyperthyroidism": "E05",
        "thyroid nodule": "E04",
        "polycystic ovary syndrome": "E28.2",
        "adrenal insufficiency": "E27",
        "Cushing syndrome": "E24",
        "primary hyperparathyroidism": "E21.0",
        "obesity": "E66.81",
    }
    for name, condition in PACK.conditions.items():
        for presentation in condition.presentations.values():
            assert presentation.diagnosis.icd10cm.startswith(chapters.get(name, ("E", "M8", "D35.2"))), name


def test_either_sex_finds_a_presentation() -> None:
    sexes: tuple[Sex, Sex] = ("female", "male")
    for name, condition in PACK.conditions.items():
        for sex, share in zip(sexes, (condition.female, 1 - condition.female), strict=True):
            fitting = [p for p in condition.presentations.values() if p.sex in (None, sex)]
            assert fitting or share == 0, f"{name}: nothing for {sex}"


def test_complaints_that_are_symptoms_are_asked_about() -> None:
    for where, _, presentation in presentations():
        complaints = {c.name for c in presentation.complaints}
        assert complaints & set(PACK.symptoms) <= set(presentation.symptoms), where
        assert all(c.durations for c in presentation.complaints if c.name in PACK.symptoms), where
        assert 4 <= len(presentation.symptoms) <= 7, where


def test_distributions_can_be_drawn_and_rounded() -> None:
    def check(where: str, distribution: Distribution, decimals: int) -> None:
        assert distribution.min <= distribution.mean <= distribution.max, where
        assert distribution.min < distribution.max, where
        assert distribution.sd > 0, where
        assert all(round(end, decimals) == end for end in (distribution.min, distribution.max)), where

    for where, condition, presentation in presentations():
        age = presentation.age or condition.age
        check(where, age, 0)
        assert 18 <= age.min < age.max <= 88, where
        for name, distribution in presentation.labs.items():
            check(f"{where} {name}", distribution, PACK.labs[name].decimals)
        for name, vital in PACK.vitals.items():
            check(f"{where} {name}", presentation.vitals.get(name, vital.usual), vital.decimals)


def test_pressures_have_a_common_latent_and_the_diastolic_stays_below() -> None:
    for where, _, presentation in presentations():
        both = [
            presentation.vitals.get(name, PACK.vitals[name].usual)
            for name in ("systolic blood pressure", "diastolic blood pressure")
        ]
        assert {d.latent for d in both} == {"pressure"}, where
        assert both[1].max < both[0].min, where


def test_weights_of_exclusive_groups_are_probabilities() -> None:
    def check(where: str, group: Mapping[str, float]) -> None:
        assert all(0 <= share <= 1 for share in group.values()), where
        assert sum(group.values()) <= 1 + 1e-9, f"{where}: {sorted(group)}"

    for group in PACK.background:
        check("background", group)
    for where, condition, presentation in presentations():
        shares = [*condition.history, *presentation.history, *presentation.findings, *presentation.studies.values()]
        shares += [{name: use.probability for name, use in group.items()} for group in presentation.medications]
        for group in shares:
            check(where, group)


def test_plans_act_on_drugs_that_the_patient_takes() -> None:
    changes: tuple[PlanAction, ...] = ("increase", "decrease")
    for where, condition, presentation in presentations():
        uses = {name: use for group in presentation.medications for name, use in group.items()}
        from_history = {d for name in reachable(condition, presentation) for d in PACK.history[name].medications}
        for item in presentation.plan:
            if item.drug is None:
                continue
            if item.action == "start":
                assert item.drug not in {*uses, *from_history}, f"{where}: starts {item.drug}, which may be taken"
                continue
            assert item.drug in uses, f"{where}: {item.action} {item.drug}"
            if item.action in changes:
                first, last = uses[item.drug].rungs
                assert uses[item.drug].probability == item.probability == 1, f"{where}: {item.drug}"
                room = first < len(PACK.drugs[item.drug].ladder) - 1 if item.action == "increase" else last > 0
                assert room, f"{where}: no room to {item.action} {item.drug}"


def test_plans_that_are_said_alike_are_written_alike() -> None:
    items = [item for _, _, p in presentations() for item in p.plan if item.text is not None]
    for item in items:
        assert item.text is not None
        assert PACK.plan_says[item.text] == item.says
    assert len({(item.text, item.action) for item in items}) == len(PACK.plan_says)


def test_there_are_enough_ways_to_say_it() -> None:
    for name, symptom in PACK.symptoms.items():
        assert len(symptom.says) >= 4, name
        assert len(symptom.asks) >= 2, name
        assert len(symptom.denies) >= 2, name
    for where, phrases in spoken():
        assert len(phrases) >= 2, where
        assert len(set(phrases)) == len(phrases), where
    for entries in (PACK.occasions, PACK.findings, *PACK.studies.values()):
        assert all(len(entry.says) >= 3 for entry in entries.values())
    assert all(len(entry.says) >= 3 for entry in PACK.history.values())
    assert all(len(phrases) >= 3 for phrases in PACK.plan_says.values())
    assert all(len(p.diagnosis.says) >= 3 for _, _, p in presentations())


def test_speech_is_plain() -> None:
    for where, phrases in spoken():
        for phrase in phrases:
            assert phrase.isascii(), f"{where}: {phrase}"
            assert phrase == phrase.strip()
            assert phrase[-1].isalnum() or phrase[-1] == "'", f"{where}: {phrase}"


def test_what_the_doctor_says_carries_every_number_and_side() -> None:
    doctor = dict(PACK.plan_says)
    for entries in (PACK.findings, *PACK.studies.values()):
        doctor |= {name: entry.says for name, entry in entries.items()}
    for text, phrases in doctor.items():
        numbers = re.findall(r"(?<![A-Za-z\d-])\d+(?:[.,]\d+)*(?![\d-])", text)
        sides = [side for side in ("left", "right") if re.search(rf"\b{side}\b", text)]
        for phrase in phrases:
            for number in numbers:
                word = WORDS.get(int(number)) if number.isdigit() else None
                heard = re.search(rf"(?<![\d.,]){re.escape(number)}(?![\d]|[.,]\d)", phrase) or (
                    word and word in phrase
                )
                loose = {"1": r"\ba (week|month|year)\b|\b(once )?(yearly|every year)\b", "2": r"\b(two|twice)\b"}
                heard = heard or (number in loose and re.search(loose[number], phrase))
                assert heard, f"{text!r}: {number} is not heard in {phrase!r}"
            for side in sides:
                assert re.search(rf"\b{side}\b", phrase), f"{text!r}: {side} is not heard in {phrase!r}"


def test_note_terms_fit_the_contract() -> None:
    terms = [*PACK.findings, *PACK.history, *PACK.symptoms, *PACK.occasions, *PACK.plan_says]
    terms += [result for results in PACK.studies.values() for result in results]
    terms += [text for _, _, p in presentations() for text in (p.diagnosis.name, p.diagnosis.status)]
    assert max(map(len, terms)) <= 120
    units = [m.unit for m in (*PACK.labs.values(), *PACK.vitals.values())] + [d.unit for d in PACK.drugs.values()]
    assert all(0 < len(unit) <= 20 for unit in units)
