"""The run directory keeps its promises whatever kills it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.errors import UserError
from synth.ledger import ENCOUNTERS, REJECTIONS, decided
from synth.records import Counts, Encounter, Manifest, Rejection, TeacherIdentity
from synth.runs import RunDir, read_encounters, read_manifest
from tests.samples import encounter, rejection


def manifest(n: int = 10, fingerprint: str = "f" * 64, seed: int = 1) -> Manifest:
    return Manifest(
        status="running",
        fingerprint=fingerprint,
        versions={"notewright": "0"},
        assets={"schemas/note.schema.json": "0" * 64},
        teacher=TeacherIdentity(name="simulator", model=None, revision=None),
        seed=seed,
        target_accepted=n,
        counts=None,
    )


def outcome(index: int) -> Encounter | Rejection:
    return rejection(index) if index % 3 == 2 else encounter(index)


def write(path: Path, n: int, until: int) -> RunDir:
    run = RunDir(path, manifest(n), "n: 10\n")
    while run.position.next_index < until:
        run.commit(decided(outcome(run.position.next_index)))
    return run


def test_a_run_holds_every_candidate_in_exactly_one_log(tmp_path: Path) -> None:
    run = write(tmp_path / "run", 10, 9)
    run.close()
    assert [e.index for e in read_encounters(run.path)] == [0, 1, 3, 4, 6, 7]
    rejected = [Rejection.model_validate_json(line).index for line in (run.path / REJECTIONS).open()]
    assert rejected == [2, 5, 8]
    assert run.position.reasons == {"phi/identifier_found": 3}


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(min_value=0, max_value=100_000), log=st.sampled_from([ENCOUNTERS, REJECTIONS]))
def test_a_torn_last_line_is_dropped_and_the_bytes_come_out_the_same(
    tmp_path_factory: pytest.TempPathFactory, cut: int, log: str
) -> None:
    tmp_path = tmp_path_factory.mktemp("torn")
    whole = write(tmp_path / "whole", 10, 9)
    whole.close()
    torn = write(tmp_path / "torn", 10, 8 if log == ENCOUNTERS else 9)
    torn.close()
    data = (torn.path / log).read_bytes()
    last = data[:-1].rfind(b"\n") + 1
    (torn.path / log).write_bytes(data[: last + cut % (len(data) - last)])
    resumed = write(tmp_path / "torn", 10, 9)
    resumed.close()
    for name in (ENCOUNTERS, REJECTIONS, "manifest.json", "config.yaml"):
        assert (resumed.path / name).read_bytes() == (whole.path / name).read_bytes()


def test_out_of_order_commits_are_refused(tmp_path: Path) -> None:
    run = write(tmp_path / "run", 10, 2)
    with pytest.raises(ValueError, match="out of order"):
        run.commit(decided(encounter(5)))
    run.close()


def test_two_writers_exclude_each_other(tmp_path: Path) -> None:
    run = write(tmp_path / "run", 10, 1)
    with pytest.raises(UserError, match="another process"):
        RunDir(tmp_path / "run", manifest(), "")
    run.close()
    RunDir(tmp_path / "run", manifest(), "").close()


def test_resume_refuses_another_fingerprint_and_says_what_differs(tmp_path: Path) -> None:
    write(tmp_path / "run", 10, 1).close()
    with pytest.raises(UserError, match="was made with seed 1"):
        RunDir(tmp_path / "run", manifest(fingerprint="0" * 64, seed=2), "")


def test_a_run_in_which_nothing_was_decided_may_begin_again_with_other_settings(tmp_path: Path) -> None:
    write(tmp_path / "run", 10, 0).close()
    RunDir(tmp_path / "run", manifest(n=5, fingerprint="0" * 64, seed=2), "n: 5\n").close()
    assert read_manifest(tmp_path / "run").seed == 2


def test_what_decoding_a_run_began_with_is_remembered_once_something_was_decided(tmp_path: Path) -> None:
    run = write(tmp_path / "run", 10, 0)
    assert run.constrained is None
    run.begin(constrained=True)
    run.close()
    again = write(tmp_path / "run", 10, 1)
    assert again.constrained is None  # nothing was decided with it
    again.begin(constrained=False)
    again.close()
    resumed = RunDir(tmp_path / "run", manifest(), "")
    assert resumed.constrained is False
    resumed.close()
    assert read_manifest(tmp_path / "run").constrained is False


def test_resume_refuses_fewer_than_the_run_is_for(tmp_path: Path) -> None:
    write(tmp_path / "run", 10, 1).close()
    with pytest.raises(UserError, match="run of 10 accepted"):
        RunDir(tmp_path / "run", manifest(n=5), "")


def test_a_missing_line_is_noticed(tmp_path: Path) -> None:
    write(tmp_path / "run", 10, 9).close()
    log = tmp_path / "run" / ENCOUNTERS
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:2] + lines[3:]))
    with pytest.raises(UserError, match="do not fit together"):
        RunDir(tmp_path / "run", manifest(), "")


def test_a_doubled_or_garbled_line_is_noticed(tmp_path: Path) -> None:
    write(tmp_path / "run", 10, 9).close()
    log = tmp_path / "run" / ENCOUNTERS
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join([*lines[:2], lines[1], *lines[2:]]))
    with pytest.raises(UserError, match="damaged after index 1"):
        RunDir(tmp_path / "run", manifest(), "")


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match=r"holds thesis\.txt"):
        RunDir(tmp_path, manifest(), "")


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write to"):
        RunDir(tmp_path / "file" / "run", manifest(), "")


def test_complete_is_remembered_and_a_larger_n_opens_the_run_again(tmp_path: Path) -> None:
    run = write(tmp_path / "run", 6, 9)
    counts = Counts(candidates=9, accepted=6, rejected=3, reasons={}, splits={})
    run.complete(counts)
    run.close()
    again = RunDir(tmp_path / "run", manifest(6), "")
    assert again.was_complete
    again.close()
    larger = RunDir(tmp_path / "run", manifest(8), "n: 8\n")
    assert not larger.was_complete
    assert larger.position.accepted == 6
    larger.close()
    assert read_manifest(tmp_path / "run").status == "running"


def test_reading_what_is_no_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a run directory"):
        read_manifest(tmp_path)
