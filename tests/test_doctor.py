"""The doctor: what fits on made-up machines, what it says is missing, and that it asks no network."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.cli import distill
from distill.device import resolve_precision
from distill.doctor import METHODS, base_here, download_bytes, report_lines, verdict
from distill.machine import Gpu, Machine, probe
from distill.memory import memory_need
from distill.settings import settings_for
from distill.student import find_student, student_names
from synth.errors import UserError
from tests.students import write_base

PACKAGES: dict[str, str | None] = {
    "torch": "2.13.0",
    "transformers": "5.19.0",
    "peft": "0.21.2",
    "trl": "1.16.0",
    "datasets": "5.2.0",
    "bitsandbytes": "0.50.2",
}
LAPTOP = Machine(8, 16_000_000_000, 12_000_000_000, 100_000_000_000, "/cache", (), None, PACKAGES)


def with_gpu(gigabytes: int) -> Machine:
    size = gigabytes * 1_000_000_000
    return replace(LAPTOP, gpus=(Gpu("a GPU", size, size, True),), cuda="13.0")


@pytest.fixture(autouse=True)
def _no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep whatever the machine has in its cache out of the tests."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def fits(name: str, machine: Machine, length: int | None = None) -> list[bool | None]:
    return [verdict(find_student(name), method, machine, length).fits for method in METHODS]


@pytest.mark.parametrize(
    ("flag", "said", "width"),
    [
        ("avx512_bf16", "on the CPU, in bfloat16, which it multiplies in hardware", 2),
        ("avx2", "on the CPU, in float32\n", 4),
    ],
)
def test_on_a_cpu_it_counts_in_the_precision_that_training_would_take(
    monkeypatch: pytest.MonkeyPatch, flag: str, said: str, width: int
) -> None:
    monkeypatch.setattr("distill.device._cpu_flags", lambda: frozenset({flag}))
    monkeypatch.setattr("distill.machine._gpus", lambda: ((), None))
    machine = probe()
    assert machine.precision == resolve_precision("auto", "cpu")
    assert said in "\n".join(report_lines(machine=machine, student="qwen3-0.6b"))
    student = find_student("qwen3-0.6b")
    assert student.shape is not None
    need = memory_need(student, "lora", cuda=False, narrow=width == 2)
    assert need is not None
    assert need.weights == width * student.shape.parameters
    assert verdict(student, "lora", machine).gigabytes == need.gigabytes


@pytest.mark.parametrize("own", ["auto", "bf16", "fp32"])
@pytest.mark.parametrize("real", [True, False])
def test_a_student_s_own_precision_goes_before_the_machine_s(
    monkeypatch: pytest.MonkeyPatch, own: Literal["auto", "bf16", "fp32"], real: bool
) -> None:
    monkeypatch.setattr("distill.device._cpu_flags", lambda: frozenset({"amx_bf16"} if real else ()))
    machine = replace(LAPTOP, bfloat16=real)
    base = find_student("qwen3-0.6b")
    student = base.model_copy(update={"recipe": base.recipe.model_copy(update={"precision": own})})
    monkeypatch.setattr("distill.doctor.find_student", lambda _name: student)
    wanted = resolve_precision(settings_for(student).precision, "cpu")
    need = memory_need(student, "lora", cuda=False, narrow=wanted == "bf16")
    assert need is not None
    assert verdict(student, "lora", machine).gigabytes == need.gigabytes
    words = {"bf16": "bfloat16", "fp32": "float32"}[wanted]
    note = f"qwen3-0.6b: trains in {words}, as its own recipe has it"
    assert (note in list(report_lines(machine=machine, student="qwen3-0.6b"))) is (wanted != machine.precision)


def test_a_gpu_without_bfloat16_trains_in_float32() -> None:
    old = replace(with_gpu(24), gpus=(Gpu("old", 24_000_000_000, 24_000_000_000, False),))
    student = find_student("llama-3.2-1b")
    need = [memory_need(student, "lora", narrow=narrow) for narrow in (False, True)]
    found = [verdict(student, "lora", machine).gigabytes for machine in (old, with_gpu(24))]
    assert found == [one.gigabytes for one in need if one is not None]
    assert any("training runs in float32" in line for line in report_lines(machine=old))


def test_an_8b_base_wants_24_gb_for_lora_half_for_qlora_and_several_gpus_for_all_of_it() -> None:
    assert fits("llama-3.1-8b", with_gpu(24)) == [True, True, False]
    assert fits("llama-3.1-8b", with_gpu(16)) == [False, True, False]
    assert fits("llama-3.1-8b", with_gpu(192)) == [True, True, True]


def test_gpt_oss_has_no_qlora_and_says_why() -> None:
    found = verdict(find_student("gpt-oss-20b"), "qlora", with_gpu(80))
    assert found.gigabytes is None
    assert "no linear layers" in found.why
    assert fits("gpt-oss-20b", with_gpu(80)) == [True, None, False]


def test_the_emptiest_gpu_counts_and_main_memory_where_there_is_none() -> None:
    two = replace(with_gpu(24), gpus=(Gpu("busy", 2, 24, True), Gpu("idle", 20_000_000_000, 24, True)))
    assert two.room == 20_000_000_000
    assert LAPTOP.room == LAPTOP.memory_free


@settings(max_examples=100, deadline=None)
@given(
    name=st.sampled_from(student_names()),
    gigabytes=st.integers(1, 400),
    more=st.integers(0, 400),
    length=st.integers(8, 100_000),
    shorter=st.integers(8, 100_000),
)
def test_more_memory_and_shorter_examples_never_fit_worse(
    name: str, gigabytes: int, more: int, length: int, shorter: int
) -> None:
    small, large = fits(name, with_gpu(gigabytes), length), fits(name, with_gpu(gigabytes + more), min(length, shorter))
    assert all(after or not before for before, after in zip(small, large, strict=True))


def test_the_report_names_each_student_and_the_command_that_gets_it() -> None:
    lines = list(report_lines(machine=with_gpu(24)))
    report = "\n".join(lines)
    for name in student_names():
        assert any(line.startswith(name) for line in lines), name
    assert "hf download Qwen/Qwen3-4B --revision 1cfa9a7208912126459214e8b04321603b3df60c" in report
    assert "accept the licence (Llama 3.2 Community License)" in report
    row = next(line for line in lines if line.startswith("llama-3.1-8b"))
    assert row.split()[:2] == ["llama-3.1-8b", "4,096"]
    assert row.endswith("missing, gated")
    assert "bitsandbytes (for qlora)" not in report


def test_missing_packages_and_a_full_disk_are_said() -> None:
    bare = replace(with_gpu(24), packages=dict.fromkeys(PACKAGES), disk_free=1_000_000_000)
    report = "\n".join(report_lines(machine=bare, student="qwen3-4b"))
    assert "pip install 'notewright[train]'" in report
    assert "pip install bitsandbytes" in report
    assert "8.0 GB, more than the disk has" in report


def test_more_tokens_than_the_base_reads_are_said() -> None:
    report = "\n".join(report_lines(machine=LAPTOP, student="smollm2-135m", length=10_000))
    assert "10,000 tokens are more than it can read (8,192)" in report


def test_a_base_with_a_shard_missing_is_not_here(tmp_path: Path) -> None:
    folder = write_base(tmp_path / "base")
    student = find_student(str(folder))
    assert base_here(student) == folder
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model-2.safetensors"}}', "utf-8")
    assert base_here(student) is None


def test_the_need_of_an_own_base_is_known_from_its_configuration(tmp_path: Path) -> None:
    folder = write_base(tmp_path / "base")
    row = next(line for line in report_lines(machine=LAPTOP, student=str(folder)) if line.startswith("base"))
    assert "not known" not in row
    (folder / "config.json").write_text('{"model_type": "mamba"}', "utf-8")
    rows = list(report_lines(machine=LAPTOP, student=str(folder)))
    assert any("not known" in line for line in rows)


def test_stored_in_four_bits_gpt_oss_is_fourteen_gigabytes() -> None:
    size = download_bytes(find_student("gpt-oss-20b"))
    assert size is not None
    assert size / 1e9 == pytest.approx(13.8, abs=0.1)  # its safetensors files at the pinned commit


def test_this_machine_is_probed_without_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a network call")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    machine = probe()
    assert machine.cores >= 1
    assert 0 < machine.memory_free <= machine.memory
    assert machine.disk_free > 0
    assert machine.packages["torch"] is not None
    shown = CliRunner().invoke(distill, ["doctor", "--student", "tiny"])
    assert shown.exception is None
    assert "tiny" in shown.output


def test_an_unknown_student_is_a_line() -> None:
    result = CliRunner().invoke(distill, ["doctor", "--student", "tinny"])
    assert isinstance(result.exception, UserError)
    assert "did you mean tiny?" in str(result.exception)
