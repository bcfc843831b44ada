"""A small random student and a small run, made on the spot for tests that train."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from distill.records import BenchmarkItem
from synth.assets import canonical_json, render_prompt, sha256
from synth.catalog import load_task
from synth.packs import load_pack
from synth.records import Counts, Encounter, Manifest, Split
from synth.scenarios import sample_scenario
from synth.teachers.simulator import Simulator

if TYPE_CHECKING:
    import pytest

    from distill.generation import Loaded

SPLITS: dict[Split, range] = {"train": range(8), "validation": range(8, 10), "test": range(10, 13)}


def encounters(indices: range, task: str = "note") -> list[Encounter]:
    """Return the simulator's encounters at some indices of seed 5."""
    pack = load_pack("endocrinology")
    teacher = Simulator(pack, load_task(task))
    return [teacher.encounter(sample_scenario(pack, 5, index)) for index in indices]


def held_out(indices: range, *lengths: int) -> list[BenchmarkItem]:
    """Return the simulator's encounters as items without a reference, their sources cut to the lengths in turn."""
    return [
        BenchmarkItem(
            id=encounter.id,
            source=encounter.source.text[: lengths[i % len(lengths)] if lengths else None],
            reference="",
            target=None,
            scenario=None,
        )
        for i, encounter in enumerate(encounters(indices))
    ]


def write_run(run: Path, splits: dict[Split, range] | None = None, task: str = "note") -> Path:
    """Write a run directory as ``synth generate`` leaves it, as far as training reads it, and return it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    (run / "dataset").mkdir(parents=True)
    renderer = load_task(task).renderer
    chosen = splits or SPLITS
    for split, indices in chosen.items():
        rows = [
            {
                "id": encounter.id,
                "task": encounter.task,
                "specialty": encounter.scenario.specialty,
                "condition": encounter.scenario.condition,
                "source": encounter.source.text,
                "target": canonical_json(encounter.target),
                "text": render_prompt(renderer, target=encounter.target),
                "scenario": encounter.scenario.model_dump_json(),
            }
            for encounter in encounters(indices, task)
        ]
        pq.write_table(pa.Table.from_pylist(rows), run / "dataset" / f"{split}.parquet")
    accepted = sum(map(len, chosen.values()))
    manifest = Manifest(
        status="complete",
        fingerprint=sha256("a test" if task == "note" else f"a test of {task}"),
        versions={},
        assets={},
        teacher=encounters(range(1))[0].teacher,
        seed=5,
        target_accepted=accepted,
        counts=Counts(
            candidates=accepted,
            accepted=accepted,
            rejected=0,
            reasons={},
            splits={split: len(indices) for split, indices in chosen.items()},
        ),
    )
    (run / "manifest.json").write_text(manifest.model_dump_json(), "utf-8")
    return run


def write_base(folder: Path) -> Path:
    """Write an untrained base of some ten thousand parameters, with its own tokenizer, and return the folder."""
    import torch

    from distill.tiny.circuit import induction_llama
    from distill.tiny.tokenizer import END, PAD, SPECIAL, train_tokenizer

    texts = [text for e in encounters(range(20)) for text in (e.source.text, canonical_json(e.target))]
    tokenizer = train_tokenizer(texts, vocabulary=720, context=4096)
    torch.manual_seed(0)
    model = induction_llama(
        vocabulary=len(tokenizer),
        hidden=64,
        layers=2,
        heads=4,
        intermediate=64,
        context=4096,
        pad=SPECIAL.index(PAD),
        end=SPECIAL.index(END),
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder, save_jinja_files=False)
    return folder


def load_small(folder: Path) -> Loaded:
    """Write an untrained base, and return it ready to write 24 tokens."""
    from distill.predict import load_base

    return load_base(str(write_base(folder)), max_new_tokens=24)


class KilledError(Exception):
    """Stands for what ends a training before its student is written."""


def kill_before_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next training end with ``KilledError`` when it is about to replace what its folder holds."""

    def kill(*_args: object) -> None:
        raise KilledError

    monkeypatch.setattr("distill.train.remove_leftovers", kill)
