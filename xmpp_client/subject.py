"""The names inside a certificate, each by its kind, out of hostile DER.

A name of a kind that is not known here must never be passed over: it is reported as what it is.
RFC 5280 §4.2.1.6, RFC 4985 (SRVName), RFC 6120 §13.7.1.4 (xmppAddr).
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat import asn1

from xmpp_client.errors import VerificationError, legible

__all__ = ["SAN", "SubjectName", "load_chain", "names_of"]

SRV_NAME = "1.3.6.1.5.5.7.8.7"
XMPP_ADDR = "1.3.6.1.5.5.7.8.5"
SAN = x509.SubjectAlternativeName.oid
_SIZE = 256 * 1024
_BLOCKS = 10
_BEGIN = "-----BEGIN CERTIFICATE-----"
_END = "-----END CERTIFICATE-----"


@dataclass(frozen=True, slots=True, order=True)
class SubjectName:
    """One entry of the subjectAltName."""

    kind: str
    """`dNSName`, `SRVName`, `xmppAddr`, or another kind's name or object identifier."""
    value: str
    """As in the certificate, made legible."""


def names_of(certificate: x509.Certificate) -> tuple[SubjectName, ...]:
    """All entries in their order. Raises ValueError for what cannot be parsed."""
    try:
        san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(map(_name, san))


def _name(entry: x509.GeneralName) -> SubjectName:
    if isinstance(entry, x509.DNSName):
        return SubjectName("dNSName", legible(entry.value))
    if not isinstance(entry, x509.OtherName):
        return SubjectName(type(entry).__name__, legible(entry.value))
    oid = entry.type_id.dotted_string
    if oid == SRV_NAME:
        return SubjectName("SRVName", legible(asn1.decode_der(asn1.IA5String, entry.value).as_str()))
    if oid == XMPP_ADDR:
        return SubjectName("xmppAddr", legible(asn1.decode_der(str, entry.value)))
    return SubjectName(f"otherName {oid}", legible(entry.value.hex()))


def load_chain(pem: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM chain that holds nothing else, all their parts parsed. Raises VerificationError."""
    if len(pem) > _SIZE:
        raise VerificationError(f"the chain is longer than {_SIZE} octets")
    try:
        blocks = _blocks(pem.decode("ascii"))
        chain = tuple(x509.load_pem_x509_certificate(block.encode()) for block in blocks)
        for certificate in chain:
            _ = (certificate.extensions, certificate.public_key(), names_of(certificate))
            _ = (certificate.subject, certificate.issuer)
            _ = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    except (
        ValueError,
        TypeError,
        x509.InvalidVersion,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
        UnsupportedAlgorithm,
    ) as error:
        raise VerificationError(f"the chain cannot be parsed: {legible(error, 200)}") from error
    return chain


def _blocks(text: str) -> list[str]:
    """The PEM blocks; RFC 8555 §9.1 allows certificates and line ends, nothing before, between or after."""
    head, *rest = text.split(_BEGIN)
    if head.strip() or not 1 <= len(rest) <= _BLOCKS:
        raise ValueError("it is not one to ten PEM certificates and nothing else")
    blocks = []
    for part in rest:
        body, end, tail = part.partition(_END)
        if not end or tail.strip() or "-" in body:
            raise ValueError("it holds something else than certificates")
        blocks.append(f"{_BEGIN}\n{body.strip()}\n{_END}\n")
    return blocks
