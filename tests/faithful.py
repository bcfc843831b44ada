"""An encounter of fifteen facts, written in other words than the facts'."""

from __future__ import annotations

from synth.records import (
    ComplaintFact,
    DiagnosisFact,
    Encounter,
    Fact,
    FindingFact,
    HistoryFact,
    JsonObject,
    LabFact,
    Medication,
    MedicationFact,
    PatientFact,
    PlanFact,
    Scenario,
    StudyFact,
    SymptomFact,
    TeacherIdentity,
    Transcript,
    Turn,
    Usage,
    VitalFact,
)

INCREASED = Medication(name="levothyroxine", dose=88, unit="mcg", route="oral", frequency="once daily")
FACTS: tuple[Fact, ...] = (
    PatientFact(id="patient-1", age=50, sex="female"),
    ComplaintFact(id="complaint-1", name="fatigue", duration="3 months"),
    SymptomFact(id="symptom-1", name="fatigue", present=True),
    SymptomFact(id="symptom-2", name="palpitations", present=False),
    HistoryFact(id="history-1", category="medical", name="hypertension"),
    HistoryFact(id="history-2", category="allergy", name="no known drug allergies"),
    MedicationFact(id="medication-1", medication=INCREASED.model_copy(update={"dose": 75})),
    VitalFact(id="vital-1", name="systolic blood pressure", value=132, unit="mmHg"),
    VitalFact(id="vital-2", name="diastolic blood pressure", value=80, unit="mmHg"),
    FindingFact(id="finding-1", name="no tremor"),
    LabFact(id="lab-1", name="TSH", value=7.9, unit="mIU/L", low=0.5, high=4.0, interpretation="high", loinc=None),
    StudyFact(id="study-1", name="renal ultrasound", result="5 mm stone in the right kidney"),
    DiagnosisFact(id="diagnosis-1", name="hypothyroidism", icd10cm="E03.9", status="under-replaced on levothyroxine"),
    PlanFact(
        id="plan-1",
        problem="diagnosis-1",
        action="increase",
        text="increase levothyroxine to 88 mcg oral once daily",
        medication=INCREASED,
    ),
    PlanFact(id="plan-2", problem="diagnosis-1", action="order", text="repeat TSH in 6 weeks", medication=None),
)
SAID = """[doctor] So this is a fifty-year-old woman. What brings you in?
[patient] I'm worn out, I've had this fatigue for about three months.
[doctor] Any palpitations?
[patient] Nope, none of that.
[doctor] And your medical history, high blood pressure, right?
[patient] Yes. No drug allergies. I take Synthroid, seventy-five micrograms, every day.
[doctor] Your blood pressure is one thirty-two over eighty, and I don't see any tremor. The TSH came back at seven \
point nine milli-international units per liter, so that's high. Your right kidney has a 5 millimeter stone on the \
renal ultrasound.
[doctor] This is your hypothyroidism, and it's under-replaced on the levothyroxine. We'll go up to 88 micrograms once \
a day. I'd repeat the TSH in six weeks."""


def transcript(text: str = SAID) -> Transcript:
    turns = []
    for line in text.splitlines():
        speaker, _, said = line[1:].partition("] ")
        turns.append(Turn(speaker="doctor" if speaker == "doctor" else "patient", text=said))
    return Transcript(turns=tuple(turns))


def note() -> JsonObject:
    return {
        "subjective": {
            "chief_complaint": "fatigue",
            "history_of_present_illness": "A 50-year-old woman reports fatigue for 3 months. No palpitations.",
            "medical_history": ["hypertension"],
            "medications": [
                {"name": "levothyroxine", "dose": 75, "unit": "mcg", "route": "oral", "frequency": "once daily"}
            ],
            "allergies": ["no known drug allergies"],
            "family_history": [],
            "social_history": [],
            "review_of_systems": {"positive": ["fatigue"], "negative": ["palpitations"]},
        },
        "objective_exam": {
            "vitals": [
                {"name": "systolic blood pressure", "value": 132, "unit": "mmHg"},
                {"name": "diastolic blood pressure", "value": 80, "unit": "mmHg"},
            ],
            "findings": ["no tremor"],
        },
        "objective_results": {
            "labs": [{"name": "TSH", "value": 7.9, "unit": "mIU/L", "interpretation": "high"}],
            "studies": [{"name": "renal ultrasound", "result": "5 mm stone in the right kidney"}],
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


def encounter(target: JsonObject | None = None, said: str = SAID, facts: tuple[Fact, ...] = FACTS) -> Encounter:
    scenario = Scenario(
        id="endocrinology-1-000000",
        specialty="endocrinology",
        seed=1,
        index=0,
        condition="hypothyroidism",
        presentation="under",
        visit="follow-up",
        facts=facts,
        sources=(),
    )
    return Encounter(
        id=scenario.id,
        index=0,
        task="note",
        scenario=scenario,
        source=transcript(said),
        target=note() if target is None else target,
        teacher=TeacherIdentity(name="server", model="m", revision=None),
        attempts=1,
        usage=Usage(),
    )
