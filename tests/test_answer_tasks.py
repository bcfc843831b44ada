"""Diagnosis, questions and judgements: what is right follows from the pack, and the simulator's targets say it."""

from __future__ import annotations

import re
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.answers import parse_letters, parse_score
from distill.metrics.diagnosis import Diagnosis
from distill.records import BenchmarkItem, Prediction
from synth.answers import right_answer, same_answer
from synth.assets import find_asset, load_schema, render_prompt
from synth.catalog import Task, load_task
from synth.checks.answer import AnswerCheck
from synth.checks.base import reject
from synth.checks.faithfulness import FaithfulnessCheck
from synth.checks.phi import PhiCheck
from synth.checks.schema import SchemaCheck
from synth.extras import restricted
from synth.extras.differential import DIFFERENTIAL, given_away, named_beside, profiles_of
from synth.extras.profiles import content, shows_nothing, unremarkable
from synth.extras.question import asked, known_patient, ruled_out
from synth.extras.under_test import block_of, score_of, severities
from synth.packs import Pack, load_pack, pack_names
from synth.records import (
    AnswerFact,
    DiagnosisFact,
    DifferentialFact,
    Encounter,
    Fact,
    FindingFact,
    HistoryFact,
    LabFact,
    PatientFact,
    QuestionFact,
    Rejection,
    Scenario,
    SymptomFact,
)
from synth.scenarios import sample_scenario
from synth.serving.decoding import decoding_schema
from synth.teachers.prompts import Prompts
from synth.teachers.simulator import Simulator

TASKS = ("diagnosis", "mcq", "judge")


@cache
def pack_of(task: str, specialty: str) -> Pack:
    return restricted(load_pack(specialty), load_task(task).extras)


@cache
def simulator(task: str, specialty: str) -> Simulator:
    return Simulator(pack_of(task, specialty), load_task(task))


def scenario(task: str, specialty: str, index: int) -> Scenario:
    return sample_scenario(pack_of(task, specialty), 0, index, None, load_task(task).extras)


def written(task: str, specialty: str, index: int) -> Encounter:
    return simulator(task, specialty).encounter(scenario(task, specialty, index))


def only(facts: tuple[Fact, ...], kind: type[Fact]) -> list[Fact]:
    return [fact for fact in facts if isinstance(fact, kind)]


def outcome(task: Task, encounter: Encounter) -> Encounter | Rejection:
    found: Encounter | Rejection = encounter
    for check in (SchemaCheck(task), PhiCheck(task), FaithfulnessCheck(task), AnswerCheck(task)):
        if not isinstance(found, Rejection):
            found = check(found)
    return found


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("specialty", pack_names())
def test_what_the_simulator_writes_is_accepted(name: str, specialty: str) -> None:
    task = load_task(name)
    found = [outcome(task, written(name, specialty, index)) for index in range(20)]
    wrong = [(one.reason, one.detail) for one in found if isinstance(one, Rejection)]
    assert len(wrong) <= 3, wrong
    assert not any(reason in ("wrong_answer", "missing_fact", "not_valid_under_contract") for reason, _ in wrong), wrong


@pytest.mark.parametrize("name", TASKS)
@given(index=st.integers(0, 400), specialty=st.sampled_from(("radiology", "ophthalmology", "pediatrics")))
@settings(max_examples=20, deadline=None)
def test_what_is_rendered_is_read_back_as_the_right_answer(name: str, index: int, specialty: str) -> None:
    task = load_task(name)
    assert task.answer is not None
    one = written(name, specialty, index)
    right = right_answer(task.answer, one.scenario)
    assert same_answer(task.answer, one.target[task.answer.key], right)
    text = render_prompt(task.renderer, target=one.target)
    if task.answer.kind == "letters":
        assert isinstance(right, list)
        assert parse_letters(text, "ABCDE") == "".join(map(str, right))
    elif task.answer.kind == "score":
        assert parse_score(text, step=0.5) == right
    else:
        item = BenchmarkItem(id="1", source="", reference=str(right), target=None, scenario=None)
        said = Prediction(id="1", raw=text, text=text, target=None, finish="stop")
        assert Diagnosis().values(item, said) == (1.0, 1.0, 0.0)


