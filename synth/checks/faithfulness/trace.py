"""What a target claims, traced to its source: medications, doses, values, diagnoses, negations, sides."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from synth.checks.faithfulness.findings import Invented
from synth.checks.faithfulness.language import language
from synth.checks.faithfulness.lexicon import PHRASES, ConceptKind
from synth.checks.faithfulness.reading import AFFIRMED, DENIED, Hit
from synth.checks.faithfulness.statements import ENOUGH, sides, statement
from synth.checks.faithfulness.target import belongs
from synth.checks.faithfulness.tokens import is_number, places_of, stem, tokenize
from synth.checks.faithfulness.units import Quantity, dose_bases
from synth.checks.faithfulness.view import View, term
from synth.config import InventedKind

_DIAGNOSES: tuple[ConceptKind, ...] = ("diagnosis", "history", "condition")
_PARTS = {"systolic": 0, "diastolic": 1}
_NAMED_DRUG = re.compile(r"/medications/\d+$")
_GIVEN = frozenset(("g", "u"))
"""Bases of doses before which a word is a drug's name."""
_BETWEEN = frozenset(("to", "at", "of", ","))
"""What may stand between a drug and its dose."""
_PARTING = frozenset((",", "or", "and", ":"))
"""What stands between the parts of a sentence."""
_SHORTEST = 6
"""Letters of the shortest word that is taken for a drug that no lexicon knows."""


