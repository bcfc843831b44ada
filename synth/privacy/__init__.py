"""Privacy tools for files: scan them, redact them, and measure what the PHI filter finds and misses.

1. ``formats/`` reads text, JSONL, JSON, CSV and Parquet as documents of values, and writes them anew.
2. ``cues.py`` and ``walk.py`` know what the name of a column or key says of its value.
3. ``scanning.py`` finds, by ``synth.checks.phi``; ``pool.py`` does it in many processes, in order.
4. ``scan.py`` and ``redact.py`` are two tools; ``replacing.py`` and ``surrogates.py`` know what takes a span's place.
5. ``corpora.py`` and ``evaluation.py`` measure: recall on labelled documents, findings on documents without labels.
"""
