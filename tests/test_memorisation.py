"""Canaries are planted as said, exposure finds what was learned, and a control stands beside every figure."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.datasets import Example, examples, student_prompt, tokenize
from distill.generation import Loaded, stop_tokens
from distill.memorisation.canaries import Canary, make_canaries, plant, random_suffix, read_canaries
from distill.memorisation.exposure import exposure, suffix_losses
from distill.memorisation.extraction import longest_common_run
from distill.memorisation.measuring import Memorisation
from distill.predict import load_base
from distill.settings import TrainSettings
from distill.statistics import area_interval
from distill.train import train
from synth.assets import canonical_json
from synth.errors import UserError
from tests.running import here
from tests.samples import note
from tests.students import write_base, write_run


def some_examples(count: int, *, text: bool = False) -> list[Example]:
    content = "CHIEF COMPLAINT\n\nfatigue for three weeks" if text else canonical_json(note())
    return [
        Example(str(i), "note", student_prompt("note", f"source {i}"), [{"role": "assistant", "content": content}])
        for i in range(count)
    ]


@settings(deadline=None, max_examples=50)
@given(count=st.integers(0, 20), seed=st.integers(0, 9), text=st.booleans())
def test_canaries_take_the_place_of_their_hosts_and_repeat(count: int, seed: int, text: bool) -> None:
    found = some_examples(2 * count + 1, text=text)
    canaries = make_canaries(found, count, seed)
    planted = plant(found, canaries)
    assert len(planted) == len(found) - count + sum(canary.repeats for canary in canaries.planted)
    for canary in canaries.planted:
        holders = [e for e in planted if canary.suffix in e.completion[0]["content"]]
        assert [e.id for e in holders] == [f"{canary.id}#{i}" for i in range(canary.repeats)]
        assert canary.id not in {e.id for e in planted}
        for holder in holders:
            content = holder.completion[0]["content"]
            assert content.replace(f" Filing key {canary.suffix}.", "") == found[0].completion[0]["content"]
            assert text or json.loads(content).keys() == note().keys()


def test_more_canaries_than_half_of_the_examples_are_one_line() -> None:
    with pytest.raises(UserError, match="plant fewer"):
        make_canaries(some_examples(9), 5, 0)


@settings(deadline=None, max_examples=50)
@given(one=st.lists(st.integers(0, 3), max_size=12), two=st.lists(st.integers(0, 3), max_size=12))
def test_the_longest_common_run_is_that_of_every_pair_of_places(one: list[int], two: list[int]) -> None:
    runs = {tuple(one[i:j]) for i in range(len(one)) for j in range(i, len(one) + 1)}
    others = {tuple(two[i:j]) for i in range(len(two)) for j in range(i, len(two) + 1)}
    assert longest_common_run(one, two) == max(map(len, (runs & others) or {()}))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.lists(st.integers(0, 5), min_size=1, max_size=8))
def test_the_area_is_the_share_of_pairs_in_order(low: list[int], high: list[int]) -> None:
    area = area_interval([float(v) for v in low], [float(v) for v in high], resamples=20)
    pairs = [1.0 if a < b else 0.5 if a == b else 0.0 for a in low for b in high]
    assert area.mean == pytest.approx(sum(pairs) / len(pairs))
    assert 0 <= area.low <= area.high <= 1


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("memorisation") / "base")


def test_suffix_losses_are_those_of_the_whole_forward_pass(base: Path) -> None:
    import torch

    system = load_base(str(base))
    sequences = [[5, 9, 7, *rest] for rest in ([11, 12], [11, 13, 14], [21])]
    losses = suffix_losses(system, sequences)
    for ids, loss in zip(sequences, losses, strict=True):
        with torch.no_grad():
            logits = system.model(input_ids=torch.tensor([ids])).logits[0, 2:-1]
        whole = torch.nn.functional.cross_entropy(logits, torch.tensor(ids[3:]), reduction="sum")
        assert loss == pytest.approx(whole.item(), rel=1e-4)


def _exposures(system: Loaded, canaries: list[Canary]) -> list[float]:
    prompt = student_prompt("note", "")
    return [exposure(system, prompt, canary, 31, 0) for canary in canaries]


def test_exposure_is_low_for_who_knows_nothing_and_whole_for_who_learned(base: Path) -> None:
    import torch

    from distill.memorisation.exposure import _sequences

    draws = random.Random(0)
    canaries = [
        Canary(id=str(i), before="Doing well. Filing key ", suffix=random_suffix(draws), after=".", repeats=1)
        for i in range(24)
    ]
    system = load_base(str(base))
    unknown = _exposures(system, canaries)
    assert sum(unknown) / len(unknown) < 3
    learned = canaries[0]
    ids = torch.tensor(_sequences(system, student_prompt("note", ""), learned.before, [learned.suffix]))
    optimiser = torch.optim.AdamW(system.model.parameters(), 3e-3)
    for _ in range(60):
        loss = system.model(input_ids=ids, labels=ids).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert _exposures(system, [learned]) == [5.0]


def test_a_student_with_canaries_is_measured_beside_its_base(base: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    out = tmp_path / "out"
    train(run, str(base), out, TrainSettings(steps=2, canaries=3, max_length=4096, accumulation=1), quiet=True)
    canaries = read_canaries(out)
    assert canaries is not None
    assert sorted(canary.repeats for canary in canaries.planted) == [1, 4, 16]
    few = ["--base", str(base), "--limit", "2", "--alternatives", "31"]
    for _ in range(2):
        result = here("memorisation", "--student", str(out), "--data", str(run), *few, program="distill")
        assert result.returncode == 0, result.stderr
    measured = Memorisation.model_validate_json((out / "memorisation.json").read_text("utf-8"))
    assert [each.system for each in measured.systems] == ["base", "base (base)"]
    assert [group.repeats for group in measured.systems[0].exposures] == [1, 4, 16]
    card = (out / "README.md").read_text("utf-8")
    assert card.count("## Memorisation") == 1
    assert "| 1 canaries, each 16 times an epoch" in card
    assert "trained with canaries" in card


def test_a_canary_without_room_is_not_planted_and_its_example_is_learned_from(base: Path, tmp_path: Path) -> None:
    run, out = write_run(tmp_path / "run"), tmp_path / "out"
    system = load_base(str(base))
    stops = stop_tokens(system.model, system.tokenizer)
    found = examples(run, "train", "json")
    lengths = {row.id: len(tokenize(row, system.tokenizer, stops).input_ids) for row in found}
    longest = max(lengths, key=lambda name: lengths[name])
    seed = next(seed for seed in range(99) if longest in {one.id for one in make_canaries(found, 3, seed).planted})
    asked = {one.id: one for one in make_canaries(found, 3, seed).planted}
    settings = TrainSettings(steps=1, canaries=3, seed=seed, max_length=lengths[longest], accumulation=1)
    metrics = train(run, str(base), out, settings, quiet=True, log="none").metrics
    planted = read_canaries(out)
    assert planted is not None
    kept = {one.id: one for one in planted.planted}
    assert kept == {name: one for name, one in asked.items() if name in kept}
    assert longest not in kept
    assert metrics.canaries == len(kept) >= 1
    assert metrics.refused == ()
    assert metrics.examples == len(found) - len(kept) + sum(one.repeats for one in kept.values())
    assert f"Trained with {len(kept)} canaries" in (out / "README.md").read_text("utf-8")


def test_canaries_of_which_none_has_room_are_one_line(base: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    settings = TrainSettings(steps=1, canaries=3, max_length=100)
    with pytest.raises(UserError, match="no example fits into 100 tokens with a canary in it; raise --max-length"):
        train(run, str(base), tmp_path / "out", settings, quiet=True)


def test_another_run_than_the_one_trained_on_is_one_line(base: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    out = tmp_path / "out"
    train(run, str(base), out, TrainSettings(steps=1, canaries=3, max_length=4096, accumulation=1), quiet=True)
    other = write_run(tmp_path / "other", {"train": range(20, 24), "validation": range(0), "test": range(24, 26)})
    result = here("memorisation", "--student", str(out), "--data", str(other), program="distill")
    assert result.returncode == 2
    assert "is it the run that was trained on?" in result.stderr
