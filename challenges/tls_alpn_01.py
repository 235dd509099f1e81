"""tls-alpn-01: a self-signed certificate that the host shows for the protocol `acme-tls/1` alone.

The certificate is taken apart strictly: one name, one critical extension, nothing after them; a public CA that read it
leniently had to revoke millions. Judging is pure, and a stranger's certificate is trusted for nothing else. RFC 8737;
RFC 8738 §6 for IP addresses.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import ClassVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from challenges.base import (
    Ca,
    Error,
    Fault,
    Identifier,
    Json,
    Network,
    Outcome,
    Task,
    TlsAlpnPublisher,
    TlsAnswer,
    Tools,
    Verdict,
    check_token,
    fault_outcome,
    key_authorization,
)
from challenges.clock import utc_now
from challenges.pull import Pull
from challenges.text import printable

__all__ = [
    "ACME_IDENTIFIER",
    "MAX_CERTIFICATE",
    "PROTOCOL",
    "TLS_ALPN_01",
    "Expected",
    "TlsAlpn01",
    "TlsAlpnResponder",
    "expected",
    "judge",
    "server_name_of",
]

PROTOCOL = "acme-tls/1"
"""RFC 8737 §6.2."""
ACME_IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")
"""id-pe-acmeIdentifier, RFC 8737 §6.1; the number that drafts used is another one and not taken."""
_OCTET_STRING = b"\x04\x20"
"""DER of an OCTET STRING with 32 octets, without them."""
MAX_CERTIFICATE = 16 * 1024
"""Octets; one with one name and a key of any usual size has less than 2,000."""
_VERSIONS = ("TLSv1.2", "TLSv1.3")
_LIFE = timedelta(days=7)
"""Of a certificate that `present` makes; nobody checks it."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the certificate is judged by."""

    identifier: Identifier
    digest: bytes
    """SHA-256 of the key authorization."""


def expected(task: Task) -> Expected:
    """The identifier and the digest for the acmeIdentifier extension (RFC 8737 §3)."""
    octets = key_authorization(task.token, task.thumbprint).encode("ascii")
    return Expected(task.identifier, hashlib.sha256(octets).digest())


def server_name_of(identifier: Identifier) -> str:
    """What is sent as SNI: the name, for an address its name in the reverse tree (RFC 8738 §6)."""
    return ip_address(identifier.value).reverse_pointer if identifier.type == "ip" else identifier.value


def judge(wanted: Expected, evidence: TlsAnswer) -> Outcome:
    """VALID where the handshake and the certificate are as RFC 8737 §3 says, to the octet."""
    seen = {
        "address": evidence.address,
        "protocol": None if evidence.protocol is None else printable(evidence.protocol, 40),
        "version": evidence.version,
        "certificate": hashlib.sha256(evidence.certificate).hexdigest(),
    }
    problem = _problem_of_handshake(evidence) or _problem_of_certificate(wanted, evidence.certificate)
    if problem is None:
        return Outcome(Verdict.VALID, evidence=seen)
    detail = f"{wanted.identifier.value} at {evidence.address}: {problem}"
    return Outcome(Verdict.INVALID, Error("incorrectResponse", detail), evidence=seen)


def _problem_of_handshake(evidence: TlsAnswer) -> str | None:
    if evidence.version not in _VERSIONS:  # RFC 8737 §4
        return f"the connection used {printable(evidence.version, 20)}; TLS 1.2 or later is needed"
    if evidence.protocol != PROTOCOL:
        agreed = "no protocol" if evidence.protocol is None else f'"{printable(evidence.protocol, 40)}"'
        return f'by ALPN the server agreed on {agreed} instead of "{PROTOCOL}"; it is not set up for tls-alpn-01'
    return None


def _problem_of_certificate(wanted: Expected, der: bytes) -> str | None:
    if len(der) > MAX_CERTIFICATE:
        return f"the certificate has more than {MAX_CERTIFICATE} octets"
    try:
        certificate = x509.load_der_x509_certificate(der)  # refuses octets after its end
        extensions = certificate.extensions
        problem = _problem_of_names(wanted.identifier, extensions) or _problem_of_digest(wanted.digest, extensions)
        return problem or _problem_of_signature(certificate)
    except Exception as error:  # noqa: BLE001
        # Hostile input in a parser that raises, besides ValueError and errors of its own, KeyError and TypeError for
        # values of extensions that nobody has thought of: none of them may become a fault of the server.
        return f"the certificate cannot be read: {printable(str(error), 80)}"


