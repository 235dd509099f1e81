"""Looks at every certificate before the issuer's key signs it: independent checks of what RFC 5280 and 6120 demand.

It never trusts the code that built the certificate: names are read back from the DER, not built a second time. A
finding is a fault of ours, never of the client. RFC 5280 §4, RFC 6120 §13.7.1, RFC 4985 §2, BR 7.1.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import idna
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtensionOID, NameOID

from acme_server.issuance.authority import Issuer
from acme_server.issuance.profiles import MAX_LIFETIME, SRV_NAME, XMPP_ADDR, Request
from acme_server.issuance.serials import SERIAL_BITS
from acme_server.issuance.signers import hash_for

__all__ = ["CHECKS", "Check", "LintError", "lint"]

Check = Callable[[x509.Certificate, Request, Issuer], str | None]
"""Says what is wrong, or None."""

_Value = TypeVar("_Value", bound=x509.ExtensionType)

_TAGS = {SRV_NAME: 0x16, XMPP_ADDR: 0x0C}
"""IA5String (RFC 4985 §2), UTF8String (RFC 6120 §13.7.1.4)."""

_LONG_FORM = 0x80

_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)

_CRITICAL = {
    ExtensionOID.BASIC_CONSTRAINTS: True,
    ExtensionOID.KEY_USAGE: True,
    ExtensionOID.EXTENDED_KEY_USAGE: False,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME: False,
    ExtensionOID.SUBJECT_KEY_IDENTIFIER: False,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER: False,
    ExtensionOID.AUTHORITY_INFORMATION_ACCESS: False,
    ExtensionOID.CRL_DISTRIBUTION_POINTS: False,
}
"""Every extension of a leaf, and whether it is critical."""


class LintError(Exception):
    """A certificate of ours would have been wrong; it was not signed. str() says in what."""


def lint(certificate: x509.Certificate, request: Request, issuer: Issuer) -> None:
    """Run the checks. Raises LintError with the first finding."""
    for check in CHECKS:
        finding = check(certificate, request, issuer)
        if finding is not None:
            raise LintError(finding)


def check_version(certificate: x509.Certificate, _request: Request, _issuer: Issuer) -> str | None:
    """RFC 5280 §4.1.2.1: version 3 where there are extensions."""
    return None if certificate.version is x509.Version.v3 else "the version is not 3"


def check_serial(certificate: x509.Certificate, _request: Request, _issuer: Issuer) -> str | None:
    """RFC 5280 §4.1.2.2 and BR 7.1. One below 2^64 has all but surely not come from 159 random bits."""
    serial = certificate.serial_number
    return None if 1 << 64 <= serial < 1 << SERIAL_BITS else "the serial is out of range"


def check_signature_algorithm(certificate: x509.Certificate, _request: Request, issuer: Issuer) -> str | None:
    """RFC 6120 §13.7.1.1: SHA-256 or better; here the hash that goes with the issuer's key."""
    used, expected = certificate.signature_hash_algorithm, hash_for(issuer.public_key)
    return None if used is not None and used.name == expected.name else "the signature's hash is not the issuer's"


def check_issuer(certificate: x509.Certificate, _request: Request, issuer: Issuer) -> str | None:
    """RFC 5280 §4.1.2.4, §4.2.1.1: name and key identifier lead to the issuer."""
    identifier = _value(certificate, x509.AuthorityKeyIdentifier).key_identifier
    if certificate.issuer != issuer.certificate.subject:
        return "the issuer's name is wrong"
    if identifier != _value(issuer.certificate, x509.SubjectKeyIdentifier).digest:
        return "the authority key identifier is not the issuer's"
    return None


def check_validity(certificate: x509.Certificate, request: Request, issuer: Issuer) -> str | None:
    """RFC 5280 §4.1.2.5, within the profile's lifetime, our maximum and the issuer's own life."""
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    life = end - start + timedelta(seconds=1)
    if not timedelta(0) < life <= min(request.profile.lifetime, MAX_LIFETIME):
        return "the lifetime is not within the profile's"
    if start < issuer.certificate.not_valid_before_utc or end > issuer.certificate.not_valid_after_utc:
        return "the validity is not within the issuer's"
    return None


def check_subject(certificate: x509.Certificate, request: Request, _issuer: Issuer) -> str | None:
    """RFC 6120 §13.7.1.1: not null; one attribute, a CN among the order's names, else the serial."""
    attributes = list(certificate.subject)
    if len(attributes) != 1:
        return "the subject has not exactly one attribute"
    kind, value = attributes[0].oid, attributes[0].value
    if kind == NameOID.COMMON_NAME:
        return None if value in request.names else "the CN is not one of the order's names"
    serial_is_right = kind == NameOID.SERIAL_NUMBER and value == f"{certificate.serial_number:x}"
    return None if serial_is_right else "the subject is neither a name nor the serial"


def check_public_key(certificate: x509.Certificate, request: Request, _issuer: Issuer) -> str | None:
    """The key is the request's, and its identifier that key's (RFC 5280 §4.2.1.2)."""
    if certificate.public_key() != request.public_key:
        return "the public key is not the request's"
    expected = x509.SubjectKeyIdentifier.from_public_key(request.public_key)
    return None if _value(certificate, x509.SubjectKeyIdentifier) == expected else "the key identifier is wrong"


