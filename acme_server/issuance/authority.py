"""The CA's own certificates: makes a root and an issuer below it, and loads the issuer for daily work.

It never overwrites a key, and never needs the root's key after `create`: take `root.key` away and keep it offline.
RFC 5280 §4.2.1, RFC 6120 §13.7.1.1 (a CA's keyUsage has digitalSignature, its subject is not null).
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from acme_server.issuance.keys import PublicKey, spki_sha256
from acme_server.issuance.serials import new_serial
from acme_server.issuance.signers import Signer, hash_for, load_key, write_key, write_new

__all__ = [
    "BACKDATE",
    "Authority",
    "Issuer",
    "UnusableAuthority",
    "create",
    "load",
    "make_issuer",
]

BACKDATE = timedelta(hours=1)
"""How far in the past validity begins, in everything we sign: clocks of those who check are wrong by that much."""
_ROOT_LIFETIME = timedelta(days=20 * 365)
_ISSUER_LIFETIME = timedelta(days=5 * 365)
_MAX_NAME = 48
"""Characters; with our additions it must fit into a CN of 64."""
_ID_OCTETS = 8
_OCCUPIED = frozenset({errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR})
"""What rename(2) says where the directory's place is taken."""


class UnusableAuthority(Exception):  # noqa: N818 - what it is
    """The files of an authority do not belong together; str() says which."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """A CA certificate with the key that signs under it. Make it by `make_issuer`."""

    id: str
    """Stable for the key: 16 hexadecimal digits of its SPKI's SHA-256; in the URLs `/pki/ID.cer` and `/pki/ID.crl`."""
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    """What is sent above a leaf, the leaf's issuer first, without the root (RFC 8555 §9.1, RFC 8446 §4.4.2)."""
    signer: Signer
    public_key: PublicKey
    """The certificate's."""
    lint_key: Signer
    """A throw-away key of the signer's kind: what it signs is looked at and never leaves the process."""
    key_identifier: x509.AuthorityKeyIdentifier
    """The extension of everything signed here (RFC 5280 §4.2.1.1)."""

    def __repr__(self) -> str:
        return f"Issuer({self.id})"


@dataclass(frozen=True, slots=True)
class Authority:
    """A root with the issuer that does the work."""

    root: x509.Certificate
    issuer: Issuer


def create(directory: Path, name: str, now: datetime, random_bytes: Callable[[int], bytes]) -> Authority:
    """Make a root and an issuer: `root.pem root.key issuer.pem issuer.key` in `directory` (mode 0700).

    `name` is for people: `Example XMPP CA`. `random_bytes` gives that many octets from a CSPRNG. The directory must not
    exist, or be empty: it appears whole or not at all. Raises FileExistsError, ValueError (name), OSError.
    """
    if not 1 <= len(name) <= _MAX_NAME or not name.isprintable():
        raise ValueError(f"the name of a CA is 1 to {_MAX_NAME} printable characters")
    root_key, issuer_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    start = now.replace(microsecond=0) - BACKDATE
    root_name = _name(f"{name} Root")
    root = (
        _ca_certificate(root_name, root_key.public_key(), None, new_serial(random_bytes))
        .issuer_name(root_name)
        .add_extension(_identifier_of(root_key.public_key()), critical=False)
        .not_valid_before(start)
        .not_valid_after(_end(start, _ROOT_LIFETIME))
        .sign(root_key, hash_for(root_key.public_key()))
    )
    certificate = (
        _ca_certificate(_name(f"{name} Issuer"), issuer_key.public_key(), 0, new_serial(random_bytes))
        .issuer_name(root_name)
        .add_extension(_identifier_of(root_key.public_key()), critical=False)
        .not_valid_before(start)
        .not_valid_after(_end(start, _ISSUER_LIFETIME))
        .sign(root_key, hash_for(root_key.public_key()))
    )
    _install(directory, {"root": (root, root_key), "issuer": (certificate, issuer_key)})
    return Authority(root, make_issuer(certificate, issuer_key))


def load(directory: Path) -> Authority:
    """What `create` made, without the root's key. Raises OSError, UnusableKey, UnusableAuthority."""
    root = _read_certificate(directory / "root.pem")
    certificate = _read_certificate(directory / "issuer.pem")
    try:
        certificate.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise UnusableAuthority(f"{directory}: issuer.pem is not signed by root.pem") from error
    return Authority(root, make_issuer(certificate, load_key(directory / "issuer.key")))


def make_issuer(certificate: x509.Certificate, signer: Signer) -> Issuer:
    """The issuer of a CA certificate and its key. Raises UnusableAuthority where they do not belong together."""
    public_key = signer.public_key()
    if public_key != certificate.public_key():
        raise UnusableAuthority("the issuer's key is not the one of its certificate")
    if not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
        raise UnusableAuthority("the issuer's certificate is not one of a CA")
    identifier = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return Issuer(
        id=spki_sha256(public_key)[:_ID_OCTETS].hex(),
        certificate=certificate,
        chain=(certificate,),
        signer=signer,
        public_key=public_key,
        lint_key=_throw_away(public_key),
        key_identifier=x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
    )


def _throw_away(public_key: PublicKey) -> Signer:
    if isinstance(public_key, rsa.RSAPublicKey):
        return rsa.generate_private_key(public_exponent=65537, key_size=public_key.key_size)
    return ec.generate_private_key(public_key.curve)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _end(start: datetime, lifetime: timedelta) -> datetime:
    """The last second of the life (RFC 5280 §4.1.2.5)."""
    return start + lifetime - timedelta(seconds=1)


def _identifier_of(public_key: PublicKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(public_key)


def _ca_certificate(
    name: x509.Name, public_key: PublicKey, path_length: int | None, serial: int
) -> x509.CertificateBuilder:
    """What root and issuer have in common."""
    usage = x509.KeyUsage(
        # RFC 6120 §13.7.1.1 item 2: a CA's keyUsage MUST have digitalSignature.
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .public_key(public_key)
        .serial_number(serial)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _install(directory: Path, pairs: dict[str, tuple[x509.Certificate, Signer]]) -> None:
    """Write the files beside `directory`, then put them in place by one rename, which fails on what is not empty."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=directory.parent, prefix=f".{directory.name}-"))  # mode 0700
    try:
        for stem, (certificate, key) in pairs.items():
            write_key(staging / f"{stem}.key", key)
            write_new(staging / f"{stem}.pem", certificate.public_bytes(Encoding.PEM), mode=0o644)
        _sync(staging)
        staging.rename(directory)
        _sync(directory.parent)
    except OSError as error:
        shutil.rmtree(staging, ignore_errors=True)
        if error.errno in _OCCUPIED:
            raise FileExistsError(f"{directory} is there already and is never overwritten") from error
        raise


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError as error:
        raise UnusableAuthority(f"{path} holds no PEM certificate") from error
