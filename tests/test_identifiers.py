"""Which names may stand in a certificate (RFC 8555 §7.4, RFC 9444 §4)."""

import contextlib
import string

import idna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acme_server.errors import Malformed, Problem, RejectedIdentifier, UnsupportedIdentifier
from acme_server.identifiers import PublicSuffixes, Requested, parse_identifier, to_unicode
from challenges.base import Identifier

SUFFIXES = PublicSuffixes()


def parse(value):
    return parse_identifier(value, SUFFIXES)


def dns(value, **members):
    return parse({"type": "dns", "value": value, **members})


@pytest.mark.parametrize(
    "name",
    [
        "example.org",
        "conference.example.org",
        "server.test",
        "p.example",
        "a.example.co.uk",
        "xn--bcher-kva.example.org",
        "xn--80akhbyknj4f.xn--p1ai",
        "xn--fa-hia.example.org",
        "tenant.github.io",
        "3com.example.org",
        "1.2.3.4.example.org",
        "under.a-new-tld",
        "a" * 63 + ".example.org",
        ".".join(["a" * 61] * 4) + ".test1",
        "xn--4dbc.example.org",
    ],
)
def test_7_4_a_name_that_may_be_certified_comes_out_as_it_went_in(name):
    assert dns(name) == Requested(Identifier("dns", name), None)


def test_rfc_4343_ascii_case_is_no_part_of_a_name():
    assert dns("Chat.EXAMPLE.org", ancestorDomain="Example.Org") == Requested(
        Identifier("dns", "chat.example.org"), Identifier("dns", "example.org")
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "empty label"),
        (".", "empty label"),
        ("example.org.", "trailing dot"),
        (".example.org", "empty label"),
        ("a..example.org", "empty label"),
        ("localhost", "localhost"),
        ("host", "two labels"),
        ("org", "two labels"),
        ("co.uk", "public suffix"),
        ("github.io", "public suffix"),
        ("b.kobe.jp", "public suffix"),
        ("*.example.org", "wildcard"),
        ("*", "letters"),
        ("a.*.example.org", "letters"),
        ("_xmpp-server.example.org", "letters"),
        ("a_b.example.org", "letters"),
        ("-a.example.org", "hyphen"),
        ("a-.example.org", "hyphen"),
        ("a b.example.org", "letters"),
        ("a\n.example.org", "letters"),
        ("example.org\n", "letters"),
        ("example.org\0", "letters"),
        ("user@example.org", "letters"),
        ("example.org/resource", "letters"),
        ("example.org:443", "letters"),
        ("https://example.org", "letters"),
        ("192.0.2.1", "IP address"),
        ("[::1]", "letters"),
        ("2001:db8::1", "letters"),
        ("example.123", "number"),
        ("a" * 64 + ".example.org", "63"),
        (".".join(["a" * 61] * 4) + ".test12", "253"),
        ("bücher.example.org", "A-labels"),
        ("e\u212aample.org", "A-labels"),
        ("\uff45xample.org", "A-labels"),
        ("example。org", "A-labels"),
        ("exam\u200dple.org", "A-labels"),
        ("ab--c.example.org", "reserved"),
        ("xn--.example.org", "hyphen"),
        ("xn--a.example.org", "IDNA"),
        ("xn--ls8h.example.org", "IDNA"),  # an emoji
        ("xn--example-.example.org", "hyphen"),
        ("xn--ss.example.org", "IDNA"),
        ("xn--99999999999.example.org", "IDNA"),
        ("xn---bbk.example.org", "IDNA"),  # another spelling of xn--bbk
        ("xn--bcher-KVA\u0130.example.org", "A-labels"),
        ("xn--4dbc.3com.example.org", "IDNA"),  # a right-to-left label makes `3com` break RFC 5893 §2
        ("server.local", "another host"),
        ("server.localhost", "own name"),
        ("server.invalid", "never"),
        ("abcdefghij.onion", "DNS name"),
        ("1.0.0.127.in-addr.arpa", "infrastructure"),
        ("router.home.arpa", "infrastructure"),
        ("db.internal", "private use"),
    ],
)
def test_7_4_a_name_that_may_not_is_rejected_with_the_reason(name, reason):
    with pytest.raises(RejectedIdentifier) as refused:
        dns(name)
    assert reason in refused.value.detail
    assert refused.value.detail.isprintable()


