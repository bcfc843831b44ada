"""What is wrong in a pack, found without sampling it: one line each, with what to do."""

from __future__ import annotations

from synth.packs.checks.base import Problem, missing_codes
from synth.packs.checks.doses import dose_problems
from synth.packs.checks.patients import patient_problems
from synth.packs.checks.presentations import presentation_problems
from synth.packs.checks.sources import source_problems
from synth.packs.checks.speech import speech_problems
from synth.packs.checks.values import value_problems
from synth.packs.pack import Pack

__all__ = ["Problem", "check_pack", "missing_codes"]

_RULES = (source_problems, dose_problems, value_problems, patient_problems, presentation_problems, speech_problems)


def check_pack(pack: Pack) -> list[Problem]:
    """Return everything that the rules find, each problem once, in the order of the rules."""
    found = (Problem(pack.specialty, entry, what) for rule in _RULES for entry, what in rule(pack))
    return list(dict.fromkeys(found))
