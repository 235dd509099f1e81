"""What each profile holds and how names become general names (RFC 6120 §13.7.1.2)."""

from datetime import timedelta

import pytest
from cryptography import x509
from raw_csr import identifiers

from acme_server.issuance.profiles import (
    PROFILES,
    SRV_NAME,
    XMPP_ADDR,
    Profile,
    Request,
    common_name,
    components,
    hosts,
    refusal,
    subject_alternative_names,
)


def written(profile, *names):
    """Readable: kind and text of each general name."""
    kinds = {SRV_NAME: (0x16, "srv"), XMPP_ADDR: (0x0C, "xmpp")}
    found = []
    for name in subject_alternative_names(PROFILES[profile], identifiers(*names)):
        if not isinstance(name, x509.OtherName):
            found.append(f"{'dns' if isinstance(name, x509.DNSName) else 'ip'} {name.value}")
            continue
        tag, kind = kinds[name.type_id]
        assert name.value[:2] == bytes((tag, len(name.value) - 2))
        found.append(f"{kind} {name.value[2:].decode()}")
    return found


def test_the_default_profile_is_xmpp():
    assert list(PROFILES) == ["xmpp", "xmpp-compat", "xmpp-user", "tls"]
    assert all(PROFILES[name].name == name for name in PROFILES)


@pytest.mark.parametrize(
    ("profile", "names"),
    [
        (
            "xmpp",
            ["dns example.org", "srv _xmpp-client.example.org", "srv _xmpp-server.example.org", "xmpp example.org"],
        ),
        ("xmpp-compat", ["dns example.org", "srv _xmpp-client.example.org", "srv _xmpp-server.example.org"]),
        ("tls", ["dns example.org"]),
    ],
)
def test_13_7_1_2_what_each_profile_builds_from_a_host(profile, names):
    assert written(profile, "example.org") == names


def test_13_7_1_2_2_a_component_serves_no_clients():
    assert written("xmpp-compat", "muc.example.org", "example.org") == [
        "dns muc.example.org",
        "dns example.org",
        "srv _xmpp-server.muc.example.org",
        "srv _xmpp-client.example.org",
        "srv _xmpp-server.example.org",
    ]


WILDCARDS = [
    (
        "xmpp",
        ["*.example.org", "example.org"],
        [
            *("dns *.example.org", "dns example.org"),
            *("srv _xmpp-client.example.org", "srv _xmpp-server.example.org", "xmpp example.org"),
        ],
    ),
    (
        "xmpp-compat",
        ["*.example.org", "a.example.org"],
        ["dns *.example.org", "dns a.example.org", "srv _xmpp-client.a.example.org", "srv _xmpp-server.a.example.org"],
    ),
    ("xmpp", ["*.example.org"], ["dns *.example.org"]),
    ("tls", ["*.example.org", "example.org"], ["dns *.example.org", "dns example.org"]),
]


@pytest.mark.parametrize(("profile", "asked", "names"), WILDCARDS)
def test_a_wildcard_is_a_dnsname_and_nothing_else_and_makes_no_other_name_a_component(profile, asked, names):
    assert written(profile, *asked) == names


def test_8738_3_addresses_come_after_the_names():
    assert written("tls", "2001:db8::1", "example.org", "192.0.2.1") == [
        "dns example.org",
        "ip 2001:db8::1",
        "ip 192.0.2.1",
    ]


@pytest.mark.parametrize("jid", ["juliet@example.org", "jüliet@bücher.example", "xn--x@example.org"])
def test_7622_3_2_a_user_has_the_prepared_jid_as_xmppaddr_and_no_dnsname(jid):
    assert written("xmpp-user", jid) == [f"xmpp {jid}"]


