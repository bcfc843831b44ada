"""The lexicon of a pack: what there is to have, to take, to measure and to find, and how each is said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from synth.records import Medication, Number, Record, Sex

Probability = float
Phrases = tuple[str, ...]
Range = tuple[Number | None, Number | None]
"""Lower and upper end; None where a range is open."""


class Citation(Record):
    """Where a clinical statement comes from."""

    title: str
    publisher: str
    year: int
    reference: str
    """Journal reference, or the document's own number."""
    url: str | None = None


class Distribution(Record):
    """A normal distribution cut to a range; draws that share a ``latent`` are correlated through it by ``rho``."""

    mean: float
    sd: float
    min: float
    max: float
    latent: str = "severity"
    rho: float = Field(default=0.0, ge=-1.0, le=1.0)
    probability: Probability = 1.0
    """Chance that it is measured at all."""


class Age(Distribution):
    """Age at the visit; under two years it is counted in months."""

    unit: Literal["years", "months"] = "years"

    @property
    def years(self) -> tuple[int, int]:
        """Return the youngest and the oldest age in whole years."""
        months = 12 if self.unit == "months" else 1
        return int(self.min // months), int(self.max // months)


class UpTo(Distribution):
    """A distribution for patients under an age."""

    under: float
    """Years."""


class ForWhom(Record):
    """Whom an entry can apply to; the sampler leaves it out for everybody else."""

    sex: Sex | None = None
    min_age: int = 0
    max_age: int = 120

    def fits(self, sex: Sex, age: int) -> bool:
        """Return whether the entry can apply to a patient; age in years."""
        return self.sex in (None, sex) and self.min_age <= age <= self.max_age


class Regimen(Record):
    """One rung of a drug's dose ladder."""

    dose: Number
    """With ``per_kg``: the most that a child is given."""
    frequency: str
    per_kg: Number | None = None
    """A single dose by weight, in the drug's unit per kilogram, for patients under 18 years."""
    step: Number | None = None
    """What a dose by weight is rounded to, downwards: what can be measured or is sold."""

    def dose_for(self, weight: float | None) -> Number:
        """Return the single dose for a weight in kilograms; the full one where none is given."""
        if self.per_kg is None or weight is None:
            return self.dose
        step = self.step or 1
        steps = max(1, int(float(self.per_kg) * weight / float(step) + 1e-9))
        dose = min(round(steps * float(step), 3), float(self.dose))
        return int(dose) if dose == int(dose) else dose


class DoseLimits(Record):
    """The most that the label, or the guideline that is named, allows, in the drug's unit."""

    single: Number | None = None
    daily: Number | None = None
    weekly: Number | None = None
    daily_per_kg: Number | None = None
    """Under 18 years, per kilogram of body weight."""
    individual: bool = False
    """The label sets no limit: the dose is found for each patient, as with insulin."""
    sources: tuple[str, ...] = Field(min_length=1)


class Bound(Record):
    """Where a measured value rules a drug out."""

    below: Number | None = None
    above: Number | None = None

    def crossed(self, value: Number) -> bool:
        """Return whether a value lies beyond the bound."""
        return (self.below is not None and value < self.below) or (self.above is not None and value > self.above)


class Contraindication(Record):
    """Who must not be given a drug. All that is stated must hold together; in a list, any one suffices."""

    problems: Phrases = ()
    """Entries of the pack's history, or conditions of the pack."""
    drugs: Phrases = ()
    """Other drugs of the pack, or classes of drugs."""
    pregnancy: bool = False
    sex: Sex | None = None
    under: int | None = None
    """Years."""
    over: int | None = None
    """Years: at 35, patients of 36 and more."""
    values: dict[str, Bound] = {}
    """Results and vital signs, any one of them."""
    why: str
    """What the source says, in a few words; ``contraindicated`` and ``boxed warning`` where it says that."""
    sources: tuple[str, ...] = Field(min_length=1)

    @property
    def forbids(self) -> bool:
        """Return whether the source forbids the drug; else it warns, and it is a matter of judgement: no patient of
        this project is given it, but nobody who gives it is called wrong."""
        return any(words in self.why for words in ("contraindicated", "boxed warning"))


class Drug(Record):
    """A drug with the regimens in which it is given, lowest first."""

    brands: Phrases = ()
    classes: Phrases = ()
    """As in ``vocabulary.yaml``: what an allergy to the class, or a second drug of it, rules out."""
    unit: str
    route: str
    ladder: tuple[Regimen, ...] = Field(min_length=1)
    sex: Sex | None = None
    limits: DoseLimits | None = None
    contraindications: tuple[Contraindication, ...] = ()
    sources: tuple[str, ...] = Field(min_length=1)

    def medication(self, name: str, rung: int, weight: float | None = None) -> Medication:
        """Return the regimen at a rung of the ladder; by ``weight`` in kilograms where it is a child's."""
        step = self.ladder[rung]
        return Medication(
            name=name, dose=step.dose_for(weight), unit=self.unit, route=self.route, frequency=step.frequency
        )


class Measure(Record):
    """A quantity: its unit, and how it is said."""

    unit: str
    says: Phrases = Field(min_length=1)
    """Names in speech, such as ``A1c``."""
    unit_says: str
    """The unit in speech, such as ``percent``."""
    decimals: int = Field(ge=0, le=3)
    plausible: tuple[Number, Number] | None = None
    """What lies outside is a slip, not a patient: wider than any range of a presentation."""


class Vital(Measure):
    """A vital sign, with what an unremarkable adult has."""

    usual: Distribution
    from_age: float = 0
    """Years from which it is taken at every visit; before that, where a presentation asks for it."""
    sources: tuple[str, ...] = ()
    """Of ``from_age``."""
    usual_under: tuple[UpTo, ...] = ()
    """What an unremarkable child has, youngest first."""

    def usual_at(self, age: float) -> Distribution:
        """Return what is unremarkable at an age in years."""
        return next((band for band in self.usual_under if age < band.under), self.usual)


class LabRange(Record):
    """The reference range of patients under an age."""

    under: float
    """Years."""
    reference: dict[Literal["any", "female", "male"], Range] = Field(min_length=1)


class Lab(Measure):
    """A numeric result with its reference range."""

    reference: dict[Literal["any", "female", "male"], Range] = Field(min_length=1)
    """Lower and upper end, by sex where they differ."""
    reference_under: tuple[LabRange, ...] = ()
    """Ranges of children, youngest first."""
    loinc: str | None = None
    sources: tuple[str, ...] = Field(min_length=1)

    def range_for(self, sex: Sex, age: float | None = None) -> Range:
        """Return the reference range that applies to a sex, at an age in years."""
        bands = (band.reference for band in self.reference_under if age is not None and age < band.under)
        reference = next(bands, self.reference)
        return reference.get(sex) or reference["any"]


class Symptom(ForWhom):
    """A symptom in three voices."""

    says: Phrases = Field(min_length=2)
    """The patient has it: clauses in the first person, such as ``I'm cold all the time``."""
    asks: Phrases = Field(min_length=1)
    """What the doctor asks after: noun phrases that fit ``any …?``, such as ``trouble with the cold``."""
    denies: Phrases = ()
    """The patient does not have it: clauses, such as ``the cold doesn't bother me``."""
    grave: bool = False
    """Such as thoughts of suicide: asked about alone, in plain words, and answered so."""
    once: bool = False
    """As a complaint something that happened, such as a seizure: the doctor asks when, not for how long."""


class Spoken(ForWhom):
    """Anything whose only other form is how it is said: findings and study results by the doctor, occasions by the
    patient."""

    says: Phrases = Field(min_length=2)
    needs: dict[str, Bound] = {}
    """Of a finding or a result: the vital signs that it goes with, each beyond its bound, such as tachycardia with a
    heart rate above 100."""
    told: dict[str, bool] = {}
    """Of a finding: the symptoms that the patient must have told of (true) or denied (false) for it to be seen, such as
    hirsutism with excess facial hair; what is not asked about does not count."""

    def matches(self, told: Mapping[str, bool]) -> bool:
        """Return whether what the patient told of and denied leaves room for it."""
        return all(told.get(name, present) == present for name, present in self.told.items())

    def agrees(self, values: Mapping[str, Range]) -> bool:
        """Return whether measured values, each between two ends, leave room for it; what is not measured does."""
        return all(
            any(bound.crossed(end) for end in values[name] if end is not None)
            for name, bound in self.needs.items()
            if name in values
        )


class History(ForWhom):
    """Something in the patient's past, family or life."""

    category: Literal["medical", "surgical", "family", "social", "allergy"]
    says: Phrases = Field(min_length=2)
    """Clauses in the first person."""
    medications: dict[str, Probability] = {}
    """Drugs taken for it, at most one of them."""
    allergens: Phrases = ()
    """Of an allergy: the drugs, or classes of drugs, that it rules out."""
    pregnant: bool = False
    """The patient is pregnant now."""
