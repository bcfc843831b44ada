"""Every task through a real vLLM on the CPU, ten items each; run by ``make test-vllm``.

The model is random: its words are nonsense that holds under the contract, so that only the schema is checked here. It
does not know an answer or keep to a house style either: where a task has one, candidates are rejected for it, and for
nothing else.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from synth.assets import load_schema
from synth.catalog import load_task, task_paths
from synth.ledger import REJECTIONS
from synth.records import Rejection
from synth.runs import read_encounters
from synth.serving.vllm import ManagedVllm
from synth.tasks_cli import specialties_of
from tests.running import here

pytestmark = pytest.mark.vllm
N = 10


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagedVllm]:
    from tests.tiny_llama import make_tiny_llama

    folder = tmp_path_factory.mktemp("vllm")
    os.environ |= {"HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": os.environ.get("VLLM_CPU_KVCACHE_SPACE", "1")}
    managed = ManagedVllm(str(make_tiny_llama(folder / "tiny-llama")), folder / "vllm.log")
    with asyncio.Runner() as runner:
        runner.run(managed.start(lambda _seconds, _line: None))
        try:
            yield managed
        finally:
            runner.run(managed.close())


@pytest.mark.parametrize("name", sorted(task_paths()))
def test_a_real_server_writes_ten_of_every_task(name: str, server: ManagedVllm, tmp_path: Path) -> None:
    task = load_task(name)
    settings, out = tmp_path / "settings.yaml", tmp_path / "run"
    settings.write_text("checks: [schema]\n")
    words = ["--task", name, "--specialty", specialties_of(task)[0], "-n", str(N), "--out", str(out), "--no-cache"]
    words += ["--endpoint", server.endpoint, "--model", server.served_name, "--config", str(settings)]
    limits = ["--max-tokens", "2048", "--attempts", "2", "--max-candidates", str(4 * N), "--concurrency", "8"]
    result = here("generate", *words, *limits)
    assert "decoding is constrained by the schema" in result.stderr
    accepted = list(read_encounters(out))
    rejected = [Rejection.model_validate_json(line) for line in (out / REJECTIONS).open()]
    if task.answer is None and task.style is None:
        assert result.returncode == 0, result.stderr
        assert len(accepted) == N
    else:
        assert result.returncode != 0
        assert len(accepted) + len(rejected) == 4 * N
        assert {one.stage for one in rejected} <= {"answer", "style", "target"}
        assert sum(one.stage in ("answer", "style") for one in rejected) >= N
    contract = Draft202012Validator(load_schema(task.schema_name))
    for encounter in accepted:
        assert not list(contract.iter_errors(encounter.target))
        assert encounter.usage.completion_tokens > 0
