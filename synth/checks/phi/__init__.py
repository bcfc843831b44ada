"""The PHI check: an encounter in which anything looks like a Safe Harbor identifier is rejected.

Presidio runs hand-written recognisers (``recognizers.yaml``, ``words.yaml``) without a model and without a network. It
is a first filter: it knows cues and formats, not meaning, so what it passes is not proven to be free of PHI.
``SAFE_HARBOR`` says class by class what it looks for. Of a target it reads keys and strings, not numbers: the contract
bounds those.
"""

from synth.checks.phi.check import PhiCheck, strings
from synth.checks.phi.evidence import WEAK
from synth.checks.phi.safe_harbor import LETTER_OF, SAFE_HARBOR, SafeHarborClass
from synth.checks.phi.scanner import Scanner, engine_versions, scan_fields, scan_text, scanner

__all__ = [
    "LETTER_OF",
    "SAFE_HARBOR",
    "WEAK",
    "PhiCheck",
    "SafeHarborClass",
    "Scanner",
    "engine_versions",
    "scan_fields",
    "scan_text",
    "scanner",
    "strings",
]
