"""Looks at every certificate before the issuer's key signs it: independent checks of what RFC 5280 and 6120 demand.

It never trusts the code that built the certificate: names are read back from the DER, not built a second time. A
finding is a fault of ours, never of the client. RFC 5280 §4, RFC 6120 §13.7.1, RFC 4985 §2, RFC 8738 §3, BR 7.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from typing import TypeVar, cast

import idna
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtensionOID, NameOID

from acme_server.issuance.authority import Issuer
from acme_server.issuance.profiles import MAX_LIFETIME, SRV_NAME, XMPP_ADDR, Request
from acme_server.issuance.serials import SERIAL_BITS
from acme_server.issuance.signers import hash_for

__all__ = ["CHECKS", "Check", "LintError", "lint"]

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


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A certificate, read once, and what it shall be."""

    certificate: x509.Certificate
    request: Request
    issuer: Issuer
    values: Mapping[type[x509.ExtensionType], x509.ExtensionType]
    """Its extensions by their kinds."""
    names: Mapping[type[x509.GeneralName], list[x509.GeneralName]]
    """Its subjectAltName by kinds of names."""

    def value(self, kind: type[_Value]) -> _Value:
        """An extension's value; `check_extensions` has seen that it is there."""
        return cast("_Value", self.values[kind])

    def asked(self, kind: str) -> list[str]:
        """The values of the request's identifiers of one type."""
        return [identifier.value for identifier in self.request.identifiers if identifier.type == kind]


Check = Callable[[_Candidate], str | None]
"""Says what is wrong, or None."""


def lint(certificate: x509.Certificate, request: Request, issuer: Issuer) -> None:
    """Run the checks. Raises LintError with the first finding."""
    values = {type(extension.value): extension.value for extension in certificate.extensions}
    names: dict[type[x509.GeneralName], list[x509.GeneralName]] = {}
    for name in cast("Iterable[x509.GeneralName]", values.get(x509.SubjectAlternativeName, ())):
        names.setdefault(type(name), []).append(name)
    candidate = _Candidate(certificate, request, issuer, values, names)
    for check in CHECKS:
        finding = check(candidate)
        if finding is not None:
            raise LintError(finding)


def check_version(candidate: _Candidate) -> str | None:
    """RFC 5280 §4.1.2.1: version 3 where there are extensions."""
    return None if candidate.certificate.version is x509.Version.v3 else "the version is not 3"


def check_serial(candidate: _Candidate) -> str | None:
    """RFC 5280 §4.1.2.2 and BR 7.1. One below 2^64 has all but surely not come from 159 random bits."""
    serial = candidate.certificate.serial_number
    return None if 1 << 64 <= serial < 1 << SERIAL_BITS else "the serial is out of range"


def check_signature_algorithm(candidate: _Candidate) -> str | None:
    """RFC 6120 §13.7.1.1: SHA-256 or better; here the hash that goes with the issuer's key."""
    used, expected = candidate.certificate.signature_hash_algorithm, hash_for(candidate.issuer.public_key)
    return None if used is not None and used.name == expected.name else "the signature's hash is not the issuer's"


def check_issuer(candidate: _Candidate) -> str | None:
    """RFC 5280 §4.1.2.4, §4.2.1.1: name and key identifier lead to the issuer."""
    issuer = candidate.issuer.certificate
    if candidate.certificate.issuer != issuer.subject:
        return "the issuer's name is wrong"
    above = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    if candidate.value(x509.AuthorityKeyIdentifier).key_identifier != above.digest:
        return "the authority key identifier is not the issuer's"
    return None


def check_validity(candidate: _Candidate) -> str | None:
    """RFC 5280 §4.1.2.5: within the profile's lifetime, our maximum and the issuer's life; RFC 8555 §7.4: as asked."""
    request, issuer = candidate.request, candidate.issuer.certificate
    start, end = candidate.certificate.not_valid_before_utc, candidate.certificate.not_valid_after_utc
    life = end - start + timedelta(seconds=1)
    if not timedelta(0) < life <= min(request.profile.lifetime, MAX_LIFETIME):
        return "the lifetime is not within the profile's"
    if start < issuer.not_valid_before_utc or end > issuer.not_valid_after_utc:
        return "the validity is not within the issuer's"
    if request.not_before not in {None, start} or request.not_after not in {None, end}:
        return "the validity is not the one asked for"
    return None


def check_subject(candidate: _Candidate) -> str | None:
    """RFC 6120 §13.7.1.1: not null; one attribute, a CN among the order's names, else the serial."""
    attributes = list(candidate.certificate.subject)
    if len(attributes) != 1:
        return "the subject has not exactly one attribute"
    kind, value = attributes[0].oid, attributes[0].value
    if kind == NameOID.COMMON_NAME:
        return None if value in candidate.asked("dns") else "the CN is not one of the order's names"
    serial_is_right = kind == NameOID.SERIAL_NUMBER and value == f"{candidate.certificate.serial_number:x}"
    return None if serial_is_right else "the subject is neither a name nor the serial"


def check_public_key(candidate: _Candidate) -> str | None:
    """The key is the request's, and its identifier that key's (RFC 5280 §4.2.1.2)."""
    key = candidate.request.public_key
    if candidate.certificate.public_key() != key:
        return "the public key is not the request's"
    expected = x509.SubjectKeyIdentifier.from_public_key(key)
    return None if candidate.value(x509.SubjectKeyIdentifier) == expected else "the key identifier is wrong"


def check_extensions(candidate: _Candidate) -> str | None:
    """Exactly ours, each as critical as it has to be (RFC 5280 §4.2)."""
    found = {extension.oid: extension.critical for extension in candidate.certificate.extensions}
    return None if found == _CRITICAL else "the extensions are not the profile's"


