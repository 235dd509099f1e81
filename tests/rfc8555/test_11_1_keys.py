"""RFC 8555 §11.1: an account's key signs requests and nothing else, and is one account's."""

from __future__ import annotations

import pytest

from tests.acme_requests import Client, csr, ec_key, rsa_key


@pytest.mark.parametrize("key", [ec_key(), rsa_key()], ids=["EC", "RSA"])
def test_11_1_the_key_of_no_account_is_a_certificate_key(ca, key):
    """Not of the one that asks, nor of another, nor of one that was closed."""
    other = Client(ca, key).register()
    client = Client(ca).register()
    order = client.ready("example.org")
    assert client.finalize(order, csr(["example.org"], key)).problem == "badCSR"
    other.post(other.account, {"status": "deactivated"})
    assert client.finalize(order, csr(["example.org"], key)).problem == "badCSR"
    assert client.post(order.location).json["status"] == "ready"
    assert ca.rows("SELECT count(*) FROM certificates") == [(0,)]


def test_11_1_a_key_has_one_account(ca):
    key = ec_key()
    first = Client(ca, key).register()
    assert Client(ca, key).register().account == first.account
    first.post(first.account, {"status": "deactivated"})
    assert Client(ca, key).post("new-account", {}).problem == "unauthorized"
    assert ca.rows("SELECT count(*) FROM accounts") == [(1,)]


def test_11_1_the_key_of_a_certificate_becomes_no_accounts_key(ca):
    key, client = ec_key(), Client(ca).register()
    client.issue("example.org", key=key)
    reply = Client(ca, key).post("new-account", {})
    assert reply.problem == "badPublicKey"
    assert client.post("key-change", client.key_change(key)).problem == "badPublicKey"
    ca.clock.advance(days=46)
    assert Client(ca, key).post("new-account", {}).status == 201
