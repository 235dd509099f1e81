"""What each profile holds and how names become general names (RFC 6120 §13.7.1.2)."""

from datetime import timedelta

import pytest
from cryptography import x509

from acme_server.issuance.profiles import (
    PROFILES,
    SRV_NAME,
    XMPP_ADDR,
    Profile,
    Request,
    common_name,
    components,
    subject_alternative_names,
)


def written(profile, *names):
    """Readable: kind and text of each general name."""
    kinds = {SRV_NAME: (0x16, "srv"), XMPP_ADDR: (0x0C, "xmpp")}
    found = []
    for name in subject_alternative_names(PROFILES[profile], names):
        if isinstance(name, x509.DNSName):
            found.append(f"dns {name.value}")
            continue
        tag, kind = kinds[name.type_id]
        assert name.value[:2] == bytes((tag, len(name.value) - 2))
        found.append(f"{kind} {name.value[2:].decode()}")
    return found


def test_the_default_profile_is_xmpp():
    assert list(PROFILES) == ["xmpp", "xmpp-compat", "tls"]
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
    ],
)
def test_a_component_is_a_name_below_another_of_the_order(names, found):
    assert components(names) == found


@pytest.mark.parametrize(
    ("names", "name"),
    [
        (["example.org", "a.example.org"], "example.org"),
        (["a" * 52 + ".example.org"], "a" * 52 + ".example.org"),
        (["a" * 53 + ".example.org"], None),
        (["a" * 53 + ".example.org", "b.example.org"], "b.example.org"),
    ],
)
def test_the_common_name_has_at_most_64_characters(names, name):
    assert common_name(names) == name


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


@pytest.mark.parametrize("names", [(), ("example.org", "example.org"), ("*.example.org",), ("a.*.example.org",)])
def test_a_request_has_names_each_once_and_no_wildcard(names, ec_key):
    with pytest.raises(ValueError, match="names"):
        Request(PROFILES["xmpp"], names, ec_key.public_key(), "http://ca.example/pki")
