"""Private keys: made, written and read so that nobody but the owner of the process ever can read them.

A key must never be in a log, an argument, an environment or a file with a wider mode, not for a moment.
P-256 in PKCS#8 (RFC 5958); ES256 and its kin for accounts (RFC 8555 §6.2, RFC 7518 §3.1).
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from josepy.jwa import ES256, ES384, ES512, RS256, JWASignature
from josepy.jwk import JWK, JWKEC, JWKRSA
from josepy.util import ComparableECKey, ComparableRSAKey

from challenges.base import base64url
from xmpp_client import durable
from xmpp_client.errors import StateError, legible

__all__ = ["AccountKey", "PrivateKey", "account_key", "load_account_key", "new_key", "to_pem"]

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
_LARGEST = 64 * 1024
_ALGORITHMS = {"secp256r1": ES256, "secp384r1": ES384, "secp521r1": ES512}


@dataclass(frozen=True, slots=True)
class AccountKey:
    """An account's key pair as JOSE sees it."""

    jwk: JWK = field(repr=False)
    alg: JWASignature

    @property
    def thumbprint(self) -> str:
        """RFC 7638 with SHA-256, base64url."""
        return base64url(self.jwk.thumbprint())


def new_key() -> ec.EllipticCurvePrivateKey:
    """A fresh P-256 key. Every certificate gets its own: the policy is `rotate`."""
    return ec.generate_private_key(ec.SECP256R1())


def to_pem(key: PrivateKey) -> bytes:
    """Unencrypted PKCS#8 PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def account_key(path: Path) -> AccountKey:
    """The account key in this file, made there if there is none. Raises StateError."""
    try:
        if not os.path.lexists(path):
            durable.make_directory(path.parent)
            durable.add(path, to_pem(new_key()), 0o600)
    except FileExistsError:
        pass
    except OSError as error:
        raise StateError(f"the account key {path} cannot be made: {error.strerror}") from error
    return load_account_key(path)


def load_account_key(path: Path) -> AccountKey:
    """An account key: RSA or EC, PKCS#8 or traditional PEM. Raises StateError."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(handle, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_LARGEST)
    except OSError as error:
        raise StateError(
            f"the account key {path} cannot be read: {error.strerror}", hint="`xmpp-cert issue` makes one."
        ) from error
    if stat.S_IMODE(mode) & 0o077:
        raise StateError(
            f"the account key {path} can be read by others (mode {stat.S_IMODE(mode):04o})",
            hint=f"chmod 600 {path}; if others had access, get a new account.",
        )
    try:
        return _account_key(serialization.load_pem_private_key(content, None))
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        reason = legible(error, 200) if content else "it is empty"
        raise StateError(
            f"the account key {path} holds no private key that can be used: {reason}",
            hint="Put it back from a backup; or move it away, and `xmpp-cert issue` makes a new account.",
        ) from error


def _account_key(key: object) -> AccountKey:
    if isinstance(key, rsa.RSAPrivateKey):
        return AccountKey(JWKRSA(key=ComparableRSAKey(key)), RS256)
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _ALGORITHMS:
        return AccountKey(JWKEC(key=ComparableECKey(key)), _ALGORITHMS[key.curve.name])
    raise ValueError("neither RSA nor P-256, P-384 or P-521")
