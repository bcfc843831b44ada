"""What becomes of an identifier that the teacher wrote: rejected, cut out, replaced, or kept for a person to read."""

from __future__ import annotations

import asyncio

import pytest

from synth.catalog import load_task
from synth.checks.base import Check
from synth.checks.phi import PhiCheck
from synth.checks.phi import check as module
from synth.checks.workers import CheckWorkers, open_checks, run_checks
from synth.config import PhiConfig, RunConfig, TeacherConfig
from synth.fields import strings_of
from synth.filling import fill
from synth.ledger import Decided
from synth.records import Encounter, JsonObject, PhiFinding, Rejection, Turn
from tests.samples import encounter, note

FORMATS_ALONE = {"PERSON": 1.0, "LOCATION": 1.0, "DATE_TIME": 1.0, "OTHER_ID": 1.0}
"""What counts here is what becomes of a finding, not how well names are found."""
LEAKS = ("00482913", "415-555-0134", "jo@clinic.local")


def configured(**phi: object) -> RunConfig:
    return RunConfig(
        specialty="endocrinology",
        n=1,
        seed=0,
        teacher=TeacherConfig(name="simulator"),
        checks=("schema", "phi", "identities"),
        phi=PhiConfig.model_validate({"quarantine": (), "thresholds": FORMATS_ALONE, **phi}),
    )


def checks(**phi: object) -> list[Check]:
    config = configured(**phi)
    return open_checks(config.checks, load_task("note"), config)


def leaking(*said: str, noted: str = "fatigue", code: str = "E03.9") -> Encounter:
    """Return an encounter in which something is said by turns, with a chief complaint and a code in its note."""
    target = note()
    subjective, problems = target["subjective"], target["assessment_and_plan"]
    assert isinstance(subjective, dict)
    assert isinstance(problems, list)
    assert isinstance(problems[0], dict)
    subjective["chief_complaint"], problems[0]["icd10cm"] = noted, code
    turns = [Turn(speaker="patient" if i % 2 else "doctor", text=text) for i, text in enumerate(said)]
    return encounter(turns=tuple(turns), target=target)


LEAKY = leaking(
    "Your record, MRN: 00482913, is open. Call 415-555-0134 with questions.",
    "Call 415-555-0134, and write to jo@clinic.local, {{patient_first_name}} said.",
    "MRN: 00482913 it is.",
    noted="fatigue, to be told at 415-555-0134 or JO@clinic.local",
)


def test_reject_keeps_the_spans_and_none_of_the_text() -> None:
    outcome = run_checks(checks(), LEAKY)
    assert isinstance(outcome, Rejection)
    assert (outcome.stage, outcome.reason, outcome.part) == ("phi", "identifier_found", "source")
    assert len(outcome.findings) == 7
    assert not any(leak in outcome.model_dump_json() for leak in LEAKS)


@pytest.mark.parametrize("policy", ["redact", "surrogate"])
def test_what_is_found_is_taken_out_and_nothing_else_changes(policy: str) -> None:
    outcome = run_checks(checks(policy=policy), LEAKY)
    assert isinstance(outcome, Encounter)
    assert not any(leak in outcome.model_dump_json().lower() for leak in LEAKS)
    mrn, phone, email = ("[MRN]", "[PHONE]", "[EMAIL]") if policy == "redact" else ("{{mrn}}", "{{phone}}", "{{email}}")
    assert [turn.text for turn in outcome.turns] == [
        f"Your record, MRN: {mrn}, is open. Call {phone} with questions.",
        f"Call {phone}, and write to {email}, {{{{patient_first_name}}}} said.",
        f"MRN: {mrn} it is.",
    ]
    before, after = strings_of(LEAKY.target), strings_of(outcome.target)
    assert after.pop("/subjective/chief_complaint") == f"fatigue, to be told at {phone} or {email}"
    assert after == {where: text for where, text in before.items() if where != "/subjective/chief_complaint"}
    texts = {"source": LEAKY.source.text, **before}
    assert len(outcome.findings) == 7
    for finding in outcome.findings:
        assert finding.action == {"redact": "redacted", "surrogate": "replaced"}[policy]
        assert texts[finding.field][finding.start : finding.end].lower() in LEAKS
        assert finding.replacement in (mrn, phone, email)


