"""The server teacher against a server that answers from the request alone, in all weathers."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from synth.assets import load_schema
from synth.catalog import load_task
from synth.config import TeacherConfig
from synth.errors import TeacherUnavailable, UserError
from synth.records import Encounter, Rejection
from synth.serving.chat import Patience
from synth.serving.endpoint import KEY_VARIABLE
from synth.teachers.base import TeacherRequest
from synth.teachers.server import Sampling, ServerTeacher, open_server, request_seed
from tests.fake_server import FakeServer, Fault
from tests.teaching import do_nothing, faulty, with_teacher, write_one, write_ten
from tests.tiny_pack import PACK

GOLDEN = Path(__file__).parent / "golden" / "prompts"
NOTE = Draft202012Validator(load_schema("note"))


# What is written


@pytest.mark.parametrize("decoding", ["constrains", "ignores", "refuses"])
def test_encounters_hold_whatever_the_server_can_do(decoding: str) -> None:
    with FakeServer(decoding=decoding) as server:  # type: ignore[arg-type]  # the parameters are its literals
        written = with_teacher(server, write_ten)
    for i, encounter in enumerate(written):
        assert isinstance(encounter, Encounter), encounter
        assert (encounter.index, encounter.attempts, encounter.task) == (i, 1, "note")
        assert (encounter.teacher.name, encounter.teacher.model) == ("server", "fake-1")
        assert len(encounter.turns) >= 4
        assert NOTE.is_valid(encounter.target)
        assert encounter.usage.prompt_tokens > 0
    assert len({encounter.model_dump_json() for encounter in written}) == 10


@pytest.mark.parametrize("decoding", ["constrains", "ignores"])
def test_order_concurrency_and_faults_that_pass_change_no_byte(decoding: str) -> None:
    results: set[str] = set()
    for concurrency, once in ((1, None), (10, None), (4, "error"), (10, "disconnect")):
        with FakeServer(decoding=decoding, once=once) as server:  # type: ignore[arg-type]  # as above
            written = with_teacher(server, write_ten, concurrency=concurrency)
        results.add("\n".join(one.model_dump_json() for one in written))
    assert len(results) == 1


def test_another_seed_writes_something_else() -> None:
    with FakeServer() as server:
        first, second = (with_teacher(server, write_one, sampling=Sampling(seed=seed)) for seed in (1, 2))
    assert isinstance(first, Encounter)
    assert isinstance(second, Encounter)
    assert first.source != second.source


def test_requests_carry_seed_sampling_and_schema_only_where_it_is_obeyed() -> None:
    for decoding in ("constrains", "ignores"):
        with FakeServer(decoding=decoding) as server:
            with_teacher(server, write_one, sampling=Sampling(seed=9, temperature=0.4, max_tokens=777))
            source, target = server.bodies[-2:]
        assert (source["seed"], target["seed"]) == (request_seed(9, 0, "source", 1), request_seed(9, 0, "target", 1))
        assert (source["temperature"], source["max_tokens"], source["model"]) == (0.4, 777, "fake-1")
        assert ("response_format" in source, "response_format" in target) == (decoding == "constrains",) * 2


@given(st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, 10**6), st.integers(1, 9)), unique=True, max_size=30))
def test_request_seeds_fit_and_differ(keys: list[tuple[int, int, int]]) -> None:
    seeds = [request_seed(*key[:2], "source", key[2]) for key in keys]
    seeds += [request_seed(*key[:2], "target", key[2]) for key in keys]
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert len(set(seeds)) == len(seeds)


def test_no_more_requests_at_once_than_allowed() -> None:
    with FakeServer() as server:
        with_teacher(server, write_ten, concurrency=3)
    assert server.most_at_once == 3


# Replies that cannot be used


@pytest.mark.parametrize(
    ("faults", "attempts"),
    [
        (("truncated",), 2),
        (("no_turns", "no_turns"), 3),
        ((None, "wrong_schema"), 2),
        ((None, "truncated", "truncated"), 3),
    ],
)
def test_an_unusable_reply_is_asked_again_and_its_tokens_are_counted(faults: tuple[Fault, ...], attempts: int) -> None:
    with FakeServer(faults=faulty(*faults)) as server:
        encounter = with_teacher(server, write_one)
        bodies = server.bodies[3:]
    assert isinstance(encounter, Encounter)
    assert encounter.attempts == attempts
    assert len({str(body["seed"]) for body in bodies}) == len(bodies) == attempts + 1
    spent = sum(len(json.dumps(body["messages"]).split()) for body in bodies)
    assert encounter.usage.prompt_tokens == spent


@pytest.mark.parametrize(
    ("decoding", "faults", "stage", "reason"),
    [
        ("ignores", ("no_turns",) * 3, "source", "no_turns"),
        ("constrains", ("no_turns",) * 3, "source", "not_json"),
        ("constrains", ("truncated",) * 3, "source", "truncated"),
        ("ignores", ("surrogate",) * 3, "source", "not_unicode"),
        ("constrains", (None, *("truncated",) * 3), "target", "truncated"),
        ("ignores", (None, *("no_turns",) * 3), "target", "not_json"),
        ("constrains", (None, "too_long") * 3, "target", "too_long"),
    ],
)
def test_a_candidate_whose_attempts_all_fail_is_a_rejection(
    decoding: str, faults: tuple[Fault, ...], stage: str, reason: str
) -> None:
    probes = 3 if decoding == "constrains" else 1
    with FakeServer(decoding=decoding, faults=[None] * probes + list(faults)) as server:  # type: ignore[arg-type]  # as above
        rejection = with_teacher(server, write_one)
    assert isinstance(rejection, Rejection)
    assert (rejection.stage, rejection.reason) == (stage, reason)
    assert rejection.attempts == 3
    assert rejection.part == ("source" if reason == "too_long" else stage)
    assert rejection.usage.completion_tokens > 0
    assert (rejection.sha256 is None) == (reason == "too_long")


def test_a_target_that_never_holds_is_rejected_by_the_schema_check_and_each_attempt_is_told_why() -> None:
    with FakeServer(faults=faulty(None, "wrong_schema", "wrong_schema", "wrong_schema")) as server:
        rejection = with_teacher(server, write_one)
        bodies = server.bodies[3:]
    assert isinstance(rejection, Rejection)
    assert (rejection.stage, rejection.reason, rejection.part) == ("schema", "not_valid_under_contract", "target")
    assert rejection.attempts == 3
    asked = [json.dumps(body["messages"]) for body in bodies]
    assert len(asked) == 4  # one source, which is kept, and three targets
    assert ["broke the JSON Schema at (root)" in one for one in asked] == [False, False, True, True]


def test_a_transcript_that_outgrows_the_context_is_written_again_and_shorter() -> None:
    with FakeServer(faults=faulty(None, "too_long")) as server:
        encounter = with_teacher(server, write_one)
        bodies = server.bodies[3:]
    assert isinstance(encounter, Encounter)
    assert encounter.attempts == 2
    assert ["too long to be read" in json.dumps(body["messages"]) for body in bodies] == [False, False, True, False]


# The server in bad weather


@pytest.mark.parametrize("fault", ["busy", "error", "disconnect", "garbage", "no_choices"])
def test_a_fault_that_passes_is_waited_for(fault: Fault) -> None:
    with FakeServer(faults=faulty(fault, fault)) as server:
        encounter = with_teacher(server, write_one)
    assert isinstance(encounter, Encounter)
    assert encounter.attempts == 1


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("busy", "status 429: slow down"),
        ("error", "status 500: engine failure"),
        ("disconnect", "breaks the connection"),
        ("garbage", "not an answer of the OpenAI API"),
        ("hang", "does not answer within 0.2 s"),
    ],
)
def test_a_fault_that_does_not_pass_stops_in_one_line(fault: Fault, says: str) -> None:
    with FakeServer(always=fault) as server, pytest.raises(TeacherUnavailable, match=re.escape(says)) as caught:
        with_teacher(server, write_one, probe=False, timeout=0.2)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 3


def test_a_request_that_the_server_always_fails_at_is_a_rejection_and_the_run_goes_on() -> None:
    with FakeServer(fails_at="patient: 44-year-old") as server:
        written = with_teacher(server, write_ten)
    assert [type(one).__name__ for one in written].count("Encounter") == 9
    rejection = written[4]
    assert isinstance(rejection, Rejection)
    assert (rejection.stage, rejection.reason, rejection.attempts) == ("source", "server_error", 3)
    assert "engine failure" in rejection.detail


def test_a_server_that_is_gone_stops_in_one_line() -> None:
    with FakeServer() as server:
        pass
    with pytest.raises(TeacherUnavailable, match="cannot be reached"):
        with_teacher(server, write_one, probe=False)


def test_a_server_that_is_known_to_be_dead_is_not_waited_for() -> None:
    patience = Patience(first=60.0, budget=600.0)
    with FakeServer(always="disconnect") as server, pytest.raises(TeacherUnavailable, match=r"^out of memory$"):
        with_teacher(server, write_one, probe=False, patience=patience, gone=lambda: "out of memory")


def test_retry_after_is_honoured_and_not_beyond_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    sleep = asyncio.sleep

    async def record(seconds: float) -> None:
        waits.append(seconds)
        await sleep(0)

    monkeypatch.setattr("synth.serving.chat.asyncio.sleep", record)
    with FakeServer(faults=["busy", "busy"], retry_after="17") as server:
        with_teacher(server, write_one, probe=False, patience=Patience(budget=60.0))
    assert [wait for wait in waits if wait > 1] == [17.0, 17.0]
    with FakeServer(always="busy", retry_after="3600") as server, pytest.raises(TeacherUnavailable, match="1 tries"):
        with_teacher(server, write_one, probe=False, patience=Patience(budget=60.0))


@given(st.integers(1, 60))
def test_waits_grow_and_stay_below_their_longest(faults: int) -> None:
    wait = Patience(first=0.5, longest=30.0).wait(faults)
    full = min(30.0, 0.5 * 2 ** (faults - 1))
    assert full / 2 <= wait <= full


@pytest.mark.parametrize(
    ("fault", "says"),
    [("forbidden", f"refuses access (401); set {KEY_VARIABLE}"), ("bad_request", "temperature must be non-negative")],
)
def test_what_the_user_can_mend_stops_at_once(fault: Fault, says: str) -> None:
    with FakeServer(always=fault) as server, pytest.raises(UserError, match=re.escape(says)) as caught:
        with_teacher(server, write_one, probe=False)
    assert caught.value.exit_code == 2
    assert len(server.bodies) == 1


def test_a_source_prompt_that_never_fits_is_an_error_of_the_settings() -> None:
    with FakeServer(always="too_long") as server, pytest.raises(UserError, match="maximum context length is 4096"):
        with_teacher(server, write_one, probe=False)


# The probe


@pytest.mark.parametrize(("decoding", "expected"), [("constrains", True), ("ignores", False), ("refuses", False)])
def test_the_probe_proves_constrained_decoding(decoding: str, expected: bool) -> None:
    async def probe(teacher: ServerTeacher) -> tuple[bool, bool, str]:
        return await teacher.probe(), teacher.constrained, teacher.notice

    with FakeServer(decoding=decoding) as server:  # type: ignore[arg-type]  # as above
        returned, constrained, notice = with_teacher(server, probe, probe=False)
    assert (returned, constrained) == (expected, expected)
    assert notice.startswith("decoding is constrained" if expected else "decoding is not constrained")


def test_the_probe_names_the_models_there_are() -> None:
    with FakeServer(model="fake-2") as server, pytest.raises(UserError, match=r"did you mean fake-2\?.*it has: fake-2"):
        with_teacher(server, do_nothing)


def test_a_wrong_model_is_named_where_only_the_chat_says_so() -> None:
    with FakeServer(model="fake-2") as server, pytest.raises(UserError, match="has no model 'fake-1'"):
        with_teacher(server, write_one, probe=False)


def test_a_server_without_a_list_of_models_will_do() -> None:
    with FakeServer(lists_models=False) as server:
        assert isinstance(with_teacher(server, write_one), Encounter)


def test_the_key_is_sent_and_never_shown(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    monkeypatch.setenv(KEY_VARIABLE, "sk-secret-7")
    with FakeServer(faults=faulty("forbidden")) as server, pytest.raises(UserError) as caught:
        with_teacher(server, write_one)
    assert set(server.keys) == {"Bearer sk-secret-7"}
    assert "secret" not in str(caught.value) + caplog.text


def test_a_proxy_of_the_environment_is_not_asked_for_the_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with FakeServer() as server:
        assert isinstance(with_teacher(server, write_one), Encounter)


def request(endpoints: tuple[str, ...], told: list[str]) -> TeacherRequest:
    """Return a request for a server teacher."""
    return TeacherRequest(
        task=load_task("note"),
        pack=PACK,
        seed=0,
        teacher=TeacherConfig(name="server", model="fake-1"),
        endpoints=endpoints,
        constrained=None,
        serve=None,
        concurrency=2,
        timeout=5.0,
        patience=1.0,
        cache=None,
        log=Path("unused.log"),
        notify=told.append,
    )


def test_a_teacher_opened_on_request_has_been_probed() -> None:
    async def run(endpoint: str) -> bool:
        teacher = await open_server(request((endpoint,), told))
        await teacher.close()
        return teacher.constrained

    told: list[str] = []
    with FakeServer() as server:
        assert asyncio.run(run(server.endpoint))
    assert told == ["decoding is constrained by the schema"]
    with pytest.raises(UserError, match="--endpoint"):
        asyncio.run(open_server(request((), told)))
