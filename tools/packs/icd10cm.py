"""Looks the diagnosis codes of the packs up in ICD-10-CM: ``python tools/packs/icd10cm.py [NAME …]``.

Prints each code with its official title beside the pack's own words, and ends with 1 where a code does not exist or is
not billable (has codes below it). Needs ``pip install simple-icd-10-cm``, which is no dependency of Notewright.
"""

from __future__ import annotations

import sys

import simple_icd_10_cm as icd

from synth.packs import load_pack, pack_names


def main(names: list[str]) -> int:
    """Return the exit status."""
    wrong = 0
    for name in names or pack_names():
        for condition_id, condition in load_pack(name).conditions.items():
            for label, presentation in condition.presentations.items():
                diagnosis = presentation.diagnosis
                code = diagnosis.icd10cm
                known = icd.is_valid_item(code)
                fault = "" if known and icd.is_leaf(code) else "NOT BILLABLE: " if known else "DOES NOT EXIST"
                title = fault + (icd.get_description(code) if known else "")
                wrong += bool(fault)
                print(f"{name}/{condition_id}/{label}: {code}  {title}  |  {diagnosis.name}, {diagnosis.status}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
