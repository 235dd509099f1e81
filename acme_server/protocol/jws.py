"""Who signed this request? RFC 8555 §6.2 to §6.5, RFC 7515, RFC 7517, RFC 7638.

The algorithm is chosen by the key and compared with what the header claims, never the other way round. Nothing in a
header is ever fetched. josepy holds keys and verifies; everything it would take too kindly is refused before.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from josepy.errors import Error as JoseError
from josepy.jwa import ES256, ES384, ES512, RS256, JWASignature
from josepy.jwk import JWK, JWKEC, JWKRSA

from acme_server.errors import BadNonce, BadPublicKey, BadSignatureAlgorithm, Malformed, Unauthorized
from acme_server.issuance.keys import PublicKey, check_key, spki_sha256
from acme_server.protocol.strict import from_base64url, json_object
from challenges.base import Json, base64url

__all__ = ["ALGORITHMS", "AccountKey", "Jws", "canonical_jwk", "load_key", "parse", "verify"]

_MEMBERS: Mapping[str, tuple[str, ...]] = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n")}
"""The members that RFC 7638 §3.2 takes into the thumbprint: all that a public key needs."""
_EC: Mapping[str, JWASignature] = {
    "secp256r1": ES256,
    "secp384r1": ES384,
    "secp521r1": ES512,
}
ALGORITHMS = ("RS256", "ES256", "ES384", "ES512")
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
    algorithm: JWASignature
    public_key: PublicKey


@dataclass(frozen=True, slots=True)
class Jws:
    """A flattened JWS, taken apart and not yet believed (RFC 7515 §7.2.2)."""

    alg: str
    nonce: str
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
    if set(outer) != {"protected", "payload", "signature"}:
        raise Malformed("the request is not a flattened JWS of exactly `protected`, `payload` and `signature`")
    header = json_object(from_base64url(outer["protected"], "`protected`"), "protected header")
    payload = from_base64url(outer["payload"], "`payload`")
    signature = from_base64url(outer["signature"], "`signature`")
    for name in _REFUSED:
        if name in header:
            raise Malformed(f"the protected header must not hold `{name}`")
    kid, jwk = header.get("kid"), header.get("jwk")
    if (kid is None) == (jwk is None):
        raise Malformed("the protected header must hold one of `jwk` and `kid`, not both")
    if not (kid is None or isinstance(kid, str)) or not (jwk is None or isinstance(jwk, dict)):
        raise Malformed("`kid` must be a string, `jwk` an object")
    if "nonce" not in header:
        # RFC 8555 §6.5: this error for a nonce that is unacceptable or not present.
        raise BadNonce("the protected header has no `nonce`; take one and send the request again")
    return Jws(
        alg=_text(header, "alg"),
        nonce=_text(header, "nonce"),
        url=_text(header, "url"),
        kid=kid,
        jwk=jwk,
        payload=payload,
        signing_input=f"{outer['protected']}.{outer['payload']}".encode("ascii"),
        signature=signature,
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
        raise BadPublicKey("the key's `kty` is neither EC nor RSA")
    if "d" in jwk:
        raise BadPublicKey("that is a private key: it must not leave your machine; make a new one")
    values = {name: jwk.get(name) for name in members}
    for name, value in values.items():
        if not isinstance(value, str) or not value.isascii() or not 0 < len(value) <= _MAX_MEMBER:
            raise BadPublicKey(f"the key's member `{name}` is missing, or is not what a JWK holds")
    return json.dumps(values, sort_keys=True, separators=(",", ":"))


@functools.lru_cache(maxsize=4096)
def load_key(jwk: str) -> AccountKey:
    """The key of a canonical JWK, checked. Pure, hence the cache. Raises BadPublicKey."""
    fields = json.loads(jwk)
    for name in set(fields) - {"crv", "kty"}:
        _coordinate(fields, name)
    try:
        key = cast("JWK", (JWKEC if fields["kty"] == "EC" else JWKRSA).from_json(fields))
    except (JoseError, ValueError) as error:
        raise BadPublicKey("the key is not a valid public key of its kind") from error
    # josepy wraps its keys to make them comparable; what comes out again is a plain pyca key.
    public_key = load_der_public_key(key.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    assert isinstance(public_key, PublicKey)  # the two kinds of JWK that are read above
    check_key(public_key)
    algorithm = _EC[public_key.curve.name] if isinstance(public_key, ec.EllipticCurvePublicKey) else RS256
    return AccountKey(
        jwk=jwk,
        thumbprint=base64url(key.thumbprint()),
        spki_sha256=spki_sha256(public_key),
        algorithm=algorithm,
        public_key=public_key,
    )


def _coordinate(fields: Json, name: str) -> None:
    """RFC 7518 §6.2.1.2, §6.3.1: canonical base64url; EC coordinates of the curve's full length, RSA without zeros."""
    try:
        octets = from_base64url(fields[name], f"the key's member `{name}`")
    except Malformed as error:
        raise BadPublicKey(error.detail) from error
    length = {"P-256": 32, "P-384": 48, "P-521": 66}.get(fields.get("crv", ""), len(octets))
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
