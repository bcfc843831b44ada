"""A specialty pack of one condition and a scenario with every kind of fact, fixed, so that golden files stay still."""

from __future__ import annotations

from synth.packs import Pack
from synth.records import (
    ComplaintFact,
    DiagnosisFact,
    FindingFact,
    HistoryFact,
    LabFact,
    Medication,
    MedicationFact,
    PatientFact,
    PlanFact,
    Scenario,
    StudyFact,
    SymptomFact,
    VitalFact,
)

_RANGE = {"mean": 1, "sd": 1, "min": 0, "max": 9}
PACK = Pack.model_validate(
    {
        "specialty": "testing",
        "version": 1,
        "citations": {"book": {"title": "T", "publisher": "P", "year": 2020, "reference": "R"}},
        "drugs": {
            "levothyroxine": {
                "brands": ["Synthroid"],
                "unit": "mcg",
                "route": "oral",
                "ladder": [{"dose": 88, "frequency": "once daily"}, {"dose": 112, "frequency": "once daily"}],
                "sources": ["book"],
            }
        },
        "vitals": {
            "heart rate": {"unit": "beats/min", "says": ["pulse"], "unit_says": "", "decimals": 0, "usual": _RANGE}
        },
        "labs": {
            "TSH": {
                "unit": "mIU/L",
                "says": ["TSH"],
                "unit_says": "milli-international units per liter",
                "decimals": 1,
                "reference": {"any": [0.5, 4.0]},
                "sources": ["book"],
            }
        },
        "symptoms": {"fatigue": {"says": ["I'm tired", "no energy"], "asks": ["tiredness"]}},
        "occasions": {},
        "findings": {"thyroid not enlarged": {"says": ["it feels normal", "no lumps"]}},
        "studies": {"thyroid ultrasound": {"no nodules": {"says": ["no nodules", "it is clear"]}}},
        "history": {"never smoker": {"category": "social", "says": ["never smoked", "no cigarettes"]}},
        "background": [],
        "conditions": {
            "hypothyroidism": {
                "weight": 1,
                "female": 0.5,
                "age": _RANGE,
                "history": [],
                "sources": ["book"],
                "presentations": {
                    "under-replaced": {
                        "weight": 1,
                        "visit": "follow-up",
                        "diagnosis": {
                            "name": "hypothyroidism",
                            "icd10cm": "E03.9",
                            "status": "under-replaced on levothyroxine",
                            "says": ["your dose is low", "you need more"],
                        },
                        "complaints": [{"name": "fatigue"}],
                        "symptoms": {"fatigue": 1.0},
                        "findings": [],
                        "plan": [
                            {"action": "increase", "drug": "levothyroxine"},
                            {
                                "action": "order",
                                "text": "repeat TSH in 6 weeks",
                                "says": ["a blood test", "we recheck"],
                            },
                        ],
                    }
                },
            }
        },
    }
)


def scenario(index: int) -> Scenario:
    """Return the scenario under an index; only age and index differ."""
    old = Medication(name="levothyroxine", dose=88, unit="mcg", route="oral", frequency="once daily")
    new = old.model_copy(update={"dose": 112})
    return Scenario(
        id=f"testing-0-{index:06d}",
        specialty="testing",
        seed=0,
        index=index,
        condition="hypothyroidism",
        presentation="under-replaced",
        visit="follow-up",
        facts=(
            PatientFact(id="patient-1", age=40 + index, sex="female"),
            ComplaintFact(id="complaint-1", name="fatigue", duration="3 months"),
            SymptomFact(id="symptom-1", name="fatigue", present=True),
            SymptomFact(id="symptom-2", name="palpitations", present=False),
            HistoryFact(id="history-1", category="medical", name="hypertension"),
            HistoryFact(id="history-2", category="social", name="never smoker"),
            HistoryFact(id="history-3", category="allergy", name="no known drug allergies"),
            MedicationFact(id="medication-1", medication=old),
            VitalFact(id="vital-1", name="heart rate", value=58, unit="beats/min"),
            VitalFact(id="vital-2", name="weight", value=72, unit="kg"),
            FindingFact(id="finding-1", name="thyroid not enlarged"),
            LabFact(
                id="lab-1", name="TSH", value=7.2, unit="mIU/L", low=0.5, high=4.0, interpretation="high", loinc=None
            ),
            StudyFact(id="study-1", name="thyroid ultrasound", result="no nodules"),
            DiagnosisFact(
                id="diagnosis-1", name="hypothyroidism", icd10cm="E03.9", status="under-replaced on levothyroxine"
            ),
            PlanFact(
                id="plan-1",
                problem="diagnosis-1",
                action="increase",
                text="increase levothyroxine to 112 mcg oral once daily",
                medication=new,
            ),
            PlanFact(id="plan-2", problem="diagnosis-1", action="order", text="repeat TSH in 6 weeks", medication=None),
        ),
        sources=("book",),
    )
