"""The generation benchmark's own parts: prompts, arithmetic, measuring, and the bare client; no peer is needed."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from pathlib import Path

import pytest

from benchmarks.generation import bare
from benchmarks.generation.clients import NOTEWRIGHT, PEERS, Task, accepted, clients, said
from benchmarks.generation.environments import variables
from benchmarks.generation.job import TARGET_BEGINS, Job, Prompt, read_prompts, write_prompts
from benchmarks.generation.measure import Cost, run
from benchmarks.generation.meter import Sample, parse_metrics, throughput
from benchmarks.generation.prompts import contents, dump_prompts
from benchmarks.generation.recording import recording
from benchmarks.generation.report import Row, judged, median, table
from benchmarks.generation.serving import Served, Shape, serving
from tests.fake_server import FakeServer

SHAPE = Shape(in_flight=64, latency=0.05)
PEER_FILES = Path(bare.__file__).parent / "peers"


def row(name: str, pairs: int, seconds: float, cpu: float = 1.0, peak: int = 2**20, failure: str = "") -> Row:
    """Return a row of a client that wrote so many pairs in so many seconds."""
    return Row(name, pairs, Served(2 * pairs, 64, seconds), Cost(0, False, seconds, cpu, peak), {}, failure)


# Prompts


def test_prompts_are_those_that_notewright_sends(tmp_path: Path) -> None:
    dump_prompts(tmp_path / "prompts.jsonl", 5)
    prompts, target_system = read_prompts(tmp_path / "prompts.jsonl", 4)
    assert [prompt.id for prompt in prompts] == [f"endocrinology-0-{i:06d}" for i in range(4)]
    assert len({prompt.user for prompt in prompts}) == 4
    assert len({prompt.system for prompt in prompts}) == 1
    assert "[doctor]" in prompts[0].system
    assert '"$defs"' in target_system


def test_too_few_prompts_are_an_error(tmp_path: Path) -> None:
    write_prompts(tmp_path / "few.jsonl", [Prompt("a", "s", "u")], "t")
    with pytest.raises(ValueError, match="holds 1 prompts, not 2"):
        read_prompts(tmp_path / "few.jsonl", 2)


def test_prompts_survive_the_file_byte_for_byte(tmp_path: Path) -> None:
    prompts = (Prompt("a", "sys\u2028tem\n", "übung\r\n\ttab"), Prompt("b", "{{ x }}", '"quoted"'))
    write_prompts(tmp_path / "p.jsonl", prompts, "target\n")
    assert read_prompts(tmp_path / "p.jsonl", 2) == (prompts, "target\n")


def test_other_messages_than_a_system_and_a_user_message_are_refused() -> None:
    with pytest.raises(ValueError, match="not a system and a user message"):
        contents([{"role": "user", "content": "alone"}])


# Arithmetic


def test_the_ceiling_is_two_requests_a_pair() -> None:
    assert SHAPE.ceiling == pytest.approx(640.0)
    assert Shape(in_flight=1, latency=0.5).ceiling == pytest.approx(1.0)


def test_rates_shares_and_ratios() -> None:
    rows = [
        row("bare client", 1200, 2.0),
        row(NOTEWRIGHT, 1000, 2.0, cpu=2.0, peak=100 * 2**20),
        row("slow", 100, 2.0, cpu=1.0, peak=250 * 2**20),
        row("broken", 0, 0.0, failure="exit 1: no"),
    ]
    assert rows[1].rate == pytest.approx(500.0)
    assert rows[1].cpu == pytest.approx(0.002)
    text = "\n".join(table(rows, SHAPE))
    first, ratios = text.split("as ratios to")
    assert re.search(r"^Notewright +500\.0 +78\.1% +83\.3% +2\.00 +100 ", first, re.MULTILINE)
    assert re.search(r"^slow +50\.0 +7\.8% +8\.3% +10\.00 +250 ", first, re.MULTILINE)
    assert "broken                   failed: exit 1: no" in first
    assert re.search(r"^slow +0\.10 +5\.00 +2\.50$", ratios, re.MULTILINE)
    assert "broken" not in ratios


def test_without_notewright_there_are_no_ratios() -> None:
    assert len(table([row("slow", 10, 1.0)], SHAPE)) == 2


@pytest.mark.parametrize(
    ("pairs", "answered", "status", "timed_out", "failure"),
    [
        (10, 20, 0, False, ""),
        (10, 22, 0, False, ""),
        (9, 20, 0, False, "9 of 10 pairs, 20 requests answered"),
        (10, 19, 0, False, "10 of 10 pairs, 19 requests answered"),
        (0, 0, 1, False, "exit 1: the last line"),
        (0, 7, -9, True, "no end after 3 s, 7 requests answered"),
    ],
)
def test_a_row_stands_only_where_the_work_was_done(
    pairs: int, answered: int, status: int, timed_out: bool, failure: str
) -> None:
    cost = Cost(status, timed_out, 3.0, 1.0, 1)
    assert judged("x", 10, pairs, {}, Served(answered, 1, 1.0), cost, "the last line").failure == failure


def test_the_median_is_by_rate_and_fails_where_most_failed() -> None:
    quick, middle, slow = row("x", 10, 1.0), row("x", 10, 2.0), row("x", 10, 3.0)
    failed = row("x", 0, 0.0, failure="no")
    assert median([slow, quick, middle]) is middle
    assert median([failed, quick, slow]) is quick
    assert median([failed, failed, quick]) is failed


# Measuring


CHILDREN = """
import subprocess, sys
child = "import time; x = bytearray(60 << 20)\\nwhile time.process_time() < 0.5: pass\\ntime.sleep(1.2)"
for each in [subprocess.Popen([sys.executable, "-c", child]) for _ in range(2)]:
    each.wait()
