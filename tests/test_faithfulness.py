"""The faithfulness check: facts in source and target, and a target traced to its source."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue, ValidationError

from synth.assets import render_prompt
from synth.catalog import load_task
from synth.checks.faithfulness import Faithfulness, FaithfulnessCheck, examine, examine_target, violations
from synth.checks.workers import open_checks
from synth.config import FaithfulnessConfig, RunConfig, TeacherConfig
from synth.packs import Pack, load_pack
from synth.records import Encounter, Fact, HistoryFact, JsonObject, Medication, PlanFact, Rejection
from synth.scenarios import sample_scenario
from synth.teachers.grammar import load_grammar
from synth.teachers.simulator import Simulator
from tests.faithful import FACTS, SAID, encounter, note, transcript

TASK = load_task("note")
Rows = dict[str, list[dict[str, JsonValue]]]


def changed(path: str, value: JsonValue) -> JsonObject:
    """Return the note with the value at a pointer replaced."""
    target = note()
    *steps, last = [int(step) if step.isdigit() else step for step in path.split("/")]
    holder: JsonValue = target
    for step in steps:
        holder = cast("dict[str | int, JsonValue]", holder)[step]
    cast("dict[str | int, JsonValue]", holder)[last] = value
    return target


def wrong(found: Faithfulness) -> dict[str, tuple[str, str]]:
    """Return the facts that are not found in both, by id."""
    return {
        fact.id: (fact.source.verdict, fact.target.verdict)
        for fact in found.facts
        if (fact.source.verdict, fact.target.verdict) != ("found", "found")
    }


def kinds(found: Faithfulness) -> set[str]:
    return {one.kind for one in found.invented}


def test_what_is_said_in_other_words_is_found() -> None:
    found = examine(encounter())
    assert wrong(found) == {}
    assert found.invented == ()
    assert found.traced["medication"] == 3
    assert FaithfulnessCheck(TASK)(encounter()) == encounter()


@pytest.mark.parametrize(
    ("path", "value", "fact", "verdict", "kind"),
    [
        ("subjective/medications/0/dose", 100, "medication-1", "contradicted", "dose"),
        ("subjective/medications/0/unit", "mg", "medication-1", "contradicted", "dose"),
        ("subjective/medications/0/frequency", "twice daily", "medication-1", "contradicted", "dose"),
        ("subjective/medications", [], "medication-1", "missing", None),
        ("subjective/review_of_systems/negative/0", "nausea", None, None, "negation"),
        ("subjective/history_of_present_illness", "A 51-year-old woman.", "patient-1", "contradicted", "value"),
        ("subjective/history_of_present_illness", "A 50-year-old man.", "patient-1", "contradicted", None),
        (
            "subjective/history_of_present_illness",
            "A 50-year-old woman with fatigue for 5 months.",
            "complaint-1",
            "contradicted",
            "value",
        ),
        ("subjective/review_of_systems/positive/0", "palpitations", "symptom-2", "contradicted", "negation"),
        ("subjective/medical_history", [], "history-1", "missing", None),
        ("subjective/medical_history/0", "asthma", "history-1", "missing", "diagnosis"),
        ("subjective/allergies/0", "known drug allergies", "history-2", "contradicted", "negation"),
        ("objective_exam/findings/0", "tremor", "finding-1", "contradicted", "negation"),
        ("objective_exam/vitals/0/value", 142, "vital-1", "contradicted", "value"),
        ("objective_results/labs/0/value", 9.7, "lab-1", "contradicted", "value"),
        ("objective_results/labs/0/unit", "mIU/mL", "lab-1", "contradicted", "value"),
        ("objective_results/labs/0/interpretation", "low", "lab-1", "contradicted", None),
        (
            "objective_results/studies/0/result",
            "5 mm stone in the left kidney",
            "study-1",
            "contradicted",
            "laterality",
        ),
        ("objective_results/studies/0/result", "8 mm stone in the right kidney", "study-1", "contradicted", "value"),
        ("assessment_and_plan/0/problem", "obesity", "diagnosis-1", "missing", "diagnosis"),
        ("assessment_and_plan/0/icd10cm", "E03.8", "diagnosis-1", "contradicted", None),
        ("assessment_and_plan/0/plan/0", "increase levothyroxine to 100 mcg", "plan-1", "contradicted", "dose"),
        ("assessment_and_plan/0/plan/1", "repeat TSH in 8 weeks", "plan-2", "contradicted", "value"),
        ("assessment_and_plan/0/plan/1", "start apixaban 5 mg twice daily", "plan-2", "missing", "medication"),
        ("assessment_and_plan/0/plan/1", "start zanubrutinib 5 mg twice daily", "plan-2", "missing", "medication"),
    ],
)
def test_a_change_is_told_by_fact_and_by_kind(
    path: str, value: JsonValue, fact: str | None, verdict: str | None, kind: str | None
) -> None:
    found = examine(encounter(changed(path, value)))
    if fact is not None:
        assert wrong(found)[fact] == ("found", verdict)
    if kind is not None:
        assert kind in kinds(found)
    outcome = FaithfulnessCheck(TASK)(encounter(changed(path, value)))
    assert isinstance(outcome, Rejection) or path.startswith("assessment_and_plan/0/plan/1") or fact is None


@pytest.mark.parametrize(
    ("was", "instead", "fact", "verdict"),
    [
        ("seventy-five micrograms", "fifty micrograms", "medication-1", "contradicted"),
        ("Synthroid, seventy-five micrograms, every day", "my pills", "medication-1", "contradicted"),
        ("seven point nine", "nine point seven", "lab-1", "contradicted"),
        ("Nope, none of that", "Yes, all the time", "symptom-2", "contradicted"),
        ("high blood pressure, right", "anything else", "history-1", "missing"),
        ("woman", "man", "patient-1", "contradicted"),
        ("one thirty-two over eighty", "one forty-two over eighty", "vital-1", "contradicted"),
        ("about three months", "a while", "complaint-1", "missing"),
        ("in six weeks", "soon", "plan-2", "missing"),
        ("right kidney", "left kidney", "study-1", "contradicted"),
    ],
)
def test_a_source_that_is_not_true_to_the_facts_is_written_anew(
    was: str, instead: str, fact: str, verdict: str
) -> None:
    assert was in SAID
    found = examine(encounter(said=SAID.replace(was, instead)))
    assert wrong(found)[fact][0] == verdict


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("Levothyroxine 75 mcg once daily. TSH 7.9 mIU/L. BP 132/80. Denies palpitations.", set()),
        ("Synthroid 75 micrograms daily, TSH of 7.9.", set()),
        ("Levothyroxine 50 mcg once daily.", {"dose"}),
        ("Started on metformin 500 mg twice daily.", {"medication"}),
        ("BP 142/80.", {"value"}),
        ("A 5 mm stone in the left kidney.", {"laterality"}),
        ("Reports palpitations.", {"negation"}),
        ("Denies nausea.", {"negation"}),
        ("The patient has gout.", {"diagnosis"}),
    ],
)
def test_a_text_is_traced_without_a_scenario(target: str, words: set[str]) -> None:
    found = examine_target(transcript(), target)
    assert found.facts == ()
    assert kinds(found) == words
    assert examine_target(transcript().text, target) == found


@pytest.mark.parametrize("index", range(0, 60, 3))
def test_the_simulator_is_true_to_its_facts(index: int) -> None:
    pack = load_pack("endocrinology")
    found = examine(Simulator(pack, TASK).encounter(sample_scenario(pack, 77, index)))
    assert wrong(found) == {}
    assert found.invented == ()


def test_every_fact_that_stands_word_for_word_is_found() -> None:
    pack = load_pack("endocrinology")
    simulator = Simulator(pack, TASK)
    for index in range(40):
        scenario = sample_scenario(pack, 78, index)
        target = simulator.encounter(scenario).target
        found = examine_target("[doctor] Hello.\n[patient] Hello.", target, scenario)
        assert {fact.target.verdict for fact in found.facts} == {"found"}
        assert "found" not in {fact.source.verdict for fact in found.facts}


def reworded(note: JsonObject, pack: Pack) -> JsonObject:
    """Return a note of the simulator in other words: brands, units and abbreviations spelled differently, lay words."""
    units = load_grammar(TASK.simulator).spoken.units
    words: JsonObject = json.loads(json.dumps(note))
    subjective, results = cast("Rows", words["subjective"]), cast("Rows", words["objective_results"])
    for entry in subjective["medications"]:
        entry["name"] = next(iter(pack.drugs[str(entry["name"])].brands), entry["name"])
        entry["unit"] = units.get(str(entry["unit"]), entry["unit"])
        latin = {"once daily": "QD", "twice daily": "BID", "three times daily": "TID"}
        entry["frequency"] = latin.get(str(entry["frequency"]), entry["frequency"])
    for entry in results["labs"]:
        measure = pack.labs[str(entry["name"])]
        entry["name"], entry["unit"] = measure.says[-1], measure.unit_says or entry["unit"]
    review = cast("dict[str, dict[str, list[str]]]", subjective)["review_of_systems"]
    for names in review.values():
        names[:] = [pack.symptoms[name].asks[0] for name in names]
    exam = cast("dict[str, list[str]]", words["objective_exam"])
    exam["findings"] = [pack.findings[name].says[1] for name in exam["findings"]]
    for problem in cast("list[dict[str, list[str]]]", words["assessment_and_plan"]):
        problem["plan"] = [pack.plan_says.get(item, (item,))[-1] for item in problem["plan"]]
    return words


def test_a_note_in_other_words_is_as_true() -> None:
    pack = load_pack("endocrinology")
    simulator = Simulator(pack, TASK)
    for index in range(40):
        written = simulator.encounter(sample_scenario(pack, 79, index))
        found = examine(written.model_copy(update={"target": reworded(written.target, pack)}))
        assert wrong(found) == {}, written.id
        assert found.invented == (), written.id


def test_reasons_and_details_name_the_fact() -> None:
    outcome = FaithfulnessCheck(TASK)(encounter(changed("subjective/medications/0/dose", 100)))
    assert isinstance(outcome, Rejection)
    assert (outcome.stage, outcome.reason, outcome.part) == ("faithfulness", "contradicted_fact", "target")
    assert outcome.detail == "the target contradicts levothyroxine 75 mcg once daily (the dose is 100 mcg)"
    outcome = FaithfulnessCheck(TASK)(encounter(said=SAID.replace("seven point nine", "nine point seven")))
    assert isinstance(outcome, Rejection)
    assert (outcome.reason, outcome.part) == ("contradicted_fact", "source")
    retry = render_prompt("note/retry.md.j2", part=outcome.part, reason=outcome.reason, detail=outcome.detail)
    assert "TSH 7.9 mIU/L" in retry


def test_a_detail_stays_short() -> None:
    target = note()
    cast("JsonObject", target["subjective"])["medical_history"] = [
        f"hypertension and gout {'x' * 150} {i}" for i in range(9)
    ]
    outcome = FaithfulnessCheck(TASK)(encounter(target))
    assert isinstance(outcome, Rejection)
    assert len(outcome.detail) < 400
    assert "\n" not in outcome.detail


def test_thresholds_decide() -> None:
    found = examine(encounter(changed("subjective/medications/0/dose", 100)))
    assert [reason for reason, _, _ in violations(found, FaithfulnessConfig())] == [
        "contradicted_fact",
        "invented_dose",
    ]
    lax = FaithfulnessConfig(contradicted=1, invented={"dose": None}, required=())
    assert list(violations(found, lax)) == []
    without = examine(encounter(changed("subjective/medical_history", [])))
    assert [reason for reason, _, _ in violations(without, FaithfulnessConfig())] == ["missing_fact"]
    assert list(violations(without, FaithfulnessConfig(required=("lab",)))) == []
    strict = FaithfulnessConfig(required=(), target=1.0, invented={"negation": 0})
    assert [reason for reason, _, _ in violations(without, strict)] == ["missing_fact"]


def test_a_run_configures_the_check() -> None:
    config = RunConfig(
        specialty="endocrinology",
        n=1,
        seed=0,
        teacher=TeacherConfig(name="simulator"),
        faithfulness=FaithfulnessConfig(contradicted=9, required=(), target=0.0, invented={"dose": None}),
    )
    assert config.checks == ("schema", "phi", "faithfulness", "identities", "duplicates")
    check = open_checks(("faithfulness",), TASK, config)[0]
    corrupt = encounter(changed("subjective/medications/0/dose", 100))
    assert check(corrupt) is corrupt
    with pytest.raises(ValidationError):
        FaithfulnessConfig(invented={"dosage": 1})  # type: ignore[dict-item]


def test_placeholders_are_no_claims() -> None:
    target = changed(
        "subjective/history_of_present_illness", "{{patient_name}}, a 50-year-old woman. {{relative_name_2}}"
    )
    said = SAID.replace("So this", "{{patient_name}}, born {{date_of_birth}}, so this")
    assert examine(encounter(target, said)).invented == ()


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["name", "dose", "unit", "x"]), inner),
    max_leaves=12,
)


@given(json_values)
def test_any_output_is_examined(value: JsonValue) -> None:
    target = deepcopy(note())
    target["assessment_and_plan"] = value
    target["subjective"] = value
    assert len(examine(encounter(target)).facts) == len(FACTS)


def with_drug(frequency: str, said: str) -> Encounter:
    """Return an encounter with one plan more, and what the doctor says of it."""
    drug = Medication(name="acetaminophen", dose=650, unit="mg", route="oral", frequency=frequency)
    text = f"start acetaminophen 650 mg oral {frequency}"
    plan = PlanFact(id="plan-3", problem="diagnosis-1", action="start", text=text, medication=drug)
    return longer(plan, said, "assessment_and_plan/0/plan", text)


def longer(fact: Fact, said: str, path: str, text: str) -> Encounter:
    """Return the encounter with one fact more, said in the source and added to a list of the target."""
    target = note()
    held: JsonValue = target
    for step in path.split("/"):
        held = cast("dict[str | int, JsonValue]", held)[int(step) if step.isdigit() else step]
    cast("list[JsonValue]", held).append(text)
    return encounter(target, f"{SAID}\n[doctor] {said}", (*FACTS, fact))


@pytest.mark.parametrize(
    ("frequency", "said", "right"),
    [
        ("every 6 hours as needed for pain", "Start Tylenol, 650 milligrams every 6 hours as needed for pain.", True),
        ("every 6 hours as needed for pain", "Start Tylenol, 650 milligrams every 8 hours as needed for pain.", False),
        ("every 6 hours as needed for pain", "Start Tylenol, 500 milligrams every 6 hours as needed for pain.", False),
        ("every 2 days", "Start Tylenol, 650 milligrams, every other day.", True),
    ],
)
def test_a_drug_that_is_given_every_so_often(frequency: str, said: str, right: bool) -> None:
    found = examine(with_drug(frequency, said))
    assert (not wrong(found) and not found.invented) is right


def test_a_number_in_a_term_of_the_scenario_is_not_traced() -> None:
    fact = HistoryFact(id="history-3", category="medical", name="gallstone surgery 6 months ago")
    said = "And you had surgery for a gallstone half a year ago."
    assert not examine(longer(fact, said, "subjective/medical_history", fact.name)).invented
    other = examine(longer(fact, said, "subjective/medical_history", "gallstone surgery 9 months ago"))
    assert "value" in kinds(other)


def test_a_drug_in_the_plural_is_the_drug() -> None:
    fact = HistoryFact(id="history-3", category="allergy", name="penicillin allergy with rash")
    said = "And no penicillins, because of the rash."
    assert "medication" not in kinds(examine(longer(fact, said, "subjective/allergies", fact.name)))
    said = "And no sulfa drugs, because of the rash."
    assert "medication" in kinds(examine(longer(fact, said, "subjective/allergies", fact.name)))
