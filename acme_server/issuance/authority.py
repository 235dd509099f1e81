"""The CA's own certificates: makes a root and an issuer below it, and loads the issuer for daily work.

It never overwrites a key, and never needs the root's key after `create`: take `root.key` away and keep it offline.
RFC 5280 §4.2.1, RFC 6120 §13.7.1.1 (a CA's keyUsage has digitalSignature, its subject is not null), RFC 8555 §7.4.2
(alternate chains).
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from acme_server.issuance.keys import spki_sha256
from acme_server.issuance.serials import new_serial
from acme_server.issuance.signers import Signer, VerifyingKey, hash_for, load_key, write_key, write_new

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
    public_key: VerifyingKey
    """The certificate's."""
    lint_key: Signer
    """A throw-away key of the signer's kind: what it signs is looked at and never leaves the process."""
    key_identifier: x509.AuthorityKeyIdentifier
    """The extension of everything signed here (RFC 5280 §4.2.1.1)."""
    alternates: tuple[tuple[x509.Certificate, ...], ...] = ()
    """Other chains, to be sent instead of `chain`: each begins with a certificate of the same name and key."""

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


def load(directory: Path, now: datetime) -> Authority:
    """What `create` made, without the root's key, and the chains of `alternates/*.pem` in the sequence of their names.

    Raises OSError, UnusableKey, UnusableAuthority.
    """
    root = _read_certificate(directory / "root.pem")
    certificate = _read_certificate(directory / "issuer.pem")
    if not _is_signed_by(certificate, root):
        raise UnusableAuthority(f"{directory}: issuer.pem is not signed by root.pem")
    issuer = make_issuer(certificate, load_key(directory / "issuer.key"))
    alternates = tuple(_alternate(path, certificate, now) for path in sorted(directory.glob("alternates/*.pem")))
    return Authority(root, replace(issuer, alternates=alternates))


def make_issuer(certificate: x509.Certificate, signer: Signer) -> Issuer:
    """The issuer of a CA certificate and its key. Raises UnusableAuthority where they do not belong together."""
    public_key = signer.public_key()
    if public_key != certificate.public_key():
        raise UnusableAuthority("the issuer's key is not the one of its certificate")
    if not _is_ca(certificate):
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


def _throw_away(public_key: VerifyingKey) -> Signer:
    if isinstance(public_key, rsa.RSAPublicKey):
        return rsa.generate_private_key(public_exponent=65537, key_size=public_key.key_size)
    return ec.generate_private_key(public_key.curve)


def _alternate(path: Path, issuer: x509.Certificate, now: datetime) -> tuple[x509.Certificate, ...]:
    """The chain in a file, the issuer's cross-signed certificate first. Raises OSError, UnusableAuthority."""
    content = path.read_bytes()
    try:
        chain = tuple(x509.load_pem_x509_certificates(content))
        same = _identity(chain[0]) == _identity(issuer)
        may_sign = [_may_sign(certificate, below) for below, certificate in enumerate(chain)]
    except Exception as error:
        # As for a CSR (`csr.read_csr`): what the parser raises for an odd certificate is not one kind of exception.
        raise UnusableAuthority(f"{path} holds no PEM certificates that can be used") from error
    if not same:
        raise UnusableAuthority(f"{path}: the first certificate has not the name, key and key identifier of issuer.pem")
    if chain == (issuer,):
        raise UnusableAuthority(f"{path} is the usual chain, which needs no file here: take it away")
    if len(set(chain)) < len(chain):
        raise UnusableAuthority(f"{path}: a certificate is there twice")
    _check_links(path, chain, now)
    if not all(may_sign):
        raise UnusableAuthority(f"{path}: certificate {may_sign.index(False) + 1} may not sign what is below it")
    return chain


def _check_links(path: Path, chain: tuple[x509.Certificate, ...], now: datetime) -> None:
    """Each is a CA's, valid now, and signed by the one after it. Raises UnusableAuthority."""
    for number, certificate in enumerate(chain, start=1):
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise UnusableAuthority(
                f"{path}: certificate {number} is valid from {certificate.not_valid_before_utc:%Y-%m-%d} "
                f"to {certificate.not_valid_after_utc:%Y-%m-%d}, and not now: take the file away or renew it"
            )
        if not _is_ca(certificate):
            raise UnusableAuthority(f"{path}: certificate {number} is not one of a CA")
    for number, (below, above) in enumerate(pairwise(chain), start=1):
        if not _is_signed_by(below, above):
            raise UnusableAuthority(f"{path}: certificate {number} is not signed by the one after it")


def _may_sign(certificate: x509.Certificate, below: int) -> bool:
    """Whether it may sign certificates, with `below` CAs between it and the leaf (RFC 5280 §4.2.1.3, §4.2.1.9)."""
    for value in (extension.value for extension in certificate.extensions):
        if isinstance(value, x509.KeyUsage) and not value.key_cert_sign:
            return False
        if isinstance(value, x509.BasicConstraints) and value.path_length is not None and value.path_length < below:
            return False
    return True


def _identity(certificate: x509.Certificate) -> tuple[x509.Name, CertificatePublicKeyTypes, bytes]:
    """What a leaf knows its issuer by (RFC 5280 §4.1.2.4, §4.2.1.1)."""
    identifier = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return certificate.subject, certificate.public_key(), identifier.digest


def _is_signed_by(certificate: x509.Certificate, above: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(above)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return False


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _end(start: datetime, lifetime: timedelta) -> datetime:
    """The last second of the life (RFC 5280 §4.1.2.5)."""
    return start + lifetime - timedelta(seconds=1)


def _identifier_of(public_key: VerifyingKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(public_key)


def _ca_certificate(
    name: x509.Name, public_key: VerifyingKey, path_length: int | None, serial: int
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