@pytest.mark.parametrize("specialty", pack_names())
def test_a_differential_holds_the_truth_and_nothing_twice(specialty: str) -> None:
    for index in range(30):
        one = scenario("diagnosis", specialty, index)
        listed = [fact for fact in one.facts if isinstance(fact, DifferentialFact)]
        truth = next(fact for fact in one.facts if isinstance(fact, DiagnosisFact))
        assert [fact.name for fact in listed if fact.right] == [truth.name]
        assert len({fact.icd10cm[:3] for fact in listed}) == len(listed)
        # In radiation oncology only two other cancers are met in both sexes.
        assert (2 if specialty == "radiation_oncology" else 3) <= len(listed) <= 6
        history = [fact.name for fact in one.facts if isinstance(fact, HistoryFact) and fact.category == "medical"]
        assert not any(content(name) == content(fact.name) for name in history for fact in listed if not fact.right)
        known = {fact.id for fact in one.facts}
        for fact in listed:
            assert known.issuperset(fact.supports)
            assert known.issuperset(expected.fact for expected in fact.expects if expected.fact)


def test_what_speaks_for_and_against_is_what_the_pack_says() -> None:
    pack = load_pack("gastroenterology")
    one = next(
        found
        for index in range(200)
        if (found := scenario("diagnosis", "gastroenterology", index)).condition == "Crohn disease"
        and any(getattr(fact, "name", "") == "extensive ulcerative colitis" for fact in found.facts)
    )
    colitis = next(f for f in one.facts if isinstance(f, DifferentialFact) and f.name == "extensive ulcerative colitis")
    presentations = [
        p
        for condition in pack.conditions.values()
        for p in condition.presentations.values()
        if p.diagnosis.name == colitis.name and p.visit == "new"
    ]
    by_id = {fact.id: fact for fact in one.facts}
    for name in colitis.supports:
        fact = by_id[name]
        if isinstance(fact, SymptomFact):
            assert fact.present
            assert max(p.symptoms.get(fact.name, 1.0) for p in presentations) >= 0.4
        if isinstance(fact, LabFact):
            assert fact.interpretation != "normal"
    for expected in colitis.expects:
        if expected.kind == "symptom":
            assert all(p.symptoms.get(expected.name, 1.0) >= 0.6 for p in presentations)
            if expected.fact is not None:
                assert by_id[expected.fact].present is False  # type: ignore[union-attr]  # a symptom


def test_a_case_that_names_its_diagnosis_is_left_out() -> None:
    for specialty in pack_names():
        pack = load_pack(specialty)
        for condition in pack.conditions.values():
            for presentation in condition.presentations.values():
                if DIFFERENTIAL.usable(presentation):
                    assert presentation.visit == "new"
                    assert not given_away(presentation)
    nodule = load_pack("radiology").conditions["thyroid nodule"].presentations["TI-RADS 1, spongiform"]
    assert given_away(nodule)  # it comes with "thyroid nodule on ultrasound"


@pytest.mark.parametrize("index", range(12))
def test_the_case_report_gives_nothing_away(index: int) -> None:
    one = written("diagnosis", "cardiology", index)
    text = one.source.text
    truth = next(fact for fact in one.scenario.facts if isinstance(fact, DiagnosisFact))
    assert text.lower().count(truth.name.lower()) == 1
    assert truth.status not in text
    for fact in one.scenario.facts:
        if fact.kind == "plan":
            assert fact.text not in text


def test_most_cases_of_radiology_weigh_what_is_seen_on_the_same_study() -> None:
    profiles = profiles_of(pack_of("diagnosis", "radiology")).all.values()
    near = 0
    for index in range(40):
        facts = [f for f in scenario("diagnosis", "radiology", index).facts if isinstance(f, DifferentialFact)]
        known = {f.name: next(p for p in profiles if named_beside(p.name, f.name) == f.name) for f in facts}
        seen = {name: {study for _, p in one.presentations for study in p.studies} for name, one in known.items()}
        truth = next(f.name for f in facts if f.right)
        near += any(seen[truth] & studies for name, studies in seen.items() if name != truth)
    assert near >= 24


def test_no_candidate_is_a_broader_name_of_another() -> None:
    for specialty in ("radiology", "endocrinology", "internal_medicine"):
        for index in range(20):
            facts = only(scenario("diagnosis", specialty, index).facts, DifferentialFact)
            truth, *others = sorted((f for f in facts if isinstance(f, DifferentialFact)), key=lambda f: not f.right)
            for one in others:
                assert not content(one.name) <= content(truth.name), (one.name, truth.name)
                assert not content(truth.name) <= content(one.name), (one.name, truth.name)