class Trace:
    """The items of a target, and those of them that the source does not back."""

    def __init__(self, source: View, target: View, terms: Iterable[str] = ()) -> None:
        """``terms`` are what facts of the scenario are called: whether the source says them is asked of the facts, in
        whatever words, so a number within one of them (``stroke 6 months ago``) is not traced."""
        self.source, self.target = source, target
        self._own = _within(target.reading.tokens, terms)
        """Tokens of numbers in terms."""
        self.traced: Counter[InventedKind] = Counter()
        self._invented: dict[Invented, None] = {}
        self._covered: set[int] = set()
        """Tokens whose numbers are traced with a name."""
        self._backed: set[int] = set()
        """Tokens of statements that the source makes, too."""

    def run(self) -> None:
        """Trace every item."""
        self._medications()
        self._measures()
        self._values()
        self._diagnoses()
        self._negations()
        self._sides()

    def _flag(self, kind: InventedKind, text: str, at: int | str, *, backed: bool) -> None:
        self.traced[kind] += 1
        if not backed:
            field = at if isinstance(at, str) else self.target.field_at(at)
            self._invented[Invented(kind, text, field)] = None

    @property
    def invented(self) -> tuple[Invented, ...]:
        """The items that the source does not back, each once."""
        return tuple(self._invented)

    # -- drugs

    def _medications(self) -> None:
        target = self.target
        anchors = target.association.anchors()
        drugs = target.reading.named
        for place, (start, end, names) in enumerate(anchors):
            found = names & drugs
            if not found:
                continue
            known = any(map(self._source_names, found))
            self._flag("medication", " ".join(target.reading.tokens[start:end]), start, backed=known)
            self._doses(place, found, known=known)
        for name, at in self._unknown_drugs():
            backed = set(tokenize(name)) - language().class_words <= self.source.words
            self._flag("medication", name, at, backed=backed)

    def _source_names(self, name: str) -> bool:
        if name in self.source.reading.named:
            return True
        words = [stem(word) for word in _tokens(name) if len(word) > 4 and word not in language().class_words]
        return not self.source.stems.isdisjoint(words)

    def _unknown_drugs(self) -> Iterator[tuple[str, int]]:
        """Yield drugs that no lexicon knows, by their place: an entry of medications, or the word before a dose."""
        reading = self.target.reading
        words = language()
        named = {at for start, end, _ in self.target.association.anchors() for at in range(start, end)}
        for sentence in reading.sentences:
            line = self.target.lines[sentence.line]
            doses = [q for q in reading.within(sentence.start, sentence.end) if q.base in _GIVEN]
            if doses and _NAMED_DRUG.search(line.field) and named.isdisjoint(range(sentence.start, doses[0].at)):
                yield " ".join(reading.tokens[sentence.start : doses[0].at]), sentence.start
                continue
            for q in doses:
                at = q.at - 1
                while at > sentence.start and reading.tokens[at] in _BETWEEN:
                    at -= 1
                word = reading.tokens[at]
                if at < sentence.start or at in named or not word.isalpha() or len(word) < _SHORTEST:
                    continue
                if word not in words.stop and word not in words.class_words:
                    yield word, at

    def _doses(self, place: int, names: set[str], *, known: bool) -> None:
        target, source = self.target, self.source
        doses = [q for q in target.association.numbers(place) if q.base in dose_bases()]
        self._covered.update(q.at for q in doses)
        if not known:
            return
        places = [at for name in self._strengths(names) for at in source.places(name)]
        said = [q for at in places for q in source.association.numbers(at) if not q.base or q.base in dose_bases()]
        for q in doses:
            backed = any(other.equals(q.value, (q.base, q.factor)) for other in said) if said else self._anywhere(q)
            self._flag("dose", f"{min(names)} {target.quote(q)}", q.at, backed=backed)
        often, heard = target.association.rates(place), {r for at in places for r in source.association.rates(at)}
        if often and heard:
            backed = not often.isdisjoint(heard)
            if backed:  # "every 2 weeks" is "every other week": how often was compared, not the number
                tokens = target.reading.tokens
                near = target.reading.within(*target.association.region(place))
                self._covered.update(q.at for q in near if q.base == "day" and tokens[q.at - 1] == "every")
            start = target.association.anchors()[place][0]
            self._flag("dose", f"{min(names)}: how often it is taken", start, backed=backed)

    def _strengths(self, names: set[str]) -> set[str]:
        """Return some drugs, and what the source names of each with its strength: ``fluticasone-salmeterol 250/50``."""
        return names | {
            other
            for other in self.source.reading.named
            if any(other.startswith(f"{name} ") and any(map(str.isdigit, other[len(name) :])) for name in names)
        }

    # -- numbers

    def _measures(self) -> None:
        target, source = self.target, self.source
        drugs = target.reading.named
        for place, (start, end, names) in enumerate(target.association.anchors()):
            self._covered.update(range(start, end))
            if names & drugs:
                continue
            entry = target.lines[target.reading.line_at(start)].entry
            numbers = [q for q in target.association.numbers(place) if q.base != "day" and (entry or q.base)]
            said = [q for name in names for at in source.places(name) for q in source.association.numbers(at)]
            part = next((i for word, i in _PARTS.items() if any(word in name for name in names)), None)
            pairs = [(pair[1:])[part] for pair in source.reading.pairs] if part is not None else []
            for q in numbers[:1]:
                self._covered.add(q.at)
                if q.at in self._own:
                    continue
                backed = q.value in pairs or any(other.equals(q.value, (q.base, q.factor)) for other in said)
                if not backed and (not entry or not (said or pairs)):
                    backed = self._anywhere(q)
                self._flag("value", f"{min(names)} {target.quote(q)}", q.at, backed=backed)

    def _values(self) -> None:
        """Trace the numbers with a unit that no name has claimed, and blood pressures written as a pair."""
        target, source = self.target.reading, self.source.reading
        pairs = {(high, low) for _, high, low in source.pairs}
        for at, high, low in target.pairs:
            if at not in self._covered:
                self._covered.update((at, at + 2))
                numbers = {q.value for q in source.quantities}
                backed = (high, low) in pairs or (not pairs and {high, low} <= numbers)
                self._flag("value", f"{high:g}/{low:g}", at, backed=backed)
        for q in target.quantities:
            if q.base and q.at not in self._covered and q.at not in self._own:
                self._flag("value", self.target.quote(q), q.at, backed=self._anywhere(q))

    def _anywhere(self, q: Quantity) -> bool:
        amounts = self.source.amounts
        return q.amount in amounts or (q.value, "") in amounts

    # -- statements

    def _diagnoses(self) -> None:
        lines = self.target.allowed("diagnoses")
        structured = lines is not None
        # What is a symptom in one specialty and a diagnosis in another is traced as the symptom.
        symptoms = {(hit.start, hit.end) for hit in self.target.reading.hits if hit.form.kind == "symptom"}
        for kind in _DIAGNOSES:
            for (found, name), hits in self.target.by_form.items():
                if found != kind or structured or kind == "history":
                    continue
                for hit in hits:
                    if (hit.start, hit.end) not in symptoms and self.target.reading.meant(hit)[0] & AFFIRMED:
                        self._flag("diagnosis", name, hit.start, backed=self._said(name))
        for i in sorted(lines or ()):
            line = self.target.lines[i]
            self._flag("diagnosis", line.text, line.field, backed=self._said(line.text))

    def _said(self, text: str) -> bool:
        """Return whether the source speaks of a diagnosis, by any of its names."""
        said = self.source.reading.said
        for kind in _DIAGNOSES:
            if any(said.get((kind, name), 0) & AFFIRMED for name in {text, *self.source.lexicon.names(text, kind)}):
                return True
        query = term(text, self.source.lexicon)
        best = self.source.statements.match(query)
        return best.share >= ENOUGH and best.conflict is None

    def _negations(self) -> None:
        """Trace what is denied, and what is affirmed of what the source denies."""
        covered: set[int] = set()
        stop = language().stop
        symptoms: dict[tuple[int, int], list[Hit]] = {}
        for hit in self.target.reading.hits:
            if hit.form.kind not in PHRASES:
                continue
            tokens = range(hit.start, hit.end)
            if (hit.form.kind, hit.form.name) in self.source.reading.said:
                self._backed.update(tokens)
            if hit.form.kind == "symptom":
                if self._of_patient(hit.start):
                    covered.update(tokens)
                    symptoms.setdefault((hit.start, hit.end), []).append(hit)
            elif (hit.form.kind, hit.form.name) in self.source.reading.said:
                covered.update(tokens)
        for named in _longest(symptoms):
            self._symptom(named)
        reading = self.target.reading
        anchored = {reading.line_at(start) for start, _, _ in self.target.association.anchors()}
        for i, sentence in enumerate(reading.sentences):
            field = self.target.lines[sentence.line].field
            if field and (sentence.line in anchored or not _is_phrase(field)):
                continue
            if not field and not language().conditional.isdisjoint(reading.tokens[sentence.start : sentence.end]):
                continue
            for start, end in self._clauses(i):
                if any(at not in covered and reading.tokens[at] not in stop for at in range(start, end)):
                    self._clause(start, end, covered)

    def _symptom(self, named: Sequence[Hit]) -> None:
        """Trace one symptom, by any of the names that its words are a form of."""
        hit = next((hit for hit in named if hit.form.voice == "term"), named[0])
        meant, _ = self.target.reading.meant(hit)
        said = 0
        for name in dict.fromkeys(other.form.name for other in named):
            found = self.source.reading.said.get(("symptom", name), 0)
            if not found:
                best = self.source.statements.match(term(name, self.source.lexicon, denied=meant == DENIED))
                found = 0 if best.share < ENOUGH else meant if best.conflict != "negation" else meant ^ 3
            said |= found
        if meant == DENIED:
            self._flag("negation", f"no {hit.form.name}", hit.start, backed=bool(said & DENIED))
        elif said:
            self._flag("negation", hit.form.name, hit.start, backed=bool(said & AFFIRMED))

    def _of_patient(self, token: int) -> bool:
        """Return whether a token stands where the patient's state is told, not what might come."""
        sentence = self.target.reading.sentences[self.target.reading.sentence_at(token)]
        line = self.target.lines[sentence.line]
        if line.field:
            keys = language().fields["symptom"]
            return line.section in keys or belongs(line.field, keys)
        return language().conditional.isdisjoint(self.target.reading.tokens[sentence.start : sentence.end])

    def _clauses(self, number: int) -> Iterator[tuple[int, int]]:
        """Yield the parts of a sentence between commas and ``or``."""
        reading = self.target.reading
        sentence = reading.sentences[number]
        start = sentence.start
        for i in range(sentence.start, sentence.end + 1):
            if i == sentence.end or reading.tokens[i] in _PARTING:
                if i > start:
                    yield start, i
                start = i + 1

    def _clause(self, start: int, end: int, covered: set[int]) -> None:
        reading = self.target.reading
        query = statement(reading, start, end)
        denied = [root for root, bits in query.stems.items() if bits == DENIED]
        if not query.stems or (covered & set(range(start, end)) and not denied):
            return
        best = self.source.statements.match(query)
        text = " ".join(reading.tokens[start:end])
        if denied:
            self._flag("negation", text, start, backed=best.share >= ENOUGH and best.conflict != "negation")
        elif best.share >= 1.0 and best.conflict == "negation" and (len(query.stems) > 1 or self._entry(start)):
            # One word of prose is too little to tell what is denied.
            self._flag("negation", text, start, backed=False)

    def _entry(self, token: int) -> bool:
        return _is_phrase(self.target.field_at(token))

    def _sides(self) -> None:
        """Trace each side with the words that stand by it."""
        target = self.target.reading
        # A side in the name of what is measured (pressure of the left eye) is traced with its value.
        for start, end, names in self.target.association.anchors():
            if any(map(self.source.places, names)):
                self._backed.update(range(start, end))
        for sentence in target.sentences:
            found = sides(target, sentence.start, sentence.end)
            for at, side in found.items():
                if at in self._backed:
                    self._flag("laterality", side, at, backed=True)
                    continue
                query = statement(target, max(sentence.start, at - 2), min(sentence.end, at + 6))
                heads = dict(list(query.stems.items())[:4])
                if not heads:
                    continue
                near = self.source.statements.around(heads)
                there = {one for group in near for one in group}
                beside = statement(target, at + 1, min(sentence.end, at + 3)).stems
                there |= self.source.statements.sides_of(beside)
                backed = side in there or (side == "both" and {"left", "right"} <= there)
                self._flag("laterality", " ".join(target.tokens[at : at + 4]), at, backed=backed)


