"""The record of dns-persist-01, draft-ietf-acme-dns-persist-02 §4.1 and RFC 8659 §4.2: read, and written."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from challenges.persist_record import ANY_DOMAIN, hashed_account, issuer_of, parse, parse_time, write

GOOD = {
    b"ca.example": ("ca.example", {}),
    b"ca.example;": ("ca.example", {}),
    b" \tca.example\t ; ": ("ca.example", {}),
    b"CA.Example": ("ca.example", {}),
    b"": ("", {}),
    b";": ("", {}),
    b"; a=b": ("", {"a": "b"}),
    b"ca.example;a=b": ("ca.example", {"a": "b"}),
    b"ca.example; a=b; c=d": ("ca.example", {"a": "b", "c": "d"}),
    b"ca.example ;\ta \t=\t b\t;c=d \t": ("ca.example", {"a": "b", "c": "d"}),
    b"ca.example; a=": ("ca.example", {"a": ""}),
    b"ca.example; a==b=": ("ca.example", {"a": "=b="}),
    b"ca.example; persistUntil=1": ("ca.example", {"persistuntil": "1"}),
    b"ca.example; a-b--c=!~": ("ca.example", {"a-b--c": "!~"}),
    b"ca.example; accounturi=https://ca.example/a?b=c&d#e": (
        "ca.example",
        {"accounturi": "https://ca.example/a?b=c&d#e"},
    ),
}


@pytest.mark.parametrize(("record", "read"), GOOD.items(), ids=str)
def test_rfc_8659_4_2_an_issue_value_is_read(record, read):
    value = parse(record)
    assert (value.issuer, dict(value.parameters)) == read


BAD = [
    b"ca.example; a=b;",
    b"ca.example;;",
    b"ca.example; ;a=b",
    b"ca.example; a",
    b"ca.example; =b",
    b"ca.example; a=b c",
    b"ca.example; a=b c=d",
    b"ca.example; a=\xc3\xbc",
    b"ca.example; a=\x00",
    b"ca.example; a=b\n",
    b"ca.example; \xa0a=b",
    b"ca.example; -a=b",
    b"ca.example; a-=b",
    b"ca.example; a_b=c",
    b"ca.example; a=1; a=2",
    b"ca.example; a=1; A=1",
    b"ca.example a=b",
    b"ca.example.; a=b",
    b".ca.example",
    b"ca..example",
    b"ca_.example",
    b"-ca.example",
    b"b\xfccher.example",
    b"\x0bca.example",
    b"a" * 64 + b".example",
]


@pytest.mark.parametrize("record", BAD, ids=str)
def test_rfc_8659_4_2_anything_else_is_no_issue_value(record):
    with pytest.raises(ValueError, match=r".") as caught:
        parse(record)
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()


@given(st.binary(max_size=400) | st.text(alphabet=";= \ta-B\"'", max_size=60).map(str.encode))
def test_any_octets_are_read_or_refused(record):
    try:
        value = parse(record)
    except ValueError as error:
        assert str(error).isascii()  # noqa: PT017 - either way is right
        assert str(error).isprintable()  # noqa: PT017
    else:
        assert value.issuer in ("", issuer_of(record))
        assert all(tag == tag.lower() and ";" not in tag + text for tag, text in value.parameters.items())


LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
TAGS = st.from_regex(r"[a-z0-9]+(-[a-z0-9]+)?", fullmatch=True)
VALUES = st.text(alphabet=[chr(code) for code in range(0x21, 0x7F) if chr(code) != ";"], max_size=30)
BLANKS = st.text(alphabet=" \t", max_size=3)


@given(st.lists(LABELS, min_size=1, max_size=4), st.dictionaries(TAGS, VALUES, max_size=4), BLANKS)
def test_every_issue_value_of_the_grammar_is_read_as_it_was_meant(labels, parameters, blank):
    issuer = ".".join(labels)
    body = f"{blank};{blank}".join(f"{tag}{blank}={blank}{value}" for tag, value in parameters.items())
    value = parse(f"{blank}{issuer}{blank};{blank}{body}{blank}".encode())
    assert (value.issuer, dict(value.parameters)) == (issuer, parameters)


def test_a_long_record_is_read_in_time_that_grows_with_its_length():
    # Would take for ever with backtracking.
    for record in (b"a-" * 30_000 + b"!", b"ca.example;" + b" " * 60_000 + b"!", b"ca.example;" + b"a=b;" * 15_000):
        with pytest.raises(ValueError, match=r"."):
            parse(record)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("0", datetime(1970, 1, 1, tzinfo=UTC)),
        ("1721952000", datetime(2024, 7, 26, tzinfo=UTC)),
        ("0001721952000", datetime(2024, 7, 26, tzinfo=UTC)),
        ("99999999999", datetime(5138, 11, 16, 9, 46, 39, tzinfo=UTC)),
        ("100000000000", None),
        ("9" * 10_000, None),
    ],
    ids=lambda value: str(value)[:14],
)
def test_4_1_persist_until_is_a_unix_time(text, end):
    assert parse_time(text) == end


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.0", "1e9", "0x10", "1_000", " 1", "\u0661", "2026-01-01"])
def test_4_1_any_other_persist_until_is_refused(text):
    with pytest.raises(ValueError, match="persistUntil"):
        parse_time(text)


THUMBPRINT = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


@pytest.mark.parametrize(
    ("domain", "digest"),
    [
        ("example.com", "5SQm7n6tPh2-PlLbCKGnViTXX5z19SCN4cPGQHSk-kw"),
        (ANY_DOMAIN, "NpDnSwUthQK8zCgFdefYxAdAVPnygMLbs9US6oO-5ug"),
    ],
)
def test_10_2_the_hashed_uri_is_that_of_the_drafts_test_vectors(domain, digest):
    prefix = "https://ca.example/account-hash/"
    made = hashed_account(prefix, domain, THUMBPRINT, "https://ca.example/acct/123")
    assert made == f"{prefix}sha-256/{digest}"


@pytest.mark.parametrize("wildcard", [False, True])
def test_what_is_written_is_read(wildcard):
    value = parse(write("ca.example", "https://ca.example/x", wildcard=wildcard).encode())
    policy = {"policy": "wildcard"} if wildcard else {}
    assert (value.issuer, dict(value.parameters)) == ("ca.example", {"accounturi": "https://ca.example/x"} | policy)
