"""RFC 8555 §7.1.3, §6.7.1: an order that has become invalid says which of its names were not proved, and why."""

from __future__ import annotations

import pytest

from challenges.base import Error, Fault
from tests.acme_requests import Client
from tests.open_challenge import OpenChallenge, opened

URN = "urn:ietf:params:acme:error:"


@pytest.fixture
def client(ca):
    return Client(ca).register()


def failures(client, order):
    """(name, short type, detail) of each subproblem, and the short type of the whole."""
    shown = client.post(order.location).json
    assert shown["status"] == "invalid"
    error = shown["error"]
    assert error["detail"]
    parts = [
        (part["identifier"]["value"], part["type"].removeprefix(URN), part["detail"])
        for part in error.get("subproblems", [])
    ]
    return error["type"].removeprefix(URN), parts


def test_7_1_3_a_failed_name_is_told_with_the_error_of_its_challenge(client):
    order = client.order("a.example.org", "b.example.org")
    client.post(client.challenge(order.json["authorizations"][1], "http-01")["url"], {})
    assert failures(client, order) == ("dns", [("b.example.org", "dns", "b.example.org does not exist")])
    assert "b.example.org" in client.post(order.location).json["error"]["detail"]


def test_7_1_3_failures_of_one_kind_have_that_kind_together(client):
    order = client.order("a.example.org", "b.example.org", "c.example.org")
    for url in order.json["authorizations"][:2]:
        client.post(client.challenge(url, "http-01")["url"], {})
    kind, parts = failures(client, order)
    assert kind == "dns"
    assert [name for name, _, _ in parts] == ["a.example.org", "b.example.org"]


def test_6_7_failures_of_several_kinds_are_compound(ca, client):
    order = client.order("a.example.org", "b.example.org", "c.example.org")
    first, second, third = order.json["authorizations"]
    client.post(client.challenge(first, "http-01")["url"], {})
    ca.network.down = Fault(Error("connection", "b.example.org did not answer"), transient=False)
    client.post(client.challenge(second, "http-01")["url"], {})
    client.post(third, {"status": "deactivated"})
    assert failures(client, order) == (
        "compound",
        [
            ("a.example.org", "dns", "a.example.org does not exist"),
            ("b.example.org", "connection", "b.example.org did not answer"),
            ("c.example.org", "unauthorized", "the authorization is deactivated"),
        ],
    )


def test_7_1_3_a_name_whose_authorization_expired_is_told(make_ca):
    ca = make_ca(acme={"authorization_reuse": 0, "order_lifetime": 86_400})
    client = Client(ca).register()
    order = client.order("a.example.org", "b.example.org")
    client.post(client.publish(order.json["authorizations"][0])["url"], {})
    ca.clock.advance(hours=2)
    assert failures(client, order) == (
        "unauthorized",
        [("a.example.org", "unauthorized", "the authorization is expired")],
    )


def test_7_1_3_an_order_that_expired_with_all_proved_says_so(ca, client):
    order = client.ready("example.org")
    ca.clock.advance(days=7)
    kind, parts = failures(client, order)
    assert (kind, parts) == ("unauthorized", [])
    assert "expired" in client.post(order.location).json["error"]["detail"]


def test_9444_each_name_below_a_domain_that_was_not_proved_is_told(make_ca):
    broken = OpenChallenge(error=Error("unauthorized", "no"))
    client = Client(make_ca(parts={"challenges": opened(broken)})).register()
    below = {"type": "dns", "value": "a.example.org", "ancestorDomain": "example.org"}
    order = client.order("example.org", below, "example.net")
    client.post(client.challenge(order.json["authorizations"][0], "open-01")["url"], {})
    assert failures(client, order) == (
        "unauthorized",
        [("example.org", "unauthorized", "no"), ("a.example.org", "unauthorized", "no")],
    )


def test_7_1_3_the_error_is_derived_and_nothing_is_written(ca, client):
    order = client.order("example.org")
    client.post(client.challenge(order.json["authorizations"][0], "http-01")["url"], {})
    failures(client, order)
    assert ca.rows("SELECT error FROM orders") == [(None,)]


def test_7_1_3_an_order_that_has_not_failed_has_no_error(ca, client):
    order = client.order("example.org")
    assert "error" not in client.post(order.location).json
    client.prove(order)
    assert "error" not in client.post(order.location).json
    assert "error" not in client.finalize(order).json
    client.post(order.json["authorizations"][0], {"status": "deactivated"})
    assert "error" not in client.post(order.location).json
