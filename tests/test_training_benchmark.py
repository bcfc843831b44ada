"""The training benchmark's own parts: what contenders are given, what is held against them, and the judge of losses."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from transformers import PreTrainedConfig

from benchmarks.generation.measure import Cost
from benchmarks.training import __main__ as benchmark
from benchmarks.training import ceiling, gpu, launching
from benchmarks.training.contenders import CONTENDERS, OURS, PEERS, Contender, install, variables
from benchmarks.training.job import RANK, Job, Outcome, Pair, read_job, read_pairs, same_tokens, write_pairs, write_run
from distill.packed import APART
from distill.student import Shape

FOLDER = Path(benchmark.__file__).parent
PAIRS = [
    Pair("<|user|>a<|end|><|assistant|>", "b", "<|end|>", [2, 9, 1, 3, 8, 1], 4),
    Pair("<|user|>ü\u2028<|end|><|assistant|>", "c", "<|end|>", [2, 7, 1, 3, 6, 1], 4),
]
SEEN = [([2, 7, 1, 3, 6, 1], [-100] * 4 + [6, 1]), ([2, 9, 1, 3, 8, 1], [-100] * 4 + [8, 1])]


def turn(rate: float, loss: float = 8.5, peak: int = 10**9) -> benchmark.Turn:
    """Return a turn at so many tokens a second."""
    return benchmark.Turn(
        Outcome(1000, 1000 / rate, 2.0, "student", {"torch": "2"}), Cost(0, False, 3.0, 2.0, peak), loss
    )


def test_jobs_and_pairs_survive_their_files(tmp_path: Path) -> None:
    job = Job("base", "run", "out", "pairs", batch=8, defaults=True, seed=3)
    assert read_job(job.write(tmp_path / "job.json")) == job
    assert read_pairs(write_pairs(tmp_path / "pairs.jsonl", PAIRS)) == PAIRS


def test_the_same_tokens_are_counted_in_any_order() -> None:
    assert same_tokens(SEEN, PAIRS) == 12


@pytest.mark.parametrize(
    "seen",
    [
        SEEN[:1],
        [SEEN[0], ([2, 9, 1, 3, 8], [-100] * 4 + [8])],
        [SEEN[0], (SEEN[1][0], SEEN[1][0])],
        [SEEN[0], SEEN[0]],
    ],
    ids=["one is missing", "the end is cut", "the prompt carries loss", "one comes twice"],
)
def test_other_examples_are_refused(seen: list[tuple[list[int], list[int]]]) -> None:
    with pytest.raises(RuntimeError, match="other tokens, or other labels"):
        same_tokens(seen, PAIRS)


def test_the_table_has_medians_and_the_ratios_within_a_round() -> None:
    results = {OURS: [turn(100), turn(50)], "slow": [turn(50, 8.6, 2 * 10**9), turn(20, 8.7)], "broken": []}
    lines = benchmark.table(8192, 24, 9.0, results)
    assert "24 examples, 1,000 tokens; loss before training 9.0000" in lines[0]
    assert f"| {OURS} | 75 | 1.00 GB | 8.5000, 8.5000 | – |" in lines
    assert "| slow | 35 | 2.00 GB | 8.6000, 8.7000 | 2.25 (2.00 to 2.50) |" in lines
    assert "broken" not in "\n".join(lines)
    assert lines[-1] == "slow: torch 2"


def test_where_all_failed_there_is_no_table() -> None:
    assert benchmark.table(8192, 24, 9.0, {OURS: []}) == []


def test_a_contender_without_its_environment_says_how_to_make_it(tmp_path: Path) -> None:
    peer = next(each for each in CONTENDERS if each.environment)
    with pytest.raises(RuntimeError, match=r"python -m benchmarks\.training --setup"):
        benchmark.turn(peer, Job("base", "run", ""), tmp_path / "turn", tmp_path)


def test_a_contender_that_fails_says_why(tmp_path: Path) -> None:
    contender = Contender("none", "none", "no_such_module", 1)
    with pytest.raises(RuntimeError, match=r"it failed: .*No module named"):
        benchmark.turn(contender, Job("base", "run", ""), tmp_path / "turn", tmp_path)


def test_contenders_get_one_thread_and_no_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://elsewhere.example:3128")
    environment = variables(tmp_path)
    assert environment["OMP_NUM_THREADS"] == "1"
    assert environment["https_proxy"] == "http://127.0.0.1:9"
    assert environment["UNSLOTH_DISABLE_STATISTICS"] == environment["HF_HUB_OFFLINE"] == "1"
    assert "elsewhere" not in "".join(environment.values())


@pytest.mark.parametrize("name", PEERS)
def test_every_peer_has_a_list_of_pinned_packages(name: str) -> None:
    lines = (FOLDER / "environments" / f"{name}.txt").read_text("utf-8").splitlines()
    assert len(lines) > 20
    for line in lines:
        assert re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9.!]+", line), line
        assert not re.match(r"(torch==|torchvision|torchaudio|nvidia-)", line), line


def test_the_operations_of_a_token_are_those_of_the_formula() -> None:
    """By hand, for sizes that one can: 2 layers of hidden 8, 2 heads of 4, MLP of 16, a tied head of 10 tokens."""
    linear = 2 * (4 * 8 * 8 + 3 * 8 * 16)
    adapter = 2 * RANK * (4 * 16 + 3 * 24)
    norms = 2 * 2 * 8 + 8
    shape = Shape(
        architecture="llama", parameters=linear + norms + 80, adapter_parameters=0, layers=2, hidden=8, intermediate=16,
        heads=2, kv_heads=2, head_dim=4, vocabulary=10, tied=True,
    )  # fmt: skip
    expected = 4 * (linear + norms) + 6 * adapter + 4 * 80 * 0.25 + 6 * 2 * 2 * 4 * 100
    assert gpu.operations(shape, 100, 0.25) == expected


def test_a_row_of_the_gpu_table_is_a_share_of_the_ceiling() -> None:
    outcome = Outcome(1_000_000, 1.0, 10.0, "student", {}, peak=3 * 10**9)
    row = gpu.line("llama-3.2-1b", 2048, gpu.WAYS[0], outcome, needed=4e9, ceiling=800e12)
    assert row == "| llama-3.2-1b | 2,048 | packed | 100,000 | 4.00 | 50.0% | 3.0 GB |"


@pytest.mark.slow
def test_the_gpu_benchmark_trains_on_a_cpu(tmp_path: Path) -> None:
    """With sizes of its own, in bfloat16, through the process that it starts."""
    shape = Shape(
        architecture="llama", parameters=0, adapter_parameters=0, layers=2, hidden=64, intermediate=128, heads=2,
        kv_heads=2, head_dim=32, vocabulary=2000, tied=True,
    )  # fmt: skip
    texts = write_run(tmp_path / "run", 8, 2)
    base = gpu.write_student(tmp_path / "base", shape, texts)
    scored, mean = gpu.scored_share(tmp_path / "run", base)
    assert 0.1 < scored < 0.6
    assert 500 < mean < 4000
    for way in gpu.WAYS:
        job = Job(
            str(base), str(tmp_path / "run"), str(tmp_path / way.name), batch=way.batch, precision="bf16",
            packing=way.packing, checkpointing=way.checkpointing, max_length=4096,
        )  # fmt: skip
        outcome = gpu.trained(job, tmp_path / f"{way.name}-log")
        assert outcome.tokens > 8 * 500
        assert outcome.wall > 0


def test_the_ceiling_counts_the_products_of_the_formula_and_fewer_kernels_with_ours() -> None:
    shape = Shape(
        architecture="llama", parameters=2000 * 128 + 6 * (4 * 128 * 128 + 3 * 128 * 352), adapter_parameters=0,
        layers=6, hidden=128, intermediate=352, heads=4, kv_heads=4, head_dim=32, vocabulary=2000, tied=True,
    )  # fmt: skip
    examples = [192, 64]
    own, ours = (ceiling.count_pass(shape, examples, 0.5, ours=ours) for ours in (False, True))
    pairs = {256: 256**2, 192: 192**2, 64: 64**2}
    attention = 6 * shape.layers * 128 * pairs[256]
    due = 256 * gpu.operations(shape, 256, 0.5) - attention
    for ledger in (own, ours):
        # The first layer's input needs no gradient, which the formula does not go into.
        assert 0.95 * due < ledger.operations["products"] < due
    # Two products forward and five back, the scores again: of the square under a mask, else of each example's half.
    assert own.operations["attention"] == 14 / 6 * attention
    assert ours.operations["attention"] == 7 / 6 * attention * (pairs[192] + pairs[64]) / pairs[256]
    assert (own.kernels["attention"], ours.kernels["attention"]) == (2 * shape.layers, 4 * shape.layers)
    assert ours.kernels["products"] == own.kernels["products"]
    assert ours.kernels["elementwise"] < 0.65 * own.kernels["elementwise"]
    assert ours.seconds["elementwise"] < 0.65 * own.seconds["elementwise"]


@pytest.mark.parametrize("ours", [False, True])
def test_a_pass_is_timed_with_each_way_of_starting_it(ours: bool) -> None:
    model = launching.small_llama(1, ours=ours)
    kinds = {type(module).__name__ for module in model.modules()}
    assert ({"FusedLinear", "FusedLlamaRMSNorm"} <= kinds) is ours
    config = model.config
    assert isinstance(config, PreTrainedConfig)
    assert (config._attn_implementation == APART) is ours
    assert 0 < launching.seconds_a_pass(model, 1) < 60


def test_every_contender_has_a_module_and_a_key_of_its_own() -> None:
    assert len({each.key for each in CONTENDERS}) == len({each.name for each in CONTENDERS}) == len(CONTENDERS)
    for each in CONTENDERS:
        assert (FOLDER / f"{each.module}.py").is_file()


def test_peers_train_with_the_torch_that_is_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[list[str]] = []
    monkeypatch.setattr("benchmarks.training.contenders.version", lambda _: "2.13.0+cpu")
    monkeypatch.setattr(subprocess, "run", lambda command, check: said.append(command) if check else None)
    install(tmp_path, "litgpt")
    assert said[0][1:] == ["-m", "venv", str(tmp_path / "litgpt")]
    assert said[1][0] == said[2][0] == str(tmp_path / "litgpt" / "bin" / "python")
    assert said[1][-1] == "torch==2.13.0"
    assert said[2][-3:] == ["--no-deps", "--requirement", str(FOLDER / "environments" / "litgpt.txt")]


@pytest.mark.slow
def test_the_judge_takes_an_adapter_and_a_whole_model_alike(tmp_path: Path) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from benchmarks.training.job import LINEAR, write_base, write_run
    from benchmarks.training.loss import pairs_of, student_loss

    run = tmp_path / "run"
    base = write_base(tmp_path / "base", write_run(run, 2, 1), 8192)
    untrained = student_loss(base, run, base)
    model = AutoModelForCausalLM.from_pretrained(base, local_files_only=True)
    adapted = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", r=4, target_modules=list(LINEAR)))
    torch.manual_seed(0)
    for name, weights in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.05)
    adapted.save_pretrained(str(tmp_path / "adapter"))
    trained = student_loss(base, run, tmp_path / "adapter")
    assert abs(trained - untrained) > 1e-3
    merge: object = adapted.base_model.merge_and_unload
    assert callable(merge)
    merge().save_pretrained(str(tmp_path / "whole"))
    assert student_loss(base, run, tmp_path / "whole") == pytest.approx(trained, abs=1e-4)
    pairs = pairs_of(base, run)
    assert len(pairs) == 2
    assert all(p.prompt.endswith("<|assistant|>") and p.input_ids[-1] == 1 and p.end == "<|end|>" for p in pairs)
