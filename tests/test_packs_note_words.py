"""The words of a note in the packs are the record's own: it speaks of the patient, never to the patient."""

from __future__ import annotations

import re

import pytest

from synth.packs import load_pack, pack_names

_TO_THE_PATIENT = re.compile(r"\b(?:you|your|yours|yourself)\b", re.IGNORECASE)


@pytest.mark.parametrize("name", pack_names())
def test_no_plan_of_a_note_speaks_to_the_patient(name: str) -> None:
    texts = [
        item.text
        for condition in load_pack(name).conditions.values()
        for presentation in condition.presentations.values()
        for item in presentation.plan
        if item.text is not None
    ]
    assert texts
    assert [text for text in texts if _TO_THE_PATIENT.search(text)] == []