@pytest.mark.parametrize(
    "value",
    [
        None,
        "example.org",
        ["dns", "example.org"],
        {},
        {"type": "dns"},
        {"value": "example.org"},
        {"type": "dns", "value": 1},
        {"type": None, "value": "example.org"},
        {"type": ["dns"], "value": "example.org"},
        {"type": "dns", "value": "a.example.org", "ancestorDomain": 7},
        {"type": "dns", "value": "a.example.org", "ancestorDomain": {}},
    ],
)
def test_7_4_what_is_no_identifier_object_is_malformed(value):
    with pytest.raises(Malformed):
        parse(value)


@pytest.mark.parametrize("kind", ["", "DNS", "ip", "jid", "email", "dns\n", "d" * 10_000])
def test_6_7_an_unknown_type_is_unsupported(kind):
    with pytest.raises(UnsupportedIdentifier) as refused:
        parse({"type": kind, "value": "example.org"})
    assert len(refused.value.detail) < 200


def test_7_4_members_we_do_not_know_are_ignored():
    assert dns("example.org", colour="green").identifier.value == "example.org"


@pytest.mark.parametrize(
    ("name", "ancestor"),
    [
        ("conference.example.org", "example.org"),
        ("a.b.c.example.co.uk", "example.co.uk"),
        ("a.b.c.example.co.uk", "c.example.co.uk"),
        ("xn--bcher-kva.example.org", "example.org"),
    ],
)
def test_rfc_9444_4_a_parent_at_or_below_the_registrable_domain_may_vouch(name, ancestor):
    assert dns(name, ancestorDomain=ancestor).ancestor == Identifier("dns", ancestor)


@pytest.mark.parametrize(
    ("name", "ancestor"),
    [
        ("example.org", "example.org"),
        ("example.org", "conference.example.org"),
        ("notexample.org", "example.org"),
        ("a.example.org", "example.com"),
        ("a.example.org", "org"),
        ("a.example.co.uk", "co.uk"),
        ("tenant.github.io", "github.io"),
        ("a.b.example.org", "a.example.org"),
        ("a.example.org", ""),
        ("a.example.org", "*.example.org"),
        ("a.example.org", "example.org."),
        ("a.xn--bcher-kva.org", "bücher.org"),
    ],
)
def test_rfc_9444_4_nothing_else_may_vouch(name, ancestor):
    with pytest.raises(RejectedIdentifier):
        dns(name, ancestorDomain=ancestor)


def test_rfc_9444_4_a_domain_above_the_registrable_one_may_not_vouch_though_it_is_no_suffix_itself():
    suffixes = PublicSuffixes(["example", "store.cloud.example"])
    request = {"type": "dns", "value": "tenant.store.cloud.example", "ancestorDomain": "cloud.example"}
    with pytest.raises(RejectedIdentifier, match="registrable"):
        parse_identifier(request, suffixes)


def test_registrable_is_none_for_a_suffix_and_knows_the_private_section():
    names = ["example.org", "a.b.example.org", "org", "github.io", "a.b.github.io", "x.unknown-tld"]
    assert [SUFFIXES.registrable(name) for name in names] == [
        "example.org",
        "example.org",
        None,
        None,
        "b.github.io",
        "x.unknown-tld",
    ]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("example.org", "example.org"),
        ("xn--bcher-kva.example.org", "bücher.example.org"),
        ("xn--fa-hia.xn--p1ai", "faß.рф"),
    ],
)
def test_rfc_7622_3_2_a_jid_has_its_domain_in_u_labels(name, written):
    assert to_unicode(name) == written


LDH = st.text(string.ascii_lowercase + string.digits + "-", min_size=1, max_size=64)


@settings(deadline=None)
@given(st.lists(st.one_of(LDH, LDH.map("xn--".__add__), st.text(max_size=8)), max_size=6).map(".".join))
def test_r9_any_text_is_refused_or_comes_out_as_itself(name):
    try:
        value = dns(name).identifier.value
    except RejectedIdentifier:
        return
    assert value == name.lower()
    assert len(value) <= 253
    assert all(1 <= len(label) <= 63 for label in value.split("."))
    assert set(value) <= set(string.ascii_lowercase + string.digits + "-.")
    assert idna.encode(to_unicode(value)).decode() == value


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@settings(deadline=None)
@given(
    st.fixed_dictionaries({}, optional={"type": st.just("dns") | JSON, "value": JSON, "ancestorDomain": JSON}) | JSON
)
def test_any_json_gives_an_identifier_or_a_problem(value):
    with contextlib.suppress(Problem):
        assert isinstance(parse(value), Requested)
