"""RFC 8555 §7.4, RFC 8738 §3, RFC 7622: orders for users' JIDs and for IP addresses."""

from __future__ import annotations

import pytest
from cryptography import x509

from acme_server.issuance.profiles import XMPP_ADDR
from challenges.http_01 import HTTP_01
from tests.acme_requests import Client, csr
from tests.open_challenge import OpenChallenge, opened

JID = {"type": "jid", "value": "juliet@bücher.example.org"}


@pytest.fixture
def ca(make_ca):
    return make_ca(parts={"challenges": {"http-01": HTTP_01} | opened(OpenChallenge(kinds=("jid",)))})


@pytest.fixture
def client(ca):
    return Client(ca).register()


def names_in(leaf):
    return list(leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)


def test_7622_a_jid_is_ordered_proved_and_certified(client):
    order = client.order(JID, profile="xmpp-user")
    assert order.json["identifiers"] == [JID]
    (authorization,) = order.json["authorizations"]
    shown = client.post(authorization).json
    assert shown["identifier"] == JID
    assert [challenge["type"] for challenge in shown["challenges"]] == ["open-01"]
    client.post(shown["challenges"][0]["url"], {})
    done = client.finalize(order, csr([]))
    (name,) = names_in(client.post(done.json["certificate"]).leaf)
    assert (name.type_id, name.value[2:].decode()) == (XMPP_ADDR, JID["value"])


def test_7622_a_user_whose_name_begins_like_a_wildcard_is_nobody_here(client):
    star = {"type": "jid", "value": "*.juliet@example.org"}
    reply = client.post("new-order", {"identifiers": [star], "profile": "xmpp-user"})
    assert reply.problem == "rejectedIdentifier"
    assert "wildcard" in reply.json["detail"]


def test_7_4_more_than_one_jid_is_refused_before_any_is_looked_at(client):
    jids = [{"type": "jid", "value": f"{name}@example.org"} for name in ("juliet", "R\u00f6meo")]
    reply = client.post("new-order", {"identifiers": jids, "profile": "xmpp-user"})
    assert reply.problem == "malformed"
    assert "one identifier of type `jid`" in reply.json["detail"]


def test_7_4_without_a_challenge_that_proves_users_a_jid_is_rejected(make_ca):
    client = Client(make_ca()).register()
    reply = client.post("new-order", {"identifiers": [JID], "profile": "xmpp-user"})
    assert reply.problem == "rejectedIdentifier"
    assert "no challenge" in reply.json["detail"]


def test_7_4_a_jid_without_its_profile_is_told_which_one(client):
    reply = client.post("new-order", {"identifiers": [JID]})
    assert (reply.status, reply.problem) == (400, "invalidProfile")
    assert "`xmpp-user`" in reply.json["detail"]


@pytest.mark.parametrize(
    "value", ["Juliet@example.org", "juliet@example.org/balcony", "juliet@xn--bcher-kva.example.org"]
)
def test_7622_a_jid_that_is_not_prepared_is_rejected(client, value):
    payload = {"identifiers": [{"type": "jid", "value": value}], "profile": "xmpp-user"}
    assert client.post("new-order", payload).problem == "rejectedIdentifier"


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_8738_an_address_is_ordered_proved_and_certified_where_it_is_taken(make_ca, address):
    ca = make_ca(
        parts={"identifier_types": frozenset({"dns", "ip"}), "challenges": opened()},
        validation={"exempt": ["192.0.2.0/24", "2001:db8::/32"]},
    )
    client = Client(ca).register()
    order = client.order({"type": "ip", "value": address}, "example.org", profile="tls")
    assert [part["type"] for part in order.json["identifiers"]] == ["ip", "dns"]
    for url in order.json["authorizations"]:
        client.post(client.challenge(url, "open-01")["url"], {})
    assert client.post(order.location).json["status"] == "ready"


@pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.1", "2001:DB8::1", "::1", "8.8.8.08"])
def test_8738_an_address_that_is_no_public_one_or_not_written_as_one_is_rejected(make_ca, address):
    client = Client(make_ca(parts={"identifier_types": frozenset({"ip"}), "challenges": opened()})).register()
    payload = {"identifiers": [{"type": "ip", "value": address}], "profile": "tls"}
    assert client.post("new-order", payload).problem == "rejectedIdentifier"


def test_8738_addresses_are_off_by_default(client):
    payload = {"identifiers": [{"type": "ip", "value": "8.8.8.8"}], "profile": "tls"}
    reply = client.post("new-order", payload)
    assert reply.problem == "unsupportedIdentifier"
    assert "`dns`, `jid`" in reply.json["detail"]
