"""RFC 8555 §7.6, §6.2: what a refusal tells, so that the next request can be right."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from tests.acme_requests import Client, b64, jwk_of, number, rsa_key


def test_7_6_badRevocationReason_says_which_are_allowed(ca):
    client = Client(ca).register()
    der = b64(client.issue("example.org").leaf.public_bytes(Encoding.DER))
    reply = client.post("revoke-cert", {"certificate": der, "reason": 2})
    assert reply.problem == "badRevocationReason"
    assert all(f"{reason} (" in reply.json["detail"] for reason in (0, 1, 3, 4, 5))


def _weak(bits):
    return jwk_of(rsa.generate_private_key(65537, bits))


@pytest.mark.parametrize(
    ("jwk", "told"),
    [
        (lambda: _weak(1024), "2048"),
        (lambda: jwk_of(rsa_key()) | {"e": number(3)}, "65537"),
        (lambda: {"kty": "EC", "crv": "secp256k1", "x": number(1, 32), "y": number(1, 32)}, ""),
        (lambda: {"kty": "oct", "k": "AAAA"}, "kty"),
        (lambda: jwk_of(ec.generate_private_key(ec.SECP256R1())) | {"d": number(1, 32)}, "private"),
        (lambda: jwk_of(ec.generate_private_key(ec.SECP256R1())) | {"x": "AA"}, "`x`"),
    ],
)
def test_6_2_badPublicKey_says_what_is_wrong_with_the_key(ca, jwk, told):
    reply = Client(ca).post("new-account", {}, jwk=jwk())
    assert (reply.status, reply.problem) == (400, "badPublicKey")
    assert told in reply.json["detail"]
    assert len(reply.json["detail"]) > 10
