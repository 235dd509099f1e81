"""The code of email-01: 32 characters of base32 and a group that finds typing errors."""

from __future__ import annotations

import base64
import hashlib
import string
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from challenges.mail_code import answer, check_group, format_code, new_code, parse_code
from tests.challenges.parts import THUMBPRINT, TOKEN

CODE = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
ALPHABET = string.ascii_uppercase + "234567"
codes = st.binary(min_size=20, max_size=20).map(lambda octets: new_code(lambda count: octets))


def test_a_code_is_160_random_bits_in_base32():
    asked = []
    code = new_code(lambda count: asked.append(count) or bytes(range(count)))
    assert asked == [20]
    assert code == base64.b32encode(bytes(range(20))).decode()
    assert len(code) == 32


def test_the_check_group_is_the_first_20_bits_of_sha_256_over_the_code():
    bits = int.from_bytes(hashlib.sha256(CODE.encode()).digest()[:3], "big") >> 4
    assert check_group(CODE) == "".join(ALPHABET[bits >> shift & 31] for shift in (15, 10, 5, 0))


def test_a_code_is_shown_as_nine_groups_of_four_that_fit_in_a_line():
    shown = format_code(CODE)
    groups = shown.split("-")
    assert [len(group) for group in groups] == [4] * 9
    assert "".join(groups) == CODE + check_group(CODE)
    assert textwrap.wrap(shown, 60, break_on_hyphens=False) == [shown]


@given(codes)
def test_a_code_that_is_shown_is_read_back(code):
    assert parse_code(format_code(code)) == code


def spoiled(draw, code):
    """The code as it may arrive: in other groups, lower case, wrapped, quoted, with other dashes."""
    fillings = st.sampled_from(
        ["", " ", "-", "\n", "\r\n> ", "\n> > ", "\u00a0", "\u2011", "\u2013", " - ", "\t|", "\u200b", "'", '"']
    )
    return "".join(draw(st.sampled_from([c, c.lower()])) + draw(fillings) for c in code + check_group(code))


@given(codes, st.data())
def test_blanks_dashes_quote_marks_and_case_do_not_count(code, data):
    assert parse_code("> " + spoiled(data.draw, code)) == code


@pytest.mark.parametrize("position", range(36))
def test_one_wrong_character_is_found_wherever_it_stands(position):
    whole = CODE + check_group(CODE)
    for other in set(ALPHABET) - {whole[position]}:
        with pytest.raises(ValueError, match="typing error"):
            parse_code(whole[:position] + other + whole[position + 1 :])


@pytest.mark.parametrize("position", [0, 3, 15, 30])
def test_two_characters_that_changed_places_are_found(position):
    whole = CODE + check_group(CODE)
    swapped = whole[:position] + whole[position + 1] + whole[position] + whole[position + 2 :]
    with pytest.raises(ValueError, match="compare with the mail"):
        parse_code(swapped)


@given(codes, st.integers(0, 35), st.sampled_from(ALPHABET))
def test_few_typing_errors_in_any_code_get_through(code, position, other):
    whole = code + check_group(code)
    wrong = whole[:position] + other + whole[position + 1 :]
    if wrong == whole:
        return
    # 20 bits: one error in a million fits by chance, and then the code it makes is a well-formed other one.
    try:
        assert parse_code(wrong) == wrong[:32]
    except ValueError as error:
        assert "typing error" in str(error)  # noqa: PT017 - either way is right
    else:
        assert check_group(wrong[:32]) == wrong[32:]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "36 characters in nine groups of four, not 0"),
        (CODE, "not 32"),
        (format_code(CODE)[:-1], "not 35"),
        (format_code(CODE) + "A", "not 37"),
        (format_code(CODE).replace("B", "8"), "no 0, 1, 8 or 9"),
        (format_code(CODE).replace("O", "0"), "look for O"),
        (format_code(CODE).replace("A", "\u0410"), "only letters and digits"),  # a Cyrillic A
        (format_code(CODE).replace("K", "\u212a"), "only letters and digits"),  # the Kelvin sign, which lowers to k
        (format_code(CODE).replace("S", "\u017f"), "only letters and digits"),  # the long s, which uppers to S
        (format_code(CODE).replace("A", "="), "only letters and digits"),
        ("A" * 1_000_000, "typing error"),
    ],
)
def test_a_typing_error_is_told_with_a_hint_and_costs_no_try(text, hint):
    with pytest.raises(ValueError, match="typing error") as caught:
        parse_code(text)
    assert hint in str(caught.value)
    assert len(str(caught.value)) < 120


@given(st.text())
def test_any_text_is_a_code_or_a_typing_error(text):
    try:
        assert len(parse_code(text)) == 32
    except ValueError as error:
        assert str(error).startswith("typing error: ")  # noqa: PT017 - either way is right


def test_the_answer_is_the_sha_256_over_code_and_half():
    digest = hashlib.sha256(f"{CODE}token2.thumb".encode()).digest()
    assert answer(CODE, "token2.thumb") == base64.urlsafe_b64encode(digest).decode().rstrip("=")


def test_the_example_in_the_documentation_is_right():
    page = (Path(__file__).parents[2] / "docs" / "reference" / "email-01.md").read_text("utf-8")
    assert {TOKEN, THUMBPRINT, format_code(CODE), answer(CODE, f"{TOKEN}.{THUMBPRINT}")} <= set(
        page.replace("`", " ").replace('"', " ").split()
    )
