"""draft-ietf-acme-profiles-00: the profiles a server lists, and the one an order is made under."""

from __future__ import annotations

import pytest

from tests.acme_requests import Client

DNS = {"type": "dns", "value": "example.org"}
JID = {"type": "jid", "value": "juliet@example.org"}
IP = {"type": "ip", "value": "192.0.2.1"}


@pytest.fixture
def client(ca):
    return Client(ca).register()


def test_3_the_directory_lists_the_profiles_with_a_text_for_people(client):
    profiles = client.send("GET", f"{client.ca.url}/directory").json["meta"]["profiles"]
    assert set(profiles) == set(client.ca.services.profiles)
    assert all(isinstance(text, str) and len(text) > 10 for text in profiles.values())


@pytest.mark.parametrize("profile", ["", "XMPP", "shortlived", None, 1, ["xmpp"], {"xmpp": 1}])
def test_4_a_profile_that_is_not_listed_is_invalidProfile(ca, client, profile):
    reply = client.post("new-order", {"identifiers": [DNS], "profile": profile})
    assert (reply.status, reply.problem) == (400, "invalidProfile")
    assert "xmpp" in reply.json["detail"]
    assert ca.rows("SELECT count(*) FROM orders") == [(0,)]


@pytest.mark.parametrize(
    ("profile", "identifiers"),
    [
        ("xmpp-user", [DNS]),
        ("xmpp-user", [JID, DNS]),
        ("xmpp", [JID]),
        ("xmpp", [DNS, JID]),
        ("xmpp-compat", [JID]),
        ("tls", [JID]),
        ("xmpp", [IP]),
        ("xmpp-user", [IP]),
    ],
)
def test_4_a_profile_that_does_not_fit_the_identifiers_is_invalidProfile(make_ca, profile, identifiers):
    ca = make_ca(parts={"identifier_types": frozenset({"dns", "jid", "ip"})}, validation={"exempt": ["192.0.2.0/24"]})
    reply = Client(ca).register().post("new-order", {"identifiers": identifiers, "profile": profile})
    assert (reply.status, reply.problem) == (400, "invalidProfile")
    assert ca.rows("SELECT count(*) FROM orders") == [(0,)]


@pytest.mark.parametrize("default", ["xmpp", "tls"])
def test_4_an_order_without_a_profile_gets_one_and_shows_it(make_ca, default):
    client = Client(make_ca(acme={"default_profile": default})).register()
    order = client.order("example.org")
    assert order.json["profile"] == client.post(order.location).json["profile"] == default
    other = client.order("example.org", profile="xmpp-compat")
    assert other.json["profile"] == client.post(other.location).json["profile"] == "xmpp-compat"


def test_4_finalize_under_a_profile_that_is_not_issued_any_more_is_invalidProfile(ca, client):
    order = client.ready("example.org")
    # What an order of an earlier version of the server may be.
    ca.change("UPDATE orders SET profile = 'of-yesterday'")
    reply = client.finalize(order)
    assert (reply.status, reply.problem) == (400, "invalidProfile")
    assert ca.rows("SELECT count(*) FROM certificates") == [(0,)]
    assert client.post(order.location).status == 200
