"""Faithfulness without a model: every fact of a scenario in source and target, every claim of a target in its source.

A text is read once (``reading``): tokens with numbers in one spelling, quantities with their units, what the
specialty's lexicon names or says in other words, and what is denied. Facts are then found, missing or contradicted
(``facts``), and what the target claims is traced to the source or flagged as invented (``trace``).
"""

from __future__ import annotations

from synth.checks.faithfulness.check import FaithfulnessCheck, violations
from synth.checks.faithfulness.examination import Examination, examine, examine_target
from synth.checks.faithfulness.findings import KINDS, FactVerdict, Faithfulness, Invented, of_kind

__all__ = [
    "KINDS",
    "Examination",
    "FactVerdict",
    "Faithfulness",
    "FaithfulnessCheck",
    "Invented",
    "examine",
    "examine_target",
    "of_kind",
    "violations",
]
