"""Logs become Parquet, a card and a report; splits never move."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from synth.catalog import load_task
from synth.config import SplitConfig
from synth.ledger import decided
from synth.publish import COLUMNS, publish
from synth.runs import RunDir
from synth.splits import split_of
from tests.samples import encounter
from tests.test_runs import manifest


def test_every_accepted_encounter_is_in_exactly_one_split_and_reads_back(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "run", manifest(600), "")
    for index in range(600):
        run.commit(decided(encounter(index)))
    run.close()
    summary = publish(run.path, load_task("note"), SplitConfig())
    rows = {split: pq.read_table(run.path / "dataset" / f"{split}.parquet").to_pylist() for split in summary.splits}
    assert {split: len(found) for split, found in rows.items()} == dict(summary.splits)
    ids = [row["id"] for found in rows.values() for row in found]
    assert sorted(ids) == [encounter(i).id for i in range(600)]
    first = rows["train"][0]
    assert tuple(first) == COLUMNS
    assert json.loads(first["target"]) == encounter().target
    assert first["text"].startswith("CHIEF COMPLAINT\n\nfatigue\n")
    assert "TSH 7.9 mIU/L (high)" in first["text"]
    assert summary.accepted == 600
    assert summary.turns == 1200


@given(st.text(min_size=1), st.floats(0, 0.45), st.floats(0, 0.45))
def test_a_split_depends_on_the_id_alone(name: str, validation: float, test: float) -> None:
    shares = SplitConfig(validation=validation, test=test)
    assert split_of(name, shares) == split_of(name, shares)
    # A larger test share only ever takes from the others.
    if split_of(name, shares) == "test":
        assert split_of(name, SplitConfig(validation=validation, test=min(0.49, test + 0.04))) == "test"


def test_shares_come_out_about_right() -> None:
    splits = [split_of(f"endocrinology-0-{i:06d}", SplitConfig()) for i in range(4000)]
    # Four standard deviations of a binomial share of 0.1 in 4,000 are 0.019.
    assert abs(splits.count("test") / 4000 - 0.1) < 0.019
    assert abs(splits.count("validation") / 4000 - 0.1) < 0.019
