"""Throw-away certificates for the client's tests: a root, an intermediate, and leaves with every kind of fault."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import idna
from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


class Pki:
    """Root, intermediate and leaves, each variation by a keyword."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.root_key, self.inter_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self.root = self.authority("Fake Root", self.root_key, self.root_key, "Fake Root")
        self.inter = self.authority("Fake Intermediate", self.inter_key, self.root_key, "Fake Root", path_length=0)

    def authority(self, name, key, signer, issuer, *, ca=True, path_length=None, days=3650, key_cert_sign=True):
        return (
            self.builder(name, issuer, key.public_key(), timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length if ca else None), critical=True)
            .add_extension(usage(key_cert_sign=key_cert_sign, crl_sign=key_cert_sign), critical=True)
            .sign(signer, hashes.SHA256())
        )

    def builder(self, name, issuer, key, life, *, start=None, subject=None, serial=None):
        if subject is None:
            subject = [x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else []
        start = start or self.now - timedelta(hours=1)
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name(subject))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(key)
            .serial_number(serial or x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + life)
        )

    def leaf(
        self,
        key,
        names,
        *,
        cn=None,
        life=timedelta(days=45),
        start=None,
        extra=(),
        ca=False,
        signer=None,
        purposes=(ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH),
        usages=None,
        **more,
    ):
        san = [x509.DNSName(name) for name in names]
        for name in names:
            san += [srv_name(f"_xmpp-server.{name}"), xmpp_addr(x509_u(name))]
        builder = self.builder(names[0] if cn is None else cn, "Fake Intermediate", key, life, start=start, **more)
        builder = builder.add_extension(x509.SubjectAlternativeName([*san, *extra]), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        if purposes:
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        if usages is not None:
            builder = builder.add_extension(usages, critical=True)
        return builder.sign(signer or self.inter_key, hashes.SHA256())

    def server_context(self, folder: Path) -> ssl.SSLContext:
        """TLS for localhost, by the same root; the root is in folder/tls-ca.pem."""
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = (
            self.builder("localhost", "Fake Root", key.public_key(), timedelta(days=2))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .sign(self.root_key, hashes.SHA256())
        )
        bundle = folder / "tls-server.pem"
        bundle.write_bytes(key_pem(key) + pem(leaf))
        (folder / "tls-ca.pem").write_bytes(pem(self.root))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(bundle)
        return context


def key_pem(key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def usage(**on: bool) -> x509.KeyUsage:
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")  # fmt: skip
    return x509.KeyUsage(**{name: on.get(name, False) for name in names})


def x509_u(name: str) -> str:
    return idna.decode(name)


def srv_name(value: str) -> x509.OtherName:
    return x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.7"), asn1.encode_der(asn1.IA5String(value)))


def xmpp_addr(value: str) -> x509.OtherName:
    return x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.5"), asn1.encode_der(value))
