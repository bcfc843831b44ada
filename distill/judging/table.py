"""What a person sees of ``judge.json`` on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from distill.judging.records import Agreement, JudgedSystem, JudgeResults, Pairwise
from distill.judging.rubric import Rubric
from distill.numbers import Number
from distill.text_tables import aligned


def judge_lines(results: JudgeResults, rubric: Rubric) -> list[str]:
    """Return the tables: systems by dimension, how stable the judge is, how near to people; warnings first."""
    lines = [f"WARNING: {warned.why}" for warned in results.warnings]
    lines.append(f"judge {results.judge.model}, {rubric.title}, {results.repeats} repeats each, {_tokens(results)}")
    if results.pairwise is not None:
        return [*lines, *_pairwise_lines(results.pairwise), *results.notes]
    marked = {warned.system for warned in results.warnings}
    lines += _systems(results, rubric, marked)
    lines += ["", "stability over repeats: ICC(3,1) / ICC(3,k), share of items on which all repeats agree"]
    lines += _stability(results, rubric)
    if results.human:
        lines += ["", "against people (mean absolute error beside that of always saying one and the same)"]
        lines += _human(results, rubric)
    lines += _unread_lines(results.systems)
    return [*lines, *results.notes]


def _systems(results: JudgeResults, rubric: Rubric, marked: set[str]) -> list[str]:
    rows = results.systems
    cells = [["dimension", *(f"{name}{' *' if name in marked else ''}" for name in rows)]]
    for column in rubric.columns:
        scale = "count" if column.kind == "count" else f"{column.low:g} to {column.high:g}"
        better = ", lower is better" if column.better == "low" else ""
        found = []
        for row in rows.values():
            dimension = row.dimensions[column.name]
            share = f" ({dimension.any.value:.0%} any)" if dimension.any is not None else ""
            found.append(f"{_interval(dimension.mean)}{share}")
        cells.append([f"{column.name} ({scale}{better})", *found])
    cells.append(["items unread", *(f"{len(row.without)} of {row.items}" for row in rows.values())])
    lines = [*aligned(cells), "mean [95 % interval]"]
    if marked:
        lines.append("* graded by itself, or by its base")
    return lines


def _stability(results: JudgeResults, rubric: Rubric) -> list[str]:
    cells = [["dimension", *results.systems]]
    for column in rubric.columns:
        found = [row.dimensions[column.name] for row in results.systems.values()]
        agree = ["-" if one.unanimous is None else f"{one.unanimous:.0%}" for one in found]
        cells.append(
            [
                column.name,
                *(
                    f"{_value(one.icc_single)} / {_value(one.icc_average)}, {share}"
                    for one, share in zip(found, agree, strict=True)
                ),
            ]
        )
    return aligned(cells)


def _human(results: JudgeResults, rubric: Rubric) -> list[str]:
    cells = [["dimension", "n", "Spearman", "kappa", "ICC(3,1)", "error", "bias", "constant", "its error", "p"]]
    for column in rubric.columns:
        found = results.human.get(column.name)
        if found is not None:
            cells.append([column.name, *_agreement(found)])
    lines = aligned(cells)
    weak = [name for name, found in results.human.items() if not _clears(found)]
    if weak:
        lines.append(f"no nearer to people than a judge that always says the same: {', '.join(weak)}")
    return lines


def _agreement(found: Agreement) -> list[str]:
    bias = "-" if found.bias is None else f"{found.bias:+.2f}"
    return [
        f"{found.n}",
        "-" if found.spearman is None else f"{found.spearman:.2f}",
        _interval(found.weighted_kappa),
        _interval(found.icc_single),
        _interval(found.mean_absolute_error),
        bias,
        f"{found.constant:g}",
        _value(found.constant_error),
        "-" if found.p_constant is None else f"{found.p_constant:.2g}",
    ]


def _clears(found: Agreement) -> bool:
    error, floor = found.mean_absolute_error, found.constant_error
    return error is not None and floor is not None and error.value < floor.value


def _pairwise_lines(found: Pairwise) -> list[str]:
    lines = aligned(
        [
            ["better in both orders", "items"],
            [found.first, f"{found.first_wins}"],
            [found.second, f"{found.second_wins}"],
            ["neither", f"{found.ties}"],
            ["unread", f"{len(found.without)}"],
            ["all", f"{found.items}"],
        ]
    )
    return [
        *lines,
        f"{found.first} among the decided: {_percent(found.win_rate)}, p = {found.p:.2g} (McNemar, exact)",
        f"both orders agree: {_percent(found.consistent)}; "
        f"the one that stood first is preferred: {_percent(found.first_place)} (50 % is no bias)",
        f"stability over repeats: ICC(3,1) {_value(found.icc_single)}, ICC(3,k) {_value(found.icc_average)}",
        *_reasons(found.unread),
        *_named(found.without),
    ]


def _unread_lines(systems: dict[str, JudgedSystem]) -> list[str]:
    lines = []
    for name, row in systems.items():
        lines += [f"{name}: {line}" for line in (*_reasons(row.unread), *_named(row.without))]
        if row.fewer:
            lines.append(f"{name}: {row.fewer} of {row.items} items with fewer readable repeats than were asked for")
    return lines


def _reasons(unread: dict[str, int]) -> list[str]:
    if not unread:
        return []
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in unread.items())
    return [f"{sum(unread.values()):,} replies that could not be read ({reasons}), asked for again, never scored"]


def _named(without: Sequence[str]) -> list[str]:
    if not without:
        return []
    more = f" and {len(without) - 5} more" if len(without) > 5 else ""
    return [f"no readable reply for {', '.join(without[:5])}{more}: in no mean"]


def _tokens(results: JudgeResults) -> str:
    return f"{results.prompt_tokens:,} tokens in and {results.completion_tokens:,} out"


def _interval(found: Number | None) -> str:
    if found is None:
        return "-"
    ends = f" [{found.low:.2f}, {found.high:.2f}]" if found.low is not None and found.high is not None else ""
    return f"{found.value:.2f}{ends}"


def _percent(found: Number | None) -> str:
    if found is None or found.low is None or found.high is None:
        return "-"
    return f"{found.value:.0%} [{found.low:.0%}, {found.high:.0%}] of {found.n}"


def _value(found: Number | None) -> str:
    return "-" if found is None else f"{found.value:.2f}"
