"""Beyond the targets: a teacher's distribution (gkd) and preferences (dpo), with TRL's trainers on tiny models."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from distill.approaches import APPROACHES
from distill.datasets import Fitted, examples, fit, held_out_items
from distill.generation import Loaded, stop_tokens
from distill.methods import check_asked
from distill.predict import load_base, load_student, predict
from distill.preferences import preferences
from distill.settings import TrainSettings, adjusted, settings_for
from distill.train import TrainResult, train
from distill.trained import find_start, read_trained
from synth.assets import canonical_json
from synth.errors import UserError
from tests.students import write_base, write_run

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from distill.gkd import TeacherTrainer

SFT = TrainSettings(steps=2, accumulation=1, precision="fp32")
"""What is compared to four digits is so on a machine with bfloat16, too."""


def write_pairs(run: Path) -> None:
    """Cut transcripts and notes short, and write a preference for a note over itself in capitals."""
    (run / "preferences").mkdir()
    for path in (run / "dataset").iterdir():
        rows = [
            row | {"source": row["source"][:200], "target": canonical_json(json.loads(row["target"])["subjective"])}
            for row in pq.read_table(path).to_pylist()
        ]
        pq.write_table(pa.Table.from_pylist(rows), path)
        pairs = [row | {"rejected": row["target"].upper(), "rejected_text": row["text"].upper()} for row in rows]
        pq.write_table(pa.Table.from_pylist(pairs), run / "preferences" / path.name)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("distillation")
    write_pairs(write_run(folder / "run"))
    write_base(folder / "base")
    train(folder / "run", str(folder / "base"), folder / "sft", SFT, device="cpu", quiet=True)
    return folder


def over_validation(place: Path, measured: Callable[[torch.Tensor, torch.Tensor], float]) -> list[float]:
    """Return what is measured on each held-out example, given its tokens and labels."""
    import torch

    fitted = held_out(load_base(str(place / "base")), examples(place / "run", "validation", "json"))
    return [measured(torch.tensor([one.input_ids]), torch.tensor([one.labels])) for one in fitted.kept]


def held_out(loaded: Loaded, found: list) -> Fitted:  # type: ignore[type-arg]  # of examples
    return fit(found, loaded.tokenizer, stop_tokens(loaded.model, loaded.tokenizer), 4096)


def divergence(place: Path, student: Loaded, teacher: Loaded) -> float:
    """Return the mean KL divergence (nats a completion token) of the student from the teacher on held-out text,
    computed on its own: KL(p, q) = Σ p (log p - log q)."""
    import torch

    def measured(ids: torch.Tensor, labels: torch.Tensor) -> float:
        with torch.no_grad():
            said = [one.model(input_ids=ids).logits[0, :-1].double().log_softmax(-1) for one in (teacher, student)]
        p, q = (one[labels[0, 1:] != -100] for one in said)
        return float((p.exp() * (p - q)).sum(-1).mean())

    found = over_validation(place, measured)
    return sum(found) / len(found)


# A teacher


@pytest.fixture(scope="module")
def teacher(place: Path) -> Path:
    settings = TrainSettings(method="full", steps=40, accumulation=1, learning_rate=3e-3, eval_every=40)
    train(place / "run", str(place / "base"), place / "teacher", settings, device="cpu", quiet=True)
    return place / "teacher"


@pytest.mark.parametrize(("share", "beta"), [(0.0, None), pytest.param(0.5, 0.0, marks=pytest.mark.slow)])
def test_the_student_nears_the_teacher_on_held_out_text(
    place: Path, teacher: Path, share: float, beta: float | None
) -> None:
    out = place / f"gkd-{share}"
    asked = TrainSettings(
        method="gkd", teacher=str(teacher), on_policy=share, beta=beta, steps=16, accumulation=1, learning_rate=1e-2
    )
    metrics = train(place / "run", str(place / "base"), out, asked, device="cpu", quiet=True).metrics
    wanted = load_student(teacher, device="cpu")
    before = divergence(place, load_base(str(place / "base"), device="cpu"), wanted)
    after = divergence(place, load_student(out, base=str(place / "base"), device="cpu"), wanted)
    assert after < 0.9 * before
    assert (metrics.method, metrics.teacher) == ("gkd", "teacher")
    assert metrics.validation_loss is not None
    assert not [path for path in out.rglob("*") if path.suffix in {".bin", ".pt", ".pkl"}]
    assert predict(
        load_student(out, base=str(place / "base")), held_out_items(place / "run", "test")[:1], max_new_tokens=3
    )
    card = (out / "README.md").read_text("utf-8")
    assert "divergence from the teacher" in card
    assert "towards teacher" in card


def test_a_student_has_no_divergence_from_itself_and_the_loss_is_of_the_completion(place: Path) -> None:
    """The loss that training logs, against the one computed from whole logits; on policy it is counted over what the
    student wrote."""
    asked = TrainSettings(method="gkd", teacher=str(place / "base"), on_policy=0.0, steps=1, accumulation=2)
    same = train(place / "run", str(place / "base"), place / "itself", asked, device="cpu", quiet=True).metrics
    assert same.train_loss == pytest.approx(0.0, abs=1e-4)
    assert same.tokens < 2 * 4096


def test_gkd_goes_on_with_an_adapter(place: Path, teacher: Path) -> None:
    asked = TrainSettings(method="gkd", teacher=str(teacher), on_policy=0.0, steps=1, accumulation=1)
    out = place / "further"
    metrics = train(place / "run", str(place / "sft"), out, asked, device="cpu", quiet=True).metrics
    assert metrics.started_from == "sft"
    assert load_student(out, base=str(place / "base"), device="cpu").name == "base"


def on_policy(place: Path, *, batch_size: int = 1, checkpointing: bool | None = None) -> TeacherTrainer:
    """Return a trainer whose student writes all its answers, of five tokens at most, and has no teacher but itself."""
    from distill.gkd import TeacherTrainer
    from distill.trainer import make_trainer

    loaded = load_base(str(place / "base"), device="cpu")
    asked = TrainSettings(
        method="gkd", teacher=str(place / "base"), on_policy=1.0, batch_size=batch_size, checkpointing=checkpointing
    )
    record = adjusted(find_start(str(place / "base")), asked)
    fitted = held_out(loaded, examples(place / "run", "train", "json"))
    trainer = make_trainer(
        loaded.model, loaded.tokenizer, record, asked, fitted, fitted, place / "rows",
        device="cpu", precision="fp32", callbacks=[],
    )  # fmt: skip
    assert isinstance(trainer, TeacherTrainer)
    trainer._longest = 5
    return trainer


def test_on_policy_rows_are_prompt_and_own_answer(place: Path) -> None:
    """What the student writes carries loss to its end, and nothing of the prompt does."""
    import torch

    trainer = on_policy(place, batch_size=2)
    targets = next(iter(trainer.get_train_dataloader()))
    (written,), count = trainer.get_batch_samples(iter([targets]), 1, torch.device("cpu"))
    assert written["input_ids"].shape[0] == 2
    assert count is not None
    assert int(count) == int((written["labels"] != -100).sum()) <= 10
    for before, labels, now, own in zip(
        targets["input_ids"], targets["labels"], written["input_ids"], written["labels"], strict=True
    ):
        start = int((labels != -100).nonzero()[0])
        assert torch.equal(before[:start], now[:start])
        carries = (own != -100).nonzero().flatten()
        assert int(carries[0]) == start
        assert torch.equal(carries, torch.arange(start, start + len(carries)))
        assert torch.equal(own[carries], now[carries])


def test_what_a_student_writes_follows_from_seed_and_step(place: Path) -> None:
    """Whatever was drawn before, and whatever mode the model was left in; what is drawn later does not follow from
    it."""
    import torch

    trainer = on_policy(place)
    batch = next(iter(trainer.get_train_dataloader()))
    assert trainer.model is not None
    written = []
    for step, training in ((3, True), (3, False), (4, True)):
        trainer.model.train(training)
        trainer.state.global_step = step
        torch.rand(1)
        before = torch.get_rng_state()
        (own,), _ = trainer.get_batch_samples(iter([batch]), 1, torch.device("cpu"))
        assert torch.equal(torch.get_rng_state(), before)
        assert not trainer.model.training
        written.append(own["input_ids"].tolist())
    assert written[0] == written[1] != written[2]


def test_a_student_under_gradient_checkpointing_writes_with_a_cache(place: Path) -> None:
    """And what it writes is what it writes without."""
    import torch

    trainer = on_policy(place, checkpointing=True)
    assert trainer.args.gradient_checkpointing
    model = cast("PreTrainedModel", trainer.model)
    # As Trainer does when training begins.
    model.gradient_checkpointing_enable()
    model.train()
    batch = next(iter(trainer.get_train_dataloader()))
    widths: list[int] = []
    embeddings = model.get_input_embeddings()
    embeddings.register_forward_pre_hook(lambda _, given: widths.append(given[0].shape[1]))
    hooks = len(embeddings._forward_hooks)
    (cached,), _ = trainer.get_batch_samples(iter([batch]), 1, torch.device("cpu"))
    assert widths[1:] == [1] * 4
    assert model.is_gradient_checkpointing
    assert len(embeddings._forward_hooks) == hooks > 0, "they pile up, or gradients have no way to the layers"
    widths.clear()
    trainer.generation_config.use_cache = False
    (plain,), _ = trainer.get_batch_samples(iter([batch]), 1, torch.device("cpu"))
    assert widths == list(range(widths[0], widths[0] + 5))
    assert torch.equal(cached["input_ids"], plain["input_ids"])


# Preferences


def margin(place: Path, loaded: Loaded) -> float:
    """Return the mean difference in log-likelihood (nats) of chosen and rejected on the held-out pairs."""
    import torch

    def likelihood(prompt: list[int], answer: list[int]) -> float:
        with torch.no_grad():
            said = loaded.model(input_ids=torch.tensor([prompt + answer])).logits[0, :-1].log_softmax(-1)
        return float(said[len(prompt) - 1 :].gather(1, torch.tensor([answer]).T).sum())

    pairs = held_out(loaded, preferences(place / "run", "validation", "json")).kept
    found = []
    for one in pairs:
        prompt, chosen = one.input_ids[: one.completion_start], one.input_ids[one.completion_start :]
        assert one.rejected_ids is not None
        found.append(likelihood(prompt, chosen) - likelihood(prompt, one.rejected_ids))
    return sum(found) / len(found)


@pytest.fixture(scope="module")
def preferred(place: Path) -> TrainResult:
    asked = TrainSettings(method="dpo", steps=8, accumulation=1, learning_rate=1e-2, precision="fp32")
    return train(place / "run", str(place / "sft"), place / "dpo", asked, device="cpu", quiet=True)


def test_the_margin_on_held_out_pairs_rises_and_begins_at_that_of_the_student(
    place: Path, preferred: TrainResult
) -> None:
    before = load_student(place / "sft", base=str(place / "base"), device="cpu")
    after = load_student(preferred.adapter, base=str(place / "base"), device="cpu")
    assert margin(place, after) > margin(place, before) + 1
    curve = [json.loads(line) for line in (preferred.adapter / "curve.jsonl").read_text("utf-8").splitlines()]
    assert curve[0]["loss"] == pytest.approx(math.log(2), abs=1e-4), "the reference is not the student as it was"
    assert preferred.metrics.validation_loss is not None
    assert preferred.metrics.validation_loss < math.log(2)


def test_embeddings_that_were_trained_whole_have_their_reference_too(place: Path) -> None:
    """As in the shipped tiny student, whose head is their transpose."""
    base = find_start(str(place / "base"))
    student = base.model_copy(update={"lora": base.lora.model_copy(update={"modules_to_save": ("embed_tokens",)})})
    train(place / "run", student, place / "sft-whole", SFT, device="cpu", quiet=True)
    out = place / "dpo-whole"
    asked = TrainSettings(method="dpo", steps=4, accumulation=1, learning_rate=3e-3, precision="fp32")
    train(place / "run", str(place / "sft-whole"), out, asked, device="cpu", quiet=True)
    losses = [json.loads(line).get("loss") for line in (out / "curve.jsonl").read_text("utf-8").splitlines()]
    assert losses[0] == pytest.approx(math.log(2), abs=1e-4)
    assert losses[3] < losses[0]
    before, after = (load_student(one, base=str(place / "base"), device="cpu") for one in (place / "sft-whole", out))
    assert margin(place, after) > margin(place, before)


def test_a_preferred_student_is_an_adapter_of_the_same_base(place: Path, preferred: TrainResult) -> None:
    files = {path.name for path in preferred.adapter.iterdir()}
    assert "adapter_model.safetensors" in files
    assert "ref" not in files
    assert not [path for path in preferred.adapter.rglob("*") if path.suffix in {".bin", ".pt", ".pkl"}]
    said, before = read_trained(preferred.adapter), read_trained(place / "sft")
    assert (said.method, said.base_sha256, said.student.lora) == ("dpo", before.base_sha256, before.student.lora)
    assert said.student.start is None
    assert preferred.metrics.started_from == "sft"
    assert predict(
        load_student(preferred.adapter, base=str(place / "base")),
        held_out_items(place / "run", "test")[:1],
        max_new_tokens=3,
    )
    assert "going on from sft" in (preferred.adapter / "README.md").read_text("utf-8")


def test_the_tokens_of_a_pair_are_those_of_the_examples(place: Path) -> None:
    loaded = load_base(str(place / "base"))
    pairs = held_out(loaded, preferences(place / "run", "train", "json")).kept
    alone = held_out(loaded, examples(place / "run", "train", "json")).kept
    for pair, one in zip(pairs, alone, strict=True):
        assert (pair.input_ids, pair.completion_start) == (one.input_ids, one.completion_start)
        assert pair.rejected_ids is not None
        written = str(loaded.tokenizer.decode(one.input_ids[one.completion_start :], skip_special_tokens=True))
        assert written.startswith("{")
        assert written.endswith("}")
        assert loaded.tokenizer.decode(pair.rejected_ids, skip_special_tokens=True) == written.upper()
        assert pair.rejected_ids[-1] == one.input_ids[-1], "the rejected note does not end"


def test_a_pair_of_which_one_side_does_not_fit_is_refused(place: Path) -> None:
    loaded = load_base(str(place / "base"))
    found = preferences(place / "run", "train", "json")
    long = found[0].rejected
    assert long is not None
    long[0]["content"] *= 40
    with pytest.raises(UserError, match="1 of 8 examples are longer"):
        fit(found, loaded.tokenizer, stop_tokens(loaded.model, loaded.tokenizer), 4096)


# What goes wrong


@pytest.mark.parametrize(
    ("said", "start", "match"),
    [
        ({"method": "gkd"}, "base", "say which with --teacher"),
        ({"method": "lora", "teacher": "tiny"}, "base", "--teacher is for --method gkd"),
        ({"method": "dpo", "on_policy": 0.5}, "sft", "--on-policy is for --method gkd, not dpo"),
        ({"method": "lora", "beta": 0.5}, "base", "--beta is for --method gkd and dpo"),
        ({"method": "gkd", "teacher": "tiny", "beta": 1.5}, "base", "from 0 to 1 under --method gkd, not 1.5"),
        ({"method": "dpo", "beta": 0}, "sft", "above 0 under --method dpo, not 0"),
        ({"method": "dpo", "packing": True}, "sft", "does not pack"),
        ({"method": "dpo", "canaries": 2}, "sft", "canaries"),
        ({"method": "dpo"}, "base", "starts from a trained student"),
        ({"method": "full"}, "sft", "not by --method full"),
        ({"method": "lora", "rank": 2}, "sft", "leave --rank"),
        ({"method": "full", "rank": 2}, "base", "--rank is of an adapter; --method full trains every weight"),
        ({"quantisation": "nf4"}, "base", "--quantisation is for --method qlora; --method lora does not quantise"),
        ({"method": "full", "quantisation": "int8"}, "base", "--quantisation is for --method qlora; --method full"),
    ],
)
def test_what_does_not_go_together_is_one_line(place: Path, said: dict[str, object], start: str, match: str) -> None:
    student = find_start(str(place / start))
    settings = settings_for(student, **said)
    with pytest.raises(UserError, match=match) as caught:
        check_asked(adjusted(student, settings), settings)
    assert "\n" not in str(caught.value)


def test_a_run_without_pairs_says_how_to_get_some(place: Path, tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    with pytest.raises(UserError, match=r"holds no pairs .* --attempts above 1"):
        train(tmp_path / "run", str(place / "sft"), tmp_path / "out", TrainSettings(method="dpo"), quiet=True)


def test_a_teacher_with_other_tokens_is_one_line(place: Path) -> None:
    asked = TrainSettings(method="gkd", teacher="tiny", max_length=4096, steps=1)
    with pytest.raises(UserError, match="the teacher tiny has other tokens than the student"):
        train(place / "run", str(place / "base"), place / "other", asked, device="cpu", quiet=True)


def test_every_method_has_its_approach() -> None:
    from typing import get_args

    from distill.student import Method

    assert set(APPROACHES) == set(get_args(Method))
