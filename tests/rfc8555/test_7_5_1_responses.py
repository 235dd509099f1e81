"""RFC 8555 §7.5.1: what a response may hold, and what an authorization shows before and after it is decided."""

from __future__ import annotations

import pytest

from tests.acme_requests import Client
from tests.in_process import HoldingPool


@pytest.fixture
def client(ca):
    return Client(ca).register()


@pytest.fixture
def authorization(client):
    return client.order("example.org").json["authorizations"][0]


@pytest.mark.parametrize(
    "members",
    [
        {"keyAuthorization": "x", "type": "dns-01", "resource": "challenge"},
        {"status": "valid", "url": "http://x", "token": "x", "validated": "x", "error": {}},
        {"mailboxes": ["root@example.org"], "a": [{"b": None}]},
    ],
)
def test_7_5_1_members_of_a_response_that_no_type_knows_are_ignored(ca, client, members):
    for kind in ("http-01", "email-01"):
        (authorization,) = client.order(f"{kind}.example.org").json["authorizations"]
        if kind == "http-01":
            client.publish(authorization)
        challenge = client.challenge(authorization, kind)
        reply = client.post(challenge["url"], members)
        assert (reply.status, reply.json["status"]) == (200, "valid" if kind == "http-01" else "processing")
        assert reply.json["url"] == challenge["url"]
        assert not {"keyAuthorization", "resource", "a"} & set(reply.json)
    assert {path.rpartition("/")[0] for _, path in ca.network.asked} == {"/.well-known/acme-challenge"}
    assert ca.rows("SELECT recipient FROM outbox") == [("postmaster@example.org",)]


def test_7_5_1_an_authorization_that_is_valid_says_until_when(client, authorization):
    pending = client.post(authorization).json["expires"]
    client.post(client.publish(authorization)["url"], {})
    shown = client.post(authorization).json
    assert (shown["status"], pending, shown["expires"]) == ("valid", "2026-06-08T12:00:00Z", "2026-06-11T12:00:00Z")


def test_7_5_1_a_challenge_that_has_failed_stays_in_its_authorization(client, authorization):
    challenge = client.challenge(authorization, "http-01")
    client.post(challenge["url"], {})
    shown = client.post(authorization).json
    assert shown["status"] == "invalid"
    assert [(part["url"], part["status"]) for part in shown["challenges"]] == [(challenge["url"], "invalid")]


def test_7_5_1_a_poll_during_validation_is_200(make_ca):
    pool = HoldingPool()
    client = Client(make_ca(parts={"pool": lambda _: pool})).register()
    order = client.order("example.org")
    (authorization,) = order.json["authorizations"]
    challenge = client.publish(authorization)["url"]
    client.post(challenge, {})
    for url in (authorization, challenge, order.location):
        assert client.post(url).status == 200
    assert client.post(authorization).json["status"] == "pending"
    pool.let_go()
    assert client.post(authorization).json["status"] == "valid"
