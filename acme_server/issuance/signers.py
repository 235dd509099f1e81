"""Our own private keys: a signer is any object that behaves as a pyca private key; here it comes from a file.

A key file must never be readable by anybody but its owner, not even for the moment between its creation and a chmod,
and is never overwritten. RFC 5958 (PKCS #8), RFC 5480, RFC 8017 (hash by key).
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

__all__ = [
    "Signer",
    "UnusableKey",
    "VerifyingKey",
    "check_signature",
    "hash_for",
    "load_key",
    "sign",
    "write_key",
    "write_new",
]

Signer = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
"""What signs certificates and CRLs: a pyca private key, or a subclass that asks an HSM or another process."""

VerifyingKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
"""The public half of a Signer. Not Ed25519: there are XMPP servers whose TLS library cannot check its signatures."""

_Hash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512
_EC_HASHES: dict[str, type[_Hash]] = {
    "secp256r1": hashes.SHA256,
    "secp384r1": hashes.SHA384,
    "secp521r1": hashes.SHA512,
}
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_MAX_KEY_FILE = 64 * 1024


class UnusableKey(Exception):  # noqa: N818 - what it is
    """A key file that must not be used; str() says why and what to do."""


def load_key(path: Path) -> Signer:
    """The private key of an unencrypted PEM file.

    Raises OSError, or UnusableKey where others may read the file or it holds no key of ours.
    """
    with path.open("rb") as file:
        _refuse_readable_by_others(file, path)
        content = file.read(_MAX_KEY_FILE)
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError) as error:  # TypeError: the key is encrypted
        raise UnusableKey(f"{path} holds no unencrypted PEM private key") from error
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _EC_HASHES:
        return key
    if not isinstance(key, rsa.RSAPrivateKey):
        raise UnusableKey(f"{path} holds neither a P-256, P-384 or P-521 key nor an RSA key")
    return key


def write_key(path: Path, key: Signer) -> None:
    """Write the key as PEM PKCS #8, mode 0600, synced to the disk.

    Raises FileExistsError where anything is at `path`.
    """
    write_new(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), mode=0o600)


def write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a new file, synced to the disk; whatever the umask, nobody ever has more rights to it than `mode` gives.

    Raises FileExistsError, also for a symbolic link that leads nowhere.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def hash_for(public_key: VerifyingKey) -> _Hash:
    """The hash that goes with a key's strength, for signing with it (RFC 5480 §4)."""
    if isinstance(public_key, rsa.RSAPublicKey):
        return hashes.SHA256()
    return _EC_HASHES[public_key.curve.name]()


def sign(signer: Signer, content: bytes) -> bytes:
    """The signature of `content` with the hash of `hash_for`. Raises what the signer raises."""
    if isinstance(signer, rsa.RSAPrivateKey):
        return signer.sign(content, padding.PKCS1v15(), hash_for(signer.public_key()))
    return signer.sign(content, ec.ECDSA(hash_for(signer.public_key())))


def check_signature(public_key: VerifyingKey, signature: bytes, content: bytes) -> None:
    """Raise InvalidSignature unless `public_key` has signed `content` with the hash of `hash_for`."""
    algorithm = hash_for(public_key)
    if isinstance(public_key, rsa.RSAPublicKey):
        public_key.verify(signature, content, padding.PKCS1v15(), algorithm)
    else:
        public_key.verify(signature, content, ec.ECDSA(algorithm))


def _refuse_readable_by_others(file: BinaryIO, path: Path) -> None:
    """Judges the file that is open, which may be another than the one `path` names a moment later."""
    mode = os.fstat(file.fileno()).st_mode
    if mode & _OTHERS:
        raise UnusableKey(
            f"{path} may be used by others than its owner (mode {stat.S_IMODE(mode):04o}): chmod 600 it, "
            "and make a new key if anybody else has an account here"
        )
