"""What follows from the logs of a run: data set, card, report."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from synth.card import write_card
from synth.catalog import Task
from synth.checks.workers import PHI, CheckWorkers
from synth.config import RunConfig
from synth.held_out import held_out_table
from synth.judged import judged_table
from synth.language.report import sample_measures
from synth.packs import Pack
from synth.pipeline.execution import Execution
from synth.population import Population
from synth.privacy.kept_recall import recall_by_class
from synth.publish import publish
from synth.records import Counts, Manifest
from synth.release import Recall, safe_harbor_release
from synth.report import write_report
from synth.runs import RunDir
from synth.shares import target_and_actual


def finish(
    run: RunDir,
    config: RunConfig,
    manifest: Manifest,
    task: Task,
    pack: Pack,
    population: Population,
    checks: CheckWorkers,
    recall: Callable[[], Mapping[str, Recall] | None],
) -> None:
    """Derive data set, card and report from the logs, then mark the run complete."""
    language = checks.beside(sample_measures, run.path)
    summary = publish(run.path, task, config.splits, config.identities, judged=config.judge is not None)
    shares = target_and_actual(population, summary)
    counts = Counts(
        candidates=run.position.next_index,
        accepted=run.position.accepted,
        rejected=run.position.rejected,
        reasons=dict(sorted(run.position.reasons.items())),
        splits=dict(summary.splits),
    )
    release = safe_harbor_release(run.path, config, summary, recall())
    held_out = held_out_table(run.path, config, summary)
    judged = judged_table(run.path, config, counts, summary)
    write_card(run.path, config, manifest, counts, summary, task, pack, release, held_out, shares, judged)
    write_report(run.path, config, counts, summary, release, held_out, shares, language(), judged)
    run.complete(counts)


def recall_of(
    config: RunConfig, execution: Execution, checks: CheckWorkers
) -> Callable[[], Mapping[str, Recall] | None]:
    """Return what gives recall on held-out identifiers; None where the PHI check does not run."""
    return recall_by_class(config.phi, execution.kept, checks.beside) if PHI in config.checks else lambda: None
