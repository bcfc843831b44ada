"""Predictors write what is not there yet; what is, is taken from the disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pydantic import JsonValue

from distill.inference.asking import Ask, messages
from distill.inference.base import Decoding, Predictor, run_names
from distill.inference.partial import Partial
from distill.records import BenchmarkItem, Prediction
from synth.assets import canonical_json, sha256
from synth.records import JsonObject

Progress = Callable[[str, int, int], None]


def made_with(
    benchmark: str,
    split: str,
    items: Sequence[BenchmarkItem],
    predictors: Sequence[Predictor],
    decoding: Decoding,
    ask: Ask,
    task: str,
) -> JsonObject:
    """Return all that decides a prediction, for what was written before to be recognised.

    What only decides how fast it comes is left out, and so is how often each item is written: each run has its own
    name.
    """
    prompts: list[JsonValue] = [[item.id, [dict(m) for m in messages(ask, task, item)]] for item in items]
    return {
        "benchmark": f"{benchmark}:{split}",
        "items": len(items),
        "data_or_prompt": sha256(canonical_json(prompts)),
        "model": {predictor.name: predictor.identity() for predictor in predictors},
        "max_new_tokens": {predictor.name: predictor.max_new_tokens for predictor in predictors},
        "temperature": decoding.temperature,
        "seed": decoding.seed if decoding.temperature > 0 else None,
        "constrained": decoding.constrained,
    }


def written(
    predictor: Predictor, items: Sequence[BenchmarkItem], partial: Partial | None, runs: int, progress: Progress
) -> dict[str, Sequence[Prediction]]:
    """Return the predictions of a system in the order of the items, by the name of each run; the predictor is closed.

    What is in ``partial`` is not written again; None keeps nothing for another time. ``progress`` hears the
    system, how many items it has done, and of how many.
    """
    found: dict[str, Sequence[Prediction]] = {}
    try:
        for run, name in enumerate(run_names(predictor.name, runs), 1):
            done = {} if partial is None else partial.known(name)
            progress(name, len(done), len(items))
            missing = [item for item in items if item.id not in done]
            if missing:
                predictor.write(missing, run, _keeping(name, done, partial, len(items), progress))
            found[name] = [done[item.id] for item in items]
    finally:
        predictor.close()
    return found


def _keeping(
    name: str, done: dict[str, Prediction], partial: Partial | None, total: int, progress: Progress
) -> Callable[[Prediction], None]:
    def keep(prediction: Prediction) -> None:
        if partial is not None:
            partial.add(name, prediction)
        done[prediction.id] = prediction
        progress(name, len(done), total)

    return keep
