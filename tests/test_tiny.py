"""The tiny base: what it reads, what it never reads, how it starts, and that the shipped files are what they say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import pytest
import torch

from distill.student import base_folder, find_student, load_model, load_tokenizer
from distill.tiny.corpus import KEYS, SEED, Corpus, Exercise
from distill.tiny.extraction import LISTS, extraction
from distill.tiny.forms import (
    HOUSE_FORMS,
    Field,
    Group,
    excerpt,
    form,
    house_form,
    short_visit,
    symptom_talk,
    symptom_visit,
)
from synth.assets import canonical_json, load_schema, sha256
from synth.records import JsonObject

_UNREAD = 5_000_000
"""Index of encounters that are far behind every exercise that the base was trained on."""


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus("endocrinology")


def keys_of(value: object) -> Iterator[str]:
    """Yield every key of a JSON value, at any depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from keys_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys_of(inner)


def contract_keys(schema: object) -> Iterator[str]:
    """Yield every property that a JSON Schema names."""
    if isinstance(schema, dict):
        properties = schema.get("properties")
        if isinstance(properties, dict):
            yield from properties
        for inner in schema.values():
            yield from contract_keys(inner)


def exercise(corpus: Corpus, index: int) -> Exercise:
    """Return an exercise of each kind in turn."""
    kinds = (corpus.exercise, partial(extraction, corpus), partial(form, corpus), partial(excerpt, corpus))
    visits = (partial(short_visit, corpus), partial(symptom_visit, corpus, whole=0.5), partial(symptom_talk, corpus))
    return (*kinds, *visits)[index % 7](index)


def answers(corpus: Corpus, count: int) -> Iterator[object]:
    """Yield the answers of the first exercises that are JSON."""
    for index in range(count):
        text = exercise(corpus, index).answer
        if text[:1] in "[{" and not text.startswith(("[doctor]", "[patient]")):
            yield json.loads(text)


def test_exercises_hold_no_key_of_the_contract(corpus: Corpus) -> None:
    contract = set(contract_keys(load_schema("note")))
    assert {"subjective", "icd10cm", "value"} <= contract
    seen = {key for answer in answers(corpus, 300) for key in keys_of(answer)}
    assert len(seen) > 20
    assert not seen & contract


def test_exercises_hold_no_note_and_no_code(corpus: Corpus) -> None:
    for index in range(200):
        shown = exercise(corpus, index)
        target = corpus.encounter(index).target
        text = shown.prompt + shown.answer
        assert canonical_json(target) not in text
        problems = target["assessment_and_plan"]
        assert isinstance(problems, list)
        for problem in problems:
            assert isinstance(problem, dict)
            assert f'"{problem["icd10cm"]}"' not in text


def test_an_exercise_is_the_same_whenever_it_is_asked_for(corpus: Corpus) -> None:
    again = Corpus("endocrinology")
    assert [corpus.exercise(i) for i in range(20)] == [again.exercise(i) for i in reversed(range(20))][::-1]


def test_transcripts_come_from_a_seed_that_no_run_takes_by_default(corpus: Corpus) -> None:
    assert SEED > 999
    assert corpus.encounter(0).scenario.seed == SEED


def leaves(value: object) -> Iterator[object]:
    """Yield what stands at the ends of a JSON value."""
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        if isinstance(inner, dict | list):
            yield from leaves(inner)
        else:
            yield inner


def test_a_form_is_filled_in_with_what_its_transcript_supports(corpus: Corpus) -> None:
    """The note is written from the same facts, so that what a form says, but for its sentences, scenario and note say
    too."""
    told = nested = spelt_out = 0
    for index in range(60):
        shown = form(corpus, index, spelt_out=0.5)
        asked, _, source = shown.prompt.partition("\n\n")
        encounter = corpus.encounter(index)
        assert source == encounter.source.text
        filled = json.loads(shown.answer)
        said = [str(value) for value in leaves(filled)]
        sentences = [text for text in said if text.endswith(".") and " came because of " in text]
        facts = encounter.scenario.model_dump_json() + canonical_json(encounter.target)
        assert all(json.dumps(text, ensure_ascii=False)[1:-1] in facts for text in said if text not in sentences)
        told += len(sentences)
        nested += any(isinstance(value, dict) for value in filled.values())
        if asked.startswith("Write as JSON"):
            spelt_out += 1
            assert set(keys_of(filled)) <= set(re.findall(r"[a-z_]+", asked))
    assert 10 < spelt_out < 50
    assert told > 10
    assert nested > 30


def parts_of(members: Iterable[Field | Group]) -> Iterator[tuple[str, str]]:
    """Yield the keys of a form's fields, and what belongs there."""
    for member in members:
        if isinstance(member, Group):
            yield from parts_of(member.members)
        else:
            yield member.key, member.part


