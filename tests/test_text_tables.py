"""Tables as lines of text."""

from __future__ import annotations

import pytest

from distill.text_tables import aligned


def test_names_stand_left_numbers_right_and_no_line_ends_in_blanks() -> None:
    assert aligned([["system", "rouge1", ""], ["a", "1.0", "different"], ["longer name", "12.25", ""]]) == [
        "system       rouge1",
        "a               1.0  different",
        "longer name   12.25",
    ]


def test_rows_of_unlike_length_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="zip"):
        aligned([["a", "b"], ["c"]])
