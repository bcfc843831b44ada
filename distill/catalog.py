"""Names → benchmarks and metrics; outsiders add theirs under ``notewright.benchmarks`` and ``notewright.metrics``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import cast

from distill.benchmarks.base import Benchmark
from distill.metrics.base import MetricSettings
from distill.records import Metric
from synth.catalog import resolve, suggest
from synth.errors import UserError

BENCHMARKS: Mapping[str, str] = {
    "held-out": "distill.benchmarks.held_out:HeldOut",
    "aci-bench": "distill.benchmarks.aci_bench:AciBench",
    "mts-dialog": "distill.benchmarks.mts_dialog:MtsDialog",
    "primock57": "distill.benchmarks.primock57:PriMock57",
    "eurorad": "distill.benchmarks.eurorad:Eurorad",
    "ophthalmology": "distill.benchmarks.ophthalmology:Ophthalmology",
    "clinical-judgement": "distill.benchmarks.clinical_judgement:ClinicalJudgement",
    "medqa": "distill.benchmarks.medqa:MedQa",
    "medmcqa": "distill.benchmarks.medmcqa:MedMcqa",
    "pubmedqa": "distill.benchmarks.pubmedqa:PubMedQa",
    "cmb": "distill.benchmarks.cmb:CmbExam",
}
METRICS: Mapping[str, str] = {
    "rouge": "distill.metrics.rouge:Rouge",
    "facts": "distill.metrics.facts:Facts",
    "faithfulness": "distill.metrics.faithfulness:FaithfulnessMetric",
    "style": "distill.metrics.style:StyleMetric",
    "validity": "distill.metrics.validity:Validity",
    "bertscore": "distill.metrics.bertscore:BertScore",
    "bleurt": "distill.metrics.bleurt:Bleurt",
    "medcon": "distill.metrics.medcon:Medcon",
    "diagnosis": "distill.metrics.diagnosis:Diagnosis",
    "letters": "distill.metrics.letters:Letters",
    "rating": "distill.metrics.rating:Rating",
    "length": "distill.metrics.length:Length",
    "readability": "distill.metrics.readability:Readability",
}


def benchmark_names() -> list[str]:
    """Return the names of all benchmarks, those of others after this project's."""
    others = {point.name for point in entry_points(group="notewright.benchmarks")}
    return [*BENCHMARKS, *sorted(others - set(BENCHMARKS))]


def load_benchmark(spec: str) -> tuple[Benchmark, str]:
    """Return the benchmark and the split that ``name`` or ``name:split`` stands for.

    Raises UserError with a suggestion where either is unknown.
    """
    name, _, split = spec.partition(":")
    benchmark = cast("Callable[[], Benchmark]", resolve("benchmarks", name, BENCHMARKS))()
    known = benchmark.metadata.splits
    split = split or benchmark.metadata.default_split
    if split not in known:
        raise UserError(f"{name}: unknown split {split!r}{suggest(split, known)}; known: {', '.join(known)}")
    return benchmark, split


def load_metric(name: str, settings: MetricSettings | None = None) -> Metric:
    """Return a metric by name, set up by the settings where it has any.

    Raises UserError with a suggestion where it is unknown, and where it needs what is not on this machine.
    """
    made = resolve("metrics", name, METRICS)
    configured = getattr(made, "configured", None)
    if configured is not None:
        return cast("Callable[[MetricSettings], Metric]", configured)(settings or MetricSettings())
    return cast("Callable[[], Metric]", made)()