def test_an_excerpt_is_some_of_what_stands_in_its_house_form(corpus: Corpus) -> None:
    """And never what is easy to read, as measurements are."""
    for index in range(60):
        asked, _, source = excerpt(corpus, index).prompt.partition("\n\n")
        filled = json.loads(excerpt(corpus, index).answer)
        found = re.fullmatch(r"Write only ([a-z_, ]+) of form ([a-z]+) of this encounter\.", asked)
        assert found
        assert list(filled) == found[1].split(", ")
        text, chart = corpus.visit(index)
        assert source == text
        parts = dict(parts_of(house_form(KEYS.index(found[2]))))
        for key, value in filled.items():
            if parts[key] == "the reason to come":
                assert value == chart.complaint.name
            elif parts[key] in LISTS:
                assert value == LISTS[parts[key]](chart)
            else:
                assert parts[key] in ("what is taken", "since when", "pictures")


def test_a_short_visit_speaks_of_what_is_asked_and_of_little_else(corpus: Corpus) -> None:
    whole = short = told = 0
    asked_for: set[str] = set()
    for index in range(120):
        posed = short_visit(corpus, index)
        asked, _, source = posed.prompt.partition("\n\n")
        answer = json.loads(posed.answer)
        whole += len(corpus.visit(index)[0])
        short += len(source)
        if isinstance(answer, list):
            told += len(answer)
            felt = {fact.name: fact.present for fact in corpus.visit(index)[1].symptoms}
            assert {name: said == "yes" for name, said in (row.values() for row in answer)} == felt
            assert set(keys_of(answer)) <= set(asked.removesuffix(".").split())
        else:
            assert all(f"{key}: " in asked for key in answer)
            asked_for |= set(re.findall(r": ([a-z ]+[a-z])", asked))
    assert short < 0.5 * whole
    assert told > 20
    assert asked_for == {*LISTS, "what is taken", "since when", "pictures"} - {"what comes next"}


def test_a_symptom_visit_asks_which_symptoms_are_felt(corpus: Corpus) -> None:
    for index in range(60):
        brief, entire = symptom_visit(corpus, index), symptom_visit(corpus, index, whole=1.0)
        text, chart = corpus.visit(index)
        if not chart.symptoms:
            assert brief == entire == short_visit(corpus, index)
            continue
        assert entire.prompt.endswith(f"\n\n{text}")
        assert len(brief.prompt) <= len(entire.prompt)
        assert brief.answer == entire.answer
        assert polarities(brief).items() >= {fact.name: fact.present for fact in chart.symptoms}.items()


def test_a_symptom_talk_is_of_the_turns_that_tell_whether_symptoms_are_felt(corpus: Corpus) -> None:
    rows = lists = turns = whole = 0
    for index in range(300):
        posed = symptom_talk(corpus, index)
        text, chart = corpus.visit(index)
        if not chart.symptoms:
            assert posed == short_visit(corpus, index)
            continue
        felt = {fact.name: fact.present for fact in chart.symptoms}
        told = polarities(posed)
        assert 1 <= len(told) <= 4
        assert told.items() <= felt.items()
        rows, lists = rows + posed.answer.startswith("["), lists + posed.answer.startswith("{")
        turns, whole = turns + posed.prompt.count("\n") - 1, whole + text.count("\n") + 1
    assert lists > rows > 10
    assert turns < 0.25 * whole


def polarities(posed: Exercise) -> dict[str, bool]:
    """Return which symptoms an answer says are felt, and which not."""
    answer = json.loads(posed.answer)
    if isinstance(answer, list):
        return {name: said == "yes" for name, said in (row.values() for row in answer)}
    parts = dict(re.findall(r"(\w+): ([a-z ]+[a-z])", posed.prompt.partition("\n\n")[0]))
    says = {"what is felt": True, "what is not felt": False}
    return {name: says[parts[key]] for key, names in answer.items() if parts[key] in says for name in names}


def test_a_house_form_is_always_the_same_and_no_other(corpus: Corpus) -> None:
    shown: dict[str, set[tuple[str, ...]]] = {}
    for index in range(60):
        exercise = form(corpus, index, spelt_out=0.0)
        asked = exercise.prompt.partition("\n")[0]
        shown.setdefault(asked, set()).add(tuple(json.loads(exercise.answer)))
    assert len(shown) == HOUSE_FORMS
    assert all(len(outer) == 1 for outer in shown.values())
    assert len(set.union(*shown.values())) == HOUSE_FORMS


def test_the_rate_of_the_forms_does_not_look_ahead_before_it_falls() -> None:
    from distill.tiny.build import Plan, plateau

    def rates(steps: int) -> list[float]:
        plan = Plan(form_rate=1e-3)
        optimiser = torch.optim.AdamW([torch.zeros(1, requires_grad=True)], plan.learning_rate)
        schedule = plateau(optimiser, plan=plan, steps=steps, decay=100)
        found = []
        for _ in range(steps):
            found.append(optimiser.param_groups[0]["lr"])
            optimiser.step()
            schedule.step()
        return found

    short, long = rates(300), rates(500)
    assert short[:200] == long[:200]
    assert max(short) == pytest.approx(1e-3)
    assert short[250] == pytest.approx(5e-4)
    assert short[-1] == pytest.approx(1e-5)


