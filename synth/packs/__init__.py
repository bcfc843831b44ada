"""Specialty packs: the cited clinical knowledge that scenarios are sampled from, read from ``specialties/<name>.yaml``.

``lexicon``, ``model`` and ``pack`` are the shape of a pack, ``loading`` reads one, ``safety`` says which drug a patient
must not have, ``checks`` finds what is wrong in a pack, ``audit`` what is wrong in a scenario. docs/PACKS.md tells how
to write one.
"""

from synth.packs.lexicon import (
    Age,
    Citation,
    Contraindication,
    Distribution,
    DoseLimits,
    Drug,
    History,
    Lab,
    Measure,
    Phrases,
    Regimen,
    Spoken,
    Symptom,
    Vital,
)
from synth.packs.loading import load_pack, pack_names, pack_path
from synth.packs.model import Choice, Complaint, Condition, Diagnosis, MedicationUse, PlanItem, Presentation
from synth.packs.pack import Pack

__all__ = [
    "Age",
    "Choice",
    "Citation",
    "Complaint",
    "Condition",
    "Contraindication",
    "Diagnosis",
    "Distribution",
    "DoseLimits",
    "Drug",
    "History",
    "Lab",
    "Measure",
    "MedicationUse",
    "Pack",
    "Phrases",
    "PlanItem",
    "Presentation",
    "Regimen",
    "Spoken",
    "Symptom",
    "Vital",
    "load_pack",
    "pack_names",
    "pack_path",
]
