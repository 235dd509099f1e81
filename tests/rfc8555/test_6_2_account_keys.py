"""RFC 8555 §6.2, RFC 7517, RFC 7518: the keys that may not be an account's."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ed448, rsa

from tests.acme_requests import REMOVED, Client, b64, ec_key, ed25519_key, flattened, jwk_of, number, rsa_key

P256_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
KEY = ec_key()
RSA = rsa_key()
ED25519 = ed25519_key()


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
    "Ed25519's curve": _ec(crv="Ed25519"),
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


def _okp(**changes):
    return {k: v for k, v in (jwk_of(ED25519) | changes).items() if v is not REMOVED}


ED25519_P = 2**255 - 19
_ORDER_8 = (
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
)
_Y = [0, 1, ED25519_P - 1, *(int.from_bytes(octets, "little") for octets in _ORDER_8)]
SMALL_ORDER = [(y | sign << 255).to_bytes(32, "little") for y in _Y for sign in (0, 1)]
BAD_OKP = {
    **{f"of small order {i}": _okp(x=b64(octets)) for i, octets in enumerate(SMALL_ORDER)},
    **{f"y = p + {n}": _okp(x=b64((ED25519_P + n).to_bytes(32, "little"))) for n in range(19)},
    "y = 2, no point": _okp(x=b64((2).to_bytes(32, "little"))),
    "31 octets": _okp(x=b64(bytes(31))),
    "33 octets": _okp(x=b64(b"\x05" * 33)),
    "x empty": _okp(x=""),
    "x a number": _okp(x=1),
    "x not canonical": _okp(x=jwk_of(ED25519)["x"][:-1] + "9"),
    "no x in OKP": _okp(x=REMOVED),
    "no crv in OKP": _okp(crv=REMOVED),
    "crv a list": _okp(crv=["Ed25519"]),
    "ed25519 in small letters": _okp(crv="ed25519"),
    "X25519": _okp(crv="X25519"),
    "Ed448": _okp(crv="Ed448", x=b64(ed448.Ed448PrivateKey.generate().public_key().public_bytes_raw())),
    "P-256's curve": _okp(crv="P-256"),
    "OKP private": _okp(d=b64(ED25519.private_bytes_raw())),
}


@pytest.mark.parametrize(
    "jwk", [*BAD_EC.values(), *BAD_RSA.values(), *BAD_OKP.values()], ids=[*BAD_EC, *BAD_RSA, *BAD_OKP]
)
def test_6_2_a_key_that_is_invalid_weak_or_private_is_badPublicKey(ca, client, jwk):
    kty = jwk.get("kty")
    client.key = {"RSA": RSA, "OKP": ED25519}.get(kty, KEY) if isinstance(kty, str) else KEY
    assert refused(client.post("new-account", {"termsOfServiceAgreed": True}, jwk=jwk)) == (400, "badPublicKey")
    assert ca.rows("SELECT count(*) FROM accounts") == [(0,)]


@pytest.mark.parametrize("octets", SMALL_ORDER, ids=range(len(SMALL_ORDER)))
def test_6_2_a_signature_that_anybody_can_make_under_a_key_of_small_order_makes_no_account(ca, client, octets):
    """R = the neutral point and S = 0 is a signature of every message under the neutral point (RFC 8032 §5.1.7)."""
    client.key = ED25519
    body = flattened(ED25519, client.header("new-account", jwk=_okp(x=b64(octets))), {})
    forged = b64(b"\x01" + bytes(31) + bytes(32))
    assert refused(client.deliver("new-account", body | {"signature": forged})) == (400, "badPublicKey")
    assert ca.rows("SELECT count(*) FROM accounts") == [(0,)]
