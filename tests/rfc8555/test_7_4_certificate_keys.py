"""RFC 8555 §7.4, §11.1: keys that come into no certificate."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from acme_server.protocol.certificate_keys import thumbprint_of
from tests.acme_requests import Client, csr, ec_key, ed25519_key, rsa_key, thumbprint

KEYS = [ec_key(), ec_key(ec.SECP384R1()), ec_key(ec.SECP521R1()), rsa_key(), ed25519_key()]


@pytest.mark.parametrize("key", KEYS, ids=["P-256", "P-384", "P-521", "RSA", "Ed25519"])
def test_rfc_7638_a_certificate_key_is_compared_as_an_account_key_would_be_written(key):
    assert thumbprint_of(key.public_key()) == thumbprint(key)


def test_rfc_7638_a_coordinate_has_its_full_length():
    keys = (ec_key(ec.SECP521R1()) for _ in range(2000))
    short = next(key for key in keys if key.public_key().public_numbers().x.bit_length() <= 512)
    assert thumbprint_of(short.public_key()) == thumbprint(short)


def test_7_4_a_blocked_key_is_badCSR_and_the_order_stays_ready(ca):
    client, key = Client(ca).register(), ec_key()
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with ca.store.write() as transaction:
        assert transaction.blocked_keys.block(hashlib.sha256(spki).digest(), ca.clock(), "seen in a log")
    order = client.ready("example.org")
    reply = client.finalize(order, csr(["example.org"], key))
    assert (reply.status, reply.problem) == (400, "badCSR")
    assert "blocked" in reply.json["detail"]
    assert "seen in a log" not in reply.json["detail"]
    assert client.post(order.location).json["status"] == "ready"
    assert client.finalize(order).json["status"] == "valid"
