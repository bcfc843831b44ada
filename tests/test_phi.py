"""The PHI check: every Safe Harbor class is found in plain sentences, clinical text is not, and no finding holds text.

The sentences are this test's own, so that they all pass says nothing about recall on other text; benchmarks/phi.py
measures that.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from synth.catalog import load_task
from synth.checks.phi import SAFE_HARBOR, PhiCheck, engine_versions, scan_fields, scan_text
from synth.checks.phi.engine import engine
from synth.records import Encounter, JsonObject, Rejection, Scenario, TeacherIdentity, Transcript, Turn, Usage

CHECK = PhiCheck(load_task("note"))

FOUND: list[tuple[str, str, str]] = [
    ("PERSON", "Please ask Dr. Okonkwo to look at it.", "Okonkwo"),
    ("PERSON", "[doctor] good morning , gretchen . how are you ?", "gretchen"),
    ("PERSON", "I spoke with Maria Delgado about the result.", "Maria Delgado"),
    ("PERSON", "My daughter Ottilie drives me here.", "Ottilie"),
    ("PERSON", "my name is quentin abara .", "quentin abara"),
    ("PERSON", "Reviewed by Ifeoma Brandt, MD", "Ifeoma Brandt"),
    ("PERSON", "Ms. O'Leary-Vance was seen.", "O'Leary-Vance"),
    ("LOCATION", "She lives at 418 Marsh Hollow Road now.", "418 Marsh Hollow Road"),
    ("LOCATION", "We moved to Petaluma last year.", "Petaluma"),
    ("LOCATION", "They came from Duluth, MN 55802.", "55802"),
    ("LOCATION", "The scan was done at Larkspur Medical Center.", "Larkspur Medical Center"),
    ("LOCATION", "Seen at the Endocrine Society Clinic.", "Endocrine Society Clinic"),
    ("OTHER_ID", "reference of 8812604", "of 8812604"),
    ("DATE_TIME", "She was seen on March 9th, 2023.", "March 9th, 2023"),
    ("DATE_TIME", "Surgery took place 2021-11-04.", "2021-11-04"),
    ("DATE_TIME", "Date of birth 7/22/1958.", "7/22/1958"),
    ("DATE_TIME", "come back on 9/14.", "9/14"),
    ("DATE_TIME", "it started on the fourth of may .", "the fourth of may"),
    ("DATE_TIME", "the last one was in October.", "October"),
    ("AGE_OVER_89", "He is a 94-year-old man.", "94"),
    ("AGE_OVER_89", "she is ninety-one years old", "ninety-one"),
    ("AGE_OVER_89", "aged 101, lives alone", "101"),
    ("PHONE_NUMBER", "Call me at (415) 555-0134.", "(415) 555-0134"),
    ("PHONE_NUMBER", "the number is +44 20 7946 0018", "+44 20 7946 0018"),
    ("PHONE_NUMBER", "it's five five five, oh one three, two two.", "five five five, oh one three, two two"),
    ("FAX_NUMBER", "Fax it to 212-555-0187.", "212-555-0187"),
    ("FAX_NUMBER", "fax: (907) 555 0166", "(907) 555 0166"),
    ("EMAIL_ADDRESS", "Write to r.quill@clinic.local please.", "r.quill@clinic.local"),
    ("EMAIL_ADDRESS", "it's jo dot banks at example dot org", "jo dot banks at example dot org"),
    ("US_SSN", "Her social is 219-09-9999.", "219-09-9999"),
    ("US_SSN", "SSN ends in 4410.", "4410"),
    ("MEDICAL_RECORD_NUMBER", "MRN: 00482913", "00482913"),
    ("MEDICAL_RECORD_NUMBER", "chart number is KX-88120", "KX-88120"),
    ("HEALTH_PLAN_NUMBER", "Member ID: WQK220918845", "WQK220918845"),
    ("HEALTH_PLAN_NUMBER", "medicare 1EG4-TE5-MK73", "1EG4-TE5-MK73"),
    ("ACCOUNT_NUMBER", "Account number 7781-220-19.", "7781-220-19"),
    ("ACCOUNT_NUMBER", "the card is 4111 1111 1111 1111", "4111 1111 1111 1111"),
    ("US_DRIVER_LICENSE", "driver's license D4410982", "D4410982"),
    ("MEDICAL_LICENSE", "DEA FB1234563", "FB1234563"),
    ("US_NPI", "NPI 1234567893", "1234567893"),
    ("VEHICLE_ID", "VIN 1HGCM82633A004352", "1HGCM82633A004352"),
    ("VEHICLE_ID", "the plate is 8KLM204", "8KLM204"),
    ("DEVICE_ID", "pacemaker serial number PJX662019H", "PJX662019H"),
    ("DEVICE_ID", "UDI (01)00884521009123(17)271130(21)A77812", "(01)00884521009123(17)271130(21)A77812"),
    ("URL", "see https://portal.example.org/u/771", "https://portal.example.org/u/771"),
    ("URL", "log in at www.mychart-demo.net", "www.mychart-demo.net"),
    ("IP_ADDRESS", "uploaded from 198.51.100.23", "198.51.100.23"),
    ("IP_ADDRESS", "peer 2001:db8::8a2e:370:7334", "2001:db8::8a2e:370:7334"),
    ("BIOMETRIC_ID", "the fingerprint template was deleted", "fingerprint template"),
    ("FACE_PHOTO", "a full-face photograph is attached", "full-face photograph"),
    ("OTHER_ID", "Accession 23-S-90817", "23-S-90817"),
    ("OTHER_ID", "the bag was tagged ZQ77-10042", "ZQ77-10042"),
]

CLEAN = [
    "The vaccines for today are polio and hepatitis B. Carry on with his vitamin D3.",
    "The esophagus is eroded by the acid, Los Angeles grade C. Going by that, it is reflux.",
    "The rating scales from home and from preschool are elevated.",
    "It is seen at home and at preschool, at home and preschool alike.",
    "Okay. We're calling an ambulance.",
    "Your blood pressure is 132 over 84, pulse 72, and the sat is 98 percent.",
    "BP 132/84, HR 96, RR 16, temperature 36.8, weight 91 kg, BMI 31.4.",
    "Type 2 diabetes mellitus with hyperglycemia (E11.65), hypothyroidism (E03.9), S82.201A.",
    "TSH 11.2 mIU/L, free T4 0.6 ng/dL, T4 and T3 normal, A1c 8.1 percent, eGFR 91, oops, 92.",
    "DXA: T-score -2.7 at the lumbar spine, -2.1 at the femoral neck; FRAX 12 percent.",
    "Increase metformin to 1000 mg oral twice daily and insulin glargine to 24 units.",
    "levothyroxine 112 mcg, ergocalciferol 50000 units weekly, platelets 250000 per microliter.",
    "[doctor] Hi there, have a seat. Good morning, doctor. Thanks, doctor. Anything else? Morning cortisol, 15.8.",
    "[patient] I may take a break, I will see; my mother had Graves' disease and my father, type 2 diabetes.",
    "Repeat TSH in 6 weeks; follow up in 3 months in the endocrinology clinic or the diabetes clinic.",
    "Pain went from 7/10 to 3/10. Tylenol 5/325 every six hours. Vision 20/40.",
    "Cushing syndrome, Addison disease, Graves ophthalmopathy, Hashimoto thyroiditis, negative Thomas test.",
    "Seen in 2021; diagnosed three years ago, in the spring; stopped smoking 20 years ago.",
    "LOINC 14749-6, LOINC: 3016-3, NDC 0071-0155-23, NCT01234567, rs1801133, SNOMED 44054006.",
    "The range is 135-145, we go with 5 to 10 milligrams, one, two, or three times a day.",
    "Call the office if it gets worse, or text me through the portal at any time.",
    "He is 89 years old; she has been at it for 92 days; saturation 94.",
    "Sodium 140, potassium 4.1, calcium 11.2 mg/dL, PTH 98 pg/mL, 25-hydroxyvitamin D 18 ng/mL.",
    "Software version 4.18.2.1 of the pump; St. John's wort; Russell-Silver; May-Thurner.",
    "We have your BP at 133 over 78. Your height, five eight. Number one, sleep; number two, diet.",
    "MCV is 89 fL, against a reference of 80 to 98, and TSH 1.6 against a reference of 0.5 to 4.0.",
    "The temperature would be expected to be high, and it is 37 °C. Pernicious anemia shares the hemoglobin.",
    "It is given by the guideline (Infectious Diseases Society of America, European Society for Microbiology and "
    "Infectious Diseases, 2021), and not by that of the American College of Rheumatology.",
    "Laboratory tests: CA-125 426 U/mL (range up to 35).",
]


def encounter(text: str, target: JsonObject) -> Encounter:
    scenario = Scenario(
        id="endocrinology-1-000000",
        specialty="endocrinology",
        seed=1,
        index=0,
        condition="hypothyroidism",
        presentation="under-replaced",
        visit="new",
        facts=(),
        sources=(),
    )
    return Encounter(
        id=scenario.id,
        index=0,
        task="note",
        scenario=scenario,
        source=Transcript(turns=(Turn(speaker="doctor", text=text),)),
        target=target,
        teacher=TeacherIdentity(name="simulator", model=None, revision=None),
        attempts=1,
        usage=Usage(),
    )


@pytest.mark.parametrize(("entity_type", "text", "identifier"), FOUND)
def test_an_identifier_is_found_in_its_place(entity_type: str, text: str, identifier: str) -> None:
    at = text.index(identifier)
    (finding,) = (f for f in scan_text(text) if f.start < at + len(identifier) and at < f.end)
    assert finding.entity_type == entity_type
    assert finding.start <= at
    assert finding.end >= at + len(identifier)
    assert finding.end - finding.start <= len(identifier) + 12, "the finding is about more than the identifier"


def test_every_safe_harbor_class_is_covered_and_tried() -> None:
    assert "".join(c.letter for c in SAFE_HARBOR) == "ABCDEFGHIJKLMNOPQR"
    declared = {entity_type for c in SAFE_HARBOR for entity_type in c.entity_types}
    assert declared == set(engine().get_supported_entities("en"))
    assert declared == {entity_type for entity_type, _, _ in FOUND}


@pytest.mark.parametrize("text", CLEAN)
def test_clinical_text_is_not_found(text: str) -> None:
    assert [(f.entity_type, text[f.start : f.end]) for f in scan_text(text)] == []


def test_an_eponym_is_no_name_but_the_same_word_in_a_name_is() -> None:
    assert scan_text("Wilson disease was excluded by a Bruce protocol.") == ()
    assert [f.entity_type for f in scan_text("Elizabeth Wilson came back.")] == ["PERSON"]


@pytest.mark.parametrize(
    "text",
    [
        "Hi, {{patient_name}}. I'm Dr. {{doctor_name}} from {{clinic}}.",
        "My name is {{patient_name}}, born {{date_of_birth}}, MRN: {{mrn}}.",
        "Call {{phone}} or fax {{fax}}, or write to {{email}}; we live in {{city}}, {{street}}, zip {{zip}}.",
        "See {{url}}, member ID {{member_id}}, on {{visit_date}}, daughter {{relative_name_2}}.",
        "{{brian}}",
    ],
)
def test_placeholders_are_no_findings(text: str) -> None:
    assert scan_text(text) == ()


def test_a_name_beside_a_placeholder_is_still_found() -> None:
    text = "{{patient_name}} and Brian came."
    assert [text[f.start : f.end] for f in scan_text(text)] == ["Brian"]


def test_a_finding_within_another_is_dropped() -> None:
    text = "Fax it to 212-555-0187."
    assert [f.entity_type for f in scan_text(text)] == ["FAX_NUMBER"]


def test_a_clean_encounter_passes_unchanged() -> None:
    candidate = encounter(CLEAN[0], {"subjective": {"chief_complaint": "fatigue"}})
    assert CHECK(candidate) is candidate


def test_a_rejection_says_what_and_where_but_not_the_text() -> None:
    target: JsonObject = {
        "subjective": {
            "chief_complaint": "fatigue",
            "family_history": ["mother Graciela: diabetes"],
            "Quentin Marsh": "call 415-555-0134",
        },
        "assessment_and_plan": [{"plan": ["repeat TSH", "see Dr. Okonkwo on 2024-05-06"]}],
    }
    outcome = CHECK(encounter("Hi, Gretchen. Your MRN is 00482913.", target))
    assert isinstance(outcome, Rejection)
    assert (outcome.stage, outcome.reason, outcome.part) == ("phi", "identifier_found", "source")
    assert outcome.detail == "DATE_TIME 1, MEDICAL_RECORD_NUMBER 1, PERSON 4, PHONE_NUMBER 1"
    assert [(f.field, f.entity_type, f.start, f.end) for f in outcome.findings] == [
        ("source", "PERSON", 13, 21),
        ("source", "MEDICAL_RECORD_NUMBER", 35, 43),
        ("/subjective/?2 (key)", "PERSON", 0, 13),
        ("/subjective/family_history/0", "PERSON", 7, 15),
        ("/subjective/?2", "PHONE_NUMBER", 5, 17),
        ("/assessment_and_plan/0/plan/1", "PERSON", 8, 15),
        ("/assessment_and_plan/0/plan/1", "DATE_TIME", 19, 29),
    ]
    kept = outcome.model_dump_json()
    for identifier in ("Gretchen", "00482913", "Graciela", "Quentin", "Marsh", "555", "Okonkwo", "2024-05-06"):
        assert identifier not in kept


def test_scanning_opens_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    engine.cache_clear()

    def blocked(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", blocked)
    monkeypatch.setattr(socket, "create_connection", blocked)
    monkeypatch.setattr(socket, "getaddrinfo", blocked)
    found = {f.entity_type for f in scan_text("r.quill@clinic.local, www.mychart-demo.net, 415-555-0134")}
    assert found == {"EMAIL_ADDRESS", "URL", "PHONE_NUMBER"}


def test_nothing_is_logged(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    engine.cache_clear()
    with caplog.at_level(0):
        assert scan_text("Hi, Gretchen.")
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_an_identifier_in_the_note_alone_is_the_fault_of_the_target() -> None:
    outcome = CHECK(encounter(CLEAN[0], {"subjective": {"chief_complaint": "Gretchen, MRN 00482913"}}))
    assert isinstance(outcome, Rejection)
    assert outcome.part == "target"


def test_presidio_is_loaded_only_when_something_is_found_and_brings_no_torch() -> None:
    code = """
