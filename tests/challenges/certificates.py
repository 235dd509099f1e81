"""Certificates for tls-alpn-01, right ones and wrong ones, and a TLS server's side that shows one."""

from __future__ import annotations

import datetime as dt
import hashlib
import ssl
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.challenges.parts import THUMBPRINT, TOKEN

OID = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")
DRAFT_OID = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.30.1")
DIGEST = hashlib.sha256(f"{TOKEN}.{THUMBPRINT}".encode()).digest()
KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())
OCTETS = b"\x04\x20" + DIGEST
RIGHT = (OID, True, OCTETS)
SUBJECT = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "anything")])
OTHER_SUBJECT = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "another")])


def dns(name: str) -> x509.GeneralName:
    return x509.DNSName(name)


def ip(address: str) -> x509.GeneralName:
    return x509.IPAddress(ip_address(address))


@dataclass(frozen=True)
class Wanted:
    """A certificate to be made; as it is, a right one for example.org."""

    names: Iterable[x509.GeneralName] | None = (x509.DNSName("example.org"),)
    extensions: Iterable[tuple[x509.ObjectIdentifier, bool, bytes]] = (RIGHT,)
    issuer: x509.Name = SUBJECT
    signer: ec.EllipticCurvePrivateKey = KEY

    def der(self) -> bytes:
        start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)  # over long ago: nobody looks
        builder = x509.CertificateBuilder(
            self.issuer, SUBJECT, KEY.public_key(), 1, start, start + dt.timedelta(days=1)
        )
        if self.names is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName(self.names), critical=False)
        for oid, critical, value in self.extensions:
            builder = builder.add_extension(x509.UnrecognizedExtension(oid, value), critical=critical)
        return builder.sign(self.signer, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def server_context(
    certificate: bytes, key: bytes | None = None, *, protocols: Iterable[str] = ("acme-tls/1",)
) -> ssl.SSLContext:
    """The server's side, with DER certificate and PKCS#8 key (KEY's by default); `asked` collects what SNI said."""
    encoding, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private = KEY if key is None else serialization.load_der_private_key(key, None)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "both.pem"
        path.write_bytes(
            ssl.DER_cert_to_PEM_cert(certificate).encode()
            + private.private_bytes(encoding, pkcs8, serialization.NoEncryption())
        )
        context.load_cert_chain(path)
    context.set_alpn_protocols(list(protocols))
    context.asked = []
    context.sni_callback = lambda _, name, __: context.asked.append(name)
    return context
