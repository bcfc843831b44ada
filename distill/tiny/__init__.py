"""The base of the student ``tiny``, made on the spot: ``python -m distill.tiny --out DIR``."""
