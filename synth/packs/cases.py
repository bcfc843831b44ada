"""The case of a tumor in a presentation: what it is, how it was treated, and how that went.

Every number here comes from what ``sources`` cite. Doses are in Gy; the dose per fraction is rounded to hundredths.
"""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from synth.packs.lexicon import Phrases, Probability
from synth.records import Course, Modality, Record, TherapyState

_PREFIX = r"(?:y?[cp]|r|a)"
_TNM = re.compile(
    rf"(?:{_PREFIX}T(?:X|0|is|[1-4][a-d]?(?:mi)?)(?: {_PREFIX}N(?:X|0|[1-3][a-c]?(?:mi)?)(?:\(sn\))?)?(?: |$))?"
    rf"(?:{_PREFIX}M(?:0|1[a-c]?))?"
)
"""Categories as the AJCC Cancer Staging Manual, 8th edition, spells them: prefix, category, ``(sn)`` for sentinel
nodes."""
_STAGE = re.compile(r"0|I{1,3}[A-D]?[1-3]?|IV[A-C]?")
_DAYS = {"week": 7, "month": 30, "year": 365}
_ROUNDING = 0.005
"""Gy of a dose per fraction in hundredths."""


class Ago(Record):
    """How long ago something was: a whole number of units, both ends included."""

    unit: Literal["week", "month", "year"]
    between: tuple[int, int]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not 1 <= self.between[0] <= self.between[1]:
            raise ValueError(f"ago: {self.between} is no range of whole numbers from 1")
        return self

    @property
    def days(self) -> tuple[int, int]:
        """Both ends in days."""
        return self.between[0] * _DAYS[self.unit], self.between[1] * _DAYS[self.unit]


class Tumor(Record):
    """What the tumor is."""

    site: str
    histology: Phrases = ()
    """One of them, that of the scenario's pathology where it is there."""
    grading: str | None = None
    tnm: str | None = None
    stage: str | None = None

    @field_validator("tnm")
    @classmethod
    def _spelled(cls, tnm: str | None) -> str | None:
        if tnm is not None and not (tnm and _TNM.fullmatch(tnm)):
            raise ValueError(f"tnm {tnm!r} is not spelled as AJCC does, such as 'cT1c cN0 cM0'")
        return tnm

    @field_validator("stage")
    @classmethod
    def _grouped(cls, stage: str | None) -> str | None:
        if stage is not None and not _STAGE.fullmatch(stage):
            raise ValueError(f"stage {stage!r} is no stage group of the AJCC, such as IIB")
        return stage


class Therapy(Record):
    """A line of therapy; ``ago`` is its end, or its beginning where it is ongoing."""

    modality: Modality
    name: str
    state: TherapyState
    ago: Ago | None = None
    course: Course | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.modality == "radiotherapy") != (self.course is not None):
            raise ValueError(f"therapy {self.name!r}: radiotherapy has a course, and nothing else has")
        if self.state == "planned" and self.ago is not None:
            raise ValueError(f"therapy {self.name!r}: what is planned was not some time ago")
        course = self.course
        if course is None:
            return self
        if abs(course.dose - course.fractions * course.per_fraction) > course.fractions * _ROUNDING + 1e-9:
            raise ValueError(
                f"therapy {self.name!r}: {course.fractions} x {course.per_fraction} Gy are not {course.dose} Gy"
            )
        if (course.given is not None) != (self.state == "ongoing"):
            raise ValueError(f"therapy {self.name!r}: a course that is ongoing says how many fractions were given")
        if course.given is not None and not 0 < course.given < course.fractions:
            raise ValueError(f"therapy {self.name!r}: {course.given} of {course.fractions} fractions is not under way")
        return self


class Toxicity(Record):
    """An adverse event by CTCAE v5.0, and how likely it is; where a symptom is named, the patient has it if, and only
    if, the patient has the symptom."""

    term: str
    grade: int = Field(ge=1, le=5)
    phase: Literal["acute", "late"]
    symptom: str | None = None
    probability: Probability = 1.0


class Case(Record):
    """The case; therapies are told from the earliest to what is planned."""

    tumor: Tumor
    therapies: tuple[Therapy, ...] = ()
    toxicities: tuple[Toxicity, ...] = ()
    response: str | None = None
    sources: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _told_in_order(self) -> Self:
        last: Therapy | None = None
        for one in self.therapies:
            if last is not None and last.state == "planned" and one.state != "planned":
                raise ValueError(f"therapy {one.name!r} comes after one that is only planned")
            if one.state == "completed" and one.ago is not None:
                if last is not None and last.ago is not None and last.ago.days[0] < one.ago.days[1]:
                    raise ValueError(f"therapy {one.name!r} is told after {last.name!r} and may have been before it")
                last = one
            elif one.state == "planned":
                last = one
        return self
