"""What is said aloud: clauses that fit the spoken grammar, enough of them, and with every number and side of the term
that they stand for."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from synth.assets import load_yaml
from synth.packs.checks.base import Found, spoken
from synth.packs.lexicon import Phrases
from synth.packs.pack import Pack
from synth.records import Record

_FILE = Path(__file__).resolve().parent / "speech.yaml"
_NUMBER = re.compile(r"(?<![A-Za-z\d-])\d+(?:[.,]\d+)*(?![\d-])")
_SLOT = re.compile(r"\{[^}]*\}")
_SLOTS = frozenset(("{he}", "{his}", "{him}", "{himself}", "{boy}", "{son}"))
_LONGEST = 120
"""Characters of a term of the note."""


class Words(Record):
    """The words that the rules look for."""

    number_words: dict[int, str]
    loose: dict[int, str]
    sides: tuple[str, ...]
    first_person: frozenset[str]
    third_person: frozenset[str]
    not_a_patient: tuple[str, ...]
    not_asked_after: frozenset[str]
    denials: frozenset[str]
    only_the_patient: tuple[str, ...]


@cache
def _words() -> Words:
    return Words.model_validate(load_yaml(_FILE))


def speech_problems(pack: Pack) -> Found:
    """Yield phrases that would not be said so, or lose what they stand for."""
    for where, phrases in spoken(pack):
        yield from _plain(pack, where, phrases)
        yield from _counted(where, phrases)
    for name, symptom in pack.symptoms.items():
        yield from _symptom(pack, f"symptom {name}", symptom.says, symptom.asks, symptom.denies)
    for name, entry in pack.history.items():
        yield from _patient(f"history {name}", entry.says)
    for name, occasion in pack.occasions.items():
        yield from _patient(f"occasion {name}", occasion.says)
    yield from _doctor(pack)
    yield from _terms(pack)


def _plain(pack: Pack, where: str, phrases: Phrases) -> Found:
    for phrase in phrases:
        if not phrase.isascii() or phrase != phrase.strip() or "  " in phrase:
            yield where, f"{phrase!r} is not plain speech; use ASCII, single spaces and none at the ends"
        elif not (phrase[-1:].isalnum() or phrase[-1:] in ("'", "}")):
            yield where, f"{phrase!r} ends with a mark; leave the last one to the grammar"
        slots = set(_SLOT.findall(phrase))
        if slots and pack.voice == "patient":
            yield where, f"{phrase!r} holds {sorted(slots)[0]}; such slots are for packs with voice: caregiver"
        elif slots - _SLOTS or "{" in _SLOT.sub("", phrase):
            yield where, f"{phrase!r} holds an unknown slot; known: {', '.join(sorted(_SLOTS))}"


def _counted(where: str, phrases: Phrases) -> Found:
    if len(set(phrases)) < len(phrases):
        yield where, "says the same thing twice; vary it"


def _symptom(pack: Pack, where: str, says: Phrases, asks: Phrases, denies: Phrases) -> Found:
    words = _words()
    for kind, phrases, least in (("says", says, 4), ("asks", asks, 2), ("denies", denies, 2)):
        if len(phrases) < least:
            yield where, f"has {len(phrases)} {kind}; give {least} at least"
    yield from _patient(where, says)
    yield from _patient(where, denies)
    persons = words.first_person if pack.voice == "patient" else words.third_person
    personal = [say for say in says if not persons.isdisjoint(_split(say))]
    if 2 * len(personal) < len(says):
        person = "first person" if pack.voice == "patient" else "third person, with {he} or {his}"
        yield where, f"most of its says are not in the {person}; such as {next(s for s in says if s not in personal)!r}"
    for ask in asks:
        if ask.split(" ", 1)[0].lower() in words.not_asked_after or "?" in ask:
            yield where, f"asks {ask!r} does not follow 'any'; make it a noun phrase"
    denying = [d for d in denies if any(w in words.denials or w.endswith("n't") for w in _split(d))]
    if 2 * len(denying) < len(denies):
        deny = next(d for d in denies if d not in denying)
        yield where, f"denies {deny!r} denies nothing; use a negation or a word such as fine"


def _patient(where: str, says: Phrases) -> Found:
    for say in says:
        if say.lower().startswith(tuple(f"{start} " for start in _words().not_a_patient)):
            yield where, f"{say!r} is not what a patient says; begin with the speaker, such as I or my"


def _split(phrase: str) -> list[str]:
    return re.findall(r"\{\w+\}|[a-z']+", phrase.lower())


def _doctor(pack: Pack) -> Found:
    """Yield what the doctor says without a number or a side of the term that it stands for."""
    said = [(f"finding {name}", name, entry.says) for name, entry in pack.findings.items()]
    said += [(f"study {s}, {r}", r, entry.says) for s, results in pack.studies.items() for r, entry in results.items()]
    words = _words()
    for where, _, phrases in said:
        for phrase in phrases:
            if any(re.search(rf"\b{re.escape(word)}\b", phrase.lower()) for word in words.only_the_patient):
                yield where, f"{phrase!r} is said by a patient; let the doctor say it"
    said += [(f"plan {text!r}", text, says) for text, says in pack.plan_says.items()]
    for where, text, phrases in said:
        for phrase in phrases:
            yield from _carried(where, text, phrase)


def _carried(where: str, text: str, phrase: str) -> Found:
    words = _words()
    for number in _NUMBER.findall(text):
        heard = re.search(rf"(?<![\d.,]){re.escape(number)}(?![\d]|[.,]\d)", phrase)
        if heard is None and number.isdigit():
            word, loose = words.number_words.get(int(number)), words.loose.get(int(number))
            if (word is not None and word in phrase) or (loose is not None and re.search(loose, phrase)):
                continue
        if heard is None:
            yield where, f"{number} is not heard in {phrase!r}; say it there"
    for side in words.sides:
        if re.search(rf"\b{side}\b", text) and not re.search(rf"\b{side}\b", phrase):
            yield where, f"{side} is not heard in {phrase!r}; say it there"


def _terms(pack: Pack) -> Found:
    """Yield terms that the note has no room for, and entries with too few ways to be said."""
    least = {
        **{f"occasion {name}": (3, entry.says) for name, entry in pack.occasions.items()},
        **{f"finding {name}": (3, entry.says) for name, entry in pack.findings.items()},
        **{f"history {name}": (3, entry.says) for name, entry in pack.history.items()},
        **{f"study {s}, {r}": (3, e.says) for s, results in pack.studies.items() for r, e in results.items()},
        **{f"plan {text!r}": (3, says) for text, says in pack.plan_says.items()},
    }
    for condition, entry in pack.conditions.items():
        for label, p in entry.presentations.items():
            least[f"{condition}/{label}"] = (3, p.diagnosis.says)
            for text in (p.diagnosis.name, p.diagnosis.status):
                if len(text) > _LONGEST:
                    yield f"{condition}/{label}", f"{text!r} is longer than {_LONGEST} characters; shorten it"
    for where, (enough, says) in least.items():
        if len(says) < enough:
            yield where, f"has {len(says)} says; give {enough} at least"
    terms = [*pack.findings, *pack.history, *pack.symptoms, *pack.occasions, *pack.plan_says]
    for term in [*terms, *(result for results in pack.studies.values() for result in results)]:
        if len(term) > _LONGEST:
            yield term, f"is longer than {_LONGEST} characters; shorten it"
