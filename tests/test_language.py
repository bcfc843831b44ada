"""The measures of ``synth report`` are those of their definitions, and samples are of one size in every column."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.corpora import Corpus, Item
from synth.errors import UserError
from synth.language.measures import Gathered, distinct, in_common, measured
from synth.language.report import language_report, sample_measures
from synth.language.self_bleu import self_bleu
from synth.language.table import table_text
from synth.ledger import decided
from synth.runs import RunDir
from tests.running import here
from tests.test_duplicates import planted, simulated
from tests.test_runs import manifest

_TEXTS = st.lists(st.lists(st.sampled_from("abcde"), max_size=14), max_size=6)


@settings(max_examples=150, deadline=None)
@given(_TEXTS)
def test_self_bleu_is_nltks_of_each_text_against_the_others(texts: list[list[str]]) -> None:
    bleu = pytest.importorskip("nltk.translate.bleu_score")
    kept = [text for text in texts if text]
    smoothing = bleu.SmoothingFunction().method1
    if len(kept) < 2:
        assert self_bleu(texts) == 0.0
        return
    expected = [
        bleu.sentence_bleu([other for j, other in enumerate(kept) if j != i], text, smoothing_function=smoothing)
        for i, text in enumerate(kept)
    ]
    assert self_bleu(texts) == pytest.approx(np.mean(expected))


@settings(deadline=None)
@given(_TEXTS, st.integers(1, 3), st.integers(1, 40))
def test_distinct_n_is_that_of_the_definition(texts: list[list[str]], n: int, budget: int) -> None:
    grams: list[tuple[str, ...]] = []
    for text in texts:
        kept = text[: max(0, budget)]
        grams += [tuple(kept[i : i + n]) for i in range(len(kept) - n + 1)]
        budget -= len(text)
    assert distinct(texts, n, sum(map(len, texts)) + budget) == (len(set(grams)) / len(grams) if grams else 0.0)


def gathered(items: Sequence[Item], most: int = 100, seed: int = 0) -> Gathered:
    found = Gathered("x", most, seed)
    for item in items:
        found.add(item)
    return found


def item(number: int, said: str = "", note: str = "") -> Item:
    return Item(f"i{number}", (("doctor", "Any pain there?"), ("patient", said)) if said else (), note)


def test_lengths_turns_and_vocabulary() -> None:
    items = [
        item(1, "no, none at all", "two words"),
        item(2, "yes a b c d e", "more words here now"),
        item(3, note="x"),
    ]
    (one,) = measured([gathered(items)])
    assert (one.items, one.lengths["dialogue"].texts, one.lengths["note"].texts) == (3, 2, 3)
    assert one.lengths["dialogue"].mean == 8.0
    assert one.lengths["dialogue"].sd == pytest.approx(2**0.5)
    assert one.lengths["note"].percentiles["50"] == 2.0
    assert one.turns is not None
    assert (one.turns.mean, one.turns.sd) == (2.0, 0.0)
    assert one.turns.words == {"doctor": 3.0, "patient": 5.0}
    assert one.turns.questions == {"doctor": 1.0, "patient": 0.0}
    assert one.vocabulary["note"].size == 6
    assert one.vocabulary["note"].heaps is None


def test_the_vocabulary_grows_with_the_words_whatever_the_texts() -> None:
    said = [f"w{number % 700 if number < 1500 else number}" for number in range(12_000)]
    letters = [word.translate(str.maketrans("0123456789", "abcdefghij")) for word in said]
    for size in (7, 350, 12_000):
        items = [item(at, note=" ".join(letters[at : at + size])) for at in range(0, len(letters), size)]
        (one,) = measured([gathered(items)])
        assert one.vocabulary["note"].growth == {1_000: 700, 2_000: 1_200, 5_000: 4_200, 10_000: 9_200}
        assert one.vocabulary["note"].heaps == pytest.approx(1.15, abs=0.05)


def test_the_exponent_is_fitted_as_far_as_the_shortest_corpus_goes() -> None:
    def words_of(count: int) -> list[Item]:
        letters = [f"{number:05d}".translate(str.maketrans("0123456789", "abcdefghij")) for number in range(count)]
        return [item(1, note=" ".join(letters)), item(2, note=" ".join(letters))]

    alone = measured([gathered(words_of(5_000))])[0].vocabulary["note"].heaps
    beside = measured([gathered(words_of(5_000)), gathered(words_of(3_000))])[0].vocabulary["note"].heaps
    assert alone == pytest.approx(0.740, abs=0.001)  # of (1, 1), (2, 2), (5, 5) and (10, 5), by hand
    assert beside == pytest.approx(1.0)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(12)), st.integers(1, 12))
def test_the_sample_is_the_same_in_any_order_and_a_smaller_one_is_part_of_it(order: list[int], most: int) -> None:
    items = [item(number, note=f"note {number} says it") for number in range(12)]
    whole = gathered(items, 12).sample("note", 12)
    assert gathered([items[i] for i in order], most).sample("note", most) == whole[:most]


def test_samples_are_as_large_in_every_corpus() -> None:
    small = gathered([item(n, "a b c", "one two three four") for n in range(3)])
    large = gathered([item(n, "d e f g h", "five six seven eight nine ten") for n in range(40)])
    first, second = measured([small, large])
    assert first.sampled["note"].texts == second.sampled["note"].texts == 3
    assert first.sampled["note"].words == second.sampled["note"].words == 12
    assert second.sampled["note"].self_bleu == pytest.approx(1.0)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run of 20 encounters, two of which say the same."""
    run = RunDir(tmp_path_factory.mktemp("language") / "run", manifest(30), "")
    for index in range(20):
        run.commit(decided(planted(3, index) if index == 17 else simulated(index)))
    run.close()
    return run.path


