"""The only package that wires the stages: scenario → teacher → checks → run directory → data set."""

from synth.pipeline.execution import Execution
from synth.pipeline.previewing import Preview, preview
from synth.pipeline.running import CandidateBudgetSpent, generate

__all__ = ["CandidateBudgetSpent", "Execution", "Preview", "generate", "preview"]
