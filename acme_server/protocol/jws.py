"""Who signed this request? RFC 8555 §6.2 to §6.5, RFC 7515, RFC 7517, RFC 7638, RFC 8037.

The algorithm is chosen by the key and compared with what the header claims, never the other way round. Nothing in a
header is ever fetched. josepy holds RSA and EC keys and verifies; what it would take too kindly is refused before.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from josepy.errors import Error as JoseError
from josepy.jwa import ES256, ES384, ES512, RS256
from josepy.jwk import JWK, JWKEC, JWKRSA

from acme_server.errors import BadNonce, BadPublicKey, BadSignatureAlgorithm, Malformed, Unauthorized
from acme_server.issuance.keys import PublicKey, check_key, spki_sha256
from acme_server.protocol.strict import from_base64url, json_object
from challenges.base import Json, base64url

__all__ = [
    "ALGORITHMS",
    "AccountKey",
    "Jws",
    "canonical_jwk",
    "is_jwk_of",
    "load_key",
    "parse",
    "parse_inner",
    "verify",
]


class Algorithm(Protocol):
    """How a kind of key verifies (RFC 7518 §3)."""

    @property
    def name(self) -> str:
        """As `alg` has it."""

    def verify(self, key: Any, msg: bytes, sig: bytes) -> bool:
        """Whether the signature is one of this key over the message."""


class _EdDSA:
    """RFC 8037 §3.1, for Ed25519, which josepy does not know."""

    name = "EdDSA"

    def verify(self, key: ed25519.Ed25519PublicKey, msg: bytes, sig: bytes) -> bool:
        try:
            key.verify(sig, msg)
        except InvalidSignature:
            return False
        return True


_MEMBERS: Mapping[str, tuple[str, ...]] = {
    "EC": ("crv", "kty", "x", "y"),
    "OKP": ("crv", "kty", "x"),
    "RSA": ("e", "kty", "n"),
}
"""The members that RFC 7638 §3.2 and RFC 8037 §2 take into the thumbprint: all that a public key needs."""
_LENGTHS: Mapping[str, int] = {"P-256": 32, "P-384": 48, "P-521": 66, "Ed25519": 32}
"""Octets of a coordinate."""
_EC: Mapping[str, Algorithm] = {
    "secp256r1": ES256,
    "secp384r1": ES384,
    "secp521r1": ES512,
}
_EDDSA = _EdDSA()
ALGORITHMS = ("RS256", "ES256", "ES384", "ES512", "EdDSA")
"""What `algorithms` of badSignatureAlgorithm lists (RFC 8555 §6.2)."""
_REFUSED = ("crit", "b64", "zip")
_MAX_MEMBER = 700
"""Characters of a JWK member: an RSA modulus of 4096 bits takes 683."""


@dataclass(frozen=True, slots=True)
class AccountKey:
    """A public key that signs requests."""

    jwk: str
    """Canonical JSON of its required members (RFC 7638 §3.3)."""
    thumbprint: str
    """RFC 7638, SHA-256, base64url."""
    spki_sha256: bytes
    algorithm: Algorithm
    public_key: PublicKey


@dataclass(frozen=True, slots=True)
class Jws:
    """A flattened JWS, taken apart and not yet believed (RFC 7515 §7.2.2)."""

    alg: str
    nonce: str
    """Empty in a JWS inside another one's payload, which has none."""
    url: str
    kid: str | None
    jwk: Json | None
    """Exactly one of `kid` and `jwk` is there (RFC 8555 §6.2)."""
    payload: bytes
    signing_input: bytes
    signature: bytes


def parse(body: bytes) -> Jws:
    """Read a request body. Raises Malformed, BadNonce."""
    outer = json_object(body, "request body")
    header = _header(outer, "request")
    if "nonce" not in header:
        # RFC 8555 §6.5: this error for a nonce that is unacceptable or not present.
        raise BadNonce("the protected header has no `nonce`; take one and send the request again")
    return _jws(outer, header, _text(header, "nonce"))


def parse_inner(value: Any, what: str) -> Jws:
    """Read a JWS that stands in the payload of a request: it has no nonce (RFC 8555 §7.3.4, §7.3.5). Raises Malformed.

    `what` names it in the error.
    """
    if not isinstance(value, dict):
        raise Malformed(f"the {what} is not a JSON object")
    header = _header(value, what)
    if "nonce" in header:
        raise Malformed(f"the {what} must not hold a `nonce`: the one around it does")
    return _jws(value, header, "")


def _header(outer: Json, what: str) -> Json:
    """The protected header, and nothing in it or beside it that could change its meaning. Raises Malformed."""
    if set(outer) != {"protected", "payload", "signature"}:
        raise Malformed(f"the {what} is not a flattened JWS of exactly `protected`, `payload` and `signature`")
    header = json_object(from_base64url(outer["protected"], "`protected`"), "protected header")
    for name in _REFUSED:
        if name in header:
            raise Malformed(f"the protected header must not hold `{name}`")
    kid, jwk = header.get("kid"), header.get("jwk")
    if (kid is None) == (jwk is None):
        raise Malformed("the protected header must hold one of `jwk` and `kid`, not both")
    if not (kid is None or isinstance(kid, str)) or not (jwk is None or isinstance(jwk, dict)):
        raise Malformed("`kid` must be a string, `jwk` an object")
    return header