def check_extensions(certificate: x509.Certificate, _request: Request, _issuer: Issuer) -> str | None:
    """Exactly ours, each as critical as it has to be (RFC 5280 §4.2)."""
    found = {extension.oid: extension.critical for extension in certificate.extensions}
    return None if found == _CRITICAL else "the extensions are not the profile's"


def check_basic_constraints(certificate: x509.Certificate, _request: Request, _issuer: Issuer) -> str | None:
    """RFC 6120 §13.7.1.1: no CA."""
    return "the certificate is one of a CA" if _value(certificate, x509.BasicConstraints).ca else None


def check_usage(certificate: x509.Certificate, request: Request, _issuer: Issuer) -> str | None:
    """RFC 5280 §4.2.1.3, §4.2.1.12: signatures, key transport for RSA alone, and the profile's purposes."""
    usage = _value(certificate, x509.KeyUsage)
    wanted = {"digital_signature"} | (
        {"key_encipherment"} if isinstance(request.public_key, rsa.RSAPublicKey) else set()
    )
    if {bit for bit in _USAGES if getattr(usage, bit)} != wanted:
        return "the key usage is not the profile's"
    purposes = tuple(_value(certificate, x509.ExtendedKeyUsage))
    return None if purposes == request.profile.key_purposes else "the extended key usage is not the profile's"


def check_pointers(certificate: x509.Certificate, request: Request, issuer: Issuer) -> str | None:
    """RFC 5280 §4.2.2.1, §4.2.1.13: one URL each, below the PKI's."""
    access = [
        (description.access_method, description.access_location.value)
        for description in _value(certificate, x509.AuthorityInformationAccess)
    ]
    if access != [(AuthorityInformationAccessOID.CA_ISSUERS, f"{request.pki_url}/{issuer.id}.cer")]:
        return "the authority information access is wrong"
    points = [
        [name.value for name in point.full_name or ()] for point in _value(certificate, x509.CRLDistributionPoints)
    ]
    return None if points == [[f"{request.pki_url}/{issuer.id}.crl"]] else "the CRL distribution point is wrong"


def check_dns_names(certificate: x509.Certificate, request: Request, _issuer: Issuer) -> str | None:
    """Exactly the order's names, each once."""
    names = _value(certificate, x509.SubjectAlternativeName).get_values_for_type(x509.DNSName)
    return None if names == list(request.names) else "the dNSNames are not the order's"


def check_other_names(certificate: x509.Certificate, request: Request, _issuer: Issuer) -> str | None:
    """Each otherName leads back to one of the order's names, none is missing, none there twice or with a `*`."""
    found: list[tuple[str, str]] = []
    for general_name in _value(certificate, x509.SubjectAlternativeName):
        if isinstance(general_name, x509.DNSName):
            continue
        if not isinstance(general_name, x509.OtherName):
            return "the subjectAltName has a name of a kind that no profile builds"
        try:
            found.append(_claim(general_name))
        except ValueError as error:
            return f"an otherName is wrong: {error}"
    wanted = _claims(request)
    return None if sorted(found) == sorted(wanted) else "the otherNames are not the profile's"


CHECKS: tuple[Check, ...] = (
    check_extensions,
    check_version,
    check_serial,
    check_signature_algorithm,
    check_issuer,
    check_validity,
    check_subject,
    check_public_key,
    check_basic_constraints,
    check_usage,
    check_pointers,
    check_dns_names,
    check_other_names,
)
"""In the order they run: all but the first count on the extensions being there."""


def _claims(request: Request) -> list[tuple[str, str]]:
    """What the profile's otherNames claim: (service or `xmppAddr`, A-label name)."""
    claims: list[tuple[str, str]] = []
    for name in request.names:
        # RFC 6120 §13.7.1.2.2: a component has no clients.
        component = any(name.endswith("." + other) for other in request.names)
        if request.profile.srv_names:
            claims += [("_xmpp-server", name)] + ([] if component else [("_xmpp-client", name)])
        if request.profile.xmpp_addresses:
            claims.append(("xmppAddr", name))
    return claims


def _claim(name: x509.OtherName) -> tuple[str, str]:
    """What one otherName claims, read from its DER. Raises ValueError."""
    tag = _TAGS.get(name.type_id)
    if tag is None:
        raise ValueError("unknown type")
    content = _content(name.value, tag)
    if b"*" in content:
        raise ValueError("wildcard")
    if name.type_id == SRV_NAME:
        service, _dot, host = content.decode("ascii").partition(".")
        return service, host
    written = content.decode("utf-8")
    # Back from what a peer will read to the A-labels that were proven; pure ASCII stays what it is.
    labels = [label if label.isascii() else idna.alabel(label).decode("ascii") for label in written.split(".")]
    if any(label.startswith("xn--") for label in written.split(".")):
        raise ValueError("an xmppAddr in A-labels")
    return "xmppAddr", ".".join(labels)


def _content(der: bytes, tag: int) -> bytes:
    """The content of an otherName's string, which pyca has read as one DER value. Raises ValueError for another tag."""
    if der[0] != tag:
        raise ValueError("wrong string type")
    long_form = der[1] & _LONG_FORM  # X.690 §8.1.3.5
    return der[2 + (der[1] ^ _LONG_FORM if long_form else 0) :]


def _value(certificate: x509.Certificate, kind: type[_Value]) -> _Value:
    """An extension's value; `check_extensions` has seen that it is there."""
    return certificate.extensions.get_extension_for_class(kind).value
