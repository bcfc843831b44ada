"""What of a scenario a text carries: each fact found, missing or contradicted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from synth.checks.faithfulness.exams import asked
from synth.checks.faithfulness.findings import Reached
from synth.checks.faithfulness.language import language
from synth.checks.faithfulness.lexicon import ConceptKind
from synth.checks.faithfulness.oncology import reached_case, told_case
from synth.checks.faithfulness.reading import AFFIRMED, DENIED
from synth.checks.faithfulness.statements import ENOUGH, Statement
from synth.checks.faithfulness.tokens import tokenize
from synth.checks.faithfulness.units import BARE, Quantity, Unit, dose_bases, rates, unit_at
from synth.checks.faithfulness.view import View, term
from synth.records import (
    AnswerFact,
    ComplaintFact,
    DiagnosisFact,
    DifferentialFact,
    Fact,
    FindingFact,
    HistoryFact,
    LabFact,
    Medication,
    MedicationFact,
    PatientFact,
    PlanFact,
    ProcedureFact,
    QuestionFact,
    ResponseFact,
    StudyFact,
    SymptomFact,
    TherapyFact,
    ToxicityFact,
    TumorFact,
    VitalFact,
)

FOUND, MISSING = Reached("found"), Reached("missing")
_PARTS = {"systolic": 1, "diastolic": 2}
_LEVELS = frozenset(("low", "normal", "high"))


def reached(fact: Fact, view: View) -> Reached:
    """Return the verdict on a fact in a text."""
    # By its kind: asking for one class after the other costs more than most verdicts.
    match fact.kind:
        case "patient":
            return _patient(fact, view)
        case "complaint":
            return _complaint(fact, view)
        case "symptom":
            return _phrase(view, "symptom", ("symptom",), fact.name, AFFIRMED if fact.present else DENIED)
        case "history":
            return _phrase(view, f"history/{fact.category}", ("history", "condition", "diagnosis"), fact.name)
        case "medication":
            return _regimen(fact.medication, view, "medication")
        case "finding":
            return _phrase(view, "finding", ("finding",), fact.name)
        case "vital":
            return _measured(fact.name, float(fact.value), fact.unit, view, "vital")
        case "lab":
            return _measured(fact.name, float(fact.value), fact.unit, view, "lab", fact.interpretation)
        case "study":
            return _study(fact, view)
        case "diagnosis":
            return _diagnosis(fact, view)
        case "plan":
            return _plan(fact, view)
        case "differential":
            return _phrase(view, "diagnosis", ("diagnosis", "condition", "history"), fact.name)
        case "question" | "answer":
            return asked(fact, view)
        case "procedure":
            return _procedure(fact, view)
        case "tumor" | "therapy" | "toxicity" | "response":
            return reached_case(fact, view)


@lru_cache(maxsize=1024)
def unit_of(text: str) -> Unit:
    """Return the unit that a text is; the bare one where it is none."""
    return unit_at(tokenize(text), 0)[0] if text else BARE


def told(fact: Fact) -> str:
    """Return a fact in a few words."""
    match fact:
        case PatientFact():
            return f"{fact.age}-year-old {fact.sex}"
        case ComplaintFact():
            return fact.name if fact.duration is None else f"{fact.name} for {fact.duration}"
        case SymptomFact():
            return fact.name if fact.present else f"no {fact.name}"
        case MedicationFact(medication=m):
            return f"{m.name} {m.dose} {m.unit} {m.frequency}"
        case VitalFact() | LabFact():
            return f"{fact.name} {fact.value} {fact.unit}".rstrip()
        case StudyFact():
            return f"{fact.name}: {fact.result}"
        case DiagnosisFact():
            return f"{fact.name} ({fact.icd10cm}), {fact.status}"
        case PlanFact():
            return fact.text
        case QuestionFact():
            return fact.stem
        case AnswerFact():
            return fact.diagnosis
        case HistoryFact() | FindingFact() | DifferentialFact() | ProcedureFact():
            return fact.name
        case TumorFact() | TherapyFact() | ToxicityFact() | ResponseFact():
            return told_case(fact)


def _phrase(
    view: View, within: str, kinds: Iterable[ConceptKind], name: str, want: int = AFFIRMED, *, fuzzy: bool = True
) -> Reached:
    """Return the verdict on a statement: as the lexicon knows it, else by how many of its words stand together."""
    good = False
    for kind in kinds:
        for hit in view.hits(kind, name, within):
            bits, asked = view.reading.meant(hit)
            if bits & want:
                good = True
            elif view.target and not asked:
                return Reached("contradicted", "the opposite is said", view.field_at(hit.start))
    if good:
        return FOUND
    if not view.target and any(view.reading.said.get((kind, name), 0) & (want ^ 3) for kind in kinds):
        return Reached("contradicted", "the opposite is said")
    return _matched(view, within, term(name, view.lexicon, denied=want == DENIED)) if fuzzy else MISSING


def _matched(view: View, within: str, query: Statement) -> Reached:
    if not query.stems:
        return FOUND if query.amounts <= view.amounts else MISSING
    best = view.statements.match(query, view.allowed(within))
    if best.share < ENOUGH:
        return MISSING
    if best.conflict is not None:
        line = view.statements.lines[best.where]
        what = {
            "negation": "the opposite is said",
            "laterality": "another side is said",
            "value": "another number is said",
        }
        return Reached("contradicted", what[best.conflict], view.lines[line].field if view.target else "")
    amounts = {(value, base) for value, base in query.amounts if base}
    return FOUND if amounts <= view.amounts else MISSING


def _patient(fact: PatientFact, view: View) -> Reached:
    ages = sexes = False
    for age, sex, at in described(view):
        if sex is not None and sex != fact.sex:
            return Reached("contradicted", f"a {sex} is spoken of", view.field_at(at))
        if age != fact.age and sex is not None:
            return Reached("contradicted", f"the age is {age:g}", view.field_at(at))
        ages |= age == fact.age
        sexes |= sex == fact.sex
    numbers = {q.value for q in view.reading.quantities if not q.base or (q.base == "day" and q.factor > 365)}
    if not (ages or fact.age in numbers):
        return MISSING
    if sexes:
        return FOUND
    words = {sex for word, sex in language().sexes.items() if word in view.words}
    if fact.sex in words:
        return FOUND
    other = next(iter(words), None)
    if other and view.target:
        return Reached("contradicted", f"a {other} is spoken of")
    return MISSING


def described(view: View) -> Iterator[tuple[float, str | None, int]]:
    """Yield age, sex where it is said with it, and token, wherever a person is called so many years old."""
    tokens, sexes = view.reading.tokens, language().sexes
    for q in view.reading.quantities:
        if q.base == "day" and q.factor > 365 and tokens[q.end : q.end + 1] == ["old"]:
            near = tokens[q.end + 1 : q.end + 5]
            stop = next((i for i, word in enumerate(near) if word in ",.?!;\n"), len(near))
            yield q.value, next((sexes[word] for word in near[:stop] if word in sexes), None), q.at


def _complaint(fact: ComplaintFact, view: View) -> Reached:
    name = _phrase(view, "complaint", ("symptom", "occasion"), fact.name)
    if name.verdict != "found" or fact.duration is None:
        return name
    wanted = {amount for amount in term(fact.duration, view.lexicon).amounts if amount[1] == "day"}
    if wanted <= view.amounts:
        return FOUND
    kinds: tuple[ConceptKind, ...] = ("symptom", "occasion")
    for kind in kinds:
        for hit in view.hits(kind, fact.name, "complaint") if view.target else ():
            sentence = view.reading.sentences[view.reading.sentence_at(hit.start)]
            times = [
                q
                for q in view.reading.within(hit.end, sentence.end)
                if q.base == "day" and view.reading.tokens[q.end : q.end + 1] != ["old"]
            ]
            if times:
                return Reached("contradicted", f"the duration is {view.quote(times[0])}", view.field_at(hit.start))
    return MISSING


def _regimen(drug: Medication, view: View, within: str) -> Reached:
    """Return the verdict on a drug: named, with its dose, and no other frequency."""
    unit = unit_of(drug.unit)
    places = view.places(drug.name, within)
    if not places:
        return MISSING
    good = other = None
    often = _often(drug.frequency)
    for place in places:
        doses = [q for q in view.association.numbers(place) if _may_be_dose(q, unit, view)]
        if any(q.equals(float(drug.dose), unit) for q in doses):
            said = view.association.rates(place)
            if often and said and often.isdisjoint(said):
                other = other or Reached("contradicted", "another frequency is given", _field(view, place))
            else:
                good = FOUND
        elif doses and any(q.base for q in doses):
            named = ", ".join(view.quote(q) for q in doses if q.base)
            other = Reached("contradicted", f"the dose is {named}", _field(view, place))
    # A plan may speak of a drug twice, such as of another dose in an emergency.
    if other and ((view.target and within != "plan") or not good):
        return other
    return good or MISSING


@lru_cache(maxsize=1024)
def _often(frequency: str) -> frozenset[float]:
    tokens = tokenize(frequency)
    return frozenset(rates(tokens, 0, len(tokens)))


def _may_be_dose(q: Quantity, unit: Unit, view: View) -> bool:
    if view.reading.tokens[q.end : q.end + 1] in (["times"], ["time"]):
        return False
    return not q.base or q.base == unit[0] or q.base.split("/")[0] in dose_bases()


def _field(view: View, place: int) -> str:
    return view.field_at(view.association.anchors()[place][0])


def _measured(name: str, value: float, unit_text: str, view: View, within: str, level: str | None = None) -> Reached:
    """Return the verdict on a vital sign or a result: named, with its value."""
    unit = unit_of(unit_text)
    part = next((position for word, position in _PARTS.items() if word in name), 0)
    if part and any(pair[part] == value for pair in view.reading.pairs):
        return FOUND
    good = other = None
    for place in view.places(name, within):
        numbers = view.association.numbers(place)
        if any(q.equals(value, unit) for q in numbers):
            good = FOUND
            if view.target and level is not None:
                start, end = view.association.region(place)
                levels = _LEVELS.intersection(view.reading.tokens[start:end])
                if levels and level not in levels:
                    other = Reached("contradicted", f"it is called {min(levels)}", _field(view, place))
        else:
            measured = [q for q in numbers if q.base == unit[0] or (q.base != "day" and view.target)]
            if measured:
                said = ", ".join(view.quote(q) for q in measured)
                other = Reached("contradicted", f"the value is {said}", _field(view, place))
    if other and (view.target or not good):
        return other
    if part and not good and view.reading.pairs and not view.target:
        return Reached("contradicted", "the blood pressure is another")
    return good or MISSING


def _study(fact: StudyFact, view: View) -> Reached:
    whole = _phrase(view, "study", ("study",), f"{fact.name}: {fact.result}")
    if not view.target or whole.verdict != "found" or view.hits("study", f"{fact.name}: {fact.result}", "study"):
        return whole
    result = _matched(view, "study", term(fact.result, view.lexicon))
    return Reached("contradicted", "another result is given") if result.verdict == "missing" else result


def _diagnosis(fact: DiagnosisFact, view: View) -> Reached:
    named = _phrase(view, "diagnosis", ("diagnosis", "condition", "history"), fact.name)
    if named.verdict != "found" or not view.target:
        return named
    status = (
        view.statements.match(term(fact.status, view.lexicon), view.allowed("status"))
        if _restated(fact, view)
        else None
    )
    if status is not None and status.conflict is not None and status.share >= ENOUGH:
        line = view.statements.lines[status.where]
        return Reached("contradicted", f"the status contradicts it ({status.conflict})", view.lines[line].field)
    return named


def _restated(fact: DiagnosisFact, view: View) -> bool:
    """Return whether a target gives the status in other words than the fact."""
    lines = view.allowed("status")
    return lines is not None and not any(view.lines[i].text.casefold() == fact.status.casefold() for i in lines)


def _plan(fact: PlanFact, view: View) -> Reached:
    drug = fact.medication
    if drug is None:
        return _phrase(view, "plan", ("plan",), fact.text)
    if fact.action == "stop":
        return FOUND if view.places(drug.name, "plan") else MISSING
    return _regimen(drug, view, "plan")


def _procedure(fact: ProcedureFact, view: View) -> Reached:
    """Return the verdict on a procedure: all that is said of it, each step in one of its two forms."""
    parts: list[tuple[str, ...]] = [
        (fact.name,),
        (fact.anesthesia,),
        (fact.position,),
        (fact.blood_loss,),
        (fact.specimens,),
    ]
    parts += [(finding,) for finding in fact.findings]
    parts += [(step.told, step.record) for step in fact.steps]
    for ways in parts:
        found = [_matched(view, "procedure", term(way, view.lexicon)) for way in ways]
        if all(one.verdict != "found" for one in found):
            return next((one for one in found if one.verdict == "contradicted"), MISSING)
    return FOUND