def _jws(outer: Json, header: Json, nonce: str) -> Jws:
    return Jws(
        alg=_text(header, "alg"),
        nonce=nonce,
        url=_text(header, "url"),
        kid=header.get("kid"),
        jwk=header.get("jwk"),
        payload=from_base64url(outer["payload"], "`payload`"),
        signature=from_base64url(outer["signature"], "`signature`"),
        signing_input=f"{outer['protected']}.{outer['payload']}".encode("ascii"),
    )


def _text(header: Json, name: str) -> str:
    value = header.get(name)
    if not isinstance(value, str):
        raise Malformed(f"the protected header lacks `{name}`, or it is not a string")
    return value


def canonical_jwk(jwk: Json) -> str:
    """The required members of a public JWK, as RFC 7638 §3.3 writes them. Raises BadPublicKey."""
    kind = jwk.get("kty")
    members = _MEMBERS.get(kind) if isinstance(kind, str) else None
    if members is None:
        raise BadPublicKey("the key's `kty` is none of EC, OKP and RSA")
    if "d" in jwk:
        raise BadPublicKey("that is a private key: it must not leave your machine; make a new one")
    values = {name: jwk.get(name) for name in members}
    for name, value in values.items():
        if not isinstance(value, str) or not value.isascii() or not 0 < len(value) <= _MAX_MEMBER:
            raise BadPublicKey(f"the key's member `{name}` is missing, or is not what a JWK holds")
    return json.dumps(values, sort_keys=True, separators=(",", ":"))


def is_jwk_of(jwk: Json, key: AccountKey) -> bool:
    """Whether a JWK, whatever else it holds, is that of the key."""
    try:
        return canonical_jwk(jwk) == key.jwk
    except BadPublicKey:
        return False


@functools.lru_cache(maxsize=4096)
def load_key(jwk: str) -> AccountKey:
    """The key of a canonical JWK, checked. Pure, hence the cache. Raises BadPublicKey."""
    fields = json.loads(jwk)
    for name in set(fields) - {"crv", "kty"}:
        _coordinate(fields, name)
    public_key = _public_key(fields)
    check_key(public_key)
    return AccountKey(
        jwk=jwk,
        thumbprint=base64url(hashlib.sha256(jwk.encode("ascii")).digest()),
        spki_sha256=spki_sha256(public_key),
        algorithm=_algorithm(public_key),
        public_key=public_key,
    )


def _public_key(fields: Json) -> PublicKey:
    """The key that the members name. Raises BadPublicKey."""
    if fields["kty"] == "OKP":
        if fields["crv"] != "Ed25519":
            raise BadPublicKey("of the curves of RFC 8037 only Ed25519 is taken")
        return ed25519.Ed25519PublicKey.from_public_bytes(from_base64url(fields["x"], "`x`"))
    try:
        key = cast("JWK", (JWKEC if fields["kty"] == "EC" else JWKRSA).from_json(fields))
    except (JoseError, ValueError) as error:
        raise BadPublicKey("the key is not a valid public key of its kind") from error
    # josepy wraps its keys to make them comparable; what comes out again is a plain pyca key.
    der = key.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return cast("PublicKey", load_der_public_key(der))


def _algorithm(public_key: PublicKey) -> Algorithm:
    """The one algorithm of a key (RFC 8555 §6.2)."""
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        return _EC[public_key.curve.name]
    return RS256 if isinstance(public_key, rsa.RSAPublicKey) else _EDDSA


def _coordinate(fields: Json, name: str) -> None:
    """RFC 7518 §6.2.1.2, §6.3.1, RFC 8037 §2: canonical base64url; coordinates of full length, RSA without zeros."""
    try:
        octets = from_base64url(fields[name], f"the key's member `{name}`")
    except Malformed as error:
        raise BadPublicKey(error.detail) from error
    length = _LENGTHS.get(fields.get("crv", ""), len(octets))
    if len(octets) != length or (fields["kty"] == "RSA" and octets[:1] == b"\0"):
        raise BadPublicKey(f"the key's member `{name}` has the wrong length")


def verify(jws: Jws, key: AccountKey) -> None:
    """Check algorithm and signature. Raises BadSignatureAlgorithm, Unauthorized."""
    if jws.alg != key.algorithm.name:
        raise BadSignatureAlgorithm(
            f"this key signs with {key.algorithm.name}, and `alg` must say so", extra={"algorithms": list(ALGORITHMS)}
        )
    if not key.algorithm.verify(key.public_key, jws.signing_input, jws.signature):
        raise Unauthorized("the signature is not one of this key over this request")
