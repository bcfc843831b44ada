"""How far a command has come, in lines that do not flood a log."""

from __future__ import annotations

import pytest

from distill import telling


def test_beginning_and_end_are_told_and_in_between_what_is_five_seconds_apart(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 100.0
    monkeypatch.setattr("distill.telling.time.monotonic", lambda: now)
    progress = telling.say_written()
    for done in range(13):
        progress("tiny", done, 12)
        now += 2.0
    progress("copy", 0, 3)
    assert capsys.readouterr().err.splitlines() == [
        "tiny: 0 of 12 written",
        "tiny: 3 of 12 written",
        "tiny: 6 of 12 written",
        "tiny: 9 of 12 written",
        "tiny: 12 of 12 written",
        "copy: 0 of 3 written",
    ]
