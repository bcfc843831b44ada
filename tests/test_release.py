"""What is published, quarantined and counted does not depend on how a run was stopped, resumed or published before."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from synth.clock import Traffic
from synth.config import PhiConfig, RunConfig, TeacherConfig
from synth.errors import TeacherUnavailable
from synth.ledger import ENCOUNTERS, REJECTIONS, Position
from synth.pipeline import Execution, generate
from synth.publish import COLUMNS
from synth.quarantine import count_quarantined, quarantine_path
from synth.records import Encounter, IdentityMode, Quarantined, Rejection, TeacherIdentity, Transcript, Turn
from synth.runs import read_manifest
from synth.status import read_status, status_text
from synth.teachers.base import Candidate, TeacherRequest
from tests.running import all_bytes
from tests.samples import encounter

QUARANTINE = PhiConfig(
    policy="surrogate",
    quarantine=("MEDICAL_RECORD_NUMBER",),
    thresholds={"PERSON": 1.0, "LOCATION": 1.0, "DATE_TIME": 1.0, "OTHER_ID": 1.0},
)


class LeakyTeacher:
    """Writes placeholders, at every third encounter a telephone number, at every fifth a record number."""

    def __init__(self, fail_at: int | None = None, attempts: int = 1) -> None:
        self.identity = TeacherIdentity(name="simulator", model=None, revision=None)
        self.attempts = attempts
        self.constrained = None
        self.traffic = Traffic()
        self.calls = 0
        self._fail_at = fail_at

    async def write(self, candidate: Candidate) -> Encounter | Rejection:
        scenario, index = candidate.scenario, candidate.scenario.index
        candidate.attempts["source"] += 1
        self.calls += 1
        if index == self._fail_at:
            raise TeacherUnavailable("the server went away")
        told = "Call 415-555-0134." if index % 3 == 0 else "MRN: 00482913." if index % 5 == 0 else "No."
        turns = (
            Turn(speaker="doctor", text="Hi {{patient_name}}, I'm {{clinician_name}}."),
            Turn(speaker="patient", text=told if candidate.attempts["source"] == 1 else "No."),
        )
        return encounter().model_copy(
            update={"id": scenario.id, "index": index, "scenario": scenario, "source": Transcript(turns=turns)}
        )

    async def close(self) -> None:
        """Nothing to close."""


def run(
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    teacher: LeakyTeacher | None = None,
    identities: IdentityMode = "surrogate",
    phi: PhiConfig = QUARANTINE,
    n: int = 20,
) -> Position:
    async def opened(_request: TeacherRequest) -> LeakyTeacher:
        return teacher or LeakyTeacher()

    monkeypatch.setattr("synth.pipeline.running.open_teacher", opened)
    config = RunConfig(
        specialty="endocrinology",
        n=n,
        seed=3,
        teacher=TeacherConfig(name="simulator"),
        checks=("schema", "phi", "identities"),
        phi=phi,
        identities=identities,
    )
    return generate(config, Execution(out=out, concurrency=4, max_candidates=200))


def test_another_way_of_publishing_writes_nothing_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "run"
    run(out, monkeypatch, identities="surrogate")
    logs = [(out / name).read_bytes() for name in (ENCOUNTERS, REJECTIONS)]
    first = all_bytes(out)
    idle = LeakyTeacher()
    for mode in ("tag", "placeholder", "surrogate"):
        run(out, monkeypatch, idle, identities=mode)
        run(tmp_path / mode, monkeypatch, identities=mode)
        assert all_bytes(out) == all_bytes(tmp_path / mode)
        assert [(out / name).read_bytes() for name in (ENCOUNTERS, REJECTIONS)] == logs
    assert idle.calls == 0
    assert all_bytes(out) == first


@pytest.mark.parametrize("mode", ["placeholder", "surrogate", "tag"])
def test_the_columns_hold_what_was_asked_for(
    mode: IdentityMode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path / "run", monkeypatch, identities=mode)
    rows = [
        row
        for split in ("train", "validation", "test")
        for row in pq.read_table(tmp_path / "run" / "dataset" / f"{split}.parquet").to_pylist()
    ]
    assert len(rows) == 20
    assert tuple(rows[0]) == COLUMNS
    wanted = {"placeholder": "{{patient_name}}", "tag": "[PATIENT]"}
    names = set()
    for row in rows:
        patient = json.loads(row["identifiers"])[0]
        assert (patient["field"], patient["placeholder"], patient["entity_type"]) == (
            "source",
            "patient_name",
            "PERSON",
        )
        names.add(row["source"][patient["start"] : patient["end"]])
        assert "415-555-0134" not in row["source"]
    assert names == {wanted[mode]} if mode in wanted else len(names) == 20


def test_quarantine_lies_beside_the_run_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    position = run(tmp_path / "run", monkeypatch)
    path = quarantine_path(tmp_path / "run")
    assert path == tmp_path / "run.quarantine.jsonl"
    assert path.stat().st_mode & 0o777 == 0o600
    kept = [Quarantined.model_validate_json(line) for line in path.read_text().splitlines()]
    assert [record.index for record in kept] == [5, 10, 20, 25][: len(kept)]
    assert len(kept) == position.reasons["phi/quarantined"] == position.rejected
    assert all("MRN: 00482913" in record.encounter.source.text for record in kept)
    for name, content in all_bytes(tmp_path / "run").items():
        assert b"00482913" not in content, name
        assert b"415-555-0134" not in content, name
    status = read_status(tmp_path / "run")
    assert (status.quarantined, status.quarantine) == (len(kept), str(path))
    assert f"{len(kept)} wait for a person to read them: {path}" in status_text(status)


def test_no_kill_loses_or_doubles_what_is_quarantined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path / "whole", monkeypatch)
    whole = quarantine_path(tmp_path / "whole").read_bytes()
    for stop, torn in ((11, b""), (10, b"once more"), (5, b"all"), (3, b"")):
        out = tmp_path / f"at-{stop}"
        with pytest.raises(TeacherUnavailable):
            run(out, monkeypatch, LeakyTeacher(fail_at=stop))
        path = quarantine_path(out)
        if torn:  # killed between the two logs: what was quarantined first is beyond the position, its last line torn
            path.write_bytes(
                whole if torn == b"all" else whole.splitlines(keepends=True)[0] + whole.splitlines()[1][:99]
            )
        run(out, monkeypatch)
        assert path.read_bytes() == whole
        assert path.stat().st_mode & 0o777 == 0o600
        assert all_bytes(out) == all_bytes(tmp_path / "whole")


def test_a_new_start_leaves_no_quarantine_of_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quarantine_path(tmp_path / "run").write_bytes(b'{"id":"x","index":4,"findings":[]}\n')
    run(tmp_path / "run", monkeypatch, phi=QUARANTINE.model_copy(update={"quarantine": ()}), n=2)
    assert count_quarantined(tmp_path / "run") == 0
    assert not quarantine_path(tmp_path / "run").exists()


def test_what_is_mended_by_another_attempt_does_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    position = run(tmp_path / "run", monkeypatch, LeakyTeacher(attempts=2))
    assert position.rejected == 0
    assert not quarantine_path(tmp_path / "run").exists()


def test_card_and_report_count_what_was_found_and_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TeacherUnavailable):
        run(tmp_path / "run", monkeypatch, LeakyTeacher(fail_at=8))
    run(tmp_path / "run", monkeypatch)
    card = (tmp_path / "run" / "README.md").read_text("utf-8")
    counts = read_manifest(tmp_path / "run").counts
    assert counts is not None
    leaks = sum(1 for line in (tmp_path / "run" / ENCOUNTERS).open() if '"action":"replaced"' in line)
    assert leaks >= 7
    assert re.search(
        rf"\| D \| telephone numbers \| {leaks} \| {leaks} replaced \| {leaks} \| \d+ of \d+ \[[\d.]+, [\d.]+\] \|",
        card,
    )
    rejected = counts.reasons["phi/quarantined"]
    assert f"| H | medical record numbers | {rejected} | {rejected} quarantined | 0 | " in card
    assert "| A | names | 0 | – | 40 | 0 of " in card, "names are switched off here"
    assert re.search(r"\| P \| [^|]+\| 0 \| – \| 0 \| not measured \|", card)
    report = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert f'<td>telephone numbers</td><td class="n">{leaks}</td><td>{leaks} replaced</td>' in report
