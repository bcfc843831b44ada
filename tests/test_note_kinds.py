"""Ten kinds of note that are data alone: each is sampled, written, checked and read by the same code as the first."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from synth.assets import load_schema, render_prompt
from synth.catalog import Requires, load_task
from synth.checks.base import reject
from synth.checks.faithfulness import FaithfulnessCheck
from synth.config import resolve_config
from synth.errors import UserError
from synth.extras import restricted
from synth.extras.procedures import catalogue
from synth.packs import Pack, load_pack, pack_names
from synth.pipeline import Execution, Preview, preview
from synth.records import Encounter, PlanFact, ProcedureFact, Rejection, Scenario, StudyFact
from synth.scenarios import sample_scenario
from synth.serving.decoding import decoding_schema
from synth.teachers.simulator import Simulator

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = Path(__file__).parent / "golden" / "tasks"
KINDS = {
    "progress_note": "internal_medicine",
    "referral_letter": "primary_care",
    "patient_instructions": "primary_care",
    "prior_authorization": "gastroenterology",
    "telephone_encounter": "endocrinology",
    "discharge_summary": "pulmonology",
    "nursing_handover": "cardiology",
    "radiology_report": "radiology",
    "operative_note": "surgery",
    "procedure_note": "gynaecology",
}
"""Each with a specialty that it works with."""


def written(task: str, specialty: str, index: int = 0) -> Encounter:
    pack = pack_for(task, specialty)
    return Simulator(pack, load_task(task)).encounter(scenario(task, pack, index))


def pack_for(task: str, specialty: str) -> Pack:
    one = load_task(task)
    return restricted(load_pack(specialty), one.extras, one.requires)


def scenario(task: str, pack: Pack, index: int) -> Scenario:
    return sample_scenario(pack, 0, index, None, load_task(task).extras)


def previews(task: str, specialty: str, count: int) -> Sequence[Preview]:
    settings = {"specialty": specialty, "task": task, "n": count, "teacher": {"name": "simulator"}}
    config = resolve_config(settings)  # type: ignore[arg-type]  # what YAML would hold
    return preview(config, Execution(out=Path("unused"), max_candidates=count), count)


@pytest.mark.parametrize("task", KINDS)
def test_what_the_simulator_writes_is_accepted(task: str) -> None:
    found = previews(task, KINDS[task], 20)
    rejected = [(one.written.id, name, r.reason, r.detail) for one in found for name, r in one.verdicts if r]
    assert len(rejected) <= 1, rejected
    assert len({one.text for one in found}) == 20


@pytest.mark.parametrize("task", KINDS)
def test_a_sample_is_as_it_was_read(task: str) -> None:
    one = written(task, KINDS[task])
    source = "" if one.source.kind == "transcript" else f"{one.source.text}\n\n"
    text = f"{source}{render_prompt(load_task(task).renderer, target=one.target)}"
    golden = GOLDEN / f"{task}.txt"
    if os.environ.get("NOTEWRIGHT_UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text("utf-8")


@pytest.mark.parametrize("task", KINDS)
def test_a_server_can_be_held_to_its_contract(task: str) -> None:
    schema = decoding_schema(load_schema(load_task(task).schema_name))
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("task", KINDS)
def test_the_prompts_for_a_model_render(task: str) -> None:
    from synth.teachers.prompts import Prompts

    one = written(task, KINDS[task])
    prompts = Prompts(load_task(task), pack_for(task, KINDS[task]))
    failure = reject(one, "faithfulness", "missing_fact", "a dose", part="target")
    asked = prompts.target(one.source, failure, one.scenario.facts)
    assert isinstance(asked, list)
    system, user = (str(message["content"]) for message in asked if isinstance(message, dict))
    assert "JSON Schema" in system
    assert "a dose" in user
    assert one.source.text in user
    assert one.source.text in render_prompt(f"{task}/student.user.md.j2", source=one.source.text)


def test_no_code_knows_them() -> None:
    for path in (*(ROOT / "synth").rglob("*.py"), *(ROOT / "distill").rglob("*.py")):
        text = path.read_text("utf-8")
        assert not [name for name in KINDS if name in text], path


def test_what_a_task_requires_is_in_every_scenario() -> None:
    for specialty in ("endocrinology", "primary_care", "pediatrics"):
        pack = pack_for("referral_letter", specialty)
        for index in range(60):
            plans = [fact for fact in sample_scenario(pack, 0, index).facts if isinstance(fact, PlanFact)]
            assert any(fact.action == "refer" and fact.text.startswith("refer ") for fact in plans)
    pack = pack_for("prior_authorization", "endocrinology")
    asked = load_task("prior_authorization").requires.drugs["start"]
    for index in range(60):
        drugs = [
            fact.medication.name
            for fact in sample_scenario(pack, 0, index).facts
            if isinstance(fact, PlanFact) and fact.action == "start" and fact.medication
        ]
        assert any(not set(pack.drugs[name].classes).isdisjoint(asked) for name in drugs)
    pack = pack_for("radiology_report", "endocrinology")
    for index in range(60):
        names = [fact.name for fact in sample_scenario(pack, 0, index).facts if isinstance(fact, StudyFact)]
        assert any(mark in name for name in names for mark in ("CT", "MRI", "ultrasound", "radiograph", "hystero"))
    pack = pack_for("progress_note", "surgery")
    assert {sample_scenario(pack, 0, index).visit for index in range(30)} == {"follow-up"}


def test_what_a_task_requires_changes_no_fact() -> None:
    whole, some = load_pack("endocrinology"), pack_for("referral_letter", "endocrinology")
    assert some.conditions.keys() <= whole.conditions.keys()
    for name, condition in some.conditions.items():
        for key, presentation in condition.presentations.items():
            assert presentation is whole.conditions[name].presentations[key]
    assert restricted(whole, ()) is whole


def test_a_specialty_without_what_is_required_is_named() -> None:
    with pytest.raises(UserError, match="ophthalmology has nothing of what the task requires"):
        pack_for("discharge_summary", "ophthalmology")
    with pytest.raises(UserError, match="nothing to sample operation from"):
        pack_for("operative_note", "neurology")
    with pytest.raises(UserError, match="take another specialty"):
        restricted(load_pack("radiology"), (), Requires(labs=30))


def test_every_procedure_is_cited_and_called_for() -> None:
    known = catalogue()
    assert {name for one in known.procedures for name in one.sources} == known.citations.keys()
    called = set()
    for specialty in pack_names():
        for condition in load_pack(specialty).conditions.values():
            for presentation in condition.presentations.values():
                plans = [item.text for item in presentation.plan if item.text is not None]
                called |= {one.name for one in known.procedures if one.fits(presentation.diagnosis.name, plans)}
    assert called == {one.name for one in known.procedures}


@pytest.mark.parametrize(("task", "specialty"), [("operative_note", "surgery"), ("procedure_note", "surgery")])
def test_a_procedure_has_no_slot_or_choice_left(task: str, specialty: str) -> None:
    pack = pack_for(task, specialty)
    for index in range(80):
        done = [fact for fact in scenario(task, pack, index).facts if isinstance(fact, ProcedureFact)]
        assert len(done) == 1
        text = done[0].model_dump_json(exclude={"id", "kind"})
        assert "$" not in text
        assert "|" not in text
        assert all(
            step.told.endswith(".") and step.told[0].isupper() for step in done[0].steps if step.told[0].isalpha()
        )


def test_a_procedure_is_carried_with_all_its_steps() -> None:
    check = FaithfulnessCheck(load_task("operative_note"))
    one = written("operative_note", "surgery")
    assert check(one) is one
    steps = one.target["description"]
    assert isinstance(steps, list)
    outcome = check(one.model_copy(update={"target": {**one.target, "description": steps[:-3]}}))
    assert isinstance(outcome, Rejection)
    assert (outcome.reason, outcome.part) == ("missing_fact", "target")
    wrong = check(one.model_copy(update={"target": {**one.target, "estimated_blood_loss": "400 mL"}}))
    assert isinstance(wrong, Rejection)


def test_instructions_say_what_changes() -> None:
    for index in range(40):
        one = written("patient_instructions", "endocrinology", index)
        started = {
            f.medication.name for f in one.scenario.facts if f.kind == "plan" and f.action == "start" and f.medication
        }
        listed = one.target["medicines"]
        assert isinstance(listed, list)
        assert {m["name"] for m in listed if m["change"] == "new"} == started  # type: ignore[index, call-overload]  # the contract's shape