"""


def test_cost_counts_children_and_all_their_memory_at_once(tmp_path: Path) -> None:
    cost = run([sys.executable, "-c", CHILDREN], dict(os.environ), tmp_path, tmp_path / "log", 30.0)
    assert (cost.status, cost.timed_out) == (0, False), (tmp_path / "log").read_text()
    assert 1.0 <= cost.cpu < 3.0
    assert cost.wall >= 1.2
    assert 120 * 2**20 < cost.peak < 220 * 2**20


def test_what_does_not_end_is_killed(tmp_path: Path) -> None:
    code = "import time; print('begun', flush=True); time.sleep(60)"
    cost = run([sys.executable, "-c", code], dict(os.environ), tmp_path, tmp_path / "log", 0.6)
    assert cost.timed_out
    assert cost.status == -9
    assert cost.wall < 10
    assert (tmp_path / "log").read_text() == "begun\n"


# A real server's metrics, and the requests that are made again

METRICS = """# HELP vllm:generation_tokens_total Number of generation tokens processed.
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{engine="0",model_name="m"} 1.5e+03
vllm:generation_tokens_total{engine="1",model_name="m"} 500.0
vllm:prompt_tokens_total{engine="0",model_name="m"} 7000.0
vllm:request_success_total{engine="0",finished_reason="stop",model_name="m"} 7.0
vllm:request_success_total{engine="0",finished_reason="length",model_name="m"} 3.0
vllm:num_requests_running{engine="0",model_name="m"} 32.0
vllm:generation_tokens_created{engine="0",model_name="m"} 1.7e+09
"""


def test_metrics_are_added_up_over_engines_and_reasons() -> None:
    assert parse_metrics(METRICS, 5.0) == Sample(at=5.0, prompt=7000.0, output=2000.0, requests=10.0, running=32.0)


def test_throughput_leaves_out_the_idle_ends() -> None:
    """Idle until 10 s, then 100 tokens a second for 10 s but 10 a second at the end, then idle."""
    curve = [(0, 50), (10, 50), (11, 150), (15, 550), (19, 950), (20, 1050), (24, 1090), (30, 1090)]
    samples = [Sample(float(at), 0.0, float(output), float(output > 1000) * 4, 3.0) for at, output in curve]
    seen = throughput(samples)
    assert seen.middle == pytest.approx(100.0)
    assert seen.whole == pytest.approx(1040 / 14)
    assert (seen.requests, seen.output, seen.running) == (4, 260.0, 3.0)


def test_a_server_that_generated_nothing_has_no_throughput() -> None:
    with pytest.raises(ValueError, match="generated nothing"):
        throughput([Sample(0.0, 0.0, 5.0, 1.0, 0.0), Sample(1.0, 0.0, 5.0, 1.0, 0.0)])


def test_a_recorder_forwards_and_keeps_what_was_asked(tmp_path: Path) -> None:
    dump_prompts(tmp_path / "prompts.jsonl", 6)
    prompts, target_system = read_prompts(tmp_path / "prompts.jsonl", 6)
    with FakeServer(decoding="ignores") as server:
        with recording(server.endpoint) as recorder:
            job = Job(recorder.endpoint, server.model, 3, tmp_path, prompts, target_system)
            assert asyncio.run(bare.write_pairs(job)) == 6
        assert sorted(map(json.dumps, recorder.bodies)) == sorted(map(json.dumps, server.bodies))
    assert len(recorder.bodies) == 12


# Clients


def test_the_bare_client_writes_every_pair_from_its_source(tmp_path: Path) -> None:
    dump_prompts(tmp_path / "prompts.jsonl", 12)
    prompts, target_system = read_prompts(tmp_path / "prompts.jsonl", 12)
    with FakeServer(decoding="ignores") as server:
        job = Job(server.endpoint, server.model, 5, tmp_path, prompts, target_system)
        assert asyncio.run(bare.write_pairs(job)) == 12
    users = [messages(body)[1] for body in server.bodies]
    assert len(users) == 24
    assert {prompt.user for prompt in prompts} < set(users)
    assert sum(user.startswith(TARGET_BEGINS) and "[doctor] " in user for user in users) == 12
    assert server.most_at_once <= 5


def messages(body: object) -> list[str]:
    """Return the contents of a request's messages."""
    assert isinstance(body, dict)
    return [message["content"] for message in body["messages"]]