def test_a_replaced_leak_is_filled_like_any_other_and_takes_no_number_that_is_taken() -> None:
    written = leaking("Call {{phone}} or 415-555-0134.", "Or {{phone_3}}, or 415-555-0177, or 415-555-0134?")
    outcome = run_checks(checks(policy="surrogate"), written)
    assert isinstance(outcome, Encounter)
    assert outcome.turns[0].text == "Call {{phone}} or {{phone_2}}."
    assert outcome.turns[1].text == "Or {{phone_3}}, or {{phone_4}}, or {{phone_2}}?"
    filled = fill(outcome, "surrogate")
    assert "{{" not in filled.source.text
    assert len({filled.source.text[found.start : found.end] for found in filled.identifiers}) == 4


@pytest.mark.parametrize("policy", ["redact", "surrogate"])
def test_a_target_that_does_not_hold_any_more_is_rejected(policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Suspicious:
        def fields(self, texts: dict[str, str]) -> tuple[PhiFinding, ...]:
            where = "/assessment_and_plan/0/icd10cm"
            end = len(texts[where])
            return (PhiFinding(field=where, entity_type="US_SSN", start=0, end=end, score=1.0, recognizer="x"),)

    monkeypatch.setattr(module, "scanner", lambda _thresholds, _model: Suspicious())
    outcome = run_checks(checks(policy=policy), leaking("Hi.", "Hi."))
    assert isinstance(outcome, Rejection)
    assert (outcome.reason, outcome.part) == ("broken_by_redaction", "target")
    assert outcome.detail == "/assessment_and_plan/0/icd10cm: pattern after taking out US_SSN 1"


@pytest.mark.parametrize(("start", "end"), [(2, 14), (16, 30)])
def test_what_lies_in_no_turn_alone_is_rejected(start: int, end: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A speaker's tag, or words on both sides of a line break."""

    class Careless:
        def fields(self, texts: dict[str, str]) -> tuple[PhiFinding, ...]:
            assert end < len(texts["source"])
            return (PhiFinding(field="source", entity_type="PERSON", start=start, end=end, score=1.0, recognizer="x"),)

    monkeypatch.setattr(module, "scanner", lambda _thresholds, _model: Careless())
    outcome = run_checks(checks(policy="redact"), leaking("Hi there, you.", "Hello to you."))
    assert isinstance(outcome, Rejection)
    assert outcome.reason == "identifier_found"


@pytest.mark.parametrize("policy", ["reject", "redact", "surrogate"])
def test_a_key_that_the_contract_does_not_define_is_always_rejected(policy: str) -> None:
    target: JsonObject = note() | {"MRN: 00482913": "x"}
    outcome = PhiCheck(load_task("note"), configured(policy=policy))(
        leaking("Hi.", "Hi.").model_copy(update={"target": target})
    )
    assert isinstance(outcome, Rejection)
    assert outcome.reason == "identifier_found"
    assert not any(leak in outcome.model_dump_json() for leak in LEAKS)


@pytest.mark.parametrize("policy", ["reject", "redact", "surrogate"])
def test_a_quarantined_type_goes_before_every_policy(policy: str) -> None:
    outcome = run_checks(checks(policy=policy, quarantine=("MEDICAL_RECORD_NUMBER",)), LEAKY)
    assert isinstance(outcome, Rejection)
    assert (outcome.stage, outcome.reason) == ("phi", "quarantined")


def test_thresholds_and_model_reach_the_scanner(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(module, "scanner", lambda thresholds, model: asked.append((thresholds, model)))
    PhiCheck(load_task("note"), configured(thresholds={"PERSON": 0.9, "AGE_OVER_89": 0.5}, model="spacy:x"))
    assert asked == [((("AGE_OVER_89", 0.5), ("PERSON", 0.9)), "spacy:x")]


def test_a_process_of_its_own_follows_the_same_policy() -> None:
    config = configured(policy="redact")

    async def verdict(workers: int) -> Decided | Rejection:
        async with CheckWorkers(config.checks, load_task("note"), workers, config) as at_work:
            return await at_work.verdict(LEAKY)

    assert asyncio.run(verdict(1)) == asyncio.run(verdict(0))
    assert isinstance(asyncio.run(verdict(0)), Decided)


def test_an_unknown_placeholder_is_rejected_with_no_word_that_may_be_a_name() -> None:
    outcome = run_checks(checks(policy="surrogate"), leaking("Hi {{doctor_name}}.", "Hi {{Okonkwo}}."))
    assert isinstance(outcome, Rejection)
    assert (outcome.stage, outcome.reason, outcome.part) == ("phi", "unknown_placeholder", "source")
    assert outcome.detail == "2 of no known kind, such as {{doctor_name}}"