def test_what_is_normal_speaks_for_no_disease() -> None:
    assert shows_nothing("sinus rhythm, normal PR and QT intervals, no preexcitation")
    assert not shows_nothing("regular narrow-complex tachycardia at 194 beats/min, stopped by adenosine")
    assert all(map(unremarkable, ("conjunctivae pink", "palpable pedal pulses", "steady on the pull test")))
    assert not any(map(unremarkable, ("pale conjunctivae", "unsteady tandem gait", "stool palpable")))


def test_what_is_expected_is_not_what_the_case_has_spoken_of() -> None:
    """A nodule that is reported as not palpable is no nodule of which nothing is said."""
    for index in range(40):
        one = scenario("diagnosis", "radiology", index)
        said = {fact.name for fact in one.facts if isinstance(fact, FindingFact)}
        for fact in only(one.facts, DifferentialFact):
            assert isinstance(fact, DifferentialFact)
            if "no palpable thyroid nodule" in said:
                assert "palpable mobile thyroid nodule" not in {expected.name for expected in fact.expects}


@pytest.mark.parametrize("name", TASKS)
def test_no_child_is_said_to_report_or_to_deny(name: str) -> None:
    for index in range(15):
        text = written(name, "pediatrics", index).source.text
        assert not re.search(r"\b(?:She|He) (?:reports|denies)\b", text), text


def test_a_drug_that_stands_in_for_another_is_not_asked_for() -> None:
    for one, question in questions("internal_medicine", 120):
        if question.topic == "first drug":
            assert not any(fact.kind == "plan" and fact.action == "stop" for fact in one.facts)


def test_a_wrong_diagnosis_is_rejected_and_so_is_a_short_reasoning() -> None:
    task, one = load_task("diagnosis"), written("diagnosis", "radiology", 0)
    other = next(f for f in one.scenario.facts if isinstance(f, DifferentialFact) and not f.right)
    wrong = AnswerCheck(task)(one.model_copy(update={"target": {**one.target, "final_diagnosis": other.name}}))
    assert isinstance(wrong, Rejection)
    assert wrong.reason == "wrong_answer"
    steps = one.target["steps"]
    assert isinstance(steps, dict)
    short = {**one.target, "steps": {**steps, "weighing": [], "deciding": "It fits.", "conclusion": "So it is."}}
    found = AnswerCheck(task)(one.model_copy(update={"target": short}))
    assert isinstance(found, Rejection)
    assert found.reason == "too_short"


def questions(specialty: str, count: int = 60) -> list[tuple[Scenario, QuestionFact]]:
    found = []
    for index in range(count):
        one = scenario("mcq", specialty, index)
        found += [(one, fact) for fact in one.facts if isinstance(fact, QuestionFact)]
    return found


@pytest.mark.parametrize("specialty", ["endocrinology", "internal_medicine", "pediatrics"])
def test_the_right_options_of_a_question_are_true_and_the_others_are_not(specialty: str) -> None:
    pack = pack_of("mcq", specialty)
    seen = set()
    for one, question in questions(specialty, 120):
        seen.add(question.topic)
        assert 3 <= len(question.options) <= 5
        assert [option.letter for option in question.options] == list("ABCDE"[: len(question.options)])
        assert 1 <= len(question.letters) < len(question.options)
        assert question.several or len(question.letters) == 1
        assert len({option.text for option in question.options}) == len(question.options)
        for option in question.options:
            if question.topic == "results":
                lab = next(f for f in one.facts if f.id == option.supports[0])
                assert isinstance(lab, LabFact)
                words = {"low": "below|low", "normal": "within|normal", "high": "above|high"}[lab.interpretation]
                assert bool(re.search(rf"\b({words})\b", option.text.replace(lab.name, ""))) == option.right
            if question.topic == "contraindicated":
                told = known_patient(pack, one, condition=False)
                assert (ruled_out(pack, option.text, told) is not None) == option.right
            if question.topic == "first drug":
                started = {
                    f.medication.name for f in one.facts if f.kind == "plan" and f.action == "start" and f.medication
                }
                assert (option.text in started) == option.right
    assert seen <= asked().topics.keys()
    assert {"diagnosis", "contraindicated", "first drug"} <= seen
    assert "results" in seen or specialty == "pediatrics"  # children there have one or two results