@lru_cache(maxsize=8192)
def _tokens(term_: str) -> tuple[str, ...]:
    return tuple(tokenize(term_))


def _longest(found: dict[tuple[int, int], list[Hit]]) -> Iterator[list[Hit]]:
    """Yield what stands at each place but for those that a longer form reaches into: ``no numbness`` is none of its own
    in ``no numbness in the feet``."""
    for (start, end), hits in found.items():
        if not any(first < end and start < last and last - first > end - start for first, last in found):
            yield hits


def _within(tokens: Sequence[str], terms: Iterable[str]) -> set[int]:
    """Return where the numbers of terms stand, as far as a term stands there whole."""
    found: set[int] = set()
    for term_ in terms:
        words, numbers = _numbered(term_)
        if not numbers:
            continue
        for at in places_of(words[:1], tokens):
            if tokens[at : at + len(words)] == words:
                found.update(at + i for i in numbers)
    return found


@lru_cache(maxsize=8192)
def _numbered(term_: str) -> tuple[list[str], list[int]]:
    """Return the tokens of a term, and which of them are numbers."""
    words = tokenize(term_)
    return words, [i for i, word in enumerate(words) if is_number(word)]


def _is_phrase(field: str) -> bool:
    """Return whether a field is an entry of a list, which says one thing, rather than prose."""
    return field.rsplit("/", 1)[-1].isdigit()