def test_the_circuit_copies_before_any_training() -> None:
    from distill.tiny.build import Plan, make_model

    plan = Plan()
    model = make_model(plan, plan.vocabulary).eval()
    span = torch.randint(4, plan.vocabulary, (8, 8), generator=torch.Generator().manual_seed(1))
    rows = span.repeat(1, 6)
    with torch.no_grad():
        guess = model(rows).logits[:, 8:-1].argmax(-1)
    assert (guess == rows[:, 9:]).float().mean() > 0.7


def test_a_deeper_model_does_what_the_shallow_one_did_until_it_is_trained() -> None:
    from distill.tiny.build import Plan, make_model
    from distill.tiny.growth import grow

    plan = Plan(vocabulary=200, hidden=64, heads=4, intermediate=64)
    model = make_model(plan, plan.vocabulary).eval()
    rows = torch.randint(4, plan.vocabulary, (2, 24), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        before = model(rows).logits
        grow(model, plan.grown_after, seed=0)
        assert torch.equal(model(rows).logits, before)
        cached = model.generate(rows[:1], max_new_tokens=4, do_sample=False, use_cache=True)
        assert torch.equal(cached, model.generate(rows[:1], max_new_tokens=4, do_sample=False, use_cache=False))
    assert model.config.num_hidden_layers == len(model.model.layers) == plan.layers + len(plan.grown_after)
    model(rows, labels=rows).loss.backward()
    idle = model.model.layers[plan.grown_after[0] + 1]
    assert idle.mlp.down_proj.weight.grad.abs().sum() > 0
    assert idle.self_attn.o_proj.weight.grad.abs().sum() > 0


def test_the_same_seed_builds_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from distill.tiny import curriculum
    from distill.tiny.build import Plan, build

    stage = curriculum.CopyStage(shortest=4, longest=8, width=32, rows=4, learning_rate=1e-3, steps=2, until=0.0)
    monkeypatch.setattr(curriculum, "STAGES", (stage,))
    plan = Plan(
        vocabulary=400,
        vocabulary_encounters=5,
        hidden=64,
        layers=2,
        heads=4,
        intermediate=64,
        steps=2,
        extraction_rounds=(2, 2),
        spelt_out_steps=2,
        form_steps=2,
        form_decay=1,
        grown_after=(1,),
        deep_rounds=(2, 2),
        deep_decay=1,
        excerpt_steps=2,
        short_steps=2,
        mixed_steps=2,
        mixed_decay=1,
        talk_steps=2,
        last_steps=2,
        last_decay=1,
    )
    heard: list[str] = []
    for name in ("a", "b"):
        build(plan, tmp_path / name, lambda stage, _step, _steps, _loss: heard.append(stage))
    stages = ["copy 1", "corpus", "extraction 1", "extraction 2", "forms spelt out", "forms"]
    stages += ["forms, deeper 1", "forms, deeper 2", "excerpts", "short visits", "mixed"]
    stages += ["symptoms", "mixed again"]
    assert heard == [stage for stage in stages for _step in range(2)] * 2
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def shipped() -> Path:
    return base_folder(find_student("tiny"))


def test_the_shipped_base_is_small_and_is_the_one_that_its_provenance_names() -> None:
    weights = (shipped() / "model.safetensors").read_bytes()
    provenance: JsonObject = json.loads((shipped() / "provenance.json").read_text("utf-8"))
    assert len(weights) < 9_500_000
    assert provenance["sha256"] == sha256(weights)


def test_the_shipped_base_has_the_shape_that_the_student_says() -> None:
    student = find_student("tiny")
    assert student.shape is not None
    model = load_model(student)
    assert sum(weights.numel() for weights in model.parameters()) == student.shape.parameters
    assert 1_000_000 <= student.shape.parameters <= 3_000_000


def test_the_shipped_base_finds_things_in_transcripts_that_it_never_read(corpus: Corpus) -> None:
    """Token by token, given the answer so far; an untrained base gets next to none of the numbers right."""
    student = find_student("tiny")
    tokenizer, model = load_tokenizer(student), load_model(student).eval()
    right = asked = 0
    for index in range(_UNREAD, _UNREAD + 12):
        exercise = extraction(corpus, index)
        prompt = tokenizer(f"<|user|>{exercise.prompt}<|end|><|assistant|>")["input_ids"]
        answer = tokenizer(exercise.answer)["input_ids"]
        with torch.no_grad():
            guess = model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1].argmax(-1).tolist()
        digits = [
            (got, wanted) for got, wanted in zip(guess, answer, strict=True) if str(tokenizer.decode(wanted)).isdigit()
        ]
        asked += len(digits)
        right += sum(got == wanted for got, wanted in digits)
    assert asked > 100
    assert right > 0.8 * asked
