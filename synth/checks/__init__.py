"""Checks decide: Encounter → Encounter, or a Rejection that says why not. A check never raises on bad data."""
