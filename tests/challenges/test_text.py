"""Foreign text made fit to be shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from challenges.text import ADDRESS, printable


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


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("postmaster@example.org", True),
        ("acme=ca@x.org", True),
        ("a.!#$%&'*+/=?^_{|}~-b@localhost", True),
        ("a@" + "b." * 126 + "c", True),
        ("a@" + "b." * 127 + "c", False),
        ("a" * 65 + "@x.org", False),
        ("`id`@x.org", False),
        ("a b@x.org", False),
        ("a@x..org", False),
        ("a@-x.org", False),
        ("a@x.org\n", False),
        ("\u00e4@x.org", False),
        ("x.org", False),
    ],
)
def test_an_address_is_atoms_and_ldh_labels(text, fits):
    assert (ADDRESS.fullmatch(text) is not None) == fits


@given(st.text() | st.binary(), st.integers(0, 300))
def test_whatever_comes_in_what_comes_out_is_printable_and_short(text, limit):
    shown = printable(text, limit)
    assert len(shown) <= limit
    assert all(" " <= character <= "~" for character in shown)
