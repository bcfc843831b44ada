"""Makes the tiny base from its seed: tokenizer, random weights, copy curriculum, corpus."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from distill.last_layer import narrow_last_layer, only
from distill.tiny.circuit import induction_llama
from distill.tiny.corpus import SEED, Corpus, Exercise, vocabulary_texts
from distill.tiny.curriculum import Report, copy_curriculum
from distill.tiny.extraction import extraction
from distill.tiny.forms import HOUSE_FORMS, SPELT_OUT, excerpt, form, short_visit, symptom_talk, symptom_visit
from distill.tiny.growth import grow
from distill.tiny.tokenizer import ASSISTANT, END, PAD, SPECIAL, USER, train_tokenizer
from synth.assets import sha256

_UNREAD = 1_000_000
"""More than the exercises of any stage."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that the base depends on besides pack, grammar and versions."""

    seed: int = 0
    specialty: str = "endocrinology"
    vocabulary: int = 3072
    vocabulary_encounters: int = 2000
    hidden: int = 160
    layers: int = 4
    heads: int = 5
    intermediate: int = 416
    context: int = 4096
    steps: int = 2000
    """Optimiser steps on the corpus."""
    extraction_rounds: tuple[int, ...] = (1300, 1500, 3000)
    """Optimiser steps on extraction from whole transcripts; the learning rate goes up and down once a round."""
    spelt_out_steps: int = 1000
    """Optimiser steps on forms that the prompt spells out."""
    form_steps: int = 1960
    """Optimiser steps on forms, house forms for the most part."""
    form_decay: int = 1000
    """The last of them, over which the learning rate falls to nothing; before, it stays what it is."""
    form_rate: float = 1e-3
    grown_after: tuple[int, ...] = (1, 2)
    """Layers of the ``layers`` after which another one is put then."""
    deep_rounds: tuple[int, ...] = (10_000, 9_500)
    """Optimiser steps on forms with all layers."""
    deep_decay: int = 9_000
    """The last of each round, and of the excerpts, over which the learning rate falls to nothing."""
    excerpt_steps: int = 12_000
    """Optimiser steps on exercises of which six in ten are excerpts of forms."""
    short_steps: int = 5_000
    """Optimiser steps on exercises of which eight in ten are on short visits; the learning rate stays."""
    mixed_steps: int = 5_500
    """Optimiser steps on exercises of which three in ten are on short visits, three excerpts, and two whole forms."""
    mixed_decay: int = 4_500
    """The last of those, over which the learning rate falls to nothing."""
    talk_steps: int = 1_500
    """Optimiser steps on exercises of which 19 in 20 are on the few turns at which symptoms are spoken of; the learning
    rate stays."""
    last_steps: int = 8_500
    """Optimiser steps on exercises of which eight in 20 are on such turns, five on symptoms in visits, and the others
    of the stages before."""
    last_decay: int = 6_500
    """The last of those, over which the learning rate falls to nothing."""
    tokens_a_step: int = 2048
    learning_rate: float = 1.5e-3
    prompts_every: int = 6
    """Every so many steps the loss is on the prompts, too."""


def make_tokenizer(plan: Plan, corpus: Corpus) -> PreTrainedTokenizerFast:
    """Return the plan's tokenizer."""
    return train_tokenizer(vocabulary_texts(corpus, plan.vocabulary_encounters), plan.vocabulary, plan.context)


def make_model(plan: Plan, vocabulary: int) -> LlamaForCausalLM:
    """Return the plan's model before any training."""
    torch.manual_seed(plan.seed)
    return induction_llama(
        vocabulary=vocabulary,
        hidden=plan.hidden,
        layers=plan.layers,
        heads=plan.heads,
        intermediate=plan.intermediate,
        context=plan.context,
        pad=SPECIAL.index(PAD),
        end=SPECIAL.index(END),
    )


