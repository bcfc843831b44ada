"""Teachers write: Scenario → Encounter, or a Rejection that says why not."""
