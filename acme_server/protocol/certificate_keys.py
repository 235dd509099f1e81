"""Which keys may not come into a certificate, however good they are: accounts' keys, and those that are blocked.

RFC 8555 §11.1; CA/Browser Forum BR 6.1.1.3 (keys that were shown to be compromised).
"""

from __future__ import annotations

import hashlib
import json

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from acme_server.errors import BadCSR
from acme_server.issuance.keys import PublicKey, spki_sha256
from acme_server.store import Transaction
from challenges.base import base64url

__all__ = ["check_certificate_key", "thumbprint_of"]


def check_certificate_key(transaction: Transaction, public_key: PublicKey) -> None:
    """Raise BadCSR where the key is or was an account's, or is blocked."""
    if transaction.accounts.had(thumbprint_of(public_key)):
        raise BadCSR("the CSR holds an account's key; a certificate needs a key of its own (RFC 8555 §11.1)")
    if transaction.blocked_keys.blocked(spki_sha256(public_key)):
        raise BadCSR("the CSR's key is blocked: somebody has shown that it is no secret any more; make a new one")


def thumbprint_of(public_key: PublicKey) -> str:
    """RFC 7638, SHA-256, base64url."""
    text = json.dumps(_jwk(public_key), sort_keys=True, separators=(",", ":"))
    return base64url(hashlib.sha256(text.encode("ascii")).digest())


def _jwk(public_key: PublicKey) -> dict[str, str]:
    """The required members (RFC 7518 §6.2.1, §6.3.1, RFC 8037 §2)."""
    if isinstance(public_key, rsa.RSAPublicKey):
        rsa_numbers = public_key.public_numbers()
        return {"kty": "RSA", "n": _unsigned(rsa_numbers.n), "e": _unsigned(rsa_numbers.e)}
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        numbers, length = public_key.public_numbers(), (public_key.curve.key_size + 7) // 8
        crv = f"P-{public_key.curve.key_size}"
        return {"kty": "EC", "crv": crv, "x": _unsigned(numbers.x, length), "y": _unsigned(numbers.y, length)}
    return {"kty": "OKP", "crv": "Ed25519", "x": base64url(public_key.public_bytes_raw())}


def _unsigned(number: int, length: int = 0) -> str:
    """Base64url of the big-endian octets: `length` of them, or as few as will do."""
    return base64url(number.to_bytes(length or (number.bit_length() + 7) // 8, "big"))