import sys
from synth.catalog import load_task
from synth.checks.phi import PhiCheck, scan_text
PhiCheck(load_task("note"))
scan_text("[doctor] Hi {{patient_name}}, good to see you again. I'm Dr. {{clinician_name}}.")
print("presidio_analyzer" in sys.modules)
scan_text("MRN: 00482913")
print("presidio_analyzer" in sys.modules, "torch" in sys.modules, "transformers" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "False", "False"]


def test_versions_name_the_engine() -> None:
    assert set(engine_versions()) == {"presidio-analyzer", "regex"}


ANY_TEXT = st.text(st.characters())  # surrogates included
PIECES = st.sampled_from(
    [*(text for _, text, _ in FOUND), *CLEAN, "Dr.", "Hi,", "fax", "on", "{{name}}", "12", "\n", ""]
)


@settings(deadline=None, derandomize=True)
@given(ANY_TEXT | st.lists(PIECES, max_size=6).map("".join))
def test_no_text_makes_it_raise_and_offsets_lie_in_the_text(text: str) -> None:
    findings = scan_text(text)
    assert findings == scan_text(text)
    reach = 0
    for finding in findings:
        assert 0 <= finding.start < finding.end <= len(text)
        assert finding.end > reach
        reach = finding.end


@settings(deadline=None, derandomize=True)
@given(st.lists(PIECES | ANY_TEXT, max_size=6))
def test_fields_scanned_together_give_what_each_gives_alone(texts: list[str]) -> None:
    fields = {f"/{i}": text for i, text in enumerate(texts)}
    alone = [finding for field, text in fields.items() for finding in scan_text(text, field)]
    assert list(scan_fields(fields)) == alone


ANY_JSON: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=20,
)


@settings(deadline=None, derandomize=True)
@given(st.dictionaries(ANY_TEXT, ANY_JSON, max_size=5))
def test_no_target_makes_it_raise(target: dict[str, JsonValue]) -> None:
    outcome = CHECK(encounter("hello", target))
    assert isinstance(outcome, (Encounter, Rejection))


@pytest.mark.parametrize(
    "unit", ["a", "1", "Aa ", "1-", "a@", "Dr. Aa ", "mrn number is on file of ", "double one ", "Aa-"]
)
def test_a_long_adversarial_line_takes_linear_time(unit: str) -> None:
    scan_text("warm")

    def seconds(size: int) -> float:
        text = unit * (size // len(unit))
        taken = []
        for _ in range(3):  # the least of them: the collector and the neighbours only add
            started = time.process_time()
            scan_text(text)
            taken.append(time.process_time() - started)
        return min(taken)

    # Quadratic growth would be 64-fold.
    assert seconds(40_000) < 24 * seconds(5_000) + 0.25


def test_a_megabyte_without_a_space_is_scanned() -> None:
    started = time.process_time()
    assert scan_text(json.dumps("x7" * 500_000)) == ()
    assert time.process_time() - started < 20
