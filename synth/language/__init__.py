"""Measures of the language of a run, beside those of other corpora: ``synth report``."""
