"""Runs over the response cache, previews and status, as a user has them."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from synth.assets import canonical_json
from synth.clock import clock_path, read_clock
from synth.ledger import ENCOUNTERS, REJECTIONS
from synth.records import JsonObject, Rejection
from synth.runs import read_encounters, read_manifest
from synth.status import Status
from tests.fake_server import FakeServer
from tests.running import all_bytes, at, command, environment, errors, here, synth
from tests.test_bad_machine import wait_for, whole_lines

PROBE = 3
N = 12


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Path]:
    """Return files of settings by what they check."""
    files = {}
    for name, checks in (("schema", "[schema]"), ("phi", "[schema, phi]")):
        files[name] = tmp_path / f"{name}.yaml"
        files[name].write_text(f"checks: {checks}\n")
    return files


def asked(server: FakeServer, since: int) -> Counter[str]:
    """Return the chat requests that a server got after the probe of a run that began then."""
    assert len(server.bodies) >= since + PROBE
    return Counter(canonical_json(body) for body in server.bodies[since + PROBE :])


def test_a_changed_check_costs_no_request_that_was_answered_before(tmp_path: Path, settings: dict[str, Path]) -> None:
    """A third of the answers hold identifiers, so that the second run accepts less of the same and asks for more."""
    with FakeServer(bank=12, rates={"phi": 0.3}) as server:

        def run(name: str, checks: str, **flags: object) -> Counter[str]:
            since = len(server.bodies)
            result = here(*at(server, tmp_path / name, N, config=settings[checks], **flags))
            assert result.returncode == 0, result.stderr
            assert errors(result) == []
            return asked(server, since)

        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("NOTEWRIGHT_CACHE", str(tmp_path / "cache" / "replies.sqlite"))
            first = run("first", "schema", no_cache=None)
            changed = run("changed", "phi", no_cache=None)
            again = run("again", "phi", no_cache=None)
        plain = run("plain", "phi")
    assert sum(first.values()) == 2 * N
    assert not changed & first
    assert changed == plain - first
    assert plain & first
    assert not again
    rejections = (tmp_path / "plain" / REJECTIONS).read_bytes().splitlines()
    retried = [one for one in read_encounters(tmp_path / "plain") if one.attempts > 1]
    assert retried or rejections
    assert all(Rejection.model_validate_json(line).stage == "phi" for line in rejections)
    assert all_bytes(tmp_path / "changed") == all_bytes(tmp_path / "plain") == all_bytes(tmp_path / "again")

    clock = read_clock(tmp_path / "changed")
    assert clock is not None
    session = clock.sessions[-1]
    assert session.requests == sum(changed.values())
    assert session.cached == sum((plain & first).values())
    for_nothing = read_clock(tmp_path / "again")
    assert for_nothing is not None
    assert (for_nothing.sessions[-1].requests, for_nothing.sessions[-1].prompt_tokens) == (0, 0)
    assert for_nothing.sessions[-1].cached == sum(plain.values())


def test_without_a_cache_nothing_is_kept(tmp_path: Path, settings: dict[str, Path]) -> None:
    with FakeServer(bank=4) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("NOTEWRIGHT_CACHE", str(tmp_path / "cache" / "replies.sqlite"))
        for name in ("one", "two"):
            since = len(server.bodies)
            assert here(*at(server, tmp_path / name, 2, config=settings["schema"])).returncode == 0
            assert sum(asked(server, since).values()) == 4
    assert not (tmp_path / "cache").exists()


def test_another_model_revision_shares_no_reply(tmp_path: Path, settings: dict[str, Path]) -> None:
    with FakeServer(bank=4) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("NOTEWRIGHT_CACHE", str(tmp_path / "cache" / "replies.sqlite"))
        for revision, cost in (("a1", 4), ("b2", 4), ("a1", 0)):
            since, out = len(server.bodies), tmp_path / f"{revision}-{cost}"
            words = at(server, out, 2, config=settings["schema"], revision=revision, no_cache=None)
            assert here(*words).returncode == 0
            assert sum(asked(server, since).values()) == cost


# Preview


def test_a_preview_shows_encounters_notes_and_verdicts_and_writes_nothing(
    tmp_path: Path, settings: dict[str, Path]
) -> None:
    temporary = tmp_path / "temporary"
    home = tmp_path / "home"
    for folder in (temporary, home):
        folder.mkdir()
    with FakeServer(bank=12, rates={"phi": 0.5}) as server:
        words = at(server, tmp_path / "run", None, config=settings["phi"], preview=2, no_cache=None)
        before = all_bytes(tmp_path)
        result = synth(
            *words,
            cwd=home,
            HOME=str(home),
            XDG_CACHE_HOME=str(home / "caches"),
            TMPDIR=str(temporary),
            NOTEWRIGHT_CACHE=str(tmp_path / "cache.sqlite"),
        )
        assert server.stats.requests == PROBE + 4
    assert result.returncode == 0, result.stderr
    assert errors(result) == []
    assert all_bytes(tmp_path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "phi.yaml", "schema.yaml", "temporary"]
    assert list(temporary.iterdir()) == list(home.iterdir()) == []

    lines = result.stdout.splitlines()
    for index in (0, 1):
        assert sum(line.startswith(f"endocrinology-5-{index:06d}  ") for line in lines) == 1
    assert lines.count("schema: accepts") == 2
    assert sum(line.startswith("phi: ") for line in lines) == 2
    assert sum(line.startswith("[doctor] ") for line in lines) >= 2
    assert sum("ASSESSMENT" in line.upper() for line in lines) >= 2


def test_a_preview_shows_what_the_run_then_writes(tmp_path: Path, settings: dict[str, Path]) -> None:
    with FakeServer(bank=12) as server:
        shown = here(*at(server, tmp_path / "run", 2, config=settings["schema"], preview=2))
        assert not (tmp_path / "run").exists()
        assert here(*at(server, tmp_path / "run", 2, config=settings["schema"])).returncode == 0
    for encounter in read_encounters(tmp_path / "run"):
        assert encounter.source.text in shown.stdout


def test_a_preview_of_what_cannot_be_written_says_so(tmp_path: Path, settings: dict[str, Path]) -> None:
    with FakeServer(faults=[None] * PROBE + ["no_turns"] * 20) as server:
        words = at(server, tmp_path / "run", 1, config=settings["schema"], preview=1, attempts=2)
        result = here(*words)
    assert result.returncode == 0, result.stderr
    assert "not written: source/not_json after 2 attempts" in result.stdout


# Status


def status(run: Path) -> Status:
    """Return what ``synth status --json`` prints."""
    result = here("status", str(run), "--json")
    assert (result.returncode, result.stderr) == (0, "")
    parsed: JsonObject = json.loads(result.stdout)
    return Status.model_validate(parsed)


def test_status_of_a_run_while_it_goes_on_when_it_is_stopped_and_when_it_is_complete(
    tmp_path: Path, settings: dict[str, Path]
) -> None:
    out = tmp_path / "run"
    with FakeServer(bank=12, latency=0.1, capacity=2) as server:
        words = at(server, out, 40, config=settings["schema"], concurrency=4)
        process = subprocess.Popen(
            command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
        )
        try:
            wait_for(lambda: (out / ENCOUNTERS).exists() and len(whole_lines(out / ENCOUNTERS)) >= 2, process)
            going = status(out)
            text = synth("status", str(out))
        finally:
            process.terminate()
            process.communicate(timeout=60)
    assert process.returncode == 130
    assert (going.state, going.target_accepted, going.model, going.teacher) == ("running", 40, "fake-1", "server")
    assert 2 <= going.accepted < 40
    assert going.prompt_tokens > 0
    assert (text.returncode, text.stderr) == (0, "")
    assert "fake-1" in text.stdout
    stopped = status(out)
    assert stopped.state == "stopped"
    assert going.accepted <= stopped.accepted < 40
    assert stopped.worked is not None
    assert stopped.worked.sessions == 1

    with FakeServer(bank=12, port=server.port) as server:
        assert here(*words).returncode == 0
    before = all_bytes(tmp_path)
    complete = status(out)
    assert (complete.state, complete.accepted, complete.left_s) == ("complete", 40, None)
    assert complete.worked is not None
    assert (complete.worked.sessions, complete.worked.accepted) == (2, 40)
    assert complete.worked.requests >= 80 - 8  # what was in flight at the stop was asked for and not counted
    counts = read_manifest(out).counts
    assert counts is not None
    assert (counts.candidates, counts.accepted, counts.rejected) == (
        complete.candidates,
        complete.accepted,
        complete.rejected,
    )
    assert clock_path(out).exists()
    assert all_bytes(tmp_path) == before


def test_status_of_what_is_no_run_gets_one_line(tmp_path: Path) -> None:
    result = here("status", str(tmp_path))
    assert result.returncode == 2
    assert errors(result) == [
        f"synth: {tmp_path} is not a run directory (no manifest.json); make one with 'synth generate'"
    ]
    assert "does not exist" in here("status", str(tmp_path / "nowhere")).stderr
