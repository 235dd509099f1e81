"""RFC 8555 §7.1, §7.1.3, §7.1.4: what stands in an order and in its authorizations, and what never changes there."""

from __future__ import annotations

import pytest
from cryptography import x509

from challenges.dns_01 import DNS_01
from tests.acme_requests import Client

EXPIRES = "2026-06-08T12:00:00Z"


@pytest.fixture
def client(ca):
    return Client(ca).register()


def test_7_1_there_are_a_directory_and_a_place_for_nonces_and_each_leads_to_the_rest(ca, client):
    directory = client.send("GET", f"{ca.url}/directory").json
    assert client.send("HEAD", directory["newNonce"]).headers["Replay-Nonce"]
    for name, url in directory.items():
        if name not in {"meta", "newNonce", "renewalInfo"}:
            assert client.post(url, {}).status not in {404, 405}, name


def test_7_1_3_an_order_says_when_it_expires_whatever_its_status(client):
    order = client.order("example.org")
    seen = [order.json]
    client.prove(order)
    seen.append(client.post(order.location).json)
    seen.append(client.finalize(order).json)
    assert [shown["status"] for shown in seen] == ["pending", "ready", "valid"]
    assert {shown["expires"] for shown in seen} == {EXPIRES}


def test_7_1_3_identifiers_and_authorizations_of_an_order_never_change(ca, client):
    order = client.order("example.org", "www.example.org")

    def shown():
        return [client.post(order.location).json[name] for name in ("identifiers", "authorizations")]

    first = [order.json[name] for name in ("identifiers", "authorizations")]
    assert client.post(order.location, {"identifiers": []}).problem == "malformed"
    client.prove(order)
    assert shown() == first
    client.post(order.json["authorizations"][0], {"status": "deactivated"})
    assert client.post(order.location).json["status"] == "invalid"
    client.ready("example.org", "www.example.org")  # with an authorization in place of the one that was given up
    assert shown() == first
    ca.clock.advance(days=8)
    assert shown() == first


def test_7_1_3_an_order_shows_the_authorization_of_an_earlier_one_that_it_rests_on(client):
    (earlier,) = client.ready("example.org").json["authorizations"]
    order = client.order("www.example.org", "example.org")
    assert order.json["authorizations"][1] == earlier
    assert len(order.json["authorizations"]) == 2
    client.prove(order)
    assert client.finalize(order).json["authorizations"] == order.json["authorizations"]


def test_7_1_4_an_authorization_of_a_plain_name_says_nothing_of_wildcards(client):
    for order in (client.order("example.org"), client.ready("www.example.org")):
        assert "wildcard" not in client.post(order.json["authorizations"][0]).json


@pytest.mark.parametrize("name", ["xn--bcher-kva.example.org", "WWW.xn--BCHER-kva.Example.org"])
def test_7_1_4_a_name_is_shown_as_the_a_labels_that_the_certificate_has(client, name):
    order = client.ready(name)
    shown = client.post(order.json["authorizations"][0]).json["identifier"]
    leaf = client.post(client.finalize(order).json["certificate"]).leaf
    san = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [shown["value"]] == san.get_values_for_type(x509.DNSName) == [name.lower()]


@pytest.mark.parametrize(
    "label",
    [
        "xn--",
        "xn---",
        "xn--a",  # decodes to nothing
        "xn--abc-",
        "xn--zca-",
        "xn--80ak6aa92e-",
        "xn--example-",  # of ASCII alone: a second spelling
        "xn--bcher-KVB1",  # encodes something else than it decodes to
        "xn--iug",  # a character IDNA 2008 disallows
        "xn--ls8h",
        "xn--0ca24w",  # begins with a combining mark
        "xn--" + "a" * 60,
    ],
)
def test_7_1_4_labels_that_begin_as_a_labels_and_are_none_are_rejected(ca, client, label):
    reply = client.post("new-order", {"identifiers": [{"type": "dns", "value": f"{label}.example.org"}]})
    assert reply.problem == "rejectedIdentifier"
    assert ca.rows("SELECT count(*) FROM orders") == [(0,)]


def test_7_1_3_and_7_1_4_the_authorization_of_a_wildcard_shows_its_base_and_the_member_wildcard(make_ca):
    client = Client(make_ca(acme={"wildcards": True}, parts={"challenges": {"dns-01": DNS_01}})).register()
    order = client.order("*.example.org", "example.org", "*.b.example.org")
    assert [part["value"] for part in order.json["identifiers"]] == ["*.example.org", "example.org", "*.b.example.org"]
    shown = [client.post(url).json for url in order.json["authorizations"]]
    assert [part["identifier"]["value"] for part in shown] == ["example.org", "example.org", "b.example.org"]
    assert [part.get("wildcard") for part in shown] == [True, None, True]
