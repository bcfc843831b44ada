"""``synth generate`` through a real vLLM on the CPU: nonsense in the words, and a full ledger of valid notes; grades at
random where it judges itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from synth.assets import ASSETS, load_schema
from synth.ledger import REJECTIONS
from synth.records import Rejection
from synth.runs import read_encounters, read_manifest

pytestmark = pytest.mark.vllm
N = 4


def generate(*words: str) -> subprocess.CompletedProcess[str]:
    """Return what became of ``synth generate`` with these words and a small key-value cache."""
    environment = {"HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": "1"} | os.environ
    command = [sys.executable, "-c", "from synth.cli import main; main()", "generate", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_generate_serves_writes_checks_and_stops(tmp_path: Path) -> None:
    from tests.tiny_llama import make_tiny_llama

    model = make_tiny_llama(tmp_path / "tiny-llama")
    out = tmp_path / "run"
    settings = tmp_path / "settings.yaml"
    settings.write_text("checks: [schema, phi]\n")  # what a random model writes is true to no facts
    words = ["--specialty", "endocrinology", "-n", str(N), "--teacher", str(model), "--out", str(out)]
    words += ["--config", str(settings)]
    limits = ["--max-tokens", "2048", "--attempts", "2", "--max-candidates", "60", "--concurrency", "8"]
    result = generate(*words, *limits)
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


def test_documents_are_written_from_through_a_real_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task whose source follows from the facts: the server writes the target alone, under the task's contract. It is
    a copy of the tests' own without its answer, which a random model does not know."""
    from tests.tiny_llama import make_tiny_llama

    shutil.copytree(Path(__file__).parent / "assets" / "own", tmp_path / "own")
    task = tmp_path / "own" / "tasks" / "handover.yaml"
    task.write_text("".join(line for line in task.open() if not line.startswith("answer:")))
    monkeypatch.setenv(ASSETS, str(tmp_path / "own"))
    model, out, settings = make_tiny_llama(tmp_path / "tiny-llama"), tmp_path / "run", tmp_path / "settings.yaml"
    settings.write_text("checks: [schema]\n")  # what a random model writes is true to no facts
    words = ["--specialty", "endocrinology", "--task", "handover", "-n", "10", "--teacher", str(model)]
    words += ["--out", str(out), "--config", str(settings), "--no-cache"]
    limits = ["--max-tokens", "2048", "--attempts", "2", "--max-candidates", "60", "--concurrency", "8"]
    result = generate(*words, *limits)
    assert result.returncode == 0, result.stderr
    assert "decoding is constrained by the schema" in result.stderr
    accepted = list(read_encounters(out))
    assert len(accepted) == 10
    contract = Draft202012Validator(load_schema("handover"))
    for encounter in accepted:
        assert encounter.source.text.startswith("# Chart\nPatient: ")
        assert not list(contract.iter_errors(encounter.target))
        assert encounter.usage.completion_tokens > 0
    assert str(tmp_path) not in (out / "manifest.json").read_text() + (out / "config.yaml").read_text()


def test_a_real_server_judges_under_the_schema_with_repeats_that_differ(tmp_path: Path) -> None:
    from tests.tiny_llama import make_tiny_llama

    model, out, settings = make_tiny_llama(tmp_path / "tiny-llama"), tmp_path / "run", tmp_path / "settings.yaml"
    settings.write_text("checks: [schema]\njudge: {least: {}, most: {}, max_tokens: 128}\n")
    words = ["--specialty", "endocrinology", "-n", "2", "--teacher", str(model), "--out", str(out), "--no-cache"]
    limits = ["--max-tokens", "2048", "--attempts", "2", "--max-candidates", "30", "--concurrency", "8"]
    result = generate(*words, *limits, "--config", str(settings), "--judge", "teacher", "--judge-repeats", "4")
    assert result.returncode == 0, result.stderr
    assert "judge: tiny-llama, the teacher itself; a model favours what it wrote itself" in result.stderr
    assert "judge: decoding is constrained by the schema" in result.stderr
    assert read_manifest(out).judge_constrained is True
    accepted = list(read_encounters(out))
    assert len(accepted) == 2
    for encounter in accepted:
        found = encounter.judgement
        assert found is not None
        assert len(found.scores) >= 3
        assert set(found.unread) <= {"truncated"}  # all that is left to go wrong under the schema
        assert encounter.usage.judge_prompt_tokens > encounter.usage.judge_completion_tokens > 0
    scores = [one for encounter in accepted if encounter.judgement for one in encounter.judgement.scores]
    assert len({one.model_dump_json() for one in scores}) > len(accepted)
