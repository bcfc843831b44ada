"""Small hand-made records for tests that do not need a teacher."""

from __future__ import annotations

from synth.records import (
    DiagnosisFact,
    Encounter,
    JsonObject,
    PatientFact,
    PhiFinding,
    Rejection,
    Scenario,
    TeacherIdentity,
    Transcript,
    Turn,
    Usage,
)


def note() -> JsonObject:
    """Return a short note that holds under the contract."""
    return {
        "subjective": {
            "chief_complaint": "fatigue",
            "history_of_present_illness": "A 50-year-old woman reports fatigue for 3 months.",
            "medical_history": ["hypothyroidism"],
            "medications": [
                {"name": "levothyroxine", "dose": 75, "unit": "mcg", "route": "oral", "frequency": "once daily"}
            ],
            "allergies": ["no known drug allergies"],
            "family_history": [],
            "social_history": ["never smoker"],
            "review_of_systems": {"positive": ["fatigue"], "negative": ["palpitations"]},
        },
        "objective_exam": {
            "vitals": [{"name": "heart rate", "value": 72, "unit": "beats/min"}],
            "findings": ["thyroid normal in size, no nodules"],
        },
        "objective_results": {
            "labs": [{"name": "TSH", "value": 7.9, "unit": "mIU/L", "interpretation": "high"}],
            "studies": [],
        },
        "assessment_and_plan": [
            {
                "problem": "hypothyroidism",
                "icd10cm": "E03.9",
                "status": "under-replaced on levothyroxine",
                "plan": ["increase levothyroxine to 88 mcg oral once daily", "repeat TSH in 6 weeks"],
            }
        ],
    }


def scenario(index: int = 0) -> Scenario:
    """Return a scenario of two facts."""
    return Scenario(
        id=f"endocrinology-1-{index:06d}",
        specialty="endocrinology",
        seed=1,
        index=index,
        condition="hypothyroidism",
        presentation="under-replaced",
        visit="follow-up",
        facts=(
            PatientFact(id="patient-1", age=50, sex="female"),
            DiagnosisFact(
                id="diagnosis-1", name="hypothyroidism", icd10cm="E03.9", status="under-replaced on levothyroxine"
            ),
        ),
        sources=("ata-hypothyroidism-2014",),
    )


def encounter(index: int = 0, target: JsonObject | None = None, turns: tuple[Turn, ...] | None = None) -> Encounter:
    """Return an encounter of two turns with the note above."""
    dialogue = (
        Turn(speaker="doctor", text="What brings you in?"),
        Turn(speaker="patient", text="I'm tired all the time."),
    )
    return Encounter(
        id=f"endocrinology-1-{index:06d}",
        index=index,
        task="note",
        scenario=scenario(index),
        source=Transcript(turns=dialogue if turns is None else turns),
        target=note() if target is None else target,
        teacher=TeacherIdentity(name="simulator", model=None, revision=None),
        attempts=1,
        usage=Usage(),
    )


def rejection(index: int = 0) -> Rejection:
    """Return the rejection of an encounter by the PHI check."""
    finding = PhiFinding(field="source", entity_type="PERSON", start=3, end=8, score=0.9, recognizer="cue")
    return Rejection(
        id=f"endocrinology-1-{index:06d}",
        index=index,
        stage="phi",
        reason="identifier_found",
        part="source",
        detail="PERSON 1",
        attempts=1,
        usage=Usage(),
        sha256="0" * 64,
        findings=(finding,),
    )
