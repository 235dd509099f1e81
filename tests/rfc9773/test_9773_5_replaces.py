"""RFC 9773 §5: an order that says which certificate it replaces."""

from __future__ import annotations

import pytest
from cryptography import x509

from tests.acme_requests import Client, b64

HOST = {"type": "dns", "value": "example.org"}


@pytest.fixture
def client(ca):
    return Client(ca).register()


@pytest.fixture
def name(client):
    return name_of(client.issue("example.org", "www.example.org").leaf)


def name_of(leaf):
    identifier = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    serial = leaf.serial_number
    return f"{b64(identifier)}.{b64(serial.to_bytes(serial.bit_length() // 8 + 1, 'big'))}"


def ask(client, replaces, *names):
    identifiers = [{"type": "dns", "value": value} for value in names or ["example.org"]]
    return client.post("new-order", {"identifiers": identifiers, "replaces": replaces})


def test_5_the_order_shows_what_it_replaces_to_its_end(client, name):
    order = client.order("example.org", replaces=name)
    assert order.json["replaces"] == name
    assert client.post(order.location).json["replaces"] == name
    client.prove(order)
    assert client.finalize(order).json["replaces"] == name


@pytest.mark.parametrize(
    "names", [["www.example.org"], ["example.org", "example.net"], ["example.net", "www.example.org"]]
)
def test_5_one_common_name_is_enough(client, name, names):
    assert ask(client, name, *names).status == 201


def test_5_an_order_that_replaces_nothing_says_nothing(client, name):
    assert "replaces" not in client.order("example.org", replaces=None).json
    assert "replaces" not in client.order("example.org").json


def test_5_without_a_common_name_it_is_malformed(ca, client, name):
    reply = ask(client, name, "example.net", "a.example.org")
    assert (reply.status, reply.problem) == (400, "malformed")
    assert ca.rows("SELECT count(*) FROM orders") == [(1,)]


def test_5_another_accounts_certificate_is_not_replaced(ca, client, name):
    reply = ask(Client(ca).register(), name)
    assert (reply.status, reply.problem) == (403, "unauthorized")


@pytest.mark.parametrize("replaces", ["", "x", 1, True, [], {}, "AQ.AQ=", "AQ", f"{b64(bytes(20))}.AQ"])
def test_5_what_names_no_certificate_of_ours_is_malformed(ca, client, replaces):
    assert ask(client, replaces).problem == "malformed"
    assert ca.rows("SELECT count(*) FROM orders") == [(0,)]


@pytest.mark.parametrize("state", ["pending", "ready", "valid"])
def test_5_what_another_order_replaces_that_has_not_failed_is_409_alreadyReplaced(client, name, state):
    order = client.order("example.org", "example.net", replaces=name)
    if state != "pending":
        client.prove(order)
    if state == "valid":
        client.finalize(order)
    reply = ask(client, name)
    assert (reply.status, reply.problem) == (409, "alreadyReplaced")


@pytest.mark.parametrize("end", ["failed", "expired", "deactivated"])
def test_5_an_order_that_has_failed_replaces_nothing(ca, client, name, end):
    order = client.order("example.net", "example.org", replaces=name)
    authorization = order.json["authorizations"][0]
    if end == "failed":
        client.post(client.challenge(authorization, "http-01")["url"], {})
    elif end == "deactivated":
        client.post(authorization, {"status": "deactivated"})
    else:
        ca.clock.advance(days=8)
    assert client.post(order.location).json["status"] == "invalid"
    again = ask(client, name)
    assert (again.status, again.json["replaces"]) == (201, name)
    assert ask(client, name).problem == "alreadyReplaced"


def test_5_a_chain_of_replacements(client, name):
    first = client.ready("example.org", replaces=name)
    leaf = client.post(client.finalize(first).json["certificate"]).leaf
    serial = leaf.serial_number
    next_name = f"{name.partition('.')[0]}.{b64(serial.to_bytes(serial.bit_length() // 8 + 1, 'big'))}"
    assert ask(client, next_name).status == 201


def test_5_ten_orders_at_a_time_may_try_and_fail_and_the_eleventh_waits_until_one_has_expired(ca, client, name):
    for _ in range(10):
        reply = ask(client, name)
        assert reply.status == 201, reply.content
        client.post(reply.json["authorizations"][0], {"status": "deactivated"})
        ca.clock.advance(hours=1)
    for _ in range(2):
        reply = ask(client, name)
        assert (reply.status, reply.problem) == (409, "alreadyReplaced")
        assert "10 orders" in reply.json["detail"]
    assert client.order("example.org").status == 201
    ca.clock.advance(days=7, hours=-10)
    assert ask(client, name).status == 201


def test_5_the_limits_come_first_and_other_orders_are_not_read_for_nothing(make_ca):
    ca = make_ca(limits={"new_orders_per_account": "2/1h"})
    client = Client(ca).register()
    name = name_of(client.issue("example.org").leaf)
    assert ask(client, name).status == 201
    assert ask(client, name).problem == "rateLimited"
    ca.clock.advance(hours=1)
    assert ask(client, name).problem == "alreadyReplaced"
    assert client.order("example.net").status == 201
    assert client.order("example.net").status == 201, "what is refused costs nothing"
