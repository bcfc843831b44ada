"""``report.html`` of a run: one self-contained file with what was made, what was rejected, and a few encounters to
read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from synth.assets import render_template
from synth.catalog import load_task
from synth.config import RunConfig
from synth.held_out import HeldOutTable
from synth.judged import JudgedTable
from synth.language.measures import Measures
from synth.language.report import nouns_of
from synth.language.table import sections
from synth.publish import Summary
from synth.records import Counts
from synth.release import Release
from synth.runs import write_atomically
from synth.shares import Share


def write_report(
    run: Path,
    config: RunConfig,
    counts: Counts,
    summary: Summary,
    release: Release,
    held_out: HeldOutTable | None = None,
    shares: Sequence[Share] = (),
    language: Sequence[Measures] = (),
    judged: JudgedTable | None = None,
) -> None:
    """Write ``report.html``: no script, no request to anywhere."""
    words = {f"{start}–{start + 49}": summary.source_words[start] for start in sorted(summary.source_words)}
    task = load_task(config.task)
    charts = [
        ("Conditions", _bars(dict(summary.conditions.most_common()))),
        (f"Words, {task.nouns[0]}", _bars(words)),
        ("Age, years", _bars({f"{d}–{d + 9}": summary.decades[d] for d in sorted(summary.decades)})),
        ("Rejections by stage and reason", _bars(counts.reasons)),
    ]
    text = render_template(
        "run_report.html.j2",
        config=config,
        task=task,
        passages="turns" if task.source_kind == "transcript" else "documents" if len(task.documents) > 1 else "",
        counts=counts,
        summary=summary,
        charts=charts,
        release=release,
        held_out=held_out,
        shares=shares,
        judged=judged,
        language=sections(language, nouns_of(task)),
        sampled=language[0].items if language else 0,
    )
    write_atomically(run / "report.html", text.rstrip() + "\n")


def _bars(values: Mapping[str, int]) -> list[tuple[str, int, float]]:
    """Return label, count and width in percent of the longest bar."""
    longest = max(values.values(), default=0)
    return [(label, n, 100.0 * n / longest) for label, n in values.items() if n]