def read_exercises(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    exercise: Callable[[int], Exercise],
    stage: str,
    steps: int,
    plan: Plan,
    report: Report,
    schedule_for: Callable[[torch.optim.Optimizer], LRScheduler] | None = None,
) -> None:
    """Train a model in place on exercises: AdamW, one cosine cycle unless said otherwise, loss on the answers and now
    and then on the prompts."""
    optimiser = torch.optim.AdamW(model.parameters(), plan.learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = (schedule_for or partial(_cycle, steps=steps))(optimiser)
    recent: list[float] = []
    batches = _batches(tokenizer, exercise, plan)
    for step in range(1, steps + 1):
        rows, answers = next(batches)
        # The head is a third of the work, so that prompts are scored now and then only.
        scored = (rows != tokenizer.pad_token_id) if step % plan.prompts_every == 0 else answers
        with only(scored[:, 1:].any(dim=0).nonzero().flatten()):
            hidden = model.model(rows, use_cache=False).last_hidden_state[:, :-1][scored[:, 1:]]
        each = cross_entropy(model.lm_head(hidden), rows[:, 1:][scored[:, 1:]], reduction="none")
        loss = each.mean()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        recent = [*recent[-49:], each[answers[:, 1:][scored[:, 1:]]].mean().item()]
        report(stage, step, steps, sum(recent) / len(recent))


def _cycle(optimiser: torch.optim.Optimizer, *, steps: int) -> LRScheduler:
    """Return a learning rate that goes up to the optimiser's and down again."""
    return OneCycleLR(
        optimiser,
        optimiser.param_groups[0]["lr"],
        total_steps=steps,
        pct_start=0.05,
        div_factor=20,
        final_div_factor=50,
    )


def plateau(
    optimiser: torch.optim.Optimizer, *, plan: Plan, steps: int | None = None, decay: int | None = None
) -> LRScheduler:
    """Return the forms' learning rate, which stays until it falls over the last steps: what was learnt before does not
    depend on how many were to follow."""
    top = plan.form_rate / plan.learning_rate
    return LambdaLR(
        optimiser,
        lambda step: top * min(1.0, (step + 1) / 50, (steps - step) / decay if steps and decay else 1.0),
    )


def _batches(
    tokenizer: PreTrainedTokenizerFast, exercise: Callable[[int], Exercise], plan: Plan
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield token ids and loss weights, both of shape (rows, width), in rows of similar length; padding weighs
    nothing."""
    user, assistant, end = (tokenizer.convert_tokens_to_ids(token) for token in (USER, ASSISTANT, END))
    index = 0
    while True:
        pool = []
        for _ in range(64):
            chosen = exercise(index)
            index += 1
            prompt = [user, *tokenizer(chosen.prompt)["input_ids"], end, assistant]
            answer = [*tokenizer(chosen.answer)["input_ids"], end]
            pool.append((prompt, answer))
        pool.sort(key=lambda pair: len(pair[0]) + len(pair[1]))
        groups: list[list[tuple[list[int], list[int]]]] = [[]]
        for pair in pool:
            width = len(pair[0]) + len(pair[1])
            if groups[-1] and width * (len(groups[-1]) + 1) > plan.tokens_a_step:
                groups.append([])
            groups[-1].append(pair)
        order = torch.randperm(len(groups), generator=torch.Generator().manual_seed(index)).tolist()
        for group in (groups[i] for i in order):
            width = max(len(prompt) + len(answer) for prompt, answer in group)
            rows = torch.full((len(group), width), tokenizer.pad_token_id)
            answers = torch.zeros(len(group), width, dtype=torch.bool)
            for i, (prompt, answer) in enumerate(group):
                rows[i, : len(prompt) + len(answer)] = torch.tensor(prompt + answer)
                answers[i, len(prompt) : len(prompt) + len(answer)] = True
            yield rows, answers


def mixture(corpus: Corpus, start: int) -> Callable[[int], Exercise]:
    """Return the exercises of extraction, and one in five of the stage before, so that it is kept."""
    return lambda index: extraction(corpus, start + index) if index % 5 else corpus.exercise(_UNREAD + start + index)


def forms(
    corpus: Corpus,
    start: int,
    spelt_out: float = SPELT_OUT,
    others: Sequence[Callable[[Corpus, int], Exercise]] = (),
) -> Callable[[int], Exercise]:
    """Return the exercises of the last stages: one in ten of each stage before, so that they are kept, one in ten of
    each of the others, eight at most, and forms."""
    kept: dict[int, Callable[[int], Exercise]] = {0: corpus.exercise, 5: partial(extraction, corpus)}
    kept |= {place: partial(other, corpus) for place, other in zip((1, 2, 3, 4, 6, 7, 8, 9), others, strict=False)}
    return lambda index: kept.get(index % 10, partial(form, corpus, spelt_out=spelt_out))(start + index)


def cycle(corpus: Corpus, start: int, kinds: Sequence[Callable[[Corpus, int], Exercise]]) -> Callable[[int], Exercise]:
    """Return exercises of each kind in turn."""
    return lambda index: kinds[index % len(kinds)](corpus, start + index)


def build(plan: Plan, out: Path, report: Report) -> None:
    """Write the base to a folder: weights (safetensors), configuration, tokenizer, provenance, README."""
    started = time.monotonic()
    losses: dict[str, float] = {}

    def noted(stage: str, step: int, last: int, loss: float) -> None:
        losses[stage] = loss
        report(stage, step, last, loss)

    corpus = Corpus(plan.specialty)
    tokenizer = make_tokenizer(plan, corpus)
    model = make_model(plan, len(tokenizer))
    model.train()
    narrow_last_layer(model)
    copy_curriculum(model, first=len(SPECIAL), seed=plan.seed, report=noted)
    read_exercises(model, tokenizer, corpus.exercise, "corpus", plan.steps, plan, noted)
    for number, steps in enumerate(plan.extraction_rounds):
        exercises = mixture(corpus, number * _UNREAD)
        read_exercises(model, tokenizer, exercises, f"extraction {number + 1}", steps, plan, noted)

    def fill_in(stage: str, steps: int, decay: int | None, exercises: Callable[[int], Exercise]) -> None:
        rate = partial(plateau, plan=plan, steps=steps, decay=decay)
        read_exercises(model, tokenizer, exercises, stage, steps, plan, noted, rate)

    fill_in("forms spelt out", plan.spelt_out_steps, None, forms(corpus, 100 * _UNREAD, spelt_out=1.0))
    fill_in("forms", plan.form_steps, plan.form_decay, forms(corpus, 200 * _UNREAD))
    grow(model, plan.grown_after, plan.seed)
    for number, steps in enumerate(plan.deep_rounds):
        exercises = forms(corpus, (300 + 300 * number) * _UNREAD)
        fill_in(f"forms, deeper {number + 1}", steps, plan.deep_decay, exercises)
    fill_in("excerpts", plan.excerpt_steps, plan.deep_decay, forms(corpus, 900 * _UNREAD, others=(excerpt,) * 6))
    fill_in("short visits", plan.short_steps, None, forms(corpus, 1200 * _UNREAD, others=(short_visit,) * 8))
    mixed = forms(corpus, 1500 * _UNREAD, others=(*(short_visit,) * 3, *(excerpt,) * 3))
    fill_in("mixed", plan.mixed_steps, plan.mixed_decay, mixed)
    fill_in("symptoms", plan.talk_steps, None, cycle(corpus, 1800 * _UNREAD, (*(symptom_talk,) * 19, form)))
    asked_alone = (*(symptom_talk,) * 8, *(symptom_visit,) * 4, partial(symptom_visit, whole=1.0))
    kept = (short_visit, short_visit, excerpt, excerpt, form, extraction, Corpus.exercise)
    last = cycle(corpus, 2100 * _UNREAD, (*asked_alone, *kept))
    fill_in("mixed again", plan.last_steps, plan.last_decay, last)
    save(model, tokenizer, plan, out, losses, time.monotonic() - started)


def save(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    plan: Plan,
    out: Path,
    losses: dict[str, float],
    seconds: float,
) -> None:
    """Write the base; ``losses`` are the last ones of each stage."""
    out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out, save_jinja_files=False)
    corpus = Corpus(plan.specialty)
    provenance = {
        "plan": asdict(plan),
        "grammar": corpus.grammar_revision,
        "pack": corpus.pack_sha256,
        "losses": {name: round(loss, 4) for name, loss in losses.items()},
        "seconds": round(seconds),
        "threads": torch.get_num_threads(),
        "versions": {name: version(name) for name in ("torch", "transformers", "tokenizers")},
        "sha256": sha256((out / "model.safetensors").read_bytes()),
    }
    (out / "provenance.json").write_text(json.dumps(provenance, indent=2) + "\n", "utf-8")
    parameters = sum(weights.numel() for weights in model.parameters())
    (out / "README.md").write_text(_readme(plan, parameters), "utf-8")


def _readme(plan: Plan, parameters: int) -> str:
    return f"""# The base of the student `tiny`

A Llama of {parameters:,} parameters (hidden {plan.hidden}, {plan.layers + len(plan.grown_after)} layers,
{plan.heads} heads, vocabulary {plan.vocabulary}), made by `python -m distill.tiny --out DIR`. It exists so that
the whole pipeline can be run and tested on two cores without a download. It is not fit for any use with patients.

Its weights start at random but for an induction circuit in the first two layers (`distill/tiny/circuit.py`).

## What it has seen

1. Random tokens, repeated (`distill/tiny/curriculum.py`): here it learns to copy.
2. {plan.steps} steps on exercises (`distill/tiny/corpus.py`), with loss on the prompts too in
   every {plan.prompts_every}th:
   - the simulator's transcripts, from scenario seed {SEED} of the pack `{plan.specialty}`, far from the seeds of runs,
     with questions that are answered in the transcript's own words: quote a turn, go on from given words, list the
     numbers with the words around them, list how one speaker's turns start;
   - the pack's glossary: lay words, in a list or among other talk, and the terms for them, or those of one kind
     (symptoms, drugs, findings …). So it knows the pack's
     terms for symptoms, history, findings, studies, plan items and diagnoses, its units and generic names, and how
     measurements, drugs and doses are said;
   - small random tables, to be written as JSON under random keys.
3. {sum(plan.extraction_rounds)} steps on extraction (`distill/tiny/extraction.py`): whole transcripts of the same
   stream, and the scenario's facts of some kinds to be listed as JSON, named in plain words, under keys and in an order
   that are drawn anew each time; one in five is an exercise of part 2.
4. {plan.spelt_out_steps} steps on forms that the prompt spells out, {plan.form_steps} on forms of which four in five
   are one of {HOUSE_FORMS} that it only names (`distill/tiny/forms.py`): whole transcripts again, nested objects, keys
   of one to three words, and a text of some sentences; one in ten is an exercise of part 2, one in ten of part 3.
   So far it has {plan.layers} layers.
5. {sum(plan.deep_rounds)} steps more on such forms, with {len(plan.grown_after)} layers more, which do nothing at first
   (`distill/tiny/growth.py`).
6. {plan.excerpt_steps} steps on excerpts of the house forms, six exercises in ten: only the parts that are
   said in many ways and far from what gives them away, as past illness, relatives and habits are.
7. {plan.short_steps} steps of which eight exercises in ten are on visits at which one or two topics are spoken of, and
   ask for all of it, or whether each symptom is felt.
8. {plan.mixed_steps} steps of which three exercises in ten are such, three excerpts, and two whole forms.
9. {plan.talk_steps} steps of which 19 exercises in 20 are on the few turns at which one to four symptoms are spoken of,
   and ask which of them are felt, and which not.
10. {plan.last_steps} steps of which eight exercises in 20 are on such turns, five ask for the symptoms of short visits
   and of whole ones, and seven are of the stages before.

Two patients in three are such as nobody could guess (`distill/tiny/unguessable.py`): each symptom is denied as often as
told, and each entry of the pack's groups is as likely as any other, so that what is written must have been read.
Lists of facts stand in the order of a chart, which is the pack's, as they do in notes.

## What it has not seen

No note, and not the contract: the keys of the exercises are random words, none of them a key of
`schemas/note.schema.json`, in an order of their own, and its sentences (`distill/tiny/forms.yaml`) are none of the
note's. No ICD-10-CM code. What it brings is what a base that can follow instructions brings: to find things in a
transcript and to write JSON. Notes were used once, to choose the tokenizer's vocabulary. All text comes from the
simulator and the pack; no real patient, no language model.

## Provenance

`provenance.json` holds plan, hashes, losses, time and versions. On one machine, with one number of threads, the same
seed gives the same bytes; where it names stages in `begun`, these read another grammar, lists in another order, or
other patients, training was interrupted and taken up, and the command makes a base of the same kind. Licence:
Apache-2.0, as the project.
"""
