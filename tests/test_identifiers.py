"""What may stand in a certificate (RFC 8555 §7.4, RFC 8738 §3, RFC 7622, RFC 9444 §4)."""

import contextlib
import string
from ipaddress import ip_network

import idna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acme_server.errors import Malformed, Problem, RejectedIdentifier, UnsupportedIdentifier
from acme_server.identifiers import PublicSuffixes, Requested, Rules, dns_name_of, parse_identifier, to_unicode
from challenges.base import Identifier

SUFFIXES = PublicSuffixes()


EVERY = Rules(SUFFIXES, ("dns", "ip", "jid"), wildcards=True)


PLAIN = Rules(SUFFIXES)


def parse(value, rules=PLAIN):
    return parse_identifier(value, rules)


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
def test_6_7_a_type_that_is_not_taken_here_is_unsupported(kind):
    with pytest.raises(UnsupportedIdentifier) as refused:
        parse({"type": kind, "value": "example.org"})
    assert len(refused.value.detail) < 200


def test_6_7_a_type_that_the_server_is_given_but_does_not_know_is_unsupported():
    with pytest.raises(UnsupportedIdentifier, match="`dns` are"):
        parse({"type": "email", "value": "a@example.org"}, Rules(SUFFIXES, ("dns", "email")))


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        ("*.example.org", "*.example.org"),
        ("*.Example.ORG", "*.example.org"),
        ("*.example.co.uk", "*.example.co.uk"),
        ("*.xn--bcher-kva.example.org", "*.xn--bcher-kva.example.org"),
        ("*.tenant.github.io", "*.tenant.github.io"),
        ("*." + ".".join(["a" * 61] * 4) + ".tes", "*." + ".".join(["a" * 61] * 4) + ".tes"),
    ],
)
def test_7_1_3_a_wildcard_is_a_star_before_a_name_that_may_be_certified(asked, got):
    assert parse({"type": "dns", "value": asked}, EVERY) == Requested(Identifier("dns", got))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("*", "letters"),
        ("*.", "empty label"),
        ("*.org", "two labels"),
        ("*.co.uk", "public suffix"),
        ("*.github.io", "public suffix"),
        ("*.kobe.jp", "public suffix"),  # by the rule `*.kobe.jp`: the names below it are suffixes
        ("*.*.example.org", "letters"),
        ("a.*.example.org", "letters"),
        ("a*.example.org", "letters"),
        ("**.example.org", "letters"),
        ("*example.org", "letters"),
        (".*.example.org", "empty label"),
        ("*.local", "another host"),
        ("*.server.localhost", "own name"),
        ("*.192.0.2.1", "number"),
        ("*.bücher.example.org", "A-labels"),
        ("\uff0a.example.org", "A-labels"),
        ("*\uff0eexample.org", "A-labels"),
        ("*." + ".".join(["a" * 61] * 4) + ".test", "253"),
    ],
)
def test_7_1_3_any_other_use_of_a_star_is_rejected(name, reason):
    with pytest.raises(RejectedIdentifier, match=reason):
        parse({"type": "dns", "value": name}, EVERY)


def test_rfc_9444_4_a_wildcard_has_no_ancestor_and_is_none():
    for name, ancestor in (("*.a.example.org", "example.org"), ("a.example.org", "*.example.org")):
        with pytest.raises(RejectedIdentifier):
            parse({"type": "dns", "value": name, "ancestorDomain": ancestor}, EVERY)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "198.41.0.4", "2001:500:2::c", "2606:4700:4700::1111", "2a00:1:0:1::1", "2a00::1:0:0:1"]
)
def test_rfc_8738_3_an_address_comes_out_as_it_went_in(address):
    assert parse({"type": "ip", "value": address}, EVERY) == Requested(Identifier("ip", address))


@pytest.mark.parametrize(
    "address",
    [
        *("", "example.org", "8.8.8", "8.8.8.8.", "08.8.8.8", "8.8.8.8/32", "8.8.8.8 ", " 8.8.8.8", "0x08080808"),
        *(
            "134744072",
            "8.8.2056",
            "\uff18.8.8.8",
            "[2001:500:2::c]",
            "2001:500:2::c%1",
            "2001:500:2::C",
            "2001:0500:2::c",
        ),
        *("2001:500:2:0:0:0:0:c", "2001:500:2:0::c", "2001:500:2::0.0.0.12", "2001:500:2::c/128", "2A00::1"),
    ],
)
def test_rfc_8738_3_any_other_text_of_an_address_is_rejected(address):
    with pytest.raises(RejectedIdentifier, match="RFC 8738"):
        parse({"type": "ip", "value": address}, EVERY)