def check_basic_constraints(candidate: _Candidate) -> str | None:
    """RFC 6120 §13.7.1.1: no CA."""
    return "the certificate is one of a CA" if candidate.value(x509.BasicConstraints).ca else None


def check_usage(candidate: _Candidate) -> str | None:
    """RFC 5280 §4.2.1.3, §4.2.1.12: signatures, key transport for RSA alone, and the profile's purposes."""
    usage, request = candidate.value(x509.KeyUsage), candidate.request
    wanted = ["digital_signature"] + (["key_encipherment"] if isinstance(request.public_key, rsa.RSAPublicKey) else [])
    if [bit for bit in _USAGES if getattr(usage, bit)] != wanted:
        return "the key usage is not the profile's"
    purposes = tuple(candidate.value(x509.ExtendedKeyUsage))
    return None if purposes == request.profile.key_purposes else "the extended key usage is not the profile's"


def check_pointers(candidate: _Candidate) -> str | None:
    """RFC 5280 §4.2.2.1, §4.2.1.13: one URL each, below the PKI's."""
    url = f"{candidate.request.pki_url}/{candidate.issuer.id}"
    access = [
        (description.access_method, description.access_location.value)
        for description in candidate.value(x509.AuthorityInformationAccess)
    ]
    if access != [(AuthorityInformationAccessOID.CA_ISSUERS, f"{url}.cer")]:
        return "the authority information access is wrong"
    points = [[name.value for name in point.full_name or ()] for point in candidate.value(x509.CRLDistributionPoints)]
    return None if points == [[f"{url}.crl"]] else "the CRL distribution point is wrong"


def check_names(candidate: _Candidate) -> str | None:
    """Exactly the order's names and addresses as dNSNames and iPAddresses, each once, and no name of a foreign kind."""
    found = candidate.names
    if [name.value for name in found.get(x509.DNSName, ())] != candidate.asked("dns"):
        return "the dNSNames are not the order's"
    # RFC 8738 §3: octets in the certificate, text in the order.
    addresses = [ip_address(value) for value in candidate.asked("ip")]
    if [name.value for name in found.get(x509.IPAddress, ())] != addresses:
        return "the iPAddresses are not the order's"
    if not found.keys() <= {x509.DNSName, x509.IPAddress, x509.OtherName}:
        return "the subjectAltName has a name of a kind that no profile builds"
    return None


def check_other_names(candidate: _Candidate) -> str | None:
    """Each otherName leads back to one of the order's names, none is missing, none there twice or with a `*`."""
    others = cast("Iterable[x509.OtherName]", candidate.names.get(x509.OtherName, ()))
    try:
        found = sorted(_claim(name) for name in others)
        wanted = sorted(_claims(candidate))
    except ValueError as error:
        return f"an otherName is wrong: {error}"
    return None if found == wanted else "the otherNames are not the profile's"


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
    check_names,
    check_other_names,
)
"""In the order they run: all but the first count on the extensions being there."""


def _claims(candidate: _Candidate) -> list[tuple[str, str]]:
    """What the profile's otherNames claim: (service or `xmppAddr`, A-label name or JID). Raises ValueError."""
    profile, claims = candidate.request.profile, list[tuple[str, str]]()
    # A wildcard claims nothing of XMPP, and is nobody's parent.
    servers = [name for name in candidate.asked("dns") if "*" not in name]
    for name in servers:
        # RFC 6120 §13.7.1.2.2: a component has no clients.
        component = any(name.endswith("." + other) for other in servers)
        if profile.srv_names:
            claims += [("_xmpp-server", name)] + ([] if component else [("_xmpp-client", name)])
        if profile.xmpp_addresses:
            claims.append(("xmppAddr", name))
    return claims + [("xmppAddr", _in_a_labels(jid)) for jid in candidate.asked("jid")]


def _claim(name: x509.OtherName) -> tuple[str, str]:
    """What one otherName claims, read from its DER. Raises ValueError."""
    tag = _TAGS.get(name.type_id)
    if tag is None:
        raise ValueError("unknown type")
    content = _content(name.value, tag)
    if name.type_id == SRV_NAME:
        service, _dot, host = content.decode("ascii").partition(".")
        claim = service, host
    else:
        written = content.decode("utf-8")
        if "xn--" in written and any(label.startswith("xn--") for label in _domain(written).split(".")):
            raise ValueError("an xmppAddr in A-labels")
        # Back from what a peer will read to the A-labels that were proven.
        claim = "xmppAddr", _in_a_labels(written)
    if b"*" in content and "*" in _domain(claim[1]):
        raise ValueError("wildcard")
    return claim


def _domain(address: str) -> str:
    """The domain of a bare JID, with a localpart or without."""
    return address.rpartition("@")[2]


def _in_a_labels(address: str) -> str:
    """A bare JID with its domain in A-labels; pure ASCII stays what it is. Raises ValueError."""
    if address.isascii():
        return address
    domain = _domain(address)
    labels = [label if label.isascii() else idna.alabel(label).decode("ascii") for label in domain.split(".")]
    return address.removesuffix(domain) + ".".join(labels)


def _content(der: bytes, tag: int) -> bytes:
    """The content of an otherName's string, which pyca has read as one DER value. Raises ValueError for another tag."""
    if der[0] != tag:
        raise ValueError("wrong string type")
    long_form = der[1] & _LONG_FORM  # X.690 §8.1.3.5
    return der[2 + (der[1] ^ _LONG_FORM if long_form else 0) :]
