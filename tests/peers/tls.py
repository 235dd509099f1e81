"""A root and certificates from it, for peers that want TLS files of their own, and for chains to another root.

It is for tests on loopback alone: the keys are written in the clear and live for a day. The peers' certificates are made
here and not by our CA, so that a test of the CA never leans on the CA.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

__all__ = ["TlsFiles", "cross_sign", "make_root", "write_tls_files"]


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of a TLS server."""

    root: Path
    certificate: Path
    key: Path


def _builder(subject: str, issuer: str, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
    )


def _authority_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
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


def make_root(name: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A root of that name, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(name, name, key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
    builder = builder.add_extension(_authority_usage(), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return builder.sign(key, hashes.SHA256()), key


def write_tls_files(folder: Path, *names: str) -> TlsFiles:
    """`root.pem`, `tls.pem` and `tls.key` in the folder: for these A-label names, and for 127.0.0.1."""
    root, root_key = make_root("Test peers")
    key = ec.generate_private_key(ec.SECP256R1())
    san = [*(x509.DNSName(name) for name in names), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    leaf = (
        _builder(names[0], "Test peers", key.public_key())
        .add_extension(x509.SubjectAlternativeName(san), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    files = TlsFiles(folder / "root.pem", folder / "tls.pem", folder / "tls.key")
    files.root.write_bytes(root.public_bytes(serialization.Encoding.PEM))
    files.certificate.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


def cross_sign(
    certificate: x509.Certificate,
    above: x509.Certificate,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    *,
    end: datetime | None = None,
    identifier: bytes | None = None,
) -> x509.Certificate:
    """The same name, key and extensions as `certificate` has, under another CA; `identifier`: its key identifier."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(certificate.subject)
        .public_key(certificate.public_key())
        .serial_number(x509.random_serial_number())
        .issuer_name(above.subject)
        .not_valid_before(certificate.not_valid_before_utc)
        .not_valid_after(end or certificate.not_valid_after_utc)
    )
    for extension in certificate.extensions:
        value = extension.value
        if isinstance(value, x509.SubjectKeyIdentifier) and identifier is not None:
            value = x509.SubjectKeyIdentifier(identifier)
        if not isinstance(value, x509.AuthorityKeyIdentifier):
            builder = builder.add_extension(value, critical=extension.critical)
    of_above = above.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(of_above)
    return builder.add_extension(authority, critical=False).sign(key, hashes.SHA256())