def test_the_server_runs_with_its_latency_and_says_what_it_saw(tmp_path: Path) -> None:
    dump_prompts(tmp_path / "prompts.jsonl", 8)
    shape = Shape(in_flight=4, latency=0.02)
    with serving(shape, "fake-1", bank=2) as server:
        assert server.served() == Served(0, 0, 0.0)
        task = Task(server.endpoint, tmp_path / "prompts.jsonl", 8, shape.in_flight, tmp_path)
        client = clients(tmp_path)[0]
        environment = variables(tmp_path, tmp_path)
        root = Path(__file__).resolve().parent.parent
        cost = run([str(client.python), *client.command(task)], environment, root, tmp_path / "log", 30.0)
        served = server.served()
    assert cost.status == 0, (tmp_path / "log").read_text()
    assert client.result(tmp_path / "log", tmp_path) == (8, {})
    assert (served.answered, served.most_at_once) == (16, 4)
    assert served.seconds >= 0.02 * 16 / 4


def test_what_a_client_said_is_its_last_word(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text('{"pairs": 1, "versions": {}}\nnoise\n{"pairs": 7, "versions": {"a": "1"}}\ntail \udcff'[:-1])
    assert said(log, tmp_path) == (7, {"a": "1"})
    log.write_text("Traceback\n")
    assert said(log, tmp_path) == (0, {})


def test_what_notewright_accepted_is_counted_in_its_ledger(tmp_path: Path) -> None:
    assert accepted(tmp_path / "log", tmp_path)[0] == 0
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "encounters.jsonl").write_text("{}\n{}\n")
    assert accepted(tmp_path / "log", tmp_path)[0] == 2


def test_clients_get_no_way_out_and_a_home_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://elsewhere.example:3128")
    environment = variables(tmp_path, tmp_path)
    assert environment["HOME"] == str(tmp_path)
    assert "elsewhere" not in json.dumps(environment)
    assert environment["https_proxy"] == environment["HTTPS_PROXY"] == "http://127.0.0.1:9"
    assert environment["NEMO_TELEMETRY_ENABLED"] == environment["TELEMETRY_ENABLED"] == "false"


@pytest.mark.parametrize("name", PEERS)
def test_every_peer_has_a_module_and_a_list_of_pinned_packages(name: str) -> None:
    assert (PEER_FILES / f"{name}.py").is_file()
    lines = (PEER_FILES / f"{name}.txt").read_text("utf-8").splitlines()
    assert len(lines) > 20
    for line in lines:
        assert re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9.+!]+", line), line
        assert not re.match(r"(torch|nvidia-|vllm)", line), line
