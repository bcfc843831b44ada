"""``distill judge``: a folder of predictions in, ``judgements.jsonl`` and ``judge.json`` out."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from distill import floors
from distill.judging.aggregate import differences, judged_systems, values_of
from distill.judging.asking import Asking, Form, Judge, Question, digest, named, open_judge
from distill.judging.human import agreements, read_human
from distill.judging.identity import own_output
from distill.judging.inputs import ANSWERS, Inputs, read_inputs
from distill.judging.log import Line, Log
from distill.judging.pairwise import compare
from distill.judging.prompts import Prompts
from distill.judging.records import Compared, Graded, JudgeIdentity, JudgeResults, Warned
from distill.judging.rubric import Rubric, load_rubric
from distill.lanes import in_lanes
from distill.statistics import CONFIDENCE, PERMUTATIONS, RESAMPLES, SEED
from synth import interrupts
from synth.errors import UserError
from synth.runs import write_atomically

Progress = Callable[[int, int], None]
NAME = "judge.json"


@dataclass(frozen=True, slots=True)
class Request:
    """What is judged, by what, and where that goes."""

    run: Path
    rubric: str = "transcription"
    data: Path | None = None
    systems: tuple[str, ...] = ()
    pair: tuple[str, str] | None = None
    """Two systems to be compared, in place of scores."""
    human: Path | None = None
    limit: int | None = None
    out: Path | None = None


def judge_run(
    request: Request,
    asking: Asking,
    *,
    notify: Callable[[str], None] = lambda _line: None,
    progress: Progress = lambda _done, _all: None,
) -> tuple[JudgeResults, Rubric, Path]:
    """Have a judge grade a run's predictions, or go on where that stopped; return what ``judge.json`` holds, the
    rubric, and the folder.

    What is answered on disk is not asked again, and where all is, no server is needed. Raises UserError for what is
    wrong with the request, TeacherUnavailable where a server stays away; then the same command goes on.
    """
    rubric = load_rubric(request.rubric)
    chosen = request.pair or request.systems
    if request.pair is not None and (request.human is not None or request.systems):
        raise UserError("--pairwise compares two systems; --human and --system go with scores")
    inputs = read_inputs(request.run, request.data, chosen, request.limit)
    items = [output.id for output in inputs.outputs]
    human = {}
    if request.human is not None:
        human = read_human(request.human, rubric, inputs.systems, items)
    elif inputs.human:
        only = rubric.dimensions[0]
        if len(rubric.dimensions) > 1 or (only.low, only.high) != (floors.GRID[0], floors.GRID[-1]):
            raise UserError(
                f"{inputs.results.benchmark} has one human score from 1 to 5 an answer, {rubric.name} has not; "
                "use --rubric decision or decision-treatment"
            )
        human = {only.name: dict(inputs.human)}
    return interrupts.run(_judged(request, asking, rubric, inputs, human, notify, progress))


async def _judged(
    request: Request,
    asking: Asking,
    rubric: Rubric,
    inputs: Inputs,
    human: Mapping[str, Mapping[tuple[str, str], float]],
    notify: Callable[[str], None],
    progress: Progress,
) -> tuple[JudgeResults, Rubric, Path]:
    asking = await named(asking)
    model = asking.model or ""
    identity = JudgeIdentity(model=model, revision=asking.revision)
    warnings = own_output(identity, request.run, inputs.systems, inputs.results.settings)
    for warned in warnings:
        notify(f"warning: {warned.why}")
    out = request.out or request.run / _folder(rubric, model, request.pair)
    questions = list(_questions(inputs, Prompts(rubric), asking.repeats, request.pair))
    form: Form = "grade" if request.pair is None else "compare"
    keys = [_key(question) for question in questions]
    with Log(out, Graded if form == "grade" else Compared) as log:
        _same(out, log.lines, questions, keys, asking)
        missing = [question for question, key in zip(questions, keys, strict=True) if key not in log.lines]
        if missing:
            began = next((line.constrained for line in log.lines.values()), None)
            await _ask(
                log,
                missing,
                len(questions),
                await open_judge(asking, rubric, form, began),
                form,
                asking,
                notify,
                progress,
            )
        log.order(keys)
        lines = [log.lines[key] for key in keys]
    results = _results(request, asking, rubric, inputs, human, lines, warnings)
    write_atomically(out / NAME, results.model_dump_json(indent=2) + "\n")
    return results, rubric, out


async def _ask(
    log: Log,
    missing: Sequence[Question],
    total: int,
    judge: Judge,
    form: Form,
    asking: Asking,
    notify: Callable[[str], None],
    progress: Progress,
) -> None:
    notify(f"judge: {judge.chat.notice}")
    if done := total - len(missing):
        notify(f"{done:,} of {total:,} judgements are there already")

    async def ask(question: Question, order: int) -> None:
        nonlocal done
        line = await (judge.grade(question, order) if form == "grade" else judge.compare(question, order))
        log.add(line)
        done += 1
        progress(done, total)

    try:
        await in_lanes(missing, ask, asking.concurrency * len(asking.endpoints))
    finally:
        await judge.chat.client.close()


def _questions(inputs: Inputs, prompts: Prompts, repeats: int, pair: tuple[str, str] | None) -> Iterator[Question]:
    """Yield every question, in the order of the file: item, system or order, repeat."""
    for output in inputs.outputs:
        asked: list[tuple[tuple[str, ...], JsonValue]]
        if pair is None:
            asked = [
                ((system,), prompts.grade(output.source, output.reference, output.texts[system]))
                for system in inputs.systems
            ]
        else:
            asked = [
                (order, prompts.compare(output.source, output.reference, *(output.texts[system] for system in order)))
                for order in (pair, pair[::-1])
            ]
        for systems, prompt in asked:
            for repeat in range(repeats):
                yield Question(output.id, systems, repeat, prompt)


def _key(question: Question) -> tuple[Hashable, ...]:
    """Return the key of the line that will answer a question, as ``log.key_of`` has it."""
    return (question.id, *question.systems, question.repeat)


def _same(
    out: Path,
    lines: Mapping[tuple[Hashable, ...], Line],
    questions: Sequence[Question],
    keys: Sequence[tuple[Hashable, ...]],
    asking: Asking,
) -> None:
    """Raise UserError where a line answers another question than would be asked now."""
    for question, key in zip(questions, keys, strict=True):
        line = lines.get(key)
        if line is not None and line.asked != digest(question, asking):
            raise UserError(
                f"{out}: its judgements are answers to other questions (another judge, rubric, seed, temperature or "
                f"predictions; {question.id!r} is the first); give another --out, or remove the folder"
            )


def _results(
    request: Request,
    asking: Asking,
    rubric: Rubric,
    inputs: Inputs,
    human: Mapping[str, Mapping[tuple[str, str], float]],
    lines: Sequence[Line],
    warnings: Sequence[Warned],
) -> JudgeResults:
    items = [output.id for output in inputs.outputs]
    graded = [line for line in lines if isinstance(line, Graded)]
    compared = [line for line in lines if isinstance(line, Compared)]
    constrained = bool(lines) and lines[0].constrained
    values = values_of(rubric, graded, asking.repeats)
    pair = request.pair
    return JudgeResults(
        benchmark=inputs.results.benchmark,
        split=inputs.results.split,
        judge=JudgeIdentity(model=asking.model or "", revision=asking.revision),
        rubric=rubric.name,
        rubric_source=rubric.source,
        rubric_wording=rubric.wording,
        repeats=asking.repeats,
        settings={
            "temperature": asking.temperature,
            "max_tokens": asking.max_tokens,
            "attempts": asking.attempts,
            "seed": asking.seed,
            "constrained": constrained,
            "consensus": "mean of the repeats that could be read, not rounded",
            "interval": "percentile bootstrap over items",
            "confidence": CONFIDENCE,
            "resamples": RESAMPLES,
            "interval_seed": SEED,
            "test": "sign-flip permutation of paired means, two-sided; Holm over the pairs of systems",
            "permutations": PERMUTATIONS,
        },
        warnings=tuple(warnings),
        systems=judged_systems(rubric, graded, values, inputs.systems, items) if pair is None else {},
        differences=differences(rubric, values, inputs.systems, items) if pair is None else {},
        pairwise=compare(compared, *pair, items, asking.repeats) if pair is not None else None,
        human=agreements(rubric, values, human),
        notes=(*inputs.notes, *_notes(rubric, inputs, human, asking, pair=pair is not None)),
        prompt_tokens=sum(line.prompt_tokens for line in lines),
        completion_tokens=sum(line.completion_tokens for line in lines),
    )


def _notes(
    rubric: Rubric,
    inputs: Inputs,
    human: Mapping[str, Mapping[tuple[str, str], float]],
    asking: Asking,
    *,
    pair: bool,
) -> Iterator[str]:
    if asking.repeats == 1:
        yield "one repeat: nothing is known of the judge's spread"
    if "reference" in rubric.sees and inputs.systems != (ANSWERS,) and not any(o.reference for o in inputs.outputs):
        yield f"{rubric.name} goes by a reference, and there is none"
    if not human and not pair:
        yield "no human scores: whether these agree with people is not known (--human FILE.csv)"


def _folder(rubric: Rubric, model: str, pair: tuple[str, str] | None) -> str:
    parts = ["judge", rubric.name, _slug(model.rpartition("/")[2])]
    return "-".join([*parts, _slug(pair[0]), "vs", _slug(pair[1])] if pair else parts)


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._]+", "-", name).strip(".-") or "model"
