"""Metrics: (Prediction, reference) → Score."""
