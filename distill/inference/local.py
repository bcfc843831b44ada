"""A student, or a base without its adapter, on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from distill.device import free_memory
from distill.generation import Loaded, Steering, stop_tokens
from distill.inference.base import Decoding, OnWritten, item_seed
from distill.predict import HEADROOM, load_base, load_student, predict
from distill.records import BenchmarkItem
from distill.student import Student, base_sha256, how_to_find
from distill.trained import base_of, read_trained
from synth.assets import load_schema, sha256
from synth.catalog import load_task
from synth.errors import UserError
from synth.records import JsonObject
from synth.serving.decoding import Bounds, decoding_schema

if TYPE_CHECKING:
    from transformers import LogitsProcessor

    from distill.inference.constraint import Constraint

_ADAPTER_FILES = ("*.safetensors", "adapter_config.json", "student.json", "tokenizer*.json", "chat_template.jinja")
_HASHED_BYTES = 2**29
"""A bigger file is known by its size and its time of modification."""


class LocalPredictor:
    """Writes with transformers, in batches; the model is loaded with the first item."""

    def __init__(
        self,
        name: str,
        load: Callable[[], Loaded],
        identity: JsonObject,
        decoding: Decoding,
        *,
        task: str,
        max_new_tokens: int,
        wants_json: bool,
        batch_size: int,
        bounds: Bounds | None = None,
    ) -> None:
        """``bounds`` are those of constrained decoding."""
        self.name = name
        self.max_new_tokens = max_new_tokens
        self.wants_json = wants_json
        self._load = load
        self._identity = identity
        self._decoding = decoding
        self._task = task
        self._batch_size = batch_size
        self._bounds = bounds
        self._loaded: Loaded | None = None
        self._constraint: Constraint | None = None

    def identity(self) -> JsonObject:
        """Return what the weights are."""
        return self._identity

    def write(self, items: Sequence[BenchmarkItem], run: int, on_written: OnWritten) -> None:
        """Write one prediction an item, shortest prompts first."""
        if self._loaded is None:
            self._loaded = self._load()
        predict(
            self._loaded,
            items,
            task=self._task,
            max_new_tokens=self.max_new_tokens,
            batch_size=self._batch_size,
            on_written=on_written,
            steering=self._steering(self._loaded, items, run),
        )

    def close(self) -> None:
        """Let go of the model, so that the next one finds the memory free."""
        if self._loaded is None:
            return
        self._loaded = self._constraint = None
        free_memory()

    def _steering(self, loaded: Loaded, items: Sequence[BenchmarkItem], run: int) -> Steering | None:
        """Return how scores are masked and sampled; None where the likeliest token is taken as it comes."""
        if not self._decoding.constrained and self._decoding.temperature == 0:
            return None
        if self._decoding.constrained and self._constraint is None:
            self._constraint = constraint_of(loaded, self._task, self._bounds)

        def steer(rows: Sequence[int]) -> list[LogitsProcessor]:
            steps: list[LogitsProcessor] = []
            if self._constraint is not None:
                steps.append(self._constraint.masking(len(rows)))
            if self._decoding.temperature > 0:
                from distill.inference.sampling import GumbelNoise

                seeds = [item_seed(self._decoding.seed, run, items[row].id) for row in rows]
                steps.append(GumbelNoise(self._decoding.temperature, seeds, loaded.model.device))
            return steps

        return steer


def constraint_of(loaded: Loaded, task: str, bounds: Bounds | None = None) -> Constraint:
    """Return the decoding schema of a task's contract over a system's vocabulary; UserError as ``Constraint`` has."""
    from distill.inference.constraint import Constraint

    schema = decoding_schema(load_schema(load_task(task).schema_name), bounds)
    stops = stop_tokens(loaded.model, loaded.tokenizer)
    return Constraint(schema, loaded.tokenizer, stops, int(loaded.model.config.get_text_config().vocab_size))


def student_and_base(
    adapter: Path, base: str | None, decoding: Decoding, *, batch_size: int, task: str
) -> tuple[LocalPredictor, LocalPredictor]:
    """Return what ``distill train`` wrote to a folder and the base that it came from, both unloaded and asked for a
    task.

    Raises UserError where either is missing, or the base is not the one that the adapter was trained on.
    """
    trained = read_trained(adapter)
    if decoding.constrained and trained.format != "json":
        raise UserError(f"--constrained is for students that write JSON; {adapter} was trained to write text")
    untrained = base_of(adapter, trained, base)
    student = trained.student if trained.method == "full" else untrained
    longest = decoding.max_new_tokens or int(trained.longest_completion * HEADROOM)

    def predictor(name: str, load: Callable[[], Loaded], identity: JsonObject) -> LocalPredictor:
        return LocalPredictor(
            name,
            load,
            identity,
            decoding,
            task=task,
            max_new_tokens=longest,
            wants_json=trained.format == "json",
            batch_size=batch_size,
        )

    written = _base_identity(student) if trained.method != "full" else {}
    return (
        predictor(student.name, lambda: load_student(adapter, base=base), written | {"files": _files(adapter)}),
        predictor(
            f"{untrained.name} (base)",
            lambda: load_base(how_to_find(untrained), max_new_tokens=longest),
            _base_identity(untrained),
        ),
    )


def _base_identity(student: Student) -> JsonObject:
    return {"base": student.name, "revision": student.revision, "weights": base_sha256(student)}


def _files(adapter: Path) -> JsonObject:
    """Return what the files that a student is loaded from hold, by name; a big one by size and time."""
    found: JsonObject = {}
    for path in sorted(path for pattern in _ADAPTER_FILES for path in adapter.glob(pattern)):
        status = path.stat()
        big = status.st_size > _HASHED_BYTES
        found[path.name] = f"{status.st_size} {status.st_mtime_ns}" if big else sha256(path.read_bytes())
    return found
