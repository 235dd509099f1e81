"""Foreign text made fit to be shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from challenges.text import printable


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("plain", 10, "plain"),
        ("two\r\n lines\t", 20, "two lines"),
        ("\x1b[31mred", 20, "?[31mred"),
        ("b\u00fccher \u202egro", 20, "b?cher ?gro"),
        (b"\xff\x00ok", 20, "??ok"),
        ("a" * 300, 200, "a" * 200),
        ("", 5, ""),
    ],
)
def test_only_printable_ascii_on_one_line_is_left(text, limit, shown):
    assert printable(text, limit) == shown


@given(st.text() | st.binary(), st.integers(0, 300))
def test_whatever_comes_in_what_comes_out_is_printable_and_short(text, limit):
    shown = printable(text, limit)
    assert len(shown) <= limit
    assert all(" " <= character <= "~" for character in shown)
