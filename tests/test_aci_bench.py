"""ACI-Bench loads as published, and says in one line what is wrong with anything else."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from distill.benchmarks.aci_bench import FILES, AciBench
from distill.catalog import load_benchmark
from synth.errors import UserError
from tests.bench import aci_bench


@pytest.mark.parametrize(("split", "rows"), [("train", 67), ("valid", 20), ("test1", 40), ("test2", 40), ("test3", 40)])
def test_every_split_loads_whole(split: str, rows: int) -> None:
    items = AciBench().load(aci_bench(), split)
    assert len(items) == rows == len({item.id for item in items})
    assert all("[doctor]" in item.source and item.reference.strip() for item in items)


def test_ids_do_not_repeat_across_splits() -> None:
    ids = [item.id for split in FILES for item in AciBench().load(aci_bench(), split)]
    assert len(set(ids)) == len(ids) == 207


@pytest.mark.parametrize("folder", ["aci-bench", "data/challenge_data"])
def test_the_files_are_found_below_the_folder(tmp_path: Path, folder: str) -> None:
    below = tmp_path / folder
    below.mkdir(parents=True)
    (below / "valid.csv").write_bytes((aci_bench() / "valid.csv").read_bytes())
    assert AciBench().available(tmp_path, "valid")
    assert not AciBench().available(tmp_path, "test1")
    assert AciBench().load(tmp_path, "valid")[0].id == "D2N068"


def test_missing_data_names_file_place_and_licence(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        AciBench().load(tmp_path, "test1")
    message = str(caught.value)
    for part in ("clinicalnlp_taskB_test1.csv is missing", "github.com/wyim/aci-bench", "b909b2bb", "CC BY 4.0"):
        assert part in message
    assert "\n" not in message


def _rewrite(change: Callable[[list[list[str]]], list[list[str]]]) -> Callable[[bytes], bytes]:
    def rewritten(data: bytes) -> bytes:
        rows = change(list(csv.reader(io.StringIO(data.decode(), newline=""))))
        out = io.StringIO(newline="")
        csv.writer(out).writerows(rows)
        return out.getvalue().encode()

    return rewritten


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_rewrite(lambda rows: rows[:-2]), "2 of 20 rows are missing: 'D2N086', 'D2N087'"),
        (_rewrite(lambda rows: [*rows, rows[3]]), "encounter 'D2N070' stands twice"),
        (_rewrite(lambda rows: [row[:3] for row in rows]), "it has no column 'note'"),
        (_rewrite(lambda rows: [*rows[:5], rows[5][:2], *rows[6:]]), "row 5 has 2 fields, the header has 4"),
        (_rewrite(lambda rows: rows[:1]), "it has no rows"),
        (lambda data: data.replace(b"brian", b"bryan"), "its text was changed"),
        (lambda data: data.replace(b"\n", b"\r\n"), "its line ends were changed"),
        (lambda data: data.replace(b"brian", b"bri\xe9n", 1), "not UTF-8 at byte"),
        (lambda data: data[:10_000], "not a CSV table"),
        (lambda data: data[:0], "it has no rows"),
    ],
)
def test_a_file_that_differs_is_refused_with_the_difference(
    tmp_path: Path, change: Callable[[bytes], bytes], said: str
) -> None:
    (tmp_path / "valid.csv").write_bytes(change((aci_bench() / "valid.csv").read_bytes()))
    with pytest.raises(UserError, match="not the published file") as caught:
        AciBench().load(tmp_path, "valid")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_specs_resolve_to_benchmark_and_split() -> None:
    benchmark, split = load_benchmark("aci-bench")
    assert (benchmark.metadata.name, split) == ("aci-bench", "test1")
    assert load_benchmark("aci-bench:test3")[1] == "test3"
    assert "10:586" in benchmark.metadata.citation


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("acibench", "did you mean aci-bench"),
        ("aci-bench:tset1", "did you mean test1"),
        ("aci-bench:9", "known: train"),
    ],
)
def test_unknown_names_are_answered_with_a_suggestion(spec: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        load_benchmark(spec)
