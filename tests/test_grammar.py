"""The simulator's grammar and its number words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from synth.catalog import load_task
from synth.control import Control
from synth.draws import Draws
from synth.errors import UserError
from synth.numerals import number_words
from synth.packs import load_pack
from synth.population import Population
from synth.records import Number
from synth.scenarios import sample_scenario
from synth.teachers.grammar import Expansion, Grammar, load_grammar
from synth.teachers.simulator import Simulator


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "zero"),
        (7.9, "seven point nine"),
        (14, "fourteen"),
        (40, "forty"),
        (88, "eighty-eight"),
        (132, "one hundred thirty-two"),
        (0.65, "zero point six five"),
    ],
)
def test_number_words(value: Number, words: str) -> None:
    assert number_words(value) == words


def test_number_words_refuses_what_it_cannot_say() -> None:
    with pytest.raises(ValueError, match="1000"):
        number_words(1000)


def _grammar(**rules: str) -> Grammar:
    return Grammar(rules, load_grammar("encounter").spoken, "none")


def test_grammar_expands_choices_rules_and_slots() -> None:
    grammar = _grammar(start="{a|b{c|}} <name>, $slot", name="x\ny")
    texts = {grammar.expand("start", Expansion(Draws(i)), {"slot": "z"}) for i in range(200)}
    assert texts == {f"{a} {n}, z" for a in ("a", "b", "bc") for n in ("x", "y")}


def test_rule_gives_every_line_before_it_repeats() -> None:
    grammar = _grammar(start="a\nb\nc")
    state = Expansion(Draws("rounds"))
    rounds = [{grammar.expand("start", state, {}) for _ in range(3)} for _ in range(5)]
    assert rounds == [{"a", "b", "c"}] * 5


@pytest.mark.parametrize("line", ["{a|b", "a}b", "<name", "<missing>", "a|b", ""])
def test_grammar_refuses_what_does_not_parse(line: str) -> None:
    with pytest.raises(ValueError, match=r"rule|unexpected|not closed"):
        _grammar(start=line)


def test_unknown_grammar_is_a_user_error() -> None:
    with pytest.raises(UserError, match="did you mean encounter"):
        load_grammar("encountr")


def test_every_rule_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    grammar = load_grammar("encounter")
    used: set[str] = set()
    original = Grammar.expand

    def expand(self: Grammar, name: str, state: Expansion, slots: Mapping[str, str]) -> str:
        used.add(name)
        return original(self, name, state, slots)

    monkeypatch.setattr(Grammar, "expand", expand)
    for name in ("endocrinology", "primary_care", "neurology", "ophthalmology", "gynaecology"):
        pack = load_pack(name)
        teacher = Simulator(pack, load_task("note"))
        for asked in (Population(pack, Control()), Population(pack, Control(length="long"))):
            for index in range(150):
                teacher.encounter(sample_scenario(pack, 2, index, asked))
    reached = used.union(*grammar.references.values())
    other_packs = {
        *("ask_social", "ask_diet", "ask_drugs", "drug_other", "diagnosis_next"),
        *("occasion_when", "hpi_occasion_since", "hpi_symptom", "recap_symptom", "dictate_problem_next"),
        *(
            "goal_missed",
            "med_use_ask",
            "ask_radiation",
            "ask_painkillers",
            "ask_missed",
            "ask_last_dose",
            "exam_gloves",
        ),
        *("yes_grave", "ack_grave", "drug_decrease_often", "teach_decrease_often", "teach_say"),
    }
    assert set(grammar.rules) - reached <= other_packs


def test_a_rule_in_two_files_and_a_file_that_does_not_parse_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synth.teachers.grammar._FOLDER", tmp_path)
    for name, text in (
        ("a/one.yaml", "rules: {hi: hello}"),
        ("a/two.yaml", "rules: {hi: hello again}"),
        ("b/one.yaml", "rulez: {hi: hello}"),
        ("c/one.yaml", "rules: {hi: hello}"),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    for name, message in (
        ("a", r"a/two\.yaml: rule 'hi' is in another"),
        ("b", r"b/one\.yaml: rulez"),
        ("c", "spoken"),
    ):
        with pytest.raises(UserError, match=message):
            load_grammar.__wrapped__(name)
