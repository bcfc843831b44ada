"""``synth generate`` through a real vLLM on the CPU: nonsense in the words, and a full ledger of valid notes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from synth.assets import load_schema
from synth.ledger import REJECTIONS
from synth.records import Rejection
from synth.runs import read_encounters, read_manifest

pytestmark = pytest.mark.vllm
N = 4


def test_generate_serves_writes_checks_and_stops(tmp_path: Path) -> None:
    from tests.tiny_llama import make_tiny_llama

    model = make_tiny_llama(tmp_path / "tiny-llama")
    out = tmp_path / "run"
    settings = tmp_path / "settings.yaml"
    settings.write_text("checks: [schema, phi]\n")  # what a random model writes is true to no facts
    words = ["--specialty", "endocrinology", "-n", str(N), "--teacher", str(model), "--out", str(out)]
    words += ["--config", str(settings)]
    limits = ["--max-tokens", "2048", "--attempts", "2", "--max-candidates", "60", "--concurrency", "8"]
    environment = {"HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": "1"} | os.environ
    command = [sys.executable, "-c", "from synth.cli import main; main()", "generate", *words, *limits]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert result.returncode == 0, result.stderr
    assert "teacher: tiny-llama, served by vLLM on this machine" in result.stderr
    assert "decoding is constrained by the schema" in result.stderr

    manifest = read_manifest(out)
    assert manifest.status == "complete"
    assert (manifest.teacher.name, manifest.teacher.model) == ("vllm", "tiny-llama")
    accepted = list(read_encounters(out))
    rejected = [Rejection.model_validate_json(line) for line in (out / REJECTIONS).open()]
    assert len(accepted) == N
    assert manifest.counts is not None
    indices = sorted([one.index for one in accepted] + [one.index for one in rejected])
    assert indices == list(range(manifest.counts.candidates))
    contract = Draft202012Validator(load_schema("note"))
    for encounter in accepted:
        assert not list(contract.iter_errors(encounter.target))
        assert encounter.usage.completion_tokens > 0
    assert all(one.reason for one in rejected)
    assert str(tmp_path) not in (out / "manifest.json").read_text() + (out / "config.yaml").read_text()