def _problem_of_signature(certificate: x509.Certificate) -> str | None:
    """RFC 8737 §3: self-signed."""
    try:
        certificate.verify_directly_issued_by(certificate)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        # Names that differ, an unknown kind of key, a signature by another key: all the same to whoever has to mend it.
        return "the certificate is not self-signed with a key and an algorithm that are known here"
    return None


def _problem_of_names(identifier: Identifier, extensions: x509.Extensions) -> str | None:
    """RFC 8737 §3: the one name, as dNSName; RFC 8738 §6: the one address, as iPAddress."""
    try:
        names = list(extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return "the certificate has no subjectAltName; it must have the identifier there and nothing else"
    if len(names) != 1:
        return f"the certificate has {len(names)} names in subjectAltName; it must have the identifier alone"
    if not _is_name_of(names[0], identifier):
        kind = "iPAddress" if identifier.type == "ip" else "dNSName"
        return f"the name in the certificate's subjectAltName is not this identifier as a {kind}"
    return None


def _is_name_of(name: x509.GeneralName, identifier: Identifier) -> bool:
    if identifier.type == "ip":
        return isinstance(name, x509.IPAddress) and name.value == ip_address(identifier.value)
    # RFC 4343: DNS names are compared without regard to case; of ASCII alone, for lower() maps foreign letters too.
    return isinstance(name, x509.DNSName) and name.value.isascii() and name.value.lower() == identifier.value


def _problem_of_digest(digest: bytes, extensions: x509.Extensions) -> str | None:
    try:
        extension = extensions.get_extension_for_oid(ACME_IDENTIFIER)
    except x509.ExtensionNotFound:
        return f"the certificate has no acmeIdentifier extension ({ACME_IDENTIFIER.dotted_string})"
    if not extension.critical:
        return "the certificate's acmeIdentifier extension is not critical"
    value = extension.value
    octets = value.value if isinstance(value, x509.UnrecognizedExtension) else b""
    if not hmac.compare_digest(octets, _OCTET_STRING + digest):
        return "the certificate's acmeIdentifier is not the digest of this account's key authorization"
    return None


@dataclass(frozen=True, slots=True)
class TlsAlpn01(Pull):
    """The challenge type of RFC 8737; an instance holds where the client's time comes from."""

    type: ClassVar[str] = "tls-alpn-01"
    subdomains: ClassVar[bool] = False
    """Another machine may serve a name below this one (RFC 9444 §4)."""
    wildcards: ClassVar[bool] = False
    """One host cannot speak for all (RFC 8737 §3)."""

    now: Callable[[], datetime] = utc_now

    def offer(self, identifier: Identifier, ca: Ca, account_url: str = "") -> Json | None:
        fits = identifier.type in ("dns", "ip") and not identifier.value.startswith("*.")
        return {} if fits else None

    def validate(self, task: Task, network: Network) -> Outcome:
        """Shake hands and judge; every Fault becomes an Outcome here."""
        identifier = task.identifier
        try:
            answer = network.tls_alpn(identifier.value, server_name=server_name_of(identifier), protocol=PROTOCOL)
        except Fault as fault:
            return fault_outcome(fault)
        return judge(expected(task), answer)

    def respond(self, task: Task, tools: Tools) -> TlsAlpnResponder | None:
        return None if tools.tls is None else TlsAlpnResponder(task, tools.tls, self.now)


@dataclass(frozen=True, slots=True)
class TlsAlpnResponder:
    """The client's half: a certificate while the CA looks."""

    task: Task
    publisher: TlsAlpnPublisher
    now: Callable[[], datetime]

    def present(self) -> Json:
        """Make a key and its certificate, and publish both. Raises ValueError for a token that is not base64url."""
        check_token(self.task.token)
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(expected(self.task), key, self.now())
        private = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        self.publisher.publish(self.task.identifier, certificate.public_bytes(Encoding.DER), private)
        return {}

    def wait(self) -> Json | None:
        """The certificate is all there is to do."""
        return None

    def clean_up(self) -> None:
        """Withdraw the certificate."""
        self.publisher.withdraw(self.task.identifier)


def _certificate(wanted: Expected, key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    """RFC 8737 §3: self-signed, the one name and the critical digest, nothing else."""
    identifier = wanted.identifier
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ACME challenge")])
    name = x509.IPAddress(ip_address(identifier.value)) if identifier.type == "ip" else x509.DNSName(identifier.value)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _LIFE)
        .add_extension(x509.SubjectAlternativeName([name]), critical=False)
        .add_extension(x509.UnrecognizedExtension(ACME_IDENTIFIER, _OCTET_STRING + wanted.digest), critical=True)
        .sign(key, hashes.SHA256())
    )


TLS_ALPN_01 = TlsAlpn01()
