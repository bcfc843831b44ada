"""``report.html`` of a training: curves, results, recipe, what was refused, and where the data comes from."""

from __future__ import annotations

from collections.abc import Sequence

from distill.approaches import APPROACHES
from distill.card import Rows, TrainMetrics, command_words, duration, gigabytes, recipe_rows, result_rows
from distill.lineage import Lineage, blocks
from distill.plots import Plot, Point, Series, line_plot, smoothed
from distill.student import Student
from synth.assets import render_template

_SMOOTHED = 40
"""The drawn mean is over this share of the steps: one part in so many."""
_REFUSED_SHOWN = 200


def train_report(
    name: str, student: Student, metrics: TrainMetrics, lineage: Lineage, curve: Sequence[dict[str, float]]
) -> str:
    """Return the report: one self-contained page, without script and without any request."""
    return render_template(
        "train_report.html.j2",
        title=name,
        student=student,
        metrics=metrics,
        lineage=lineage,
        headline=_headline(metrics),
        plots=plots(metrics, curve),
        recipe=recipe_rows(student, metrics, lineage),
        results=result_rows(metrics),
        safe_harbor=[(one.run, blocks(one.safe_harbor) if one.safe_harbor else []) for one in lineage.runs],
        command=command_words(metrics, lineage),
        refused=(*metrics.refused, *metrics.validation_refused)[:_REFUSED_SHOWN],
    )


def plots(metrics: TrainMetrics, curve: Sequence[dict[str, float]]) -> list[Plot]:
    """Return the plots of loss, learning rate and gradient norm that the curve has points for."""
    losses, validation = _points(curve, "loss"), _points(curve, "eval_loss")
    over = max(1, len(losses) // _SMOOTHED)
    series = [
        Series("train, each step", losses, "faint" if over > 1 else "line"),
        Series(f"train, mean of {over} steps", smoothed(losses, over) if over > 1 else [], "line"),
        Series("validation", validation, "dots"),
    ]
    best = next(((x, y) for x, y in validation if x == metrics.best_step), None)
    drawn = (
        line_plot(
            "Loss",
            "optimiser step",
            APPROACHES[metrics.method].loss,
            series,
            mark=None if best is None else (best, f"kept: {best[1]:.4f} at step {best[0]:,.0f}"),
        ),
        line_plot(
            "Learning rate",
            "optimiser step",
            "learning rate",
            [Series("learning rate", _points(curve, "learning_rate"))],
            from_zero=True,
        ),
        line_plot(
            "Gradient norm, before it is clipped at 1",
            "optimiser step",
            "norm",
            [Series("gradient norm", _points(curve, "grad_norm"))],
        ),
    )
    return [plot for plot in drawn if plot is not None]


def _points(curve: Sequence[dict[str, float]], name: str) -> list[Point]:
    return [(row["step"], row[name]) for row in curve if name in row and "step" in row]


def _headline(metrics: TrainMetrics) -> Rows:
    cells = [
        ("validation loss", "–" if metrics.validation_loss is None else f"{metrics.validation_loss:.4f}"),
        ("train loss", f"{metrics.train_loss:.4f}"),
        ("steps", f"{metrics.steps:,}"),
        ("epochs", f"{metrics.epochs:g}"),
        ("tokens/s", f"{metrics.tokens_per_second:,.0f}"),
        ("time", duration(metrics.seconds)),
    ]
    return cells if metrics.peak_memory is None else [*cells, ("peak memory", gigabytes(metrics.peak_memory))]
