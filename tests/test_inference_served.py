"""A model behind a server in a student's place, through the fake server."""

from __future__ import annotations

import gc
import json
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from distill.evaluate import evaluate
from distill.inference import served as module
from distill.inference.base import Decoding
from distill.inference.served import Served, ServedPredictor
from distill.records import Prediction
from synth.checks.schema import contract
from synth.errors import UserError
from synth.serving.vllm import ManagedVllm
from tests.fake_server import FakeServer
from tests.students import held_out, write_run

ROOT = Path(__file__).resolve().parent.parent
ITEMS = held_out(range(6))


def written(server: FakeServer, decoding: Decoding, *, run: int = 1, **other: object) -> dict[str, Prediction]:
    """Return what is written through a server, by item."""
    served = Served(server.model, (server.endpoint,), patience=0.5, **other)  # type: ignore[arg-type]
    predictor = ServedPredictor(served, decoding)
    found: dict[str, Prediction] = {}
    try:
        predictor.write(ITEMS, run, lambda prediction: found.__setitem__(prediction.id, prediction))
    finally:
        predictor.close()
    return found


def test_every_item_is_asked_once_with_rules_schema_and_transcript() -> None:
    with FakeServer() as server:
        found = written(server, Decoding())
        asked = [body for body in server.bodies if body["max_tokens"] == 4096]
    assert sorted(found) == sorted(item.id for item in ITEMS)
    assert len(asked) == len(ITEMS)
    for body in asked:
        assert "response_format" not in body
        assert body["temperature"] == 0
        text = json.dumps(body["messages"])
        assert "JSON Schema" in text
        assert "[doctor]" in text
    # It chats: the note comes in a code fence, and is one all the same.
    for prediction in found.values():
        assert prediction.raw.startswith("```json")
        assert prediction.target is not None


def test_the_students_prompt_and_other_seeds_for_other_runs() -> None:
    with FakeServer() as server:
        for run in (1, 2):
            written(server, Decoding(temperature=0.7, seed=3, max_new_tokens=50), run=run, ask="student")
        asked = [body for body in server.bodies if body["max_tokens"] == 50]
    assert len({body["seed"] for body in asked}) == len(asked) == 12
    assert {len(body["messages"]) for body in asked} == {1}  # type: ignore[arg-type]


def test_constrained_is_proved_and_held() -> None:
    with FakeServer() as server:
        found = written(server, Decoding(constrained=True))
    for prediction in found.values():
        assert list(contract("note").iter_errors(prediction.target)) == []


@pytest.mark.parametrize("decoding", ["ignores", "refuses"])
def test_a_server_that_does_not_constrain_is_one_line(decoding: str) -> None:
    with (
        FakeServer(decoding=decoding) as server,  # type: ignore[arg-type]
        pytest.raises(UserError, match=r"--constrained: .*(ignores|refuses).*leave it out"),
    ):
        written(server, Decoding(constrained=True))


def test_what_is_cut_off_or_no_json_is_counted_and_never_mapped() -> None:
    with FakeServer(rates={"truncated": 0.5, "malformed": 0.5}) as server:
        found = written(server, Decoding())
    assert {prediction.finish for prediction in found.values()} <= {"length", "stop"}
    for prediction in found.values():
        assert prediction.target is None
        assert prediction.text == prediction.raw != ""


def test_half_a_character_does_not_stop_a_run() -> None:
    with FakeServer(rates={"surrogate": 1.0}) as server:
        found = written(server, Decoding())
    for prediction in found.values():
        assert "\ufffd" in prediction.raw
        assert Prediction.model_validate_json(prediction.model_dump_json()) == prediction


def test_an_item_that_the_server_always_fails_at_is_counted_and_the_rest_goes_on() -> None:
    from synth.serving import chat

    marked = max(ITEMS[2].source.split("\n"), key=len)
    assert sum(marked in item.source for item in ITEMS) == 1
    quick = chat.Patience(first=0.001, longest=0.002, budget=0.05, tries=2)
    with FakeServer(fails_at=marked) as server, pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "Patience", lambda **_k: quick)
        found = written(server, Decoding())
    assert [item for item, prediction in found.items() if prediction.finish == "failed"] == [ITEMS[2].id]
    assert len(found) == len(ITEMS)


def test_a_prompt_that_does_not_fit_the_context_is_counted_and_the_rest_goes_on() -> None:
    with FakeServer(faults=[None, None, "too_long"]) as server:
        ends = [prediction.finish for prediction in written(server, Decoding()).values()]
    assert sorted(ends) == ["stop"] * 5 + ["too_long"]


def test_an_evaluation_goes_on_where_the_server_broke_off(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"train": range(4), "validation": range(4, 5), "test": range(5, 11)})
    sampled = Decoding(temperature=0.5, runs=2)

    def go(server: FakeServer, **other: object) -> None:
        place = Served(server.model, (server.endpoint,), concurrency=1, patience=0.2)
        evaluate("held-out", run, place, tmp_path / "out", decoding=sampled, **other)  # type: ignore[arg-type]

    broken = FakeServer(decoding="ignores", faults=[None] * 7 + ["forbidden"] * 50)
    with broken as server, pytest.raises(UserError, match="refuses access"):
        go(server)
    before = (tmp_path / "out" / "predictions.partial.jsonl").read_bytes().count(b"\n") - 1
    assert before > 0
    with FakeServer(decoding="ignores") as server:
        go(server)
        assert len(server.bodies) == 12 - before
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert list(results["systems"]) == ["fake-1 run 1", "fake-1 run 2", "copy", "retrieval"]
    assert results["settings"]["temperature"] == 0.5
    assert results["settings"]["runs"] == 2
    assert results["systems"]["fake-1 run 1"]["unparseable"] == 0


def test_a_wrong_model_and_no_server_are_one_line() -> None:
    with FakeServer() as server:
        predictor = ServedPredictor(Served("fake", (server.endpoint,)), Decoding())
        with pytest.raises(UserError, match="has no model 'fake'"):
            predictor.write(ITEMS[:1], 1, lambda _p: None)
        predictor.close()
    with pytest.raises(UserError, match="is no http"):
        ServedPredictor(Served("m", ("localhost",)), Decoding())


def test_a_managed_server_is_started_used_and_stopped_whatever_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    made: list[ManagedVllm] = []

    def fake(model: str, log: Path) -> ManagedVllm:
        made.append(ManagedVllm(model, log, command=(sys.executable, "-m", "tests.fake_server")))
        return made[-1]

    monkeypatch.setattr(module, "ManagedVllm", fake)
    monkeypatch.setattr(module, "find_spec", lambda _name: object())
    predictor = ServedPredictor(Served("some/model", log=tmp_path / "vllm.log"), Decoding())

    def stop(_prediction: Prediction) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predictor.write(ITEMS[:2], 1, stop)
    predictor.close()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", urlsplit(made[0].endpoint).port or 0)) != 0
    assert "was stopped" in (made[0].gone() or "")
    # What is left of the loop goes here: collected in the middle of a later ast.parse it makes CPython 3.11 raise there
    # (python/cpython#106905).
    gc.collect()


def test_without_vllm_serve_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _name: None)
    with pytest.raises(UserError, match="vLLM is not installed"):
        ServedPredictor(Served("some/model"), Decoding())