def test_what_two_encounters_share_is_found_and_named(run: Path) -> None:
    report = language_report(run, (), 100)
    (one,) = report.corpora
    assert one.outside is not None
    assert one.outside.pair == (simulated(3).id, simulated(17).id)
    assert one.outside.largest > 0.7
    assert one.shared is not None
    assert one.shared.largest == 1.0
    assert set(one.shared.pair or ()) == {simulated(3).id, simulated(17).id}
    assert one.lengths["dialogue"].texts == one.lengths["note"].texts == 20
    assert "fatigue" not in table_text(report.corpora)  # figures, no words of the data


def test_a_sample_of_a_run_is_the_one_that_the_whole_report_draws(run: Path) -> None:
    (whole,), (drawn,) = language_report(run, (), 6).corpora, sample_measures(run, 6)
    assert drawn.items == 6
    assert drawn.sampled == whole.sampled
    assert drawn.shared == whole.shared
    everything = sample_measures(run, 100)[0].lengths["note"]
    assert everything.percentiles == whole.lengths["note"].percentiles
    assert (everything.mean, everything.sd) == pytest.approx((whole.lengths["note"].mean, whole.lengths["note"].sd))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.sampled_from("ab"), max_size=40), min_size=1, max_size=7), st.randoms())
def test_the_nearest_other_dialogue_is_found_by_comparing_every_two(texts: list[list[str]], random: Random) -> None:
    ids = [f"id-{i}" for i in range(len(texts))]
    random.shuffle(ids)
    gathered = Gathered("own", 10, 0)
    for id_, said in zip(ids, texts, strict=True):
        gathered.add(Item(id_, (("doctor", " ".join(said)),), "a note"))
    (one,) = measured((gathered,))
    if one.shared is None:
        assert not any(texts)
        return
    grams = {
        id_: {tuple(said[i : i + 8]) for i in range(len(said) - 7)}
        for id_, said in gathered.sample("dialogue", len(texts))
    }
    shares = {
        (a, b): len(grams[a] & grams[b]) / max(1, min(len(grams[a]), len(grams[b])))
        for a in grams
        for b in grams
        if a < b
    }
    nearest = {id_: max(share for pair, share in shares.items() if id_ in pair) for id_ in grams if shares}
    top = max(shares.items(), key=lambda item: item[1], default=None)
    assert one.shared.texts == len(grams)
    assert one.shared.mean == pytest.approx(sum(nearest.values()) / len(nearest) if nearest else 0.0)
    assert one.shared.largest == (top[1] if top else 0.0)
    assert one.shared.pair == (top[0] if top and top[1] else None)


def test_sets_of_more_n_grams_than_are_counted_at_once_are_compared_whole() -> None:
    sets = [np.arange(start, start + 30_000, dtype=np.uint64) for start in (0, 10_000, 35_000)]
    assert in_common(sets).tolist() == [[0, 20_000, 0], [20_000, 0, 5_000], [0, 5_000, 0]]


def test_the_table_sets_corpora_side_by_side(run: Path, tmp_path: Path) -> None:
    (tmp_path / "other.jsonl").write_text(
        "\n".join(json.dumps({"note": f"note {n} of another hand"}) for n in range(5))
    )
    table = here("report", str(run), "--beside", f"other={tmp_path / 'other.jsonl'}")
    assert table.returncode == 0, table.stderr
    lines = table.stdout.splitlines()
    assert lines[0].split() == ["run", "other"]
    assert lines[1].split() == ["items", "20", "5"]
    turns = next(line for line in lines if line.startswith("turns, mean"))
    assert turns.endswith("–")
    assert "self-BLEU-4, 5 texts" in table.stdout
    assert table.stdout == here("report", str(run), "--beside", f"other={tmp_path / 'other.jsonl'}").stdout
    as_json = json.loads(here("report", str(run), "--json", "--sample", "4").stdout)
    assert as_json["corpora"][0]["sampled"]["dialogue"]["texts"] == 4


def test_a_run_that_is_being_written_can_be_measured_and_a_damaged_one_is_one_line(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "run", manifest(30), "")
    run.close()
    with pytest.raises(UserError, match="nothing is accepted yet"):
        language_report(run.path, (), 10)
    (run.path / "encounters.jsonl").write_text(simulated(0).model_dump_json() + "\n" + '{"id":"torn')
    assert language_report(run.path, (), 10).corpora[0].items == 1
    (run.path / "encounters.jsonl").write_text("{}\n")
    with pytest.raises(UserError, match="damaged in line 1"):
        language_report(run.path, (), 10)
    assert here("report", str(tmp_path)).returncode == 2


def test_a_corpus_of_notes_alone_has_no_dialogue_measures() -> None:
    corpus = Corpus("notes", tuple(item(n, note="some words of it") for n in range(3)), "0")
    (one,) = measured([gathered(corpus.items)])
    assert one.turns is None
    assert one.shared is None
    assert "dialogue" not in one.lengths