PRIVATE = [
    *("0.0.0.0", "10.0.0.1", "127.0.0.1", "169.254.169.254", "192.0.2.1", "224.0.0.1", "255.255.255.255", "100.64.0.1"),
    *("::", "::1", "fe80::1", "fc00::1", "ff02::1", "2001:db8::1", "::ffff:808:808", "2002:a00:1::1", "64:ff9b::a00:1"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_rfc_6890_an_address_that_belongs_to_nobody_is_rejected_unless_it_is_exempt(address):
    with pytest.raises(RejectedIdentifier, match="not a public address"):
        parse({"type": "ip", "value": address}, EVERY)
    lab = Rules(SUFFIXES, ("ip",), exempt=(ip_network("0.0.0.0/0"), ip_network("::/0")))
    assert parse({"type": "ip", "value": address}, lab).identifier.value == address


@pytest.mark.parametrize(
    "jid",
    [
        "juliet@example.org",
        "j.u-l_i+et!=3@im.example.org",
        "jürgen@example.org",
        "юлия@пример.рф",
        "juliet@bücher.example.org",
        "fußball@example.org",
        "σς@example.org",
        "אבא@example.org",
        "j" * 1023 + "@example.org",
    ],
)
def test_rfc_7622_a_prepared_bare_jid_comes_out_as_it_went_in(jid):
    assert parse({"type": "jid", "value": jid}, EVERY) == Requested(Identifier("jid", jid))


@pytest.mark.parametrize(
    ("jid", "reason"),
    [
        ("", "local@domain"),
        ("example.org", "local@domain"),
        ("@example.org", "UsernameCaseMapped"),
        ("juliet@", "empty label"),
        ("juliet@example.org/balcony", "resource"),
        ("juliet@example.org/", "resource"),
        ("juliet/x@example.org", "resource"),
        ("*@example.org", "wildcard"),
        ("*.a@example.org", "wildcard"),
        ("juliet@capulet@example.org", "letters"),
        ("Juliet@example.org", "UsernameCaseMapped"),
        ("ju liet@example.org", "UsernameCaseMapped"),
        ("juliet\0@example.org", "UsernameCaseMapped"),
        ("juliet\n@example.org", "UsernameCaseMapped"),
        ("\uff4auliet@example.org", "UsernameCaseMapped"),  # full width: RFC 8265 §3.3.1 maps it
        ("ju\u0308liet@example.org", "UsernameCaseMapped"),  # not NFC
        ("\u017fam@example.org", "UsernameCaseMapped"),
        ("henry\u2163@example.org", "UsernameCaseMapped"),
        ("\u265a@example.org", "UsernameCaseMapped"),
        ("a\u200db@example.org", "UsernameCaseMapped"),
        ("\u0627a1@example.org", "UsernameCaseMapped"),  # RFC 5893 §2
        *((f"ju{excluded}liet@example.org", "excludes") for excluded in "\"&':<>"),
        ("j" * 1024 + "@example.org", "1023"),
        ("ü" * 512 + "@example.org", "1023"),
        ("juliet@" + "a" * 1024, "1023"),
        ("juliet@Example.org", "lower case"),
        ("juliet@example.org.", "trailing dot"),
        ("juliet@xn--bcher-kva.example.org", "U-labels"),
        ("juliet@Bücher.example.org", "IDNA"),
        ("juliet@bu\u0308cher.example.org", "IDNA"),
        ("juliet@example\u3002org", "IDNA"),
        ("juliet@\u2603.example.org", "IDNA"),
        ("juliet@*.example.org", "letters"),
        ("juliet@_a.example.org", "letters"),
        ("juliet@localhost", "own name"),
        ("juliet@co.uk", "public suffix"),
        ("juliet@192.0.2.1", "number"),
        ("juliet@[::1]", "letters"),
        ("juliet@server.local", "another host"),
    ],
)
def test_rfc_7622_any_other_jid_is_rejected_with_the_reason(jid, reason):
    with pytest.raises(RejectedIdentifier, match=reason) as refused:
        parse({"type": "jid", "value": jid}, EVERY)
    assert refused.value.detail.isprintable()
    assert len(refused.value.detail) < 500


@pytest.mark.parametrize(
    ("kind", "value", "name"),
    [
        ("dns", "example.org", "example.org"),
        ("dns", "*.example.org", "example.org"),
        ("jid", "juliet@bücher.example.org", "xn--bcher-kva.example.org"),
        ("jid", "*.a@example.org", "example.org"),
        ("ip", "192.0.2.1", None),
    ],
)
def test_each_identifier_but_an_address_lies_in_the_zone_of_a_name(kind, value, name):
    assert dns_name_of(Identifier(kind, value)) == name


@pytest.mark.parametrize(("kind", "value"), [("ip", "8.8.8.8"), ("jid", "juliet@example.org")])
def test_rfc_9444_4_only_names_have_ancestors(kind, value):
    with pytest.raises(Malformed):
        parse({"type": kind, "value": value, "ancestorDomain": "example.org"}, EVERY)


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
        parse(request, Rules(suffixes))


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
@given(st.text(max_size=12), st.text(max_size=8).map("{}.example.org".format) | st.just("example.org"))
def test_any_jid_is_refused_or_comes_out_as_itself_and_once(local, domain):
    with contextlib.suppress(RejectedIdentifier):
        value = parse({"type": "jid", "value": f"{local}@{domain}"}, EVERY).identifier.value
        assert value == f"{local}@{domain}"
        assert parse({"type": "dns", "value": dns_name_of(Identifier("jid", value))}).identifier.value.isascii()


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {}, optional={"type": st.sampled_from(["dns", "ip", "jid"]) | JSON, "value": JSON, "ancestorDomain": JSON}
    )
    | JSON
)
def test_any_json_gives_an_identifier_or_a_problem(value):
    with contextlib.suppress(Problem):
        assert isinstance(parse(value, EVERY), Requested)