def test_4985_2_srv_names_are_a_labels_and_xmppaddr_is_u_labels():
    assert written("xmpp", "xn--bcher-kva.example") == [
        "dns xn--bcher-kva.example",
        "srv _xmpp-client.xn--bcher-kva.example",
        "srv _xmpp-server.xn--bcher-kva.example",
        "xmpp bücher.example",
    ]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["example.org"], set()),
        (["example.org", "a.example.org"], {"a.example.org"}),
        (["a.example.org", "b.example.org"], set()),
        (["example.org", "a.b.c.example.org"], {"a.b.c.example.org"}),
        (["example.org", "notexample.org"], set()),
        (["example.org", "a.example.org", "b.a.example.org"], {"a.example.org", "b.a.example.org"}),
        (["*.example.org", "a.example.org"], set()),
        (["*.example.org", "example.org", "a.example.org"], {"a.example.org"}),
        (["*.a.example.org", "example.org"], set()),
    ],
)
def test_a_component_is_a_host_below_another_of_the_order(names, found):
    assert components(hosts(identifiers(*names))) == found


@pytest.mark.parametrize(
    ("names", "name"),
    [
        (["example.org", "a.example.org"], "example.org"),
        (["a" * 52 + ".example.org"], "a" * 52 + ".example.org"),
        (["a" * 53 + ".example.org"], None),
        (["a" * 53 + ".example.org", "b.example.org"], "b.example.org"),
        (["*.example.org", "example.org"], "*.example.org"),
        (["192.0.2.1", "b.example.org"], "b.example.org"),
        (["192.0.2.1"], None),
        (["juliet@example.org"], None),
    ],
)
def test_the_common_name_is_a_domain_name_of_at_most_64_characters(names, name):
    assert common_name(identifiers(*names)) == name


def profile(**changed):
    parts = {"name": "x", "description": "", "key_purposes": (), "srv_names": False, "xmpp_addresses": False}
    return Profile(**(parts | changed))


@pytest.mark.parametrize("lifetime", [timedelta(days=91), timedelta(hours=23), timedelta(0), timedelta(days=-1)])
def test_a_profile_lives_1_to_90_days(lifetime):
    with pytest.raises(ValueError, match="1 to 90 days"):
        profile(lifetime=lifetime)


@pytest.mark.parametrize("lifetime", [timedelta(days=1), timedelta(days=90)])
def test_the_ends_of_that_range_are_in_it(lifetime):
    assert profile(lifetime=lifetime).lifetime == lifetime


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ((), "names"),
        (("example.org", "example.org"), "names"),
        (("a.*.example.org",), "wildcard"),
        (("a*.example.org",), "wildcard"),
        (("*.*.example.org",), "wildcard"),
        (("juliet@example.org",), "identifiers of type"),
    ],
)
def test_a_request_has_names_of_its_profile_each_once(names, reason, ec_key):
    with pytest.raises(ValueError, match=reason):
        Request(PROFILES["xmpp"], identifiers(*names), ec_key.public_key(), "http://ca.example/pki")


ADDRESS, JID, WILD = "192.0.2.1", "juliet@example.org", "*.example.org"
TAKEN = {
    "xmpp": (["example.org"], ["example.org", WILD]),
    "xmpp-compat": (["example.org"], [WILD]),
    "xmpp-user": ([JID],),
    "tls": (["example.org", ADDRESS], [ADDRESS, "2001:db8::1"], [WILD]),
}
REFUSED = {
    "xmpp": (([ADDRESS], "`dns`, and not `ip`"), (["example.org", JID], "not `jid`"), ([JID, ADDRESS], "`ip`, `jid`")),
    "xmpp-compat": (([ADDRESS], "not `ip`"), ([JID], "not `jid`")),
    "xmpp-user": (
        (["example.org"], "`jid`, and not `dns`"),
        ([JID, "example.org"], "not `dns`"),
        ([JID, "romeo@example.org"], "one JID"),
    ),
    "tls": (([JID], "`dns` and `ip`, and not `jid`"),),
}


@pytest.mark.parametrize("profile", PROFILES)
def test_8555_7_4_each_profile_says_which_identifiers_it_does_not_take(profile):
    for asked in TAKEN[profile]:
        assert refusal(PROFILES[profile], identifiers(*asked)) is None
    for asked, reason in REFUSED[profile]:
        text = refusal(PROFILES[profile], identifiers(*asked))
        assert reason in text
        assert f"`{profile}`" in text
