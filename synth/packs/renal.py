"""Kidney function: estimated glomerular filtration rate and the creatinine that belongs to it."""

from __future__ import annotations

from synth.records import Sex


def egfr(creatinine: float, age: int, sex: Sex) -> float:
    """Return the eGFR in mL/min/1.73 m2 for a serum creatinine in mg/dL, from 18 years on (CKD-EPI creatinine equation
    2021, race-free; Inker LA et al. N Engl J Med 2021;385:1737-1749)."""
    kappa, alpha = _constants(sex)
    ratio = creatinine / kappa
    return float(_at_one(age, sex) * min(ratio, 1.0) ** alpha * max(ratio, 1.0) ** -1.2)


def creatinine(egfr: float, age: int, sex: Sex) -> float:
    """Return the creatinine in mg/dL at which the equation gives an eGFR: its inverse."""
    kappa, alpha = _constants(sex)
    share = egfr / _at_one(age, sex)
    return kappa * float(share ** (1 / alpha if share > 1 else -1 / 1.2))


def _constants(sex: Sex) -> tuple[float, float]:
    return (0.7, -0.241) if sex == "female" else (0.9, -0.302)


def _at_one(age: int, sex: Sex) -> float:
    return float(142.0 * 0.9938**age * (1.012 if sex == "female" else 1.0))
