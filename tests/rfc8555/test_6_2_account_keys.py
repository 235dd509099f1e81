"""RFC 8555 §6.2, RFC 7517, RFC 7518: the keys that may not be an account's."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from tests.acme_requests import REMOVED, Client, b64, ec_key, jwk_of, number, rsa_key

P256_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
KEY = ec_key()
RSA = rsa_key()


@pytest.fixture
def client(ca):
    return Client(ca, KEY)


def refused(reply):
    """(status, error), of a reply that Client.deliver has found to be a problem document with a nonce."""
    return reply.status, reply.problem


def _ec(**changes):
    return {k: v for k, v in (jwk_of(KEY) | changes).items() if v is not REMOVED}


X, Y = KEY.public_key().public_numbers().x, KEY.public_key().public_numbers().y
BAD_EC = {
    "off the curve": _ec(y=number(Y ^ 1, 32)),
    "zero": _ec(x=number(0, 32), y=number(0, 32)),
    "x = p": _ec(x=number(P256_P, 32)),
    "x + p": _ec(x=number(X + P256_P, 33)),
    "short": _ec(x=number(1, 31)),
    "long": _ec(x="AAAA" + number(X, 33)),
    "empty": _ec(x=""),
    "padded": _ec(x=number(X, 32) + "="),
    "not canonical": _ec(x=number(X, 32)[:-1] + "9"),
    "blank": _ec(x=number(X, 32) + " "),
    "not ASCII": _ec(x="é" * 43),
    "huge": _ec(x="A" * 40000),
    "a number": _ec(x=1),
    "a list": _ec(x=[]),
    "no x": _ec(x=REMOVED),
    "no y": _ec(y=REMOVED),
    "no crv": _ec(crv=REMOVED),
    "P-384 with P-256's coordinates": _ec(crv="P-384"),
    "secp256k1": _ec(crv="secp256k1"),
    "P-192": _ec(crv="P-192"),
    "crv a number": _ec(crv=256),
    "private": _ec(d=number(1, 32)),
    "no kty": _ec(kty=REMOVED),
    "kty a list": _ec(kty=["EC"]),
    "kty oct": {"kty": "oct", "k": "AAAA"},
    "kty OKP": {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": b64(ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw()),
    },
    "X25519": {"kty": "OKP", "crv": "X25519", "x": b64(bytes(32))},
    "nothing": {},
}
N = RSA.public_key().public_numbers().n


def _rsa(**changes):
    return jwk_of(RSA) | changes


BAD_RSA = {
    "e = 1": _rsa(e=number(1)),
    "e = 0": _rsa(e=b64(b"\0")),
    "e = 3": _rsa(e=number(3)),
    "e even": _rsa(e=number(65536)),
    "e huge": _rsa(e=number(2**4000 + 1)),
    "n even": _rsa(n=number(N - 1)),
    "n = 1": _rsa(n=number(1)),
    "n = 0": _rsa(n=b64(b"\0")),
    "n of 1024 bits": jwk_of(rsa.generate_private_key(65537, 1024)),
    "n of 2047 bits": _rsa(n=number((N >> 1) | 1)),
    "n with small factor": _rsa(n=number((2**2047 // 3 + 1) * 3 | 1)),
    "n of 8192 bits": _rsa(n=number(N**4)),
    "n of 700,000 bits": _rsa(n=b64(b"\xff" * 30_000)),
    "n a square": _rsa(n=number(rsa.generate_private_key(65537, 1024).private_numbers().p ** 4)),
    "leading zero": _rsa(n="AAAA" + jwk_of(RSA)["n"]),
    "no n": {"kty": "RSA", "e": "AQAB"},
    "private": _rsa(d=number(5), p=number(3)),
}


@pytest.mark.parametrize("jwk", [*BAD_EC.values(), *BAD_RSA.values()], ids=[*BAD_EC, *BAD_RSA])
def test_6_2_a_key_that_is_invalid_weak_or_private_is_badPublicKey(ca, client, jwk):
    key = RSA if jwk.get("kty") == "RSA" else KEY
    client.key = key
    assert refused(client.post("new-account", {"termsOfServiceAgreed": True}, jwk=jwk)) == (400, "badPublicKey")
    assert ca.rows("SELECT count(*) FROM accounts") == [(0,)]