def test_a_drug_is_ruled_out_by_what_the_case_holds() -> None:
    pack = load_pack("primary_care")
    allergic = next(name for name, entry in pack.history.items() if "penicillins" in entry.allergens)
    drug = next(name for name, entry in pack.drugs.items() if "penicillins" in entry.classes)
    one = scenario("mcq", "primary_care", 0)
    patient = known_patient(pack, one.model_copy(update={"facts": one.facts[:1]}), condition=False)
    assert ruled_out(pack, drug, patient) is None
    patient.join(pack, allergic)
    assert ruled_out(pack, drug, patient) == allergic


def answers(specialty: str, count: int = 80) -> list[tuple[Scenario, AnswerFact]]:
    found = []
    for index in range(count):
        one = scenario("judge", specialty, index)
        found += [(one, fact) for fact in one.facts if isinstance(fact, AnswerFact)]
    return found


@pytest.mark.parametrize("specialty", ["endocrinology", "gynaecology", "surgery"])
def test_planted_errors_are_errors_and_the_score_follows_from_them(specialty: str) -> None:
    kinds = set()
    for one, answer in answers(specialty):
        truth = next(fact for fact in one.facts if isinstance(fact, DiagnosisFact))
        planted = [error.kind for error in answer.errors]
        kinds.update(planted)
        groups = [severities()[kind].group for kind in planted]
        assert len(set(groups)) == len(groups)
        assert answer.score == score_of(planted)
        assert (answer.diagnosis == truth.name) == ("diagnosis" not in groups)
        said = " ".join(answer.claims)
        for error in answer.errors:
            if error.kind == "missing key finding":
                assert error.said not in answer.claims
            elif error.kind in ("invented finding", "contradicted finding"):
                assert error.said in answer.claims
            if error.kind == "invented finding":
                name = error.said.removeprefix("reports ")
                assert name not in {getattr(fact, "name", "") for fact in one.facts}
        if not planted:
            assert answer.score == 5.0
            assert "is normal" not in said
    assert len(kinds) >= 6


def test_scores_are_half_points_from_one_to_five_and_worse_with_every_error() -> None:
    known = list(severities())
    for first in known:
        assert 1.0 <= score_of([first]) < 5.0
        for second in known:
            if severities()[first].group != severities()[second].group:
                both = score_of([first, second])
                assert both <= min(score_of([first]), score_of([second]))
                assert both * 2 == int(both * 2)
    assert score_of([]) == 5.0
    assert score_of(["wrong diagnosis", "contraindicated recommendation", "invented finding"]) == 1.0


def test_the_prompt_of_a_judge_gives_the_severities_as_they_are() -> None:
    path = find_asset("prompts/judge/target.system.md.j2")
    assert path is not None
    rows = re.findall(r"^\| .+ \| (minor|moderate|major) \| ([\d.]+) \| ([\d.]+) \|$", path.read_text("utf-8"), re.M)
    wanted = [(entry.severity, entry.cost, entry.at_most) for entry in severities().values()]
    assert [(severity, float(cost), float(most)) for severity, cost, most in rows] == wanted


def test_every_diagnosis_that_can_be_answered_has_a_block_above_it() -> None:
    for specialty in pack_names():
        for condition in pack_of("judge", specialty).conditions.values():
            for presentation in condition.presentations.values():
                code = presentation.diagnosis.icd10cm
                assert code[0] not in "ZT"
                assert block_of(code) is not None or code[:3] in ("I10", "I1A") or code[0] in "RS", code


@pytest.mark.parametrize("name", TASKS)
def test_contracts_can_be_decoded_and_prompts_rendered(name: str) -> None:
    task = load_task(name)
    decoding_schema(load_schema(task.schema_name))
    one = written(name, "radiology", 3)
    prompts = Prompts(task, pack_of(name, "radiology"))
    asked = str(prompts.target(one.source, None, one.scenario.facts))
    assert one.source.text.splitlines()[1] in asked
    truth = next(fact for fact in one.scenario.facts if isinstance(fact, DiagnosisFact))
    if task.source_by == "teacher":
        for constrained in (True, False):
            source = str(prompts.source(one.scenario, constrained=constrained))
            assert truth.name in source
            assert truth.status not in source
    patient = next(fact for fact in one.scenario.facts if isinstance(fact, PatientFact))
    assert str(patient.age) in one.source.text
    for reason in ("too_short", "wrong_answer", "missing_fact", "invented_value", "not_json", "identifier_found"):
        failed = reject(one, "x", reason, "this", part="target")
        told = str(prompts.target(one.source, failed))
        assert "Your last" in told
        assert "could not be used" not in told
