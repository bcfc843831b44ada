"""The table of ``synth report``: a row a measure, a column a corpus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from synth.language.measures import OVERLAP, SPEAKERS, Kind, Measures

_TITLES: dict[Kind, str] = {"dialogue": "Dialogues", "note": "Notes"}
_NOTES = (
    "Words are counted without punctuation and placeholders. Samples are as large in every column;",
    "self-BLEU, distinct-n and what texts have in common depend on that size.",
)
Section = tuple[str, list[tuple[str, list[str]]]]
"""Title, and rows of a label and a cell a corpus."""


def sections(corpora: Sequence[Measures], nouns: tuple[str, str] | None = None) -> list[Section]:
    """Return what there is to say of the dialogues, and of the notes; ``nouns`` are what a run without dialogues calls
    its source and target."""
    found: list[Section] = []
    for i, (kind, title) in enumerate(_TITLES.items()):
        present = [one for one in corpora if kind in one.lengths]
        if present:
            head = title if nouns is None else f"{('Source', 'Target')[i]}: {nouns[i]}"
            found.append((head, [(label, [say(one) for one in corpora]) for label, say in _rows(kind, present)]))
    return found


def table_text(corpora: Sequence[Measures], nouns: tuple[str, str] | None = None) -> str:
    """Return the table as lines for a person, without a line break at the end; ``nouns`` as ``sections`` has them."""
    table = [("", [one.name for one in corpora]), ("items", [f"{one.items:,}" for one in corpora])]
    for title, rows in sections(corpora, nouns):
        table += [("", []), (title, []), *rows]
    widths = [max(len(label) for label, _ in table)]
    widths += [max(len(cells[i]) for _, cells in table if cells) for i in range(len(corpora))]
    lines = [_line([label, *cells], widths) for label, cells in table]
    return "\n".join((*lines, "", *_NOTES))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    label, *rest = cells
    line = f"{label:<{widths[0]}}" + "".join(
        f"   {cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=False)
    )
    return line.rstrip()


Row = tuple[str, Callable[[Measures], str]]


def _rows(kind: Kind, present: Sequence[Measures]) -> Iterator[Row]:
    """Yield label and cell of each row about the dialogues, or the notes; a corpus without any has dashes."""

    def row(label: str, say: Callable[[Measures], str]) -> Row:
        return label, lambda one: say(one) if kind in one.lengths else "–"

    sample = present[0].sampled[kind]
    yield row("words, mean (sd)", lambda one: f"{one.lengths[kind].mean:,.0f} ({one.lengths[kind].sd:,.0f})")
    yield row(
        "words, 5 / 50 / 95 %",
        lambda one: " / ".join(f"{one.lengths[kind].percentiles[p]:,.0f}" for p in ("5", "50", "95")),
    )
    if kind == "dialogue" and any(one.turns for one in present):
        yield row("turns, mean (sd)", lambda one: f"{one.turns.mean:.0f} ({one.turns.sd:.0f})" if one.turns else "–")
        yield row("words a turn, doctor / patient", lambda one: _by_speaker(one, "words"))
        yield row("turns that ask, doctor / patient", lambda one: _by_speaker(one, "questions"))
    yield row("different words", lambda one: f"{one.vocabulary[kind].size:,}")
    for step in (10_000, 50_000):
        if any(step in one.vocabulary[kind].growth for one in present):
            yield row(f"  in the first {step:,} words", lambda one, step=step: _growth(one, kind, step))  # type: ignore[misc]  # mypy does not infer a lambda's default
    yield row("Heaps' exponent", lambda one: _or_dash(one.vocabulary[kind].heaps))
    yield row(
        f"distinct-1 / 2 / 3, {sample.words:,} words",
        lambda one: " / ".join(f"{value:.2f}" for value in one.sampled[kind].distinct.values()),
    )
    yield row(f"self-BLEU-4, {sample.texts} texts", lambda one: f"{one.sampled[kind].self_bleu:.3f}")
    if kind == "dialogue":
        yield row(
            f"{OVERLAP}-grams in common, mean / most, {sample.texts} texts",
            lambda one: f"{one.shared.mean:.1%} / {one.shared.largest:.1%}" if one.shared else "–",
        )
        if (outside := present[0].outside) is not None:
            yield row(
                f"  with facts, most, {outside.texts:,} texts",
                lambda one: f"{one.outside.largest:.1%}" if one.outside else "–",
            )


def _by_speaker(one: Measures, what: str) -> str:
    if one.turns is None:
        return "–"
    cells = []
    for speaker in SPEAKERS:
        value = (one.turns.words if what == "words" else one.turns.questions).get(speaker)
        cells.append("–" if value is None else f"{value:.1f}" if what == "words" else f"{value:.0%}")
    return " / ".join(cells)


def _growth(one: Measures, kind: Kind, step: int) -> str:
    size = one.vocabulary[kind].growth.get(step)
    return "–" if size is None else f"{size:,}"


def _or_dash(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
