"""Letters and summaries: every target is faithful, valid and in style; what is not so is rejected."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import pytest

from synth.assets import render_prompt
from synth.catalog import load_task
from synth.checks.faithfulness import FaithfulnessCheck
from synth.checks.style import StyleCheck
from synth.checks.workers import open_checks, run_checks
from synth.config import RunConfig, resolve_config
from synth.errors import UserError
from synth.extras import restricted
from synth.packs import Pack, load_pack
from synth.packs.terms import translated
from synth.pipeline import Execution, generate
from synth.records import Encounter, JsonObject, Rejection, TherapyFact
from synth.scenarios import sample_scenario
from synth.teachers.prompts import Prompts
from synth.teachers.simulator import Simulator

SPECIALTY = "radiation_oncology"


def settings(task: str = "letter", **more: object) -> RunConfig:
    given: dict[str, object] = {"specialty": SPECIALTY, "task": task, "n": 20, "teacher": {"name": "simulator"}}
    return resolve_config(given | more)  # type: ignore[arg-type]  # what YAML would hold


@cache
def simulated(style: str, task: str, specialty: str) -> tuple[Simulator, Pack, RunConfig]:
    config = settings(task, specialty=specialty, **({"style": style} if style else {}))
    pack, _ = translated(restricted(load_pack(specialty), load_task(task).extras), config.language)
    return Simulator(pack, load_task(task), config.style), pack, config


@cache
def written(style: str, index: int, task: str = "letter", specialty: str = SPECIALTY) -> Encounter:
    simulator, pack, config = simulated(style, task, specialty)
    return simulator.encounter(sample_scenario(pack, 0, index, None, load_task(task).extras, config.language))


@pytest.mark.parametrize("style", ["english", "english-brief", "german"])
def test_letters_are_accepted(style: str) -> None:
    config = settings(style=style)
    checks = open_checks(config.checks, load_task("letter"), config)
    assert "style" in config.checks
    outcomes = [run_checks(checks, written(style, index)) for index in range(20)]
    assert [one.detail for one in outcomes if isinstance(one, Rejection)] == []


@pytest.mark.parametrize("specialty", [SPECIALTY, "ophthalmology", "cardiology"])
def test_summaries_are_accepted_whatever_the_specialty(specialty: str) -> None:
    config = settings("summary", specialty=specialty)
    checks = open_checks(config.checks, load_task("summary"), config)
    outcomes = [run_checks(checks, written("", index, "summary", specialty)) for index in range(20)]
    assert sum(isinstance(one, Rejection) for one in outcomes) <= 1


def changed(one: Encounter, old: str, new: str) -> Encounter:
    text = json.dumps(one.target, ensure_ascii=False)
    assert old in text
    return one.model_copy(update={"target": json.loads(text.replace(old, new))})


def first(style: str, pattern: str) -> tuple[Encounter, str]:
    """Return the first letter of a style in which a pattern is found, and what was found."""
    for index in range(60):
        found = re.search(pattern, json.dumps(written(style, index).target, ensure_ascii=False))
        if found is not None:
            return written(style, index), found[0]
    raise AssertionError(pattern)


@pytest.mark.parametrize(
    ("style", "pattern", "new", "reason"),
    [
        ("english", r"60 Gy in 20 fractions", "66 Gy in 20 fractions", "invented_value"),
        ("english", r"cT1c cN0 cM0", "cT3a cN0 cM0", "contradicted_fact"),
        ("english", r"stage IIB|Stage IIB", "stage IVA", "contradicted_fact"),
        ("english", r"urinary frequency grade 1", "urinary frequency grade 3", "contradicted_fact"),
        ("german", r"60,0 Gy à 3,0 Gy", "66,0 Gy à 3,0 Gy", "invented_value"),
        ("german", r"Stadium IIB", "Stadium IVA", "contradicted_fact"),
        ("german", r"Pollakisurie Grad 1", "Pollakisurie Grad 3", "contradicted_fact"),
        ("german", r"Leuprorelin 22,5 mg", "Leuprorelin 45 mg", "contradicted_fact"),
    ],
)
def test_what_a_record_does_not_say_is_found(style: str, pattern: str, new: str, reason: str) -> None:
    one, old = first(style, pattern)
    check = FaithfulnessCheck(load_task("letter"))
    assert not isinstance(check(one), Rejection)
    outcome = check(changed(one, old, new))
    assert isinstance(outcome, Rejection)
    assert outcome.reason == reason


def test_another_house_is_found() -> None:
    one, check = written("english", 3), StyleCheck(load_task("letter"), settings())
    assert check(one) is one
    for old, new, reason in (
        ('"heading": "Assessment"', '"heading": "Impression"', "headings"),
        (", Radiation Oncologist", ", MD", "phrases"),
    ):
        outcome = check(changed(one, old, new))
        assert isinstance(outcome, Rejection)
        assert (outcome.stage, outcome.reason) == ("style", reason)
    sections = one.target["sections"]
    assert isinstance(sections, list)
    turned: JsonObject = {**one.target, "sections": sections[::-1]}
    outcome = check(one.model_copy(update={"target": turned}))
    assert isinstance(outcome, Rejection)
    assert outcome.reason == "order"


def test_a_german_scenario_is_the_english_one_in_other_words() -> None:
    english, german = written("english", 5), written("german", 5)
    assert english.scenario.facts == german.scenario.facts
    assert (english.scenario.language, german.scenario.language) == (None, "de")
    assert "Behandlungsakte" in german.source.text


def test_a_task_without_styles_takes_none_and_a_style_must_fit_its_task(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="knows no styles"):
        settings("note", style="english")
    with pytest.raises(UserError, match=r"no style 'germn' .did you mean german"):
        settings(style="germn")
    file = tmp_path / "own.yaml"
    source = Path("styles/english.yaml").read_text("utf-8").replace("  schedule: Schedule\n", "")
    file.write_text(source, "utf-8")
    with pytest.raises(UserError, match="heading to each of"):
        settings(style=str(file))


def test_a_language_that_a_pack_has_no_terms_in_is_an_error_of_one_line() -> None:
    with pytest.raises(UserError, match="no presentation whose terms are all known in 'de'"):
        translated(load_pack("cardiology"), "de")


def test_presentations_with_an_unknown_term_are_left_out_and_counted() -> None:
    pack = load_pack(SPECIALTY)
    condition = pack.conditions["prostate cancer"]
    name, one = next(iter(condition.presentations.items()))
    strange = one.model_copy(update={"diagnosis": one.diagnosis.model_copy(update={"status": "never heard of"})})
    changed_condition = condition.model_copy(update={"presentations": {**condition.presentations, name: strange}})
    more = pack.model_copy(update={"conditions": {**pack.conditions, "prostate cancer": changed_condition}})
    kept, left_out = translated(more, "de")
    assert left_out == 1
    assert name not in kept.conditions["prostate cancer"].presentations
    assert translated(pack, "de")[1] == 0


def test_a_teacher_is_told_the_house_style() -> None:
    task, config = load_task("letter"), settings(style="german")
    prompts = Prompts(task, load_pack(SPECIALTY), config.style)
    system = str(prompts.target(written("german", 0).source)[0]["content"])  # type: ignore[index,call-overload]
    for heading in ("Therapieverlauf", "Procedere und Termine", "{total} Gy à {each} Gy", "Language: German"):
        assert heading in system


def test_therapies_are_told_in_order_and_doses_add_up() -> None:
    for index in range(20):
        for fact in written("english", index).scenario.facts:
            if isinstance(fact, TherapyFact) and fact.course is not None:
                assert abs(fact.course.dose - fact.course.fractions * fact.course.per_fraction) < 0.1


def test_a_run_keeps_its_style_by_content_and_students_are_measured_by_it(tmp_path: Path) -> None:
    from distill.datasets import held_out_items
    from distill.metrics.style import StyleMetric
    from distill.records import Prediction

    generate(settings(style="german", splits={"test": 0.4}), Execution(out=tmp_path / "run", max_candidates=60))
    items = held_out_items(tmp_path / "run", "test")
    assert items
    assert all(item.style is not None and item.style.name == "german" for item in items)
    said = [Prediction(id=i.id, raw="", text=i.reference, target=i.target, finish="stop") for i in items]
    assert {score.values["style"] for score in StyleMetric()(items, said)} == {1.0}
    wrong = [one.model_copy(update={"text": one.text.replace(" Gy à ", " Gy zu ")}) for one in said]
    assert min(score.values["style_doses"] or 0.0 for score in StyleMetric()(items, wrong)) < 1.0
    plain = [item.model_copy(update={"style": None}) for item in items]
    assert {score.values["style"] for score in StyleMetric()(plain, said)} == {None}


def test_the_text_is_what_a_physician_reads() -> None:
    one = written("english", 0)
    golden = Path(__file__).parent / "golden" / "letter.txt"
    assert render_prompt("letter/letter.txt.j2", target=one.target) == golden.read_text("utf-8")
